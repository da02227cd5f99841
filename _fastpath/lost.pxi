# What handlers and couriers do not bring back themselves: claims behind a slow call, all that a dead one had.

cdef uint32_t take_back(FeederSide side, int64_t slow_ns) noexcept nogil:
    """Relieve every handler whose present call is older than this."""
    cdef uint32_t n, taken = 0
    cdef HandlerSeat *seat
    cdef uint64_t now = now_ns(), since
    # ORDER: at a stop a claim stays its handler's, which executes all of it before it ends. Taken back, it could
    # be published after the last handler has looked: a gap, above which all comes again at the next start.
    if load_acquire_32(&side.h.gate) & G_STOP:
        return 0
    for n in range(load_acquire_32(&side.h.seated)):
        seat = side.ring.seat(n)
        since = seat.busy_since_ns
        if since == 0 or since == side.relieved[n] or <int64_t>(now - since) < slow_ns:
            continue
        # What it holds for further batches may be of any feeder.
        if not seat.gathering and (seat.claim_count < 2 or seat.claim_feeder != <uint32_t>side.seat):
            continue
        side.relieved[n] = since
        taken += relieve(side, n)
    if taken:
        store_relaxed_64(&side.head.taken_back, side.head.taken_back + taken)
        show_all(side)
    return taken


cdef uint32_t relieve(FeederSide side, uint32_t n) noexcept nogil:
    """Take back all that handler `n` has claimed here and not begun."""
    cdef uint32_t slot, taken = 0
    cdef uint64_t w
    for slot in range(side.count):
        w = load_acquire_64(&side.slots[slot].word)
        if word_state(w) != CLAIMED or word_seat(w) != n or not chain_is_head(&side.chains, slot):
            continue
        # ORDER: the handler's own swap to EXECUTING is the only rival. Whoever loses skips the slot.
        if swap_if_64(&side.slots[slot].word, w, pack(0, 0, 0, FILLED)):
            publish_again(side, slot, FRONT)
            taken += 1
    return taken


cdef inline uint32_t claimed_ring(HandlerSeat *seat) noexcept nogil:
    return min(seat.claim_ring, <uint32_t>FRONT)


cdef void undo_claim(FeederSide side, HandlerSeat *seat) noexcept nogil:
    """Publish again what a dead handler's last claim took here and did not mark."""
    cdef uint32_t i, slot, ring_no = claimed_ring(seat)
    cdef uint64_t e, head = load_acquire_64(&side.head.heads[ring_no])
    cdef uint64_t *entries = side.ring.ready(side.seat, ring_no)
    if seat.claim_count == 0 or seat.claim_feeder != <uint32_t>side.seat:
        return
    if side.tails[ring_no] - seat.claim_head > side.count:
        publish_strays(side, ring_no)
        return
    for i in range(min(seat.claim_count, <uint32_t>MAX_CLAIM)):
        if seat.claim_head + i >= head:
            break
        e = entries[(seat.claim_head + i) & side.mask]
        slot = entry_slot(e)
        # ORDER: READY under a moved head: the dead seat claimed the entry and died before marking
        # the slot, or a live one is about to mark it. The swap makes the live one skip it.
        if slot < side.count and swap_if_64(
                &side.slots[slot].word, pack(entry_seq(e), 0, 0, READY), pack(0, 0, 0, FILLED)):
            publish_again(side, slot, ring_no)


cdef void publish_strays(FeederSide side, uint32_t ring_no) noexcept nogil:
    """The ring has come round since a dead handler's claim: publish again what is READY and stands nowhere.

    ORDER: the claim's cells are other entries by now, perhaps still unclaimed, so it is the slots that are asked.
    A slot that stands in no unclaimed entry is the dead one's, or a live one is about to mark it: the swap makes
    that one skip it. Members of a run stand nowhere either; they come with their leader, the head of their chain.
    """
    cdef uint32_t i, at_ring
    cdef uint64_t at, e, w
    memset(side.scratch, 0, side.count * sizeof(uint32_t))
    for at_ring in range(RINGS):
        for at in range(load_acquire_64(&side.head.heads[at_ring]), side.tails[at_ring]):
            e = side.ring.ready(side.seat, at_ring)[at & side.mask]
            if (entry_slot(e) < side.count and load_acquire_64(&side.slots[entry_slot(e)].word)
                    == pack(entry_seq(e), 0, 0, READY)):
                side.scratch[entry_slot(e)] = 1
    for i in range(side.count):
        w = load_acquire_64(&side.slots[i].word)
        if (word_state(w) == READY and not side.scratch[i] and chain_is_head(&side.chains, i)
                and swap_if_64(&side.slots[i].word, w, pack(0, 0, 0, FILLED))):
            publish_again(side, i, ring_no)


