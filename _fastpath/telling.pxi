# What a feeder tells those who look from outside: how far its partitions are, how full its ring is. Its own windows
# are private memory. Told now and then, never by the message.

cdef void tell_partition(FeederSide side, int index, int64_t committed, int64_t end, bint paused) noexcept nogil:
    """One writer, any reader: the version is odd while the row is being written."""
    cdef Window *w = &side.windows[index]
    cdef PartitionName *row = side.ring.partition_name(side.seat, index)
    # A feeder that died in between left an odd one.
    cdef uint64_t version = (row.version | 1) + 1
    store_relaxed_64(&row.version, version - 1)
    full_fence()    # ORDER: the odd version is seen before anything of the row
    store_relaxed_64(&row.position, <uint64_t>w.position)
    store_relaxed_64(&row.committed, <uint64_t>committed)
    store_relaxed_64(&row.end, <uint64_t>end)
    store_relaxed_64(&row.low_water, <uint64_t>window_low_water(w))
    store_relaxed_64(&row.timestamp_ms, <uint64_t>w.timestamp_ms)
    store_relaxed_32(&row.epoch, w.epoch)
    store_relaxed_32(&row.paused, paused)
    store_release_64(&row.version, version)     # ORDER: after all of it


cdef bint copy_row(PartitionName *row, PartitionName *copy) noexcept nogil:
    """False = it was being written."""
    cdef uint64_t version = load_acquire_64(&row.version)
    if version & 1:
        return False
    copy.position = load_acquire_64(&row.position)
    copy.committed = load_acquire_64(&row.committed)
    copy.end = load_acquire_64(&row.end)
    copy.low_water = load_acquire_64(&row.low_water)
    copy.timestamp_ms = load_acquire_64(&row.timestamp_ms)
    copy.epoch = load_acquire_32(&row.epoch)
    copy.paused = load_acquire_32(&row.paused)
    return load_acquire_64(&row.version) == version     # ORDER: read last: unchanged, so nothing of it was


cdef enum:
    LOOKS = 1000        # a feeder that was stopped while it wrote must not stop who looks


cdef list told_partitions(Ring ring, uint32_t feeder):
    cdef PartitionName copy
    cdef PartitionName *row
    cdef uint32_t i, looks
    found = []
    for i in range(min(load_acquire_32(&ring.feeder(feeder).partitions), <uint32_t>PARTITION_ROOM)):
        row = ring.partition_name(feeder, i)
        looks = 0
        while not copy_row(row, &copy) and looks < LOOKS:
            looks += 1
        if looks < LOOKS and copy.epoch:
            found.append((ring.topic_of(feeder, i), row.partition, <int64_t>copy.position, <int64_t>copy.committed,
                          <int64_t>copy.end, <int64_t>copy.low_water, <int64_t>copy.timestamp_ms, copy.paused != 0))
    return found


cdef void tell_use(FeederSide side) noexcept nogil:
    """PERF: on a line that the feeder writes anyway."""
    store_relaxed_32(&side.head.used_slots, side.count - side.free_count)
    store_relaxed_32(&side.head.used_blocks, side.arena.blocks - side.arena.free_blocks)
    store_relaxed_32(&side.head.blocks, side.arena.blocks)
