# The courier's side: verdicts that leave the ring, and the acks for those that arrived.

@cython.final
cdef class Parcel:
    """One message with its verdict, a copy: what the courier carries to the queues."""
    cdef readonly int verdict
    cdef readonly bytes detail
    cdef readonly bytes meta
    cdef readonly object key
    cdef readonly object value
    cdef readonly bytes packed_headers
    cdef readonly str topic
    cdef readonly int partition
    cdef readonly long long offset
    cdef readonly long long timestamp_ms
    cdef readonly int attempt
    cdef readonly int crashes
    cdef readonly long long first_failed_ms     # 0 = not before now, as far as its slot knows
    cdef uint32_t feeder, slot
    cdef uint64_t seq

    @property
    def headers(self):
        return parse_headers(self.packed_headers)


@cython.final
cdef class CourierSide:
    """The courier's view of one route. A new incarnation is sent again whatever the last one had."""
    cdef readonly Ring ring
    cdef Header *h
    cdef uint64_t *ack_tails
    cdef uint32_t next_feeder
    cdef Packing packing

    def __cinit__(self, Ring ring, int incarnation):
        cdef uint32_t f
        self.ring, self.h = ring, ring.h
        self.ack_tails = <uint64_t *>calloc(self.h.feeders, 8)
        for f in range(self.h.feeders):
            self.ack_tails[f] = load_acquire_64(&ring.acks(f, self.h.handlers).tail)
            store_release_64(&ring.feeder(f).courier_head, load_acquire_64(&ring.feeder(f).courier_tail))
        # ORDER: what stood in the rings was skipped above; feeders that see this number send all of it again.
        store_release_32(&self.h.courier_incarnation, incarnation)
        for f in range(self.h.feeders):
            ring.ring_bell(f)

    def __dealloc__(self):
        free(self.ack_tails)
        free(self.packing.start)

    def take(self, int limit):
        """Up to `limit` parcels, round the feeders in turn. What is to go in frames stops its feeder's."""
        cdef uint32_t i, f, slot, mask = self.h.slots * 2 - 1
        cdef uint64_t at, tail, e
        cdef FeederHead *fh
        parcels = []
        for i in range(self.h.feeders):
            f = self.next_feeder
            self.next_feeder = f + 1 if f + 1 < self.h.feeders else 0
            fh = self.ring.feeder(f)
            at, tail = fh.courier_head, load_acquire_64(&fh.courier_tail)
            while at != tail and len(parcels) < limit:
                e = self.ring.courier_ring(f)[at & mask]
                slot = entry_slot(e)
                if is_couriers(self, f, e):
                    if self.ring.slots(f)[slot].verdict == V_OVERFLOW:
                        break
                    parcels.append(self.parcel(f, slot, entry_seq(e)))
                at += 1
            store_release_64(&fh.courier_head, at)
        return parcels

    def take_frame(self, int max_messages=FRAME_MESSAGES, Py_ssize_t max_bytes=FRAME_BYTES):
        """The next messages with OVERFLOW in one Frame, from all feeders of the pool; None = there are none.

        At most `max_messages` (and what their feeders say) in about `max_bytes`; one that is larger goes alone.
        """
        cdef uint32_t n, most = <uint32_t>min(max(max_messages, 1), 0xFFFF)
        cdef Part *parts = <Part *>malloc(most * sizeof(Part))
        cdef Frame frame
        if parts == NULL:
            raise MemoryError("no memory for a frame")
        with nogil:
            n = fill_frame(self, parts, most, max_bytes)
        if n == 0:
            free(parts)
            if self.packing.failed:
                raise MemoryError("no memory for a frame")
            return None
        frame = Frame.__new__(Frame)
        frame.parts, frame.messages = parts, n
        frame.body = PyBytes_FromStringAndSize(self.packing.start, self.packing.used)
        return frame

    cdef Parcel parcel(self, uint32_t f, uint32_t slot, uint64_t seq):
        cdef Slot *s = &self.ring.slots(f)[slot]
        cdef Parcel p = Parcel.__new__(Parcel)
        cdef uint64_t size = s.headers_bytes + s.meta_bytes
        cdef char *at
        size += s.key_bytes if s.key_bytes != ABSENT else 0
        size += s.value_bytes if s.value_bytes != ABSENT else 0
        if s.flags & FLAG_ANNEX:
            at = <char *>mmap(NULL, size, PROT_READ, MAP_SHARED, self.ring.annex_fd, <off_t>f << 31)
            if at == <char *>MAP_FAILED:
                raise OSError(errno, "cannot map a message that is larger than the arena")
        else:
            at = self.ring.bytes_of(f, s)
        try:
            self.copy_bytes(p, s, at)
        finally:
            if s.flags & FLAG_ANNEX:
                munmap(at, size)
        p.verdict = s.verdict
        p.detail = PyBytes_FromStringAndSize(self.ring.verdict_page(f, slot), min(s.detail_bytes, DETAIL_ROOM))
        if s.flags & FLAG_FAILED:
            memcpy(&p.first_failed_ms, self.ring.verdict_page(f, slot) + DETAIL_ROOM, 8)
        p.topic = self.ring.topic_of(f, s.partition)
        p.partition = self.ring.partition_name(f, s.partition).partition
        p.offset, p.timestamp_ms, p.attempt, p.crashes = s.offset, s.timestamp_ms, s.attempt, s.crashes
        p.feeder, p.slot, p.seq = f, slot, seq
        return p

    cdef copy_bytes(self, Parcel p, Slot *s, const char *at):
        p.key = copy_or_none(at, s.key_bytes)
        at += s.key_bytes if s.key_bytes != ABSENT else 0
        p.packed_headers = PyBytes_FromStringAndSize(at, s.headers_bytes)
        at += s.headers_bytes
        p.meta = PyBytes_FromStringAndSize(at, s.meta_bytes)
        at += s.meta_bytes
        p.value = copy_or_none(at, s.value_bytes)

    def ack(self, parcels):
        """These parcels and frames are confirmed by the queues: their slots are settled."""
        cdef Parcel p
        cdef Frame frame
        cdef uint32_t i, settled = 0
        cdef int64_t now = now_ns()
        touched = set()
        for one in parcels:
            if isinstance(one, Frame):
                frame = <Frame>one
                settled += <uint32_t>frame.messages
                self.count_carried(frame.parts[0].feeder, frame.parts[0].slot, frame.parts[0].seq, now, frame.messages)
                for i in range(<uint32_t>frame.messages):
                    self.push_ack(frame.parts[i].feeder, frame.parts[i].slot, frame.parts[i].seq)
                    if i == 0 or frame.parts[i].feeder != frame.parts[i - 1].feeder:
                        touched.add(frame.parts[i].feeder)
            else:
                p = <Parcel?>one
                settled += 1
                self.count_carried(p.feeder, p.slot, p.seq, now, 1)
                self.push_ack(p.feeder, p.slot, p.seq)
                touched.add(p.feeder)
        full_fence()
        for f in touched:
            # PERF: a few freed slots are no reason to wake a feeder that waits for a sixteenth of them.
            if settled * 32 >= self.h.slots:
                self.ring.hurry_feeder(f)
            else:
                self.ring.wake_feeder(f, EAGER)

    cdef inline void count_carried(self, uint32_t f, uint32_t slot, uint64_t seq, int64_t now,
                                   uint64_t n) noexcept nogil:
        """PERF: a frame's first message stands for all of it."""
        if is_couriers(self, f, entry(seq, slot)):
            add(&self.h.carried, n)
            add(&self.h.carrying_ns, since_ns(&self.ring.slots(f)[slot], now) * n)

    cdef inline void push_ack(self, uint32_t f, uint32_t slot, uint64_t seq) noexcept nogil:
        cdef AckRing *acks = self.ring.acks(f, self.h.handlers)
        cdef uint64_t *entries = <uint64_t *>(<char *>acks + sizeof(AckRing))
        entries[self.ack_tails[f] & (self.h.slots - 1)] = entry(seq, slot)
        self.ack_tails[f] += 1
        store_release_64(&acks.tail, self.ack_tails[f])

    def prepare_sleep(self):
        """Set the sleeping bit; False = a parcel appeared. With several routes: all must say True."""
        cdef uint32_t f
        store_release_32(&self.h.courier_sleeping, 1)
        full_fence()
        for f in range(self.h.feeders):
            if load_acquire_64(&self.ring.feeder(f).courier_tail) != self.ring.feeder(f).courier_head:
                store_release_32(&self.h.courier_sleeping, 0)
                return False
        return True

    def awake(self):
        """Back from sleep: clear the bit and the doorbell."""
        cdef uint64_t rung
        exchange_32(&self.h.courier_sleeping, 0)
        read(self.ring.bells[self.h.feeders + self.h.handlers], &rung, 8)

    def fileno(self):
        """The courier's doorbell, one for all routes."""
        return self.ring.bells[self.h.feeders + self.h.handlers]
