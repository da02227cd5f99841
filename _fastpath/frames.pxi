# Many messages in one body, for the overflow queue: msgpack, as queues/frames.py opens it.
#
#   [[value, key, [[name, value], ...], topic, partition, offset, timestamp_ms], ...]

cdef enum:
    FRAME_MESSAGES = 500
    FRAME_BYTES = 1 << 20
    FRAME_HEAD = 3              # an array of up to 65535
    AROUND_BYTES = 512          # what is not key, value or headers of a message, at most

cdef struct Part:
    uint64_t seq
    uint32_t feeder, slot

cdef struct Packing:
    # A body under way, in memory that the next one uses again.
    char *start
    size_t room
    size_t used
    bint failed                 # no memory


@cython.final
cdef class Frame:
    """Messages with OVERFLOW as one body, a copy: what the courier carries to the overflow queue."""
    cdef readonly bytes body
    cdef readonly int messages
    cdef Part *parts

    def __dealloc__(self):
        free(self.parts)


cdef inline bint is_couriers(CourierSide side, uint32_t f, uint64_t e) noexcept nogil:
    """The entry's slot still waits for the courier; what was said twice does so under its later seq only."""
    return (entry_slot(e) < side.h.slots and load_acquire_64(&side.ring.slots(f)[entry_slot(e)].word)
            == pack(entry_seq(e), 0, 0, COURIER))


cdef uint32_t fill_frame(CourierSide side, Part *parts, uint32_t most, size_t max_bytes) noexcept nogil:
    """Pack what is next of each feeder in turn; how many messages. The heads move over what was packed."""
    cdef Packing *into = &side.packing
    cdef uint32_t i, n = 0, f
    into.failed, into.used = False, FRAME_HEAD
    for i in range(side.h.feeders):
        f = side.next_feeder
        side.next_feeder = f + 1 if f + 1 < side.h.feeders else 0
        n = fill_from(side, f, parts, n, most, max_bytes)
        if n == most or into.used >= max_bytes or into.failed:
            break
    if n:
        into.start[0] = <char>0xDC
        into.start[1], into.start[2] = <char>(n >> 8), <char>(n & 255)
    return n


cdef uint32_t fill_from(CourierSide side, uint32_t f, Part *parts, uint32_t n, uint32_t most,
                        size_t max_bytes) noexcept nogil:
    """Go on with the messages of one feeder, up to the first that is not to go in a frame."""
    cdef FeederHead *fh = side.ring.feeder(f)
    cdef uint64_t at = fh.courier_head, tail = load_acquire_64(&fh.courier_tail), e
    cdef uint32_t limit = load_relaxed_32(&fh.frame_limit)
    cdef size_t before
    if limit == 0 or limit > most:
        limit = most
    while at != tail:
        e = side.ring.courier_ring(f)[at & (side.h.slots * 2 - 1)]
        if is_couriers(side, f, e):
            if n >= limit or side.ring.slots(f)[entry_slot(e)].verdict != V_OVERFLOW:
                break
            before = side.packing.used
            if not pack_slot(side, f, &side.ring.slots(f)[entry_slot(e)]):
                break
            if n and side.packing.used > max_bytes:
                side.packing.used = before      # it begins the next frame
                break
            parts[n].seq, parts[n].feeder, parts[n].slot = entry_seq(e), f, entry_slot(e)
            n += 1
        at += 1
    # ORDER: the slots stay COURIER until their acks: what is skipped here is said again to the next courier.
    store_release_64(&fh.courier_head, at)
    return n


