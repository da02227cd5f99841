# A message's way into the ring: a slot, blocks for its bytes, its place behind its key, or the courier at once.

cdef struct Judged:
    # What is known of a message before anybody executes it; verdict 0 = nothing: handlers shall have it.
    const char *detail
    Py_ssize_t detail_bytes
    uint8_t verdict

cdef struct Brought:
    # What a message brings along beside its bytes and its origin.
    int64_t timestamp_ms
    int64_t tag
    uint16_t attempt
    uint8_t crashes
    Judged judged
    Judged oversize         # when it is larger than the arena; verdict 0 = that is an error


cdef inline uint32_t blocks_of(FeederSide side, Slot *s) noexcept nogil:
    cdef uint64_t size = s.headers_bytes + s.meta_bytes
    size += s.key_bytes if s.key_bytes != ABSENT else 0
    size += s.value_bytes if s.value_bytes != ABSENT else 0
    size = (size + side.h.block_bytes - 1) >> side.block_shift
    return <uint32_t>size if size else 1


cdef inline uint32_t held_blocks(FeederSide side, Slot *s) noexcept nogil:
    """Blocks of the arena that the slot's message has."""
    return 0 if s.flags & FLAG_ANNEX else blocks_of(side, s)


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


cdef inline uint32_t kept_blocks(FeederSide side, bint straight) noexcept nogil:
    """Blocks that only what goes straight for the courier may take: an eighth, or none."""
    return side.arena.blocks >> 3 if side.kept_slots and not straight else 0


