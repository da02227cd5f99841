# A message's way into the ring: a slot, blocks for its bytes, its place behind its key.

cdef inline uint32_t blocks_of(FeederSide side, Slot *s) noexcept nogil:
    cdef uint64_t size = s.headers_bytes + s.meta_bytes
    size += s.key_bytes if s.key_bytes != ABSENT else 0
    size += s.value_bytes if s.value_bytes != ABSENT else 0
    size = (size + side.h.block_bytes - 1) >> side.block_shift
    return <uint32_t>size if size else 1


cdef inline uint64_t hash_of(FeederSide side, Slot *s) noexcept nogil:
    """0 = no order: the slot hangs behind nobody."""
    if side.order == 0:
        return 0
    if side.order == 2:
        return key_hash(<char *>&s.partition, 2, 1)
    if s.key_bytes == ABSENT or s.flags & FLAG_ANNEX:
        return 0
    return key_hash(side.ring.bytes_of(side.seat, s), s.key_bytes, s.partition + 2)


cdef bint grow_arena(FeederSide side) noexcept nogil:
    """Make room for four of the largest messages that the topics take; False = nobody knows their size yet."""
    cdef uint64_t limit_bytes = load_acquire_64(&side.h.message_limit_bytes)
    arena_grow(&side.arena, limit_bytes * 4 // side.h.block_bytes)
    return limit_bytes != 0


cdef int64_t reserve(FeederSide side, uint32_t key, uint32_t headers, uint32_t meta, uint32_t value) noexcept nogil:
    """A slot with blocks for these lengths; -1 = no room now, -2 = larger than the arena."""
    cdef uint32_t slot
    cdef int64_t block
    cdef Slot *s
    cdef uint32_t n
    if side.free_count == 0 or (side.tagged and side.settled_tag_count >= side.count + side.free_count):
        return -1
    slot = side.free_slots[side.free_count - 1]
    s = &side.slots[slot]
    s.key_bytes, s.headers_bytes, s.meta_bytes, s.value_bytes = key, headers, meta, value
    n = blocks_of(side, s)
    if n > side.arena.blocks:
        return -2
    block = arena_take(&side.arena, n)
    if block < 0:
        return -1
    side.free_count -= 1
    s.block = <uint32_t>block
    s.flags = 0
    s.detail_bytes = 0
    return slot


cdef inline void admit_slot(FeederSide side, uint32_t slot, uint32_t index, int64_t offset) noexcept nogil:
    """The slot's bytes are in place: note the offset as taken, and publish it or hang it behind its key."""
    cdef Slot *s = &side.slots[slot]
    cdef uint64_t hash
    s.partition = index
    s.offset = offset
    s.epoch = side.windows[index].epoch
    if not side.tagged:
        window_take(&side.windows[index], offset)
    store_relaxed_64(&side.head.taken, side.head.taken + 1)
    hash = hash_of(side, s)
    if hash == 0 or chain_append(&side.chains, slot, hash):
        publish(side, slot, 0)
    else:
        side.published[slot] = False
        store_relaxed_64(&s.word, pack(0, 0, 0, FILLED))


cdef bint admits(FeederSide side, int index, int64_t offset) except -1:
    """The partition's window has room for this offset."""
    cdef Window *w = &side.windows[index]
    if w.epoch == 0 or offset < w.position:
        raise ValueError(f"offset {offset} was taken before, or its partition is not open")
    # LOSS: two offsets further apart than the window would share a bit, and the first that settles would
    # let the low water pass the other.
    return w.outstanding == 0 or window_has_room(w, offset) or (
        window_low_water(w) >= 0 and window_has_room(w, offset))


cdef int64_t place_annex(FeederSide side, uint32_t key, uint32_t headers, uint32_t meta, uint32_t value,
                         char **at) noexcept nogil:
    """A slot whose bytes are in the annex, mapped at `at` for the caller to fill and unmap; -1 = not now."""
    cdef uint32_t slot
    cdef Slot *s
    cdef uint64_t size = headers + meta
    if side.annex_busy or side.free_count == 0:
        return -1
    size += key if key != ABSENT else 0
    size += value if value != ABSENT else 0
    at[0] = <char *>mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, side.ring.annex_fd,
                         <off_t>side.seat << 31)
    if at[0] == <char *>MAP_FAILED:
        return -1
    side.free_count -= 1
    slot = side.free_slots[side.free_count]
    s = &side.slots[slot]
    s.key_bytes, s.headers_bytes, s.meta_bytes, s.value_bytes = key, headers, meta, value
    s.flags, s.attempt, s.crashes, s.block = FLAG_ANNEX, 1, 0, 0
    side.annex_busy, side.annex_slot = True, slot
    store_relaxed_64(&side.head.oversize, side.head.oversize + 1)
    return slot


cdef void unmap_annex(Slot *s, char *at) noexcept nogil:
    """The bytes are written."""
    munmap(at, <size_t>s.headers_bytes + s.meta_bytes + (0 if s.key_bytes == ABSENT else s.key_bytes)
           + (0 if s.value_bytes == ABSENT else s.value_bytes))


cdef void refuse_slot(FeederSide side, uint32_t slot, uint32_t index, int64_t offset, bytes failure):
    """A message larger than the arena: to the dead set, handlers never see it."""
    cdef Slot *s = &side.slots[slot]
    s.partition, s.offset, s.epoch = index, offset, side.windows[index].epoch
    if not side.tagged:
        window_take(&side.windows[index], offset)
    side.fail(slot, V_DEAD, failure)


cdef void clear_annex(FeederSide side, Slot *s) noexcept nogil:
    fallocate(side.ring.annex_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              <off_t>side.seat << 31, <off_t>1 << 31)
    side.annex_busy = False
    side.annex_slot = -1