cdef bint pack_slot(CourierSide side, uint32_t f, Slot *s) noexcept nogil:
    """One message behind what is there; False = no memory."""
    cdef char *at = side.ring.bytes_of(f, s)
    cdef uint32_t key = 0 if s.key_bytes == ABSENT else s.key_bytes
    cdef uint32_t value = 0 if s.value_bytes == ABSENT else s.value_bytes
    cdef PartitionName *name = side.ring.partition_name(f, s.partition)
    cdef char *to = packing_room(&side.packing, <size_t>AROUND_BYTES + key + value + 8 * <size_t>s.headers_bytes)
    if to == NULL:
        return False
    to[0] = <char>0x97
    to = pack_bytes(to + 1, at + key + s.headers_bytes + s.meta_bytes, value, s.value_bytes == ABSENT)
    to = pack_bytes(to, at, key, s.key_bytes == ABSENT)
    to = pack_headers_of(to, at + key, s.headers_bytes)
    to = pack_text(to, name.topic, min(name.topic_bytes, <uint32_t>TOPIC_ROOM - 8))
    to = pack_number(to, name.partition)
    to = pack_number(to, s.offset)
    to = pack_number(to, s.timestamp_ms)
    side.packing.used = to - side.packing.start
    return True


cdef char *packing_room(Packing *into, size_t more) noexcept nogil:
    """Where the next `more` bytes go; NULL = no memory."""
    cdef size_t wanted = into.used + more
    cdef char *moved
    if wanted > into.room:
        moved = <char *>realloc(into.start, wanted * 2)
        if moved == NULL:
            into.failed = True
            return NULL
        into.start, into.room = moved, wanted * 2
    return into.start + into.used


cdef inline char *pack_big(char *to, uint64_t number, int size) noexcept nogil:
    """The number's last `size` bytes, most significant first."""
    cdef int i
    for i in range(size):
        to[i] = <char>(number >> 8 * (size - 1 - i))
    return to + size


cdef inline char *pack_number(char *to, int64_t number) noexcept nogil:
    if 0 <= number < 128:
        to[0] = <char>number
        return to + 1
    to[0] = <char>0xD3
    return pack_big(to + 1, <uint64_t>number, 8)


cdef inline char *pack_bytes(char *to, const char *content, uint32_t size, bint absent) noexcept nogil:
    if absent:
        to[0] = <char>0xC0
        return to + 1
    if size < 256:
        to[0] = <char>0xC4
        to = pack_big(to + 1, size, 1)
    else:
        to[0] = <char>0xC6
        to = pack_big(to + 1, size, 4)
    memcpy(to, content, size)
    return to + size


cdef inline char *pack_text(char *to, const char *text, uint32_t size) noexcept nogil:
    if size < 32:
        to[0] = <char>(0xA0 | size)
        to += 1
    else:
        to[0] = <char>0xDB
        to = pack_big(to + 1, size, 4)
    memcpy(to, text, size)
    return to + size


cdef char *pack_headers_of(char *to, const char *blob, uint32_t size) noexcept nogil:
    """The slot's headers, as parse_headers() reads them: up to the first that is not whole."""
    cdef char *head = to
    cdef uint32_t count = 0, said, name, left = size
    cdef int32_t value
    to += 5
    if size >= 4:
        memcpy(&said, blob, 4)
        blob += 4
        left -= 4
        while count < said and left >= 8:
            memcpy(&name, blob, 4)
            memcpy(&value, blob + 4, 4)
            if <uint64_t>8 + name + <uint64_t>max(value, 0) > left:
                break
            to[0] = <char>0x92
            to = pack_name(to + 1, blob + 8, name)
            to = pack_bytes(to, blob + 8 + name, <uint32_t>max(value, 0), value < 0)
            left -= 8 + name + <uint32_t>max(value, 0)
            blob += 8 + name + <uint32_t>max(value, 0)
            count += 1
    head[0] = <char>0xDD
    pack_big(head + 1, count, 4)
    return to


cdef char *pack_name(char *to, const char *name, uint32_t size) noexcept nogil:
    """A header's name. Kafka's are bytes: what is no UTF-8 in one is escaped, as in every queue."""
    cdef uint32_t i
    for i in range(size):
        if name[i] & 0x80:
            with gil:
                text = PyUnicode_DecodeUTF8(name, size, "surrogateescape").encode("utf-8", "backslashreplace")
                return pack_text(to, PyBytes_AS_STRING(text), <uint32_t>PyBytes_GET_SIZE(text))
    return pack_text(to, name, size)
