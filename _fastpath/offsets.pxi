# What of a partition is settled. The window holds one bit per offset that was taken and is not settled yet;
# offsets that never came (compaction, aborted transactions, control records) have no bit, so the low water
# moves over gaps without knowing them.

cdef struct Window:
    uint64_t *unsettled     # a ring of `size` bits
    uint64_t size           # a power of two
    int64_t low             # no unsettled offset below
    int64_t position        # next offset to take; -1 = not known yet
    uint64_t outstanding    # bits set
    uint64_t limit          # offsets that position may be ahead of low
    int64_t timestamp_ms    # of the last one taken, or of the one that waits for room; -1 = none was taken
    uint32_t epoch          # 0 = not assigned
    int64_t settled_to      # the highest offset that was settled; -1 = none
    int64_t leaving_from    # from here on nothing is begun any more: it leaves with the partition; STAYS = nothing does


cdef int64_t STAYS = 0x7fffffffffffffff
cdef int64_t LEAVES = -STAYS - 1     # also what has a negative offset, as what came from nowhere has


cdef int window_open(Window *w, int64_t position, uint64_t limit, uint32_t epoch) except -1:
    """Begin at `position`; `limit` is commit.window. Raises MemoryError."""
    cdef uint64_t size = 1024
    while size < limit:
        size *= 2
    if w.unsettled == NULL or w.size != size:
        free(w.unsettled)
        w.unsettled = <uint64_t *>calloc(size // 64, 8)
        if w.unsettled == NULL:
            w.epoch = 0
            raise MemoryError("no memory for a partition's window")
        w.size = size
    elif w.outstanding:
        memset(w.unsettled, 0, size // 8)
    w.low = w.position = position
    w.outstanding = 0
    w.timestamp_ms = -1
    w.limit = limit
    w.epoch = epoch
    w.settled_to = -1
    w.leaving_from = STAYS
    return 0


cdef inline bint window_has_room(Window *w, int64_t offset) noexcept nogil:
    return w.position < 0 or <uint64_t>(offset - w.low) < w.limit


cdef inline void window_take(Window *w, int64_t offset) noexcept nogil:
    cdef uint64_t bit = <uint64_t>offset & (w.size - 1)
    w.unsettled[bit >> 6] |= <uint64_t>1 << (bit & 63)
    w.outstanding += 1
    if w.outstanding == 1:
        w.low = offset          # all below is settled or never came, however wide the gap
    w.position = offset + 1


cdef inline void window_settle(Window *w, int64_t offset) noexcept nogil:
    cdef uint64_t bit = <uint64_t>offset & (w.size - 1)
    w.unsettled[bit >> 6] &= ~(<uint64_t>1 << (bit & 63))
    w.outstanding -= 1
    if offset > w.settled_to:
        w.settled_to = offset


cdef int64_t window_low_water(Window *w) noexcept nogil:
    """The first offset not settled, or the position when all are."""
    cdef uint64_t bit, word
    if w.outstanding == 0:
        w.low = w.position
        return w.low
    while w.low < w.position:
        bit = <uint64_t>w.low & (w.size - 1)
        word = w.unsettled[bit >> 6] >> (bit & 63)
        if word:
            w.low += lowest_bit(word)
            break
        w.low += 64 - (bit & 63)
    return w.low


cdef inline void window_reach(Window *w, int64_t position) noexcept nogil:
    """The partition's end was reported at `position`: nothing will come below it."""
    if w.position < 0:
        w.low = position
    if position > w.position:
        w.position = position
