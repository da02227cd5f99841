# A filled slot's way to handlers and the courier: an entry in a ring, visible at the next flush().

cdef inline void publish(FeederSide side, uint32_t slot, uint32_t ring_no) noexcept nogil:
    """Write the slot's entry; visible to handlers at the next flush()."""
    cdef Slot *s = &side.slots[slot]
    cdef uint64_t *entries = side.ring.ready(side.seat, ring_no)
    side.seq = next_seq(side.seq)
    side.published[slot] = True
    s.run_next = 0
    s.since = side.clock
    # ORDER: the word is released after the slot's fields and bytes; the tail after the word.
    store_release_64(&s.word, pack(side.seq, 0, 0, READY))
    entries[side.tails[ring_no] & side.mask] = entry(side.seq, slot)
    side.tails[ring_no] += 1


cdef void publish_run(FeederSide side, uint32_t leader, uint32_t ring_no) noexcept nogil:
    """Publish the head of a chain, and behind it, as one piece, what waits for the same key."""
    cdef uint32_t n = 1
    cdef int32_t slot = side.chains.next[leader]
    cdef uint32_t *members = side.members
    cdef uint32_t i
    cdef uint32_t limit = side.h.run_limit if side.h.run_limit else side.run_limit
    while slot >= 0 and n < limit and n < side.count and word_state(side.slots[slot].word) == FILLED:
        members[n] = slot
        n += 1
        slot = side.chains.next[slot]
    # ORDER: the leader's seq, then each member's the next one: a handler that follows run_next proves by
    # the seq alone that the slot it meets belongs to the very run whose leader it claimed.
    cdef uint64_t first = next_seq(side.seq)
    side.seq = first
    for i in range(1, n):
        slot = members[i]
        side.seq = next_seq(side.seq)
        side.published[slot] = True
        side.slots[slot].run_next = 0 if i + 1 == n else members[i + 1] + 1
        side.slots[slot].since = side.clock
        store_release_64(&side.slots[slot].word, pack(side.seq, 0, 0, READY))
    side.slots[leader].run_next = 0 if n == 1 else members[1] + 1
    side.slots[leader].since = side.clock
    side.published[leader] = True
    # ORDER: the leader last: who claims it finds its members READY.
    store_release_64(&side.slots[leader].word, pack(first, 0, 0, READY))
    side.ring.ready(side.seat, ring_no)[side.tails[ring_no] & side.mask] = entry(first, leader)
    side.tails[ring_no] += 1


cdef void publish_again(FeederSide side, uint32_t slot, uint32_t ring_no) noexcept nogil:
    """A slot that came back unexecuted: publish it, or let it hang behind its key again.

    One of a partition that is going away stays FILLED instead. Published, a handler could begin here, once more,
    what the next owner is about to begin.
    """
    cdef int32_t member, before = <int32_t>slot
    if is_leaving(side, slot):
        side.published[slot] = False
        store_release_64(&side.slots[slot].word, pack(0, 0, 0, FILLED))
        return
    if side.chains.hash[slot] == 0:
        publish(side, slot, ring_no)
        return
    member = <int32_t>side.slots[slot].run_next - 1
    # The run is one piece: its members come back with their leader. ORDER: what was withdrawn from its end is no longer
    # behind it in its chain, and may be another message's slot by now.
    while member >= 0 and side.chains.next[before] == member:
        if not reclaim(side, member):
            break
        before, member = member, <int32_t>side.slots[member].run_next - 1
    side.published[slot] = False
    store_release_64(&side.slots[slot].word, pack(0, 0, 0, FILLED))
    if chain_is_head(&side.chains, slot):
        if ring_no == SUSPECT:
            publish(side, slot, ring_no)
        else:
            publish_run(side, slot, ring_no)


cdef bint reclaim(FeederSide side, uint32_t slot) noexcept nogil:
    """READY or CLAIMED -> FILLED, whoever has it. False when it is executing or beyond."""
    cdef Slot *s = &side.slots[slot]
    cdef uint64_t w
    cdef uint32_t state
    while True:
        w = load_acquire_64(&s.word)
        state = word_state(w)
        if state != READY and state != CLAIMED:
            return state == FILLED
        if swap_if_64(&s.word, w, pack(0, 0, 0, FILLED)):
            side.published[slot] = False
            return True


cdef uint64_t hold_ring(FeederSide side, uint32_t ring_no) noexcept nogil:
    """Move a ring's head over all that is unclaimed; returns where it was. Nobody claims until some is shown again.

    ORDER: one swap takes all. A handler that has read some of these entries loses its own swap on the head, reads
    again, and finds nothing. What it claimed before lies below the head that this swap proves.
    """
    cdef uint64_t *head = &side.head.heads[ring_no]
    cdef uint64_t at = load_acquire_64(head), tail = side.published_tails[ring_no]
    while at != tail and not swap_if_64(head, at, tail):
        at = load_acquire_64(head)
    return at


cdef void hold_entries(FeederSide side, uint64_t *held) noexcept nogil:
    """The same with all rings; `held` is where their heads were."""
    cdef uint32_t ring_no
    for ring_no in range(RINGS):
        held[ring_no] = hold_ring(side, ring_no)


