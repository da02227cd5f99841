# How a batch comes together: claims held until there are enough of them, or it is time.
#
# ORDER: what is held stays CLAIMED. A partition that goes away takes it back, a handler that dies here has begun
# nothing, so nothing of it is suspected; the step to EXECUTING is the batch's own, in batches.pxi.

cdef struct Held:
    uint64_t word
    uint32_t feeder, slot
    uint32_t attempt, partition
    bint follows            # hangs behind the one before it: the same key


@cython.final
cdef class BatchPlan:
    """How messages become calls of many.

    `plan`: one message's decoding, its `call` takes lists. `settle`: (batch, result, error) -> iterator of
    batches to be called next, asked about all but a None result. `messages`, `size_bytes`: the most of a batch.
    `read`: (bytes, message) -> value, instead of the plan's decoder. `wait_s`: how long one that is not full waits.
    `attempts`: a message's last call, which it has for itself unless it is its first. `order`: 0 none, 1 key,
    2 partition.
    """
    cdef CallPlan plan
    cdef object settle, read
    cdef uint32_t messages, attempts, order
    cdef uint64_t size_bytes
    cdef int64_t wait_ns

    def __init__(self, CallPlan plan, settle, *, uint32_t messages, uint64_t size_bytes, double wait_s,
                 uint32_t attempts, uint32_t order=0, read=None):
        self.plan, self.settle, self.read = plan, settle, read
        self.messages, self.size_bytes, self.wait_ns = max(1, messages), size_bytes, <int64_t>(wait_s * 1e9)
        self.attempts, self.order = attempts, order


cdef inline uint32_t most_of(BatchPlan plan, uint32_t attempt) noexcept nogil:
    """The most messages that may share a call with one of this attempt: an eighth at each, one at the last."""
    if attempt <= 1:
        return plan.messages
    if attempt >= plan.attempts or attempt > 7:
        return 1
    return max(<uint32_t>1, plan.messages >> 3 * (attempt - 1))


cdef inline uint64_t size_of(Slot *s) noexcept nogil:
    return (s.headers_bytes + (s.key_bytes if s.key_bytes != ABSENT else 0)
            + (s.value_bytes if s.value_bytes != ABSENT else 0))


cdef int make_room(HandlerSide side, BatchPlan plan) except -1:
    """Room for what may be held; runs of a key may be as long as a batch."""
    cdef uint32_t most = min(plan.messages, side.h.slots)
    if side.held_room >= most:
        return 0
    cdef void *held = realloc(side.held, most * sizeof(Held))
    if held == NULL:
        raise MemoryError("no memory for a batch")
    side.held, side.held_room = <Held *>held, most
    return 0


cdef void gather(HandlerSide side, BatchPlan plan, uint32_t limit) noexcept nogil:
    """Claim until `limit` are held, no more are there, or no more may be claimed."""
    cdef int64_t f
    cdef uint32_t i, want
    while side.held_count < limit and not side.going:
        # What was claimed before a gate closed is executed; nothing joins it.
        if side.held_count and load_acquire_32(&side.h.gate):
            return
        want = wanted(side, plan, limit - side.held_count)
        side.claim_limit = want
        if gated(side):
            return
        # ORDER: before the claim: a feeder that finds it where it wants it counts after.
        if side.held_count == 0:
            side.hurry_seen = load_acquire_32(&side.h.hurry)
        f = claim_more(side, plan, side.claim_limit)
        if f < 0:
            return_probe(side)
            return
        if side.held_count == 0:
            begin_gathering(side, plan)
        add(&side.hs.claims, 1)
        for i in range(side.got):
            if side.alone:
                side.suspect = True
                side.suspect_held = held_slot(side, <uint32_t>f, side.claimed[i], side.words[i], False)
            else:
                hold_run(side, plan, <uint32_t>f, i, limit)
        store_release_32(&side.hs.claim_count, 0)
        if side.suspect:
            return
        if side.probing:
            side.going = True


