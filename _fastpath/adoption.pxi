# What a feeder does with the area that an earlier one left: it may have died between any two stores.

cdef adopt(FeederSide side, int incarnation):
    """Take over the area: hold what handlers and the courier still have, free the rest."""
    cdef uint32_t i
    cdef PartitionName *name
    # ORDER: before any seat is looked at: from here on the supervisor waits for this feeder's resolved()
    # before it gives a dead handler's seat to another.
    fetch_and_64(&side.h.admitted[side.seat >> 6], ~(<uint64_t>1 << (side.seat & 63)))
    store_release_32(&side.head.state, SEAT_ADOPTING)
    full_fence()
    for i in range(side.head.partitions):
        name = side.ring.partition_name(side.seat, i)
        side.indexes[(side.ring.topic_of(side.seat, i), name.partition)] = i
        tell_partition(side, i, -1, -1, False)      # it is not ours before it is assigned
    # ORDER: seq may have run ahead of what was stored when the earlier feeder died; a jump beyond
    # anything it can have published since keeps every (slot, seq) unique.
    side.seq = (side.head.seq + SEQ_JUMP) % SEQ_ROOM
    store_release_64(&side.head.seq, side.seq)
    side.head.epoch += 1
    for i in range(RINGS):
        side.tails[i] = side.published_tails[i] = load_acquire_64(&side.head.tails[i])
    side.courier_tail = side.published_courier = load_acquire_64(&side.head.courier_tail)
    free_or_hold(side)
    if side.tagged:
        tell_member(side, b"")      # ORDER: what the last one's handlers still have is marked late before
    skip_entries(side)
    # ORDER: acks first, so that the ack rings are empty before a slot is used again (each has room for
    # one ack a slot), and no verdict that arrived is taken for an orphan's.
    side.settle()
    for i in range(side.count):
        if is_orphan(side, i):
            release(side, i, False)
        elif word_state(side.slots[i].word) == COURIER and was_never_sent(side, i):
            to_courier(side, i)
    show_all(side)
    side.head.incarnation = incarnation
    side.head.pid = getpid()
    store_release_32(&side.head.state, SEAT_ADMITTED)
    fetch_or_64(&side.h.admitted[side.seat >> 6], <uint64_t>1 << (side.seat & 63))


cdef void free_or_hold(FeederSide side) noexcept nogil:
    cdef int64_t i
    cdef uint32_t state
    cdef uint64_t w
    side.free_count = 0
    for i in range(side.count - 1, -1, -1):
        while True:
            w = load_acquire_64(&side.slots[i].word)
            state = word_state(w)
            if state == EXECUTING or state == COURIER or state >= VERDICT:
                hold(side, i)
                break
            # ORDER: the rivals are handlers about to claim or to execute; the loser leaves the slot alone.
            if swap_if_64(&side.slots[i].word, w, 0):
                side.free_slots[side.free_count] = i
                side.free_count += 1
                break


cdef bint is_orphan(FeederSide side, uint32_t slot) noexcept nogil:
    """Held for a handler that is gone: it died, or its seat was given on while no feeder sat here."""
    cdef uint64_t w = load_acquire_64(&side.slots[slot].word)
    cdef HandlerSeat *seat
    if word_state(w) != EXECUTING and word_state(w) < VERDICT:
        return False
    if word_seat(w) >= side.h.handlers:
        return True
    seat = side.ring.seat(word_seat(w))
    return load_acquire_32(&seat.state) != SEAT_ADMITTED or seat.incarnation & 255 != word_incarnation(w)


cdef bint was_never_sent(FeederSide side, uint32_t slot) noexcept nogil:
    """A feeder died between the slot's word and the courier ring's tail."""
    cdef uint64_t ahead = (word_seq(side.slots[slot].word) - side.head.sent) % SEQ_ROOM
    return 0 < ahead < SEQ_ROOM // 2


cdef void hold(FeederSide side, uint32_t slot) noexcept nogil:
    """Keep a slot that an earlier incarnation handed out: its blocks, and its place in its key's order."""
    cdef Slot *s = &side.slots[slot]
    s.epoch = NO_EPOCH          # late, whatever epochs follow: its offset is read again
    if word_state(s.word) == COURIER:
        side.at_courier += 1
        side.courier_blocks += held_blocks(side, s)
    if s.flags & FLAG_ANNEX:
        side.annex_busy, side.annex_slot = True, slot
    else:
        arena_mark(&side.arena, s.block, blocks_of(side, s))
    side.published[slot] = True
    if side.order:
        chain_append(&side.chains, slot, hash_of(side, s))