cdef void show_held(FeederSide side, uint64_t *held) noexcept nogil:
    """What is still READY of what hold_entries() took is published again."""
    cdef uint64_t at, e, tail
    cdef uint32_t ring_no
    cdef uint64_t *entries
    for ring_no in range(RINGS):
        entries = side.ring.ready(side.seat, ring_no)
        tail = side.published_tails[ring_no]
        at = held[ring_no]
        while at < tail:
            e = entries[at & side.mask]
            at += 1
            if (entry_slot(e) < side.count
                    and load_acquire_64(&side.slots[entry_slot(e)].word) == pack(entry_seq(e), 0, 0, READY)):
                publish_again(side, entry_slot(e), ring_no)


cdef void skip_entries(FeederSide side) noexcept nogil:
    """Move the heads over entries whose slots are taken; what is READY is published again."""
    cdef uint64_t held[RINGS]
    hold_entries(side, held)
    show_held(side, held)


cdef uint32_t divert(FeederSide side, uint32_t keep, uint32_t most, uint64_t limit_bytes) noexcept nogil:
    """Take from the handlers what waits beyond the oldest `keep`, up to `most`, and send it to the courier.

    One larger than `limit_bytes` stays, and so does what was executed before, and what would leave handlers less
    than a quarter of the arena. Returns how many went.
    """
    cdef uint64_t *entries = side.ring.ready(side.seat, MAIN)
    cdef uint64_t at = load_acquire_64(&side.head.heads[MAIN]), tail = side.published_tails[MAIN], e
    cdef uint32_t slot, kept = 0, moved = 0, limit_blocks = side.arena.blocks - (side.arena.blocks >> 2)
    if most == 0 or side.courier_blocks >= limit_blocks or <int64_t>(tail - at) <= <int64_t>keep:
        return 0
    # ORDER: what stays is published again below, behind a new tail; what was claimed before is not looked at.
    at = hold_ring(side, MAIN)
    while at < tail:
        e = entries[at & side.mask]
        at += 1
        slot = entry_slot(e)
        # ORDER: no other entry names this publication of the slot, so nobody else can change its word.
        if slot >= side.count or load_acquire_64(&side.slots[slot].word) != pack(entry_seq(e), 0, 0, READY):
            continue
        if (kept < keep or moved == most or not is_fresh(side, slot, limit_bytes)
                or side.courier_blocks + blocks_of(side, &side.slots[slot]) > limit_blocks):
            publish(side, slot, MAIN)
            kept += 1
        else:
            side.slots[slot].detail_bytes = 0
            hand_over(side, slot, V_OVERFLOW)
            moved += 1
    show_all(side)
    return moved


cdef inline bint is_fresh(FeederSide side, uint32_t slot, uint64_t limit_bytes) noexcept nogil:
    """As it came from Kafka, and small enough: all that a frame can say of it."""
    cdef Slot *s = &side.slots[slot]
    return (s.attempt == 1 and s.crashes == 0 and s.meta_bytes == 0 and side.chains.hash[slot] == 0
            and <uint64_t>blocks_of(side, s) << side.block_shift <= limit_bytes)


cdef inline void hand_over(FeederSide side, uint32_t slot, uint8_t verdict) noexcept nogil:
    """The slot is the courier's from here until its ack."""
    side.slots[slot].verdict = verdict
    side.at_courier += 1
    side.courier_blocks += held_blocks(side, &side.slots[slot])
    to_courier(side, slot)


cdef void to_courier(FeederSide side, uint32_t slot) noexcept nogil:
    """Say it to the courier; said again to each new one."""
    cdef Slot *s = &side.slots[slot]
    side.seq = next_seq(side.seq)
    s.since = side.clock
    store_release_64(&s.word, pack(side.seq, 0, 0, COURIER))
    # Twice as long as there are slots: after a new courier's greeting each slot may stand in it twice.
    side.ring.courier_ring(side.seat)[side.courier_tail & (side.mask * 2 + 1)] = entry(side.seq, slot)
    side.courier_tail += 1


cdef inline bint show(FeederSide side, uint32_t ring_no) noexcept nogil:
    """Let handlers see what was published on this ring; True = there was something."""
    if side.tails[ring_no] == side.published_tails[ring_no]:
        return False
    store_release_64(&side.head.tails[ring_no], side.tails[ring_no])
    side.published_tails[ring_no] = side.tails[ring_no]
    return True


cdef void show_all(FeederSide side) noexcept nogil:
    """Make what was published visible, and wake whom it concerns."""
    store_relaxed_64(&side.head.seq, side.seq)
    if show(side, FRONT) | show(side, MAIN):
        full_fence()
        side.ring.wake_handler()
    if show(side, SUSPECT):
        fetch_add_32(&side.h.suspects, 1)
        full_fence()
        side.ring.wake_all_handlers()
    if side.courier_tail != side.published_courier:
        store_release_64(&side.head.courier_tail, side.courier_tail)
        side.published_courier = side.courier_tail
        full_fence()
        side.ring.wake_courier()
    # ORDER: after the tails: what has a later seq than `sent` was perhaps never visible. Whoever adopts
    # sends it again: twice is allowed, never is not.
    store_release_64(&side.head.sent, side.seq)
