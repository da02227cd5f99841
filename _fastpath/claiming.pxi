# How a handler comes to its messages: gates, then one swap on a ring's head, then one on each slot.

cdef bint gated(HandlerSide side) noexcept nogil:
    cdef uint32_t gate = load_acquire_32(&side.h.gate), probes
    side.probing = False
    # A stop finishes what was begun: what came back from a slow call is older than what others have done since,
    # and left out it would be a gap below which nothing counts as committed.
    side.front_only = gate & G_STOP
    if gate & ~<uint32_t>(G_FLOOD | G_STOP):
        return True
    if side.h.paused_until_ns and <int64_t>side.h.paused_until_ns > now_ns():
        return True
    if gate & G_FLOOD:
        probes = load_acquire_32(&side.h.probes)
        if probes == 0 or not swap_if_32(&side.h.probes, probes, probes - 1):
            return True
        side.claim_limit = 1
        side.probing = True
    return False


cdef void return_probe(HandlerSide side) noexcept nogil:
    """Nothing was there to probe with: the probe is still to be made."""
    if side.probing:
        side.probing = False
        fetch_add_32(&side.h.probes, 1)


cdef uint32_t sleepers(HandlerSide side) noexcept nogil:
    cdef uint32_t w, n = 0
    cdef uint64_t mask
    for w in range((side.h.handlers + 63) // 64):
        mask = load_relaxed_64(&side.h.sleeping[w])
        while mask:
            mask &= mask - 1
            n += 1
    return n


cdef inline void prefetch_value(const char *at) noexcept nogil:
    """The first lines of a message's bytes; what follows the hardware guesses itself."""
    prefetch_read(at)
    prefetch_read(at + LINE_BYTES)
    prefetch_read(at + 2 * LINE_BYTES)
    prefetch_read(at + 3 * LINE_BYTES)


cdef uint32_t claim_from(HandlerSide side, uint32_t f, uint32_t ring_no, uint32_t limit) noexcept nogil:
    """Claim up to `limit` entries of one ring of one feeder: the slots are in `claimed`."""
    cdef FeederHead *fh = side.ring.feeder(f)
    cdef uint64_t *entries = side.ring.ready(f, ring_no)
    cdef uint64_t *head_at = &fh.heads[ring_no]
    cdef uint64_t *tail_at = &fh.tails[ring_no]
    cdef uint64_t head, tail, batch[MAX_CLAIM]
    cdef uint32_t n, i, got = 0, mask = side.h.slots - 1, slot, share
    while True:
        head = load_acquire_64(head_at)
        tail = load_acquire_64(tail_at)
        if <int64_t>(tail - head) <= 0:
            return 0
        share = <uint32_t>min(tail - head, <uint64_t>MAX_CLAIM * 64)
        if not side.greedy:
            share //= sleepers(side) + 1
        n = min(min(limit, share), <uint32_t>MAX_CLAIM) if share else 1
        # ORDER: the claim is announced before the head moves, so that whoever resolves this seat after
        # its death knows which entries it may have taken.
        store_release_32(&side.hs.claim_count, 0)
        side.hs.claim_feeder, side.hs.claim_ring, side.hs.claim_head = f, ring_no, head
        store_release_32(&side.hs.claim_count, n)
        for i in range(n):
            batch[i] = load_relaxed_64(&entries[(head + i) & mask])
        # ORDER: the head only grows, so a swap that succeeds proves that the entries just read were
        # these n and are nobody else's.
        if swap_if_64(head_at, head, head + n):
            break
    # PERF: the slots' lines are the feeder's core's: fetched together, not one after the other.
    for i in range(n):
        if entry_slot(batch[i]) < side.h.slots:
            prefetch_write(&side.ring.slots(f)[entry_slot(batch[i])])
    for i in range(n):
        slot = entry_slot(batch[i])
        if slot < side.h.slots and swap_if_64(
                &side.ring.slots(f)[slot].word, pack(entry_seq(batch[i]), 0, 0, READY),
                pack(entry_seq(batch[i]), side.seat, side.incarnation, CLAIMED)):
            side.words[got] = pack(entry_seq(batch[i]), side.seat, side.incarnation, CLAIMED)
            side.claimed[got] = slot
            prefetch_value(side.ring.bytes_of(f, &side.ring.slots(f)[slot]))
            got += 1
            claim_run(side, f, slot, entry_seq(batch[i]))
    if tail - head > n:
        side.ring.wake_handler()
    return got


cdef void claim_run(HandlerSide side, uint32_t f, uint32_t leader, uint64_t seq) noexcept nogil:
    """The slots behind a leader are claimed with it."""
    cdef Slot *slots = side.ring.slots(f)
    cdef uint32_t following = slots[leader].run_next
    # ORDER: the feeder may take the leader back meanwhile and use its slots again. A member's seq is its
    # predecessor's next one only in the publication whose leader was claimed, so a swap on the exact word
    # never takes a slot that stands there for another reason: nobody would ever execute it.
    while following and following <= side.h.slots:
        seq = next_seq(seq)
        if not swap_if_64(&slots[following - 1].word, pack(seq, 0, 0, READY),
                          pack(seq, side.seat, side.incarnation, CLAIMED)):
            break
        following = slots[following - 1].run_next


cdef int64_t claim_any(HandlerSide side, uint32_t limit) noexcept nogil:
    """Claim at the next feeder that has something, suspects first. The feeder, or -1."""
    cdef uint32_t i, hint = load_acquire_32(&side.h.suspects)
    cdef int64_t f, first
    side.alone = False
    if hint != side.suspects_seen and side.hs.executing == 0 and not side.front_only:
        f = next_admitted(side, side.next_feeder)
        first = f
        for i in range(side.h.feeders if f >= 0 else 0):
            while suspect_waits(side, <uint32_t>f):
                side.got = claim_from(side, <uint32_t>f, SUSPECT, 1)
                if side.got:
                    side.alone = True
                    return f
            f = next_admitted(side, <uint32_t>f + 1)
            if f < 0 or f == first:
                break
        # ORDER: the count was read before the rings: what was published since makes it differ again.
        side.suspects_seen = hint
    f = next_admitted(side, side.next_feeder)
    first = f
    for i in range(side.h.feeders if f >= 0 else 0):
        side.next_feeder = <uint32_t>f + 1
        side.got = claim_from(side, <uint32_t>f, FRONT, limit)
        if not side.got and not side.front_only:
            side.got = claim_from(side, <uint32_t>f, MAIN, limit)
        if side.got:
            return f
        f = next_admitted(side, side.next_feeder)
        if f < 0 or f == first:
            break
    store_release_32(&side.hs.claim_count, 0)
    return -1


cdef bint work_waits(HandlerSide side, bint suspects_only) noexcept nogil:
    """Could something be claimed, from any feeder?"""
    cdef int64_t f = next_admitted(side, 0), last = -1
    cdef FeederHead *fh
    while f > last:
        fh = side.ring.feeder(<uint32_t>f)
        if suspect_waits(side, <uint32_t>f) or not suspects_only and (
                load_acquire_64(&fh.tails[MAIN]) != load_acquire_64(&fh.heads[MAIN])
                or load_acquire_64(&fh.tails[FRONT]) != load_acquire_64(&fh.heads[FRONT])):
            return True
        last = f
        f = next_admitted(side, <uint32_t>f + 1)
    return False


cdef int64_t next_admitted(HandlerSide side, uint32_t at) noexcept nogil:
    """The first feeder from `at` on, round the table, from which may be claimed; -1 = there is none."""
    cdef uint32_t i, w, words = (side.h.feeders + 63) // 64
    cdef uint64_t mask, here
    at = at if at < side.h.feeders else 0
    here = ~<uint64_t>0 << (at & 63)
    for i in range(words + 1):
        w = ((at >> 6) + i) % words
        mask = load_acquire_64(&side.h.admitted[w])
        if i == 0:
            mask &= here
        elif i == words:
            mask &= ~here
        if mask:
            return w * 64 + lowest_bit(mask)
    return -1


cdef inline bint suspect_waits(HandlerSide side, uint32_t f) noexcept nogil:
    cdef FeederHead *fh = side.ring.feeder(f)
    return load_acquire_64(&fh.tails[SUSPECT]) != load_acquire_64(&fh.heads[SUSPECT])
