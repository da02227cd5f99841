# A claimed slot and the run of its key behind it: begun, called, left with a verdict, or given back.

cdef uint32_t serve_run(HandlerSide side, CallPlan plan, uint32_t f, uint32_t slot, uint64_t word):
    """Execute a claimed slot and the run behind it."""
    cdef Slot *s
    cdef uint32_t code, executed = 0, following
    cdef uint64_t seq, began_ns = side.hs.busy_since_ns
    while True:
        s = &side.ring.slots(f)[slot]
        seq = word_seq(word)
        following = s.run_next
        if side.returning:
            if swap_if_64(&s.word, word, pack(seq, side.seat, side.incarnation, VERDICT + V_RETURNED)):
                side.push_ack(f, slot, seq)
                side.ring.hurry_feeder(f)
                if following:
                    return_run(side, f, following - 1)
            return executed
        side.hs.executing = side.kept_count + 1
        # ORDER: the feeder may take a claimed slot back until this swap; whoever loses skips the slot,
        # and the run behind it belongs to the winner.
        if not swap_if_64(&s.word, word, pack(seq, side.seat, side.incarnation, EXECUTING)):
            side.hs.executing = side.kept_count
            return executed
        side.run_follows = following != 0
        side.at_feeder, side.at_slot = f, slot + 1
        code = execute(side, plan, f, slot, s)
        side.at_slot = 0
        if side.sent is not None and is_kept(side, f, slot, s, code):
            tally(side, 0)
            if following:
                return_run(side, f, following - 1)
            return executed + 1
        side.leave_verdict(f, slot, seq, code)
        side.hs.executing = side.kept_count
        tally(side, code)
        executed += 1
        if code == V_PAUSE:
            side.returning = True
        if not following:
            return executed
        # PERF: as of the last call that was timed: no look at the clock of its own.
        if (code == V_RETRY or code == V_PAUSE or side.probing
                or (side.hs.busy_since_ns - began_ns > RUN_NS and is_others_turn(side))):
            return_run(side, f, following - 1)
            return executed
        slot = following - 1
        word = pack(next_seq(seq), side.seat, side.incarnation, CLAIMED)


cdef bint is_others_turn(HandlerSide side) noexcept nogil:
    """A long run keeps other keys waiting, and is far ahead of what lies below it when its partition goes away."""
    return load_relaxed_32(&side.h.run_limit) == 0 and work_waits(side, False)


cdef void return_run(HandlerSide side, uint32_t f, uint32_t slot) noexcept nogil:
    """What hangs behind a message that must be tried again goes back to its feeder, last one first.

    ORDER: all of it is looked up before any of it is given back: the feeder writes run_next of what it has.
    """
    cdef uint32_t *run = side.run
    cdef uint32_t n = 0, following = slot + 1
    cdef uint64_t w
    cdef bint given_back = False
    while following and following <= side.h.slots and n < side.h.slots:
        run[n] = following - 1
        n += 1
        following = side.ring.slots(f)[following - 1].run_next
    while n:
        n -= 1
        w = load_acquire_64(&side.ring.slots(f)[run[n]].word)
        if (word_state(w) == CLAIMED and word_seat(w) == <uint32_t>side.seat
                and swap_if_64(&side.ring.slots(f)[run[n]].word, w,
                               pack(word_seq(w), side.seat, side.incarnation, VERDICT + V_RETURNED))):
            side.push_ack(f, run[n], word_seq(w))
            given_back = True
    if given_back:
        side.ring.hurry_feeder(f)       # its keys wait for it