cdef inline uint32_t open_slots(FeederSide side, bint straight) noexcept nogil:
    """Slots for what handlers shall have, or for what goes straight for the courier."""
    if side.kept_slots == 0:
        return side.free_count
    if straight:
        # Half of the ring at most: while the queues confirm nothing handlers still have the other half.
        return min(side.free_count, side.count // 2 - side.at_courier) if side.at_courier < side.count // 2 else 0
    return side.free_count - side.kept_slots if side.free_count > side.kept_slots else 0


cdef int64_t reserve(FeederSide side, uint32_t key, uint32_t headers, uint32_t meta, uint32_t value,
                     bint straight) noexcept nogil:
    """A slot with blocks for these lengths; -1 = no room now, -2 = larger than the arena."""
    cdef uint32_t slot
    cdef int64_t block
    cdef Slot *s
    cdef uint32_t n
    if (open_slots(side, straight) == 0
            or (side.tagged and side.settled_tag_count >= side.count + side.free_count)):
        return -1
    slot = side.free_slots[side.free_count - 1]
    s = &side.slots[slot]
    s.key_bytes, s.headers_bytes, s.meta_bytes, s.value_bytes = key, headers, meta, value
    n = blocks_of(side, s)
    if n > side.arena.blocks:
        return -2
    # As with slots: while the queues confirm nothing handlers still have the other half of the blocks.
    if side.kept_slots and straight and side.courier_blocks and side.courier_blocks + n > side.arena.blocks >> 1:
        return -1
    # One that needs more than what is left to it gets it when nothing else is there.
    if (side.kept_slots and side.arena.free_blocks < n + kept_blocks(side, straight)
            and side.arena.free_blocks != side.arena.blocks):
        return -1
    block = arena_take(&side.arena, n)
    if block < 0:
        return -1
    side.free_count -= 1
    s.block = <uint32_t>block
    s.flags = 0
    s.detail_bytes = 0
    return slot


cdef inline void note_taken(FeederSide side, uint32_t slot, uint32_t index, int64_t offset) noexcept nogil:
    cdef Slot *s = &side.slots[slot]
    s.partition = index
    s.offset = offset
    s.epoch = side.windows[index].epoch
    if not side.tagged:
        window_take(&side.windows[index], offset)
    store_relaxed_64(&side.head.taken, side.head.taken + 1)


cdef inline void admit_slot(FeederSide side, uint32_t slot, uint32_t index, int64_t offset) noexcept nogil:
    """The slot's bytes are in place: note the offset as taken, and publish it or hang it behind its key."""
    cdef Slot *s = &side.slots[slot]
    cdef uint64_t hash
    note_taken(side, slot, index, offset)
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


cdef void send_slot(FeederSide side, uint32_t slot, uint32_t index, int64_t offset, Judged *judged) noexcept nogil:
    """The slot's bytes are in place: note the offset as taken, and give it to the courier as it is judged.

    Handlers never see it, and it hangs behind no key; with order partition what comes after it waits for it.
    """
    note_taken(side, slot, index, offset)
    # LOSS: a transaction that goes on behind it would commit past it before the courier's confirm.
    if side.order == 2:
        chain_append(&side.chains, slot, hash_of(side, &side.slots[slot]))
        side.published[slot] = True
    write_detail(side, slot, judged.detail, judged.detail_bytes)
    hand_over(side, slot, judged.verdict)


cdef void write_detail(FeederSide side, uint32_t slot, const char *detail, Py_ssize_t size) noexcept nogil:
    cdef uint32_t n = <uint32_t>min(size, <Py_ssize_t>DETAIL_ROOM)
    # PERF: a page that nobody writes costs no memory.
    if n:
        memcpy(side.ring.verdict_page(side.seat, slot), detail, n)
    side.slots[slot].detail_bytes = n


cdef Judged judge(int verdict, bytes detail):
    """The caller keeps `detail` alive for as long as it uses the answer."""
    cdef Judged judged
    judged.verdict = <uint8_t>verdict
    judged.detail, judged.detail_bytes = PyBytes_AS_STRING(detail), PyBytes_GET_SIZE(detail)
    return judged


cdef int check_destination(int verdict) except -1:
    """A verdict with which a message may go straight for the courier."""
    if verdict not in (0, V_DEAD, V_CHANNEL, V_OVERFLOW):
        raise ValueError(f"verdict {verdict} is not given to a message that nobody executed")
    return 0


cdef bint place_parts(FeederSide side, int index, int64_t offset, tuple parts, Brought *brought) except -1:
    """The message whose (key, headers, meta, value) are given; False = no room now."""
    cdef uint32_t key = ABSENT if parts[0] is None else len(parts[0])
    cdef uint32_t headers = len(parts[1]), meta = len(parts[2])
    cdef uint32_t value = ABSENT if parts[3] is None else len(parts[3])
    cdef bint straight = brought.judged.verdict != 0
    cdef int64_t slot = reserve(side, key, headers, meta, value, straight)
    cdef char *at
    cdef char *mapped = NULL
    cdef Slot *s
    if slot == -2:
        grow_arena(side)
        slot = reserve(side, key, headers, meta, value, straight)
    if slot == -2:
        if brought.oversize.verdict == 0:
            raise OverflowError("the message is larger than the ring's arena")
        slot = place_annex(side, key, headers, meta, value, &mapped)
    if slot < 0:
        return False
    s = &side.slots[slot]
    at = mapped if mapped != NULL else side.ring.bytes_of(side.seat, s)
    for part in parts:
        if part:
            memcpy(at, <const char *>(<bytes>part), len(part))
            at += len(part)
    s.timestamp_ms = brought.timestamp_ms
    s.attempt, s.crashes = brought.attempt, brought.crashes
    side.tags[slot] = brought.tag
    if mapped != NULL:
        unmap_annex(s, mapped)
        send_slot(side, slot, index, offset, &brought.oversize)
    elif straight:
        send_slot(side, slot, index, offset, &brought.judged)
    else:
        admit_slot(side, slot, index, offset)
    return True


cdef void clear_annex(FeederSide side, Slot *s) noexcept nogil:
    fallocate(side.ring.annex_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              <off_t>side.seat << 31, <off_t>1 << 31)
    side.annex_busy = False
    side.annex_slot = -1
