# The arena's allocator: fixed blocks, contiguous runs for larger messages, given back in any order.
# Private to the feeder; after a crash it is rebuilt from the slots.

cdef struct Arena:
    uint64_t *used          # one bit a block
    uint32_t room           # blocks that there is address space for
    uint32_t blocks         # of those, in use or to be used
    uint32_t words
    uint32_t free_blocks
    uint32_t cursor         # next word to look at: nothing is free below, but for runs that were too short


cdef int arena_init(Arena *a, uint32_t room, uint32_t blocks) except -1:
    a.room = room
    a.used = <uint64_t *>calloc((room + 63) // 64, 8)
    if a.used == NULL:
        raise MemoryError("no memory for the arena's map")
    a.blocks = a.words = a.free_blocks = a.cursor = 0
    arena_grow(a, blocks)
    return 0


cdef void arena_grow(Arena *a, uint64_t blocks) noexcept nogil:
    """Use up to `blocks` of the room. Never fewer than before: a message may stand there."""
    if blocks > a.room:
        blocks = a.room
    if blocks <= a.blocks:
        return
    if a.blocks % 64:
        a.used[a.words - 1] &= ~(~<uint64_t>0 << (a.blocks % 64))
    a.free_blocks += <uint32_t>blocks - a.blocks
    a.blocks = <uint32_t>blocks
    a.words = (a.blocks + 63) // 64
    if a.blocks % 64:
        a.used[a.words - 1] |= ~<uint64_t>0 << (a.blocks % 64)


cdef inline bint block_used(Arena *a, uint32_t b) noexcept nogil:
    return (a.used[b >> 6] >> (b & 63)) & 1


cdef void arena_mark(Arena *a, uint32_t start, uint32_t n) noexcept nogil:
    cdef uint32_t b
    for b in range(start, start + n):
        a.used[b >> 6] |= <uint64_t>1 << (b & 63)
    a.free_blocks -= n


cdef void arena_free(Arena *a, uint32_t start, uint32_t n) noexcept nogil:
    cdef uint32_t b
    for b in range(start, start + n):
        a.used[b >> 6] &= ~(<uint64_t>1 << (b & 63))
    a.free_blocks += n
    # PERF: lowest first: what is in flight stays in few pages and in the cache, instead of walking the arena.
    if start >> 6 < a.cursor:
        a.cursor = start >> 6


cdef int64_t arena_take_run(Arena *a, uint32_t n) noexcept nogil:
    """First fit from the cursor, once around: the start of `n` free blocks in a row, or -1."""
    cdef uint32_t at = a.cursor * 64, seen = 0, run = 0, limit = a.blocks + n
    while seen < limit:
        if at >= a.blocks:
            at, run = 0, 0
        if run == 0 and not at & 63 and a.used[at >> 6] == ~<uint64_t>0:
            at += 64
            seen += 64
            continue
        run = 0 if block_used(a, at) else run + 1
        at += 1
        seen += 1
        if run == n:
            arena_mark(a, at - n, n)
            a.cursor = (at >> 6) % a.words
            return at - n
    return -1


cdef int64_t arena_take(Arena *a, uint32_t n) noexcept nogil:
    """The start of `n` blocks in a row, or -1. Runs of up to 64 blocks are found a word at a time."""
    cdef uint32_t i, w, shift, have
    cdef uint64_t spare
    if n > a.free_blocks:
        return -1
    if n > 32:
        return arena_take_run(a, n)
    w = a.cursor
    for i in range(a.words):
        spare = ~a.used[w]
        have = 1
        # PERF: after this loop a set bit means that `n` free blocks in a row start there.
        while have < n and spare:
            shift = have if have <= n - have else n - have
            spare &= spare >> shift
            have += shift
        if spare:
            i = lowest_bit(spare)
            a.used[w] |= ((<uint64_t>1 << n) - 1) << i
            a.free_blocks -= n
            a.cursor = w
            return w * 64 + i
        w = w + 1 if w + 1 < a.words else 0
    return arena_take_run(a, n)
