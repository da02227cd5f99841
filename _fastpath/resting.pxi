# How one comes to rest: it sleeps until its doorbell rings. And how a whole route rests: it takes nothing new.


cdef bint may_sleep(HandlerSide side) except -1:
    """Set the sleeping bit; False = work appeared.

    A handler that could not claim (a suspect is inside, or waits for the calls under way to end) sets no bit: a wake
    spent on it would be lost to those who can. The end of one of its own calls is its wake.
    """
    cdef uint32_t gate
    cdef uint64_t bit = <uint64_t>1 << (side.seat & 63)
    side.flush()
    if side.holds_back():
        return True
    # ORDER: the bit before the look, by a full barrier; feeders publish before they look at the bits.
    fetch_or_64(&side.h.sleeping[side.seat >> 6], bit)
    if side.held_count and is_time(side, side.batches, side.batch_limit):
        fetch_and_64(&side.h.sleeping[side.seat >> 6], ~bit)
        return False
    gate = load_acquire_32(&side.h.gate)
    if (gate & ~<uint32_t>G_FLOOD or (gate and load_acquire_32(&side.h.probes) == 0)
            or (side.h.paused_until_ns and <int64_t>side.h.paused_until_ns > now_ns())):
        return True
    if work_waits(side, False):
        fetch_and_64(&side.h.sleeping[side.seat >> 6], ~bit)
        return False
    return True


cdef bint feeder_may_sleep(FeederSide side, uint32_t how) noexcept nogil:
    """Set the sleeping word; False = what this sleep waits for is there already."""
    cdef uint64_t back
    show_all(side)
    if how == ROOMY and open_slots(side, side.straight) >= side.count // 16:
        how |= EAGER    # it is blocks that it lacks, which nobody counts: any ack may bring enough
    # ORDER: the word before the look, by a full barrier; handlers and the courier write before they look at it.
    store_release_32(&side.head.sleeping, how)
    full_fence()
    back = acks_waiting(side)
    if (load_acquire_32(&side.head.urgent) != side.urgent_seen or (how & EAGER and back)
            or (how == ROOMY and open_slots(side, side.straight) + back >= side.count // 16)):
        store_release_32(&side.head.sleeping, 0)
        return False
    if how & ROOMY:
        hurry_gatherers(side)
    return True


cdef enum:
    HOLD_NS = 250000000     # a little longer than the breaker's next look is away


cdef void hold_back(HandlerSide side) noexcept nogil:
    """After so many failures in a row the route rests, until somebody has had the time to judge them.

    Code that fails with every message would fill the dead set faster than anybody can look. PERF: a success costs
    nothing here, the counter of what was done tells of it.
    """
    cdef uint64_t good = side.hs.done + side.hs.skip + side.hs.channel
    if good != side.done_before:
        side.done_before, side.failures = good, 0
    side.failures += 1
    if side.failures == side.hold_after:
        side.failures = 0
        pause_route(side, now_ns() + HOLD_NS)


cdef void pause_route(HandlerSide side, uint64_t until) noexcept nogil:
    """The route takes nothing new until then, in any of its handlers; a longer pause stands."""
    cdef uint64_t present = load_acquire_64(&side.h.paused_until_ns)
    while present < until and not swap_if_64(&side.h.paused_until_ns, present, until):
        present = load_acquire_64(&side.h.paused_until_ns)
