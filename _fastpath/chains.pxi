# Order by key: slots of one key in flight form a chain; only its head may be published. The table from key
# to chain is open addressing with linear probing and backward-shift deletion (Knuth 6.4, algorithm R).
# Private to the feeder.

cdef struct Chain:
    uint64_t hash           # 0 = empty
    int32_t head
    int32_t tail

cdef struct Chains:
    Chain *table
    uint64_t mask
    int32_t *next           # by slot: the one behind it, -1 = none
    int32_t *before         # by slot: the one ahead of it, -1 = none
    uint64_t *hash          # by slot: its chain's hash, 0 = not chained


cdef int chains_init(Chains *c, uint32_t slots) except -1:
    cdef uint32_t i
    c.mask = <uint64_t>slots * 2 - 1
    c.table = <Chain *>calloc(<size_t>slots * 2, sizeof(Chain))
    c.next = <int32_t *>malloc(slots * sizeof(int32_t))
    c.before = <int32_t *>malloc(slots * sizeof(int32_t))
    c.hash = <uint64_t *>calloc(slots, 8)
    if c.table == NULL or c.next == NULL or c.before == NULL or c.hash == NULL:
        raise MemoryError("no memory for the chains")
    for i in range(slots):
        c.next[i] = c.before[i] = -1
    return 0


cdef void chains_free(Chains *c) noexcept nogil:
    free(c.table)
    free(c.next)
    free(c.before)
    free(c.hash)


cdef Chain *chain_find(Chains *c, uint64_t hash) noexcept nogil:
    """The chain of this hash, or the empty place where it belongs."""
    cdef uint64_t i = hash & c.mask
    while c.table[i].hash and c.table[i].hash != hash:
        i = (i + 1) & c.mask
    return &c.table[i]


cdef bint chain_append(Chains *c, uint32_t slot, uint64_t hash) noexcept nogil:
    """Hang the slot behind the last of its key. True when it is the first: it may be published."""
    cdef Chain *chain = chain_find(c, hash)
    c.next[slot] = c.before[slot] = -1
    c.hash[slot] = hash
    if chain.hash:
        c.next[chain.tail] = slot
        c.before[slot] = chain.tail
        chain.tail = slot
        return False
    chain.hash = hash
    chain.head = chain.tail = slot
    return True


cdef inline bint chain_is_head(Chains *c, uint32_t slot) noexcept nogil:
    return c.before[slot] < 0


cdef void chain_erase(Chains *c, Chain *chain) noexcept nogil:
    cdef uint64_t hole = chain - c.table, i, home
    i = hole
    while True:
        i = (i + 1) & c.mask
        if not c.table[i].hash:
            break
        home = c.table[i].hash & c.mask
        if ((i - home) & c.mask) >= ((i - hole) & c.mask):
            c.table[hole] = c.table[i]
            hole = i
    c.table[hole].hash = 0


cdef int32_t chain_remove(Chains *c, uint32_t slot) noexcept nogil:
    """Take the slot out, wherever it hangs. Returns the new head when the head was removed, else -1."""
    cdef Chain *chain
    cdef int32_t before = c.before[slot], following = c.next[slot]
    if not c.hash[slot]:
        return -1
    chain = chain_find(c, c.hash[slot])
    c.hash[slot] = 0
    c.next[slot] = c.before[slot] = -1
    if following >= 0:
        c.before[following] = before
    else:
        chain.tail = before
    if before >= 0:
        c.next[before] = following
        return -1
    chain.head = following
    if following < 0:
        chain_erase(c, chain)
    return following
