# Kafka's messages into the ring: from librdkafka's memory straight into the arena, no Python object between.

cdef enum:
    FETCH_AT_ONCE = 256
    ERR_PARTITION_EOF = -191
    WENT_BACK = -9999               # not one of librdkafka's

cdef struct Carry:
    # Messages that were fetched and did not fit: at most one batch, waiting for room.
    rd_kafka_message_t **messages
    int at
    int count
    int64_t timestamp_ms            # of the last of them


cdef int64_t last_timestamp(Carry *carry) noexcept nogil:
    """Of the last message of a batch; events have none."""
    cdef int i
    for i in range(carry.count - 1, -1, -1):
        if carry.messages[i].err == 0:
            return message_timestamp(carry.messages[i])
    return -1


@cython.final
cdef class Intake:
    """Moves what a partition's queue holds into a feeder's ring, in order.

    `oversize_failure`: the encoded failure of a message that is larger than the whole arena.
    """
    cdef FeederSide side
    cdef Carry *carries
    cdef bytes oversize_failure
    cdef bytes detail               # what `judged` points into
    cdef Judged oversize
    cdef Judged judged
    cdef uint64_t limit_bytes
    cdef readonly bint stalled      # the last take() stopped for want of room
    cdef list events

    def __cinit__(self, FeederSide side, bytes oversize_failure not None):
        self.side, self.oversize_failure = side, oversize_failure
        self.oversize = judge(V_DEAD, oversize_failure)
        self.straight(0)
        self.carries = <Carry *>calloc(PARTITION_ROOM, sizeof(Carry))
        self.events = []

    def __dealloc__(self):
        cdef int i
        if self.carries == NULL:
            return
        for i in range(PARTITION_ROOM):
            self.discard(i)
            free(self.carries[i].messages)
        free(self.carries)

    def straight(self, int verdict, bytes detail not None=b"", uint64_t limit_bytes=0):
        """From now on all goes straight for the courier with this verdict and detail; 0 = to handlers again.

        A message larger than `limit_bytes` (0 = none is) goes to handlers all the same.
        """
        check_destination(verdict)
        self.detail, self.limit_bytes = detail, limit_bytes if limit_bytes else ~<uint64_t>0
        self.judged = judge(verdict, self.detail)
        self.side.straight = verdict != 0

    def take(self, PartitionQueue queue, int index, int limit):
        """Place up to about `limit` messages. Returns how many; fewer = the queue is empty or the ring is full."""
        cdef Carry *carry = &self.carries[index]
        cdef int taken = 0, got
        cdef bint room = True
        if carry.messages == NULL:
            carry.messages = <rd_kafka_message_t **>calloc(FETCH_AT_ONCE, sizeof(void *))
            if carry.messages == NULL:
                raise MemoryError("no memory for a batch of messages")
        with nogil:
            while room and taken < limit:
                if carry.at == carry.count:
                    if open_slots(self.side, self.judged.verdict) == 0 or not window_has_room(
                            &self.side.windows[index], self.side.windows[index].position):
                        window_low_water(&self.side.windows[index])
                        room = open_slots(self.side, self.judged.verdict) != 0 and window_has_room(
                            &self.side.windows[index], self.side.windows[index].position)
                        if not room:
                            break
                    got = queue.fetch(
                        carry.messages, min(FETCH_AT_ONCE, <int>open_slots(self.side, self.judged.verdict)))
                    if got <= 0:
                        break
                    carry.at, carry.count = 0, got
                    carry.timestamp_ms = last_timestamp(carry)
                    set_clock(self.side)
                room = self.place_batch(carry, index, &taken)
                # PERF: once a batch; of the one that waits for room, or of the last one.
                self.side.windows[index].timestamp_ms = (
                    carry.timestamp_ms if room else message_timestamp(carry.messages[carry.at]))
            show_all(self.side)
        self.stalled = not room
        return taken

    cdef bint place_batch(self, Carry *carry, int index, int *taken) noexcept nogil:
        """Place what was fetched. False = no room; the rest stays carried."""
        cdef rd_kafka_message_t *m
        while carry.at < carry.count:
            m = carry.messages[carry.at]
            if m.err:
                self.note(m, index)
            else:
                if m.offset < self.side.windows[index].position:
                    self.begin_again(m.offset, index)
                if not self.place_one(m, index):
                    return False
                taken[0] += 1
            message_destroy(m)
            carry.at += 1
        return True

    cdef void begin_again(self, int64_t offset, int index) noexcept nogil:
        """LOSS: within an assignment offsets only grow, unless the log itself went back: its topic was made anew,
        or truncated. What comes now was never handled, whatever its offset says; what was taken before is late."""
        with gil:
            self.side.open_partition(index, offset)
            self.events.append((index, WENT_BACK, offset, ""))

    cdef bint place_one(self, rd_kafka_message_t *m, int index) noexcept nogil:
        cdef uint32_t key = ABSENT if m.key == NULL else <uint32_t>m.key_len
        cdef uint32_t value = ABSENT if m.payload == NULL else <uint32_t>m.len
        # Headers that librdkafka cannot parse are no reason to lose the message.
        cdef uint32_t headers = <uint32_t>max(headers_size(m), <ssize_t>0)
        cdef int64_t slot
        cdef char *at
        cdef char *mapped = NULL
        cdef Slot *s
        cdef bint straight = self.judged.verdict and m.key_len + m.len + headers <= self.limit_bytes
        if not window_has_room(&self.side.windows[index], m.offset):
            window_low_water(&self.side.windows[index])
            if not window_has_room(&self.side.windows[index], m.offset) and self.side.windows[index].outstanding:
                return False
        slot = reserve(self.side, key, headers, 0, value, straight)
        if slot == -2:
            # LOSS: whether it is too large is known only when the topics' limit is; until then it waits.
            if not grow_arena(self.side):
                return False
            slot = reserve(self.side, key, headers, 0, value, straight)
        if slot == -2:
            slot = place_annex(self.side, key, headers, 0, value, &mapped)
        if slot < 0:
            return False
        s = &self.side.slots[slot]
        at = mapped if mapped != NULL else self.side.ring.bytes_of(self.side.seat, s)
        if key != ABSENT:
            memcpy(at, m.key, key)
            at += key
        if headers:
            write_headers(m, at)
            at += headers
        if value != ABSENT:
            memcpy(at, m.payload, value)
        s.timestamp_ms = message_timestamp(m)
        s.attempt, s.crashes = 1, 0
        if mapped != NULL:
            unmap_annex(s, mapped)
            send_slot(self.side, <uint32_t>slot, index, m.offset, &self.oversize)
        elif straight:
            send_slot(self.side, <uint32_t>slot, index, m.offset, &self.judged)
        else:
            admit_slot(self.side, <uint32_t>slot, index, m.offset)
        return True

    cdef void note(self, rd_kafka_message_t *m, int index) noexcept nogil:
        if m.err == ERR_PARTITION_EOF:
            window_reach(&self.side.windows[index], m.offset)
        else:
            with gil:
                text = b"" if m.payload == NULL else PyBytes_FromStringAndSize(<char *>m.payload, m.len)
                self.events.append((index, m.err, m.offset, text.decode("utf-8", "replace")))

    cdef void discard(self, int index) noexcept nogil:
        cdef Carry *carry = &self.carries[index]
        while carry.at < carry.count:
            message_destroy(carry.messages[carry.at])
            carry.at += 1

    def drop(self, int index):
        """Forget what was fetched of the partition and not placed. ORDER: before its queue is closed."""
        self.discard(index)

    def take_events(self):
        """Errors met in the queues since the last call: list of (partition index, librdkafka error, offset, text)."""
        events, self.events = self.events, []
        return events
