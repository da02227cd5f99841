# Counters and the histogram: one writer each (the handler of the seat), read by anybody, never locked.

cdef inline void add(uint64_t *counter, uint64_t n) noexcept nogil:
    store_relaxed_64(counter, counter[0] + n)


cdef inline int bucket_of(uint64_t ns) noexcept nogil:
    """Two buckets per power of two from 1 us: enough for a p99 that means something, 8 ns to find."""
    cdef uint64_t us = ns // 1000
    cdef int b, top
    if us < 1:
        return 0
    top = highest_bit(us)
    b = 1 + 2 * top + (<int>(us >> (top - 1)) & 1 if top else 0)
    return b if b < BUCKETS else BUCKETS - 1


def histogram_bounds_s():
    """Upper bounds in seconds of the histogram's buckets, the last one infinite."""
    bounds = [1e-6]
    for top in range((BUCKETS - 1) // 2 + 1):
        bounds += [1.5e-6 * 2**top, 2e-6 * 2**top]
    return bounds[:BUCKETS - 1] + [float("inf")]


cdef inline void count_lost(FeederHead *head, uint32_t code) noexcept nogil:
    if code == V_RETRY:
        add(&head.retry, 1)
    elif code == V_DEAD:
        add(&head.dead, 1)


cdef inline void count_verdict(HandlerSeat *seat, uint32_t code) noexcept nogil:
    if code == V_DONE:
        add(&seat.done, 1)
    elif code == V_RETRY:
        add(&seat.retry, 1)
    elif code == V_SKIP:
        add(&seat.skip, 1)
    elif code == V_DEAD:
        add(&seat.dead, 1)
    elif code == V_CHANNEL:
        add(&seat.channel, 1)
