# Verdicts that are kept back: the call has ended, what it sent is not delivered yet.
#
# LOSS: until settle() the slot stays EXECUTING: nothing counts as committed behind it, and when this process dies
# it is executed again. Its call had ended, so nothing that happens to the process is its doing. Other messages are
# executed meanwhile; a suspect still has its process for itself.


cdef bint is_kept(HandlerSide side, uint32_t f, uint32_t slot, Slot *s, uint32_t code):
    """Keep back the verdict of a call that sent something; one that failed anyway need not wait."""
    cdef Outbox sent = side.sent
    side.sent = None
    if code != V_DONE and code != V_SKIP and code != V_CHANNEL:
        return False
    sent.feeder, sent.slot, sent.word = f, slot, load_relaxed_64(&s.word)
    sent.attempt, sent.suspect, sent.code = s.attempt, side.alone, code
    side.suspect_inside = side.suspect_inside or side.alone
    s.flags |= FLAG_KEPT
    side.kept_count += 1
    side.hs.kept = side.kept_count
    sent.keeper = side
    if sent.waiting == 0:       # another thread has served the last report meanwhile
        side.emptied.append(sent)
    return True


cdef list settle_delivered(HandlerSide side):
    """Leave the verdicts of which nothing is on its way any more, but for those where something failed."""
    cdef Outbox sent
    failed = []
    if not side.emptied:
        return failed
    if side.disowned_:
        _exit(0)
    emptied, side.emptied = side.emptied, []
    for sent in emptied:
        keeper, sent.keeper = sent.keeper, None
        if keeper is None:
            continue
        if sent.failures:
            failed.append((claim_of(side, sent), sent.failure))
            continue
        if sent.suspect:
            side.suspect_inside = False
        if load_relaxed_64(&side.ring.slots(sent.feeder)[sent.slot].word) == sent.word:
            release_kept(side, sent.feeder, sent.slot, sent.code)
    return failed


cdef Claim claim_of(HandlerSide side, Outbox sent):
    cdef Claim c = Claim.__new__(Claim)
    c.side, c.feeder, c.slot, c.word = side, sent.feeder, sent.slot, sent.word
    c.attempt, c.suspect, c.kept = sent.attempt, sent.suspect, True
    return c


cdef int settle_otherwise(HandlerSide side, Claim claim, int verdict, bytes detail) except -1:
    """Leave another verdict than the one that was kept back."""
    if side.disowned_:
        _exit(0)
    if claim.side is not side or not claim.kept:
        raise ValueError("the verdict of this claim is not kept back here")
    check_verdict(verdict)
    claim.side = None
    if claim.suspect:
        side.suspect_inside = False
    if load_relaxed_64(&side.ring.slots(claim.feeder)[claim.slot].word) != claim.word:
        return 0                # given back by return_kept()
    side.write_detail(claim.feeder, claim.slot, detail)
    release_kept(side, claim.feeder, claim.slot, verdict)
    return 0


cdef void release_kept(HandlerSide side, uint32_t f, uint32_t slot, uint32_t code) noexcept nogil:
    cdef Slot *s = &side.ring.slots(f)[slot]
    s.flags &= ~<uint16_t>FLAG_KEPT
    side.leave_verdict(f, slot, word_seq(load_relaxed_64(&s.word)), code)
    side.kept_count -= 1
    side.hs.kept = side.kept_count
    side.hs.executing = side.kept_count
    if code != V_RETURNED:
        count_verdict(side.hs, code)
        side.nudge(f)


cdef uint32_t return_kept(HandlerSide side) noexcept nogil:
    """All that is kept back comes again: nothing is left to wait for here. How many."""
    cdef uint32_t f, slot, returned = 0
    cdef uint64_t word
    cdef Slot *s
    for f in range(side.h.feeders):
        for slot in range(side.h.slots):
            s = &side.ring.slots(f)[slot]
            word = load_relaxed_64(&s.word)
            if (word_state(word) == EXECUTING and word_seat(word) == <uint32_t>side.seat
                    and word_incarnation(word) == side.incarnation and s.flags & FLAG_KEPT):
                s.detail_bytes = 0
                release_kept(side, f, slot, V_RETURNED)
                returned += 1
    return returned