cdef int64_t claimed_suspect(FeederSide side, HandlerSeat *seat) noexcept nogil:
    """The slot that a seat's last claim took to execute alone; -1 = it took none here."""
    if claimed_ring(seat) != SUSPECT or seat.claim_feeder != <uint32_t>side.seat:
        return -1
    return entry_slot(side.ring.ready(side.seat, SUSPECT)[seat.claim_head & side.mask])


cdef uint32_t part_with(FeederSide side, uint32_t n) noexcept nogil:
    """Take everything from a dead handler. What it was calling is left in `scratch`, so many of them."""
    cdef HandlerSeat *seat = side.ring.seat(n)
    cdef uint32_t i, slot, back = 0, executing = 0, incarnation = seat.incarnation & 255, state
    cdef int64_t suspect = claimed_suspect(side, seat)
    cdef uint64_t w
    for i in range(side.count):
        w = load_acquire_64(&side.slots[i].word)
        state = word_state(w)
        if word_seat(w) != n or word_incarnation(w) != incarnation or state < CLAIMED or state == WAITING:
            continue
        if state == CLAIMED:
            if is_late(side, &side.slots[i]):
                release(side, i, False)
            else:
                store_release_64(&side.slots[i].word, pack(0, 0, 0, FILLED))
                side.published[i] = False
                back += 1
                side.scratch[side.count - back] = i
        elif state == EXECUTING:
            if is_late(side, &side.slots[i]):
                release(side, i, True)
            elif side.slots[i].flags & FLAG_KEPT:
                side.slots[i].flags &= ~<uint16_t>FLAG_KEPT
                side.slots[i].run_next = 0      # what hung behind it went back when its call ended
                store_release_64(&side.slots[i].word, pack(0, 0, 0, FILLED))
                side.published[i] = False
                back += 1
                side.scratch[side.count - back] = i
            else:
                store_release_64(&side.slots[i].word, pack(0, 0, 0, FILLED))
                side.published[i] = True    # only the decision about it may publish it
                side.scratch[executing] = i
                executing += 1
        elif state > VERDICT:
            conclude(side, i, state - VERDICT)
    for i in range(back):
        slot = side.scratch[side.count - 1 - i]
        # ORDER: run_next is kept: a handler that died between the leader and its members left them READY
        # without an entry of their own, and publish_again() brings them back with their leader.
        if word_state(side.slots[slot].word) == FILLED and not side.published[slot]:
            if slot == suspect:
                publish_again(side, slot, SUSPECT)
            elif chain_is_head(&side.chains, slot):
                publish_again(side, slot, FRONT)
    return executing


cdef list dead_seats(FeederSide side):
    cdef uint32_t n
    cdef HandlerSeat *seat
    found = []
    for n in range(load_acquire_32(&side.h.seated)):
        seat = side.ring.seat(n)
        if (load_acquire_32(&seat.state) == SEAT_DEAD
                and side.head.resolved[n] != (seat.incarnation & 255) | 0x100):
            found.append(n)
    return found


cdef tuple resolve(FeederSide side, uint32_t n):
    cdef HandlerSeat *seat = side.ring.seat(n)
    cdef uint32_t i, executing
    drain_acks(side, n)
    undo_claim(side, seat)
    executing = part_with(side, n)
    show_all(side)
    detail = PyBytes_FromStringAndSize(seat.detail, min(seat.detail_bytes, VERDICT_ROOM))
    return ([side.scratch[i] for i in range(executing)], seat.executing - min(seat.kept, seat.executing), seat.cause,
            detail)


cdef int64_t begun_to(FeederSide side, int index) noexcept nogil:
    """The highest offset of the partition that was begun, or is claimed and will be; -1 = none."""
    cdef uint32_t i, state
    cdef int64_t highest = side.windows[index].settled_to
    cdef Slot *s
    for i in range(side.count):
        s = &side.slots[i]
        if s.partition != index or s.offset <= highest or is_late(side, s):
            continue
        state = word_state(load_acquire_64(&s.word))
        if state == CLAIMED or state == EXECUTING or state == COURIER or state >= VERDICT:
            highest = s.offset
    return highest


