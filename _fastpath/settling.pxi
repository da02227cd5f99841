# What comes back: acks are checked, verdicts acted on, slots and their blocks freed.

cdef inline bint is_late(FeederSide side, Slot *s) noexcept nogil:
    return s.epoch != side.windows[s.partition].epoch


cdef inline bint is_leaving(FeederSide side, uint32_t slot) noexcept nogil:
    cdef Slot *s = &side.slots[slot]
    cdef int64_t leaving_from = side.windows[s.partition].leaving_from
    return leaving_from != STAYS and (s.offset >= leaving_from or is_late(side, s))


cdef void release(FeederSide side, uint32_t slot, bint settled) noexcept nogil:
    """Free the slot and its blocks. `settled`: its message is finished with, so its offset may pass."""
    cdef Slot *s = &side.slots[slot]
    cdef int32_t following = -1
    if is_late(side, s):
        if settled:
            store_relaxed_64(&side.head.late, side.head.late + 1)
    elif settled:
        if side.tagged:
            side.settled_tags[side.settled_tag_count] = side.tags[slot]
            side.settled_tag_count += 1
        else:
            window_settle(&side.windows[s.partition], s.offset)
        store_relaxed_64(&side.head.settled, side.head.settled + 1)
    if s.flags & FLAG_ANNEX:
        clear_annex(side, s)
    else:
        arena_free(&side.arena, s.block, blocks_of(side, s))
    if side.order:
        following = chain_remove(&side.chains, slot)
    store_release_64(&s.word, 0)
    side.free_slots[side.free_count] = slot
    side.free_count += 1
    if following >= 0 and not side.published[following] and not is_leaving(side, following):
        publish_run(side, following, MAIN)


cdef void conclude(FeederSide side, uint32_t slot, uint32_t code) noexcept nogil:
    """Act on a verdict."""
    cdef Slot *s = &side.slots[slot]
    if code == V_DONE or code == V_SKIP or (is_late(side, s) and code != V_RETURNED):
        # LOSS: a late message was not committed by us; whoever owns the partition reads it again.
        release(side, slot, True)
    elif code == V_RETURNED:
        if is_late(side, s):
            release(side, slot, False)
        else:
            s.run_next = 0
            publish_again(side, slot, FRONT)
    elif code == V_DEAD or code == V_CHANNEL or (code == V_RETRY and side.order == 0):
        hand_over(side, slot, <uint8_t>code)
    else:
        store_release_64(&s.word, pack(word_seq(s.word), 0, code, WAITING))
        if not side.in_events[slot]:
            side.in_events[slot] = True
            side.event_slots[side.event_count] = slot
            side.event_count += 1


cdef void accept_ack(FeederSide side, uint32_t seat, uint64_t e) noexcept nogil:
    cdef uint32_t slot = entry_slot(e), state
    cdef uint64_t w
    if slot >= side.count:
        store_relaxed_64(&side.head.refused_acks, side.head.refused_acks + 1)
        return
    w = load_acquire_64(&side.slots[slot].word)
    state = word_state(w)
    if word_seq(w) != entry_seq(e):
        store_relaxed_64(&side.head.refused_acks, side.head.refused_acks + 1)
    elif seat == side.h.handlers and state == COURIER:
        side.at_courier -= 1
        side.courier_blocks -= held_blocks(side, &side.slots[slot])
        side.carried += 1
        release(side, slot, True)
    elif seat != side.h.handlers and state > VERDICT and word_seat(w) == seat:
        conclude(side, slot, state - VERDICT)
    else:
        store_relaxed_64(&side.head.refused_acks, side.head.refused_acks + 1)


cdef enum:
    ACKS_AHEAD = 8


cdef uint32_t drain_acks(FeederSide side, uint32_t seat) noexcept nogil:
    cdef AckRing *acks = side.ring.acks(side.seat, seat)
    cdef uint64_t *entries = <uint64_t *>(<char *>acks + sizeof(AckRing))
    cdef uint64_t tail = load_acquire_64(&acks.tail), at = acks.head
    cdef uint32_t n, ahead
    if tail - at > side.count:
        at = tail - side.count      # no honest handler gets here: look at each cell once, believe none
    n = <uint32_t>(tail - at)
    while at != tail:
        # PERF: a settled slot's line is its handler's core's; the look-ahead hides the way.
        ahead = entry_slot(entries[(at + ACKS_AHEAD) & side.mask])
        if ahead < side.count:
            prefetch_write(&side.slots[ahead])
        accept_ack(side, seat, entries[at & side.mask])
        at += 1
    if n:
        store_release_64(&acks.head, at)
    return n


cdef uint64_t acks_waiting(FeederSide side) noexcept nogil:
    cdef uint32_t seat
    cdef AckRing *acks = side.ring.acks(side.seat, side.h.handlers)
    cdef uint64_t n = load_acquire_64(&acks.tail) - acks.head
    for seat in range(load_acquire_32(&side.h.seated)):
        acks = side.ring.acks(side.seat, seat)
        n += load_acquire_64(&acks.tail) - acks.head
    return n


cdef list take_events(FeederSide side):
    cdef uint32_t i, slot, n = side.event_count
    side.event_count = 0
    found = []
    for i in range(n):
        slot = side.event_slots[i]
        side.in_events[slot] = False
        if word_state(side.slots[slot].word) == WAITING:
            found.append((slot, word_incarnation(side.slots[slot].word), side.slots[slot].attempt,
                          side.detail(slot)))
    return found