cdef inline Held held_slot(HandlerSide side, uint32_t f, uint32_t slot, uint64_t word, bint follows) noexcept nogil:
    """What is remembered of a claimed slot: taken back meanwhile, it may be another message's when it is called."""
    cdef Slot *s = &side.ring.slots(f)[slot]
    return Held(word, f, slot, s.attempt, s.partition, follows)


cdef int64_t claim_more(HandlerSide side, BatchPlan plan, uint32_t limit) noexcept nogil:
    """Claim where something is; the feeder, or -1. No shares here: whoever gathers is to get enough."""
    cdef int64_t f = -1
    side.greedy = True
    side.got = 0
    # With an order calls are of one partition, so a feeder that has more comes before the others.
    if plan.order and side.held_count:
        f = side.held[side.held_count - 1].feeder
        side.alone = False
        # ORDER: what a dead feeder has left is read again: nobody begins it.
        if next_admitted(side, <uint32_t>f) == f:
            side.got = claim_from(side, <uint32_t>f, FRONT, limit)
            if not side.got and not side.front_only:
                side.got = claim_from(side, <uint32_t>f, MAIN, limit)
    if not side.got:
        f = claim_any(side, limit)
    side.greedy = False
    return f


cdef uint32_t wanted(HandlerSide side, BatchPlan plan, uint32_t room) noexcept nogil:
    """Leaders to claim: by what their runs and their bytes were like so far, so that little is given back."""
    cdef uint64_t left = plan.size_bytes - side.held_bytes if side.held_bytes < plan.size_bytes else 0
    room = min(room, <uint32_t>MAX_CLAIM)
    if side.mean_bytes and left // side.mean_bytes < room:
        room = <uint32_t>(left // side.mean_bytes) + 1
    if side.mean_run > 1 and room > 1:
        room = room // side.mean_run + 1
    return room


cdef void begin_gathering(HandlerSide side, BatchPlan plan) noexcept nogil:
    side.due_ns = now_ns() + plan.wait_ns
    store_release_32(&side.hs.gathering, 1)
    # What came back to its feeder has waited before.
    if plan.order and (side.waited or side.hs.claim_ring == FRONT):
        side.due_ns = 0


cdef void hold_run(HandlerSide side, BatchPlan plan, uint32_t f, uint32_t n, uint32_t limit) noexcept nogil:
    """Hold the nth claimed slot and the run behind it, as far as it may be in one call; the rest goes back."""
    cdef uint32_t slot = side.claimed[n], count = 0, attempt
    cdef uint64_t word = side.words[n], size, before = side.held_bytes
    cdef Slot *s = &side.ring.slots(f)[slot]
    attempt = s.attempt
    cdef uint32_t most = 1 if side.probing else min(most_of(plan, attempt), limit - side.held_count)
    while True:
        size = size_of(s)
        if (count == most or s.attempt != attempt
                or (side.held_count and side.held_bytes + size > plan.size_bytes)):
            side.going = side.going or s.attempt == attempt and (
                limit == side.held_count or side.held_bytes + size > plan.size_bytes)
            return_run(side, f, slot)
            break
        side.held[side.held_count] = held_slot(side, f, slot, word, count > 0)
        side.held_count += 1
        side.held_bytes += size
        count += 1
        if not s.run_next:
            break
        slot = s.run_next - 1
        s = &side.ring.slots(f)[slot]
        word = pack(next_seq(word_seq(word)), side.seat, side.incarnation, CLAIMED)
        # ORDER: a member that is not ours was taken back with all behind it.
        if load_acquire_64(&s.word) != word:
            break
    if count:
        side.mean_run = (side.mean_run * 3 + count + 3) // 4
        side.mean_bytes = (side.mean_bytes * 7 + (side.held_bytes - before) // count + 7) // 8


cdef bint is_time(HandlerSide side, BatchPlan plan, uint32_t limit) noexcept nogil:
    """Whether what is held is called now."""
    if side.suspect or side.going or side.held_count >= limit or load_acquire_32(&side.h.hurry) != side.hurry_seen:
        return True
    if load_acquire_32(&side.h.gate) or somebody_is_full(side):
        return True
    cdef int64_t now = now_ns()
    return now >= side.due_ns or now < <int64_t>load_acquire_64(&side.h.paused_until_ns)


cdef bint somebody_is_full(HandlerSide side) noexcept nogil:
    """A feeder without room waits for what is held here."""
    cdef int64_t f = next_admitted(side, 0), last = -1
    while f > last:
        if load_acquire_32(&side.ring.feeder(<uint32_t>f).sleeping) & ROOMY:
            return True
        last = f
        f = next_admitted(side, <uint32_t>f + 1)
    return False


cdef bint returned_for_more(HandlerSide side, BatchPlan plan) noexcept nogil:
    """Order partition: what came since hangs behind what is held. Given back, all of it comes as one run."""
    cdef int64_t f, last = -1
    cdef uint32_t used = 0
    if plan.order != 2 or side.waited or side.due_ns == 0 or side.going or load_acquire_32(&side.h.gate):
        return False
    f = next_admitted(side, 0)
    while f > last:
        used += load_relaxed_32(&side.ring.feeder(<uint32_t>f).used_slots)
        last = f
        f = next_admitted(side, <uint32_t>f + 1)
    if used <= side.held_count:
        return False
    return_held(side)
    side.waited = True
    return True


cdef void return_held(HandlerSide side) noexcept nogil:
    """All that is held, to its feeders, unexecuted."""
    cdef uint32_t i
    for i in range(side.held_count):
        if not side.held[i].follows:
            return_run(side, side.held[i].feeder, side.held[i].slot)
    end_gathering(side)


cdef void end_gathering(HandlerSide side) noexcept nogil:
    side.held_count = 0
    side.held_bytes = 0
    side.going = False
    side.waited = False
    store_release_32(&side.hs.gathering, 0)


cdef uint32_t take_group(HandlerSide side, BatchPlan plan, Held *group) noexcept nogil:
    """Of what is held, those that may be in one call with the first; runs stay whole. How many."""
    cdef uint32_t i = 0, run, n = 0, kept = 0, most, attempt
    cdef Held *held = side.held
    if side.suspect:
        side.suspect = False
        group[0] = side.suspect_held
        if side.held_count == 0:
            end_gathering(side)
        return 1
    most = most_of(plan, held[0].attempt)
    while i < side.held_count:
        attempt = held[i].attempt
        run = 1
        while i + run < side.held_count and held[i + run].follows:
            run += 1
        if n == 0 or goes_with(plan, &held[i], &group[0]) and n + run <= min(most, most_of(plan, attempt)):
            most = min(most, most_of(plan, attempt))
            while run:
                group[n] = held[i]
                n, i, run = n + 1, i + 1, run - 1
        else:
            while run:
                held[kept] = held[i]
                kept, i, run = kept + 1, i + 1, run - 1
    side.held_count = kept
    if kept == 0:
        end_gathering(side)
    return n


cdef inline bint goes_with(BatchPlan plan, Held *one, Held *first) noexcept nogil:
    """Fresh ones and retried ones never share a call; with an order they are of one partition."""
    if (one.attempt > 1) != (first.attempt > 1):
        return False
    return not plan.order or (one.feeder == first.feeder and one.partition == first.partition)


cdef void hurry_gatherers(FeederSide side) noexcept nogil:
    """What handlers hold for a batch is wanted: they call it now."""
    cdef uint32_t n
    cdef uint64_t bit
    cdef HandlerSeat *seat
    # ORDER: counted before the seats are looked at; a gatherer tells that it gathers, then looks at the count.
    fetch_add_32(&side.h.hurry, 1)
    full_fence()
    for n in range(load_acquire_32(&side.h.seated)):
        seat = side.ring.seat(n)
        if load_acquire_32(&seat.gathering):
            bit = <uint64_t>1 << (n & 63)
            if fetch_and_64(&side.h.sleeping[n >> 6], ~bit) & bit:
                side.ring.ring_bell(side.h.feeders + n)