cdef uint32_t withdraw(FeederSide side, int index, uint64_t limit_bytes, bint spare) noexcept nogil:
    """Take back of the partition what no handler executes. Returns slots still out of reach.

    What is fresh and no larger than `limit_bytes` goes to the courier with OVERFLOW instead of being freed. `spare`:
    what lies below something that was begun stays and is executed: taken back, it would be a gap, below which nothing
    counts as committed, and all that was done above it would come again. What an earlier epoch left unbegun (the log
    went back) is nobody's: freed, or it would stay FILLED for ever.
    """
    cdef uint32_t i, left = 0
    cdef uint64_t held[RINGS]
    cdef Window *w = &side.windows[index]
    show_all(side)
    # ORDER: nobody may claim between the look at what was begun and the taking back of what lies above it. (One
    # that has moved a head just before may still mark its slots: of its claim alone a later one may be executed
    # and an earlier one taken back.)
    hold_entries(side, held)
    w.leaving_from = min(w.leaving_from, begun_to(side, index) + 1 if spare else LEAVES)
    for i in range(side.count):
        if side.slots[i].partition == index:
            left += not withdrawn(side, i, limit_bytes)
    show_held(side, held)
    show_all(side)
    if left:
        hurry_gatherers(side)
    return left


cdef bint withdrawn(FeederSide side, uint32_t slot, uint64_t limit_bytes) noexcept nogil:
    """Take back one slot of a partition that is leaving; False = it is still to be waited for."""
    cdef Slot *s = &side.slots[slot]
    cdef bint late = is_late(side, s)
    cdef uint32_t state
    cdef uint64_t w
    while True:
        w = load_acquire_64(&s.word)
        state = word_state(w)
        if state == FREE:
            return True
        if state == EXECUTING or state == COURIER or state >= VERDICT:
            return late
        if not is_leaving(side, slot):
            return False
        # ORDER: the loser of this swap is a handler about to execute: its own swap fails and it skips the slot.
        if swap_if_64(&s.word, w, pack(word_seq(w), 0, 0, FILLED)):
            break
    if limit_bytes and not late and is_fresh(side, slot, limit_bytes):
        s.detail_bytes = 0
        hand_over(side, slot, V_OVERFLOW)
        return False
    release(side, slot, False)
    return True


cdef uint32_t in_flight(FeederSide side, int index, bint at_hand) noexcept nogil:
    cdef uint32_t i, state, n = 0
    for i in range(side.count):
        if side.slots[i].partition == index and side.slots[i].epoch == side.windows[index].epoch:
            state = word_state(load_acquire_64(&side.slots[i].word))
            n += state != FREE and (not at_hand or (state != FILLED and state != WAITING and state != COURIER))
    return n


cdef set executing_seats(FeederSide side, int index):
    cdef uint32_t i
    cdef uint64_t w
    seats = set()
    for i in range(side.count):
        w = load_acquire_64(&side.slots[i].word)
        if (word_state(w) == EXECUTING and side.slots[i].partition == index
                and side.slots[i].epoch == side.windows[index].epoch):
            seats.add(word_seat(w))
    return seats


cdef bint greet_courier(FeederSide side) noexcept nogil:
    """Send a new courier all that the last one had."""
    cdef uint32_t i, incarnation = load_acquire_32(&side.h.courier_incarnation)
    if incarnation == side.head.greeted:
        return False
    drain_acks(side, side.h.handlers)
    for i in range(side.count):
        if word_state(side.slots[i].word) == COURIER:
            to_courier(side, i)
    show_all(side)
    # ORDER: in shared memory and last: a feeder that dies half way leaves the greeting to the next one.
    store_release_32(&side.head.greeted, incarnation)
    return True


def courier_is_greeted(FeederSide side):
    """A courier has come, and has been sent what waited for one: what it is sent from now on, it gets once."""
    cdef uint32_t incarnation = load_acquire_32(&side.h.courier_incarnation)
    return incarnation != 0 and incarnation == side.head.greeted


def origin_of(FeederSide side, uint32_t slot):
    """(`topic:partition:offset`, processes that it killed) of the message in a slot: for the log."""
    cdef Slot *s
    if slot >= side.count:
        raise IndexError(f"the ring has no slot {slot}")
    s = &side.slots[slot]
    topic = side.ring.topic_of(side.seat, s.partition)
    return f"{topic}:{side.ring.partition_name(side.seat, s.partition).partition}:{s.offset}", s.crashes
