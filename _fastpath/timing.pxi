# Where the messages' time goes: waiting in a ring, decoding, the call, on the way to the queues.
#
# PERF: a slot has four bytes of room for a time: 8 us are its unit, and after nine hours it begins again. Waiting and
# decoding are measured with one message of each claim, which stands for all of it.

cdef enum:
    SINCE_SHIFT = 13


cdef inline void set_clock(FeederSide side) noexcept nogil:
    """What is shown from here on is shown now."""
    side.clock = <uint32_t>(now_ns() >> SINCE_SHIFT)


cdef inline uint64_t since_ns(Slot *s, int64_t at_ns) noexcept nogil:
    """How long it has been shown at `at_ns`."""
    cdef uint32_t units = <uint32_t>(at_ns >> SINCE_SHIFT) - s.since
    # The feeder's clock may be read a moment later than ours.
    return <uint64_t>units << SINCE_SHIFT if units < <uint32_t>1 << 31 else 0


cdef inline void count_sample(HandlerSeat *seat, uint64_t waiting_ns, uint64_t decoding_ns,
                              uint64_t messages) noexcept nogil:
    add(&seat.waiting_ns, waiting_ns * messages)
    add(&seat.decoding_ns, decoding_ns * messages)


cdef inline void tally(HandlerSide side, uint32_t code) noexcept nogil:
    """Count one call of a claim."""
    add(&side.hs.calls, 1)
    count_verdict(side.hs, code)
    side.untimed += 1
    # PERF: reading the clock costs as much as a quick call's slot: quick calls are timed eight together.
    if (side.average_ns > QUICK_NS or side.untimed == TIMED_TOGETHER
            or about_now_ns() - <int64_t>side.hs.busy_since_ns > TOGETHER_NS):
        time_calls(side)


cdef void time_calls(HandlerSide side) noexcept nogil:
    """Share out the time since the last look: the average to each call, what is over to one of them."""
    cdef uint64_t now = now_ns(), took = now - side.hs.busy_since_ns, share, n = side.untimed
    if n == 0:
        return
    share = took // n if took < n * side.average_ns * 4 else side.average_ns
    add(&side.hs.busy_ns, took)
    add(&side.hs.histogram[bucket_of(share)], n - 1)
    add(&side.hs.histogram[bucket_of(took - share * (n - 1))], 1)
    side.hs.busy_since_ns = now
    side.untimed = 0


cdef inline void account(HandlerSeat *seat, uint32_t code, int64_t took_ns) noexcept nogil:
    add(&seat.calls, 1)
    add(&seat.busy_ns, took_ns)
    add(&seat.histogram[bucket_of(took_ns)], 1)
    count_verdict(seat, code)
