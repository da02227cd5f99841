# The feeder's side of its own area: it alone allocates, publishes, settles and frees.
#
#   FREE -> FILLED (behind its key) -> READY -> CLAIMED -> EXECUTING -> VERDICT+code -> FREE
#                                        ^---- taken back, returned, crashed ----'  '-> WAITING | COURIER
#
# Everything private here (free list, block map, windows, chains) is rebuilt from the slots after a crash.

@cython.final
cdef class FeederSide:
    """The feeder of seat `seat`. Adopts what an earlier incarnation left.

    `order`: 0 none, 1 key, 2 partition. `run_limit`: slots of one key that one claim may take (1 for async
    handlers). `commit_window`: offsets a partition may be ahead of its first unsettled one. `tagged`: slots
    are settled by tag (a queue's delivery) instead of by offset.
    """
    cdef readonly Ring ring
    cdef readonly int seat
    cdef Header *h
    cdef FeederHead *head
    cdef Slot *slots
    cdef uint32_t count, mask, order, run_limit, bell_threshold
    cdef uint64_t tails[RINGS]
    cdef uint64_t published_tails[RINGS]
    cdef uint64_t courier_tail, seq, published_courier
    cdef uint64_t *relieved         # by handler seat: since when it was busy when its claim was taken back
    cdef uint64_t commit_window
    cdef Arena arena
    cdef Chains chains
    cdef Window *windows
    cdef uint32_t *free_slots
    cdef uint32_t free_count
    cdef uint8_t *published
    cdef int64_t *tags
    cdef int64_t *settled_tags      # room for twice the slots: reserve() stops before it overflows
    cdef uint32_t settled_tag_count
    cdef bint tagged
    cdef bint annex_busy
    cdef bint withdrawing
    cdef int32_t annex_slot
    cdef dict indexes
    cdef uint32_t *event_slots
    cdef uint8_t *in_events         # by slot: stands in event_slots, so it never stands there twice
    cdef uint32_t event_count
    cdef uint32_t urgent_seen
    cdef uint32_t *scratch

    def __cinit__(self, Ring ring, int seat, int incarnation, *, int order=0, int run_limit=1,
                  long commit_window=1000000, bint tagged=False):
        if not 0 <= seat < <int>ring.h.feeders:
            raise ValueError(f"the ring has no feeder seat {seat}")
        cdef uint32_t s = ring.h.slots
        self.ring, self.seat, self.h = ring, seat, ring.h
        self.head = ring.feeder(seat)
        self.slots = ring.slots(seat)
        self.count, self.mask, self.order = s, s - 1, order
        self.run_limit = max(1, min(run_limit, MAX_CLAIM))
        self.commit_window = commit_window
        self.tagged = tagged
        self.annex_slot = -1
        arena_init(&self.arena, ring.h.arena_bytes // ring.h.block_bytes)
        chains_init(&self.chains, s)
        self.windows = <Window *>calloc(PARTITION_ROOM, sizeof(Window))
        self.free_slots = <uint32_t *>malloc(s * 4)
        self.published = <uint8_t *>calloc(s, 1)
        self.tags = <int64_t *>calloc(s, 8)
        self.settled_tags = <int64_t *>calloc(s * 2, 8)
        self.event_slots = <uint32_t *>calloc(s, 4)
        self.in_events = <uint8_t *>calloc(s, 1)
        self.scratch = <uint32_t *>calloc(s, 4)
        self.relieved = <uint64_t *>calloc(ring.h.handlers, 8)
        self.indexes = {}
        self.adopt(incarnation)

    def __dealloc__(self):
        cdef int i
        if self.windows != NULL:
            for i in range(PARTITION_ROOM):
                free(self.windows[i].unsettled)
        free(self.windows)
        free(self.arena.used)
        free(self.chains.table)
        free(self.chains.next)
        free(self.chains.before)
        free(self.chains.hash)
        free(self.free_slots)
        free(self.published)
        free(self.tags)
        free(self.settled_tags)
        free(self.event_slots)
        free(self.in_events)
        free(self.scratch)
        free(self.relieved)

    # -- adoption ----------------------------------------------------------------------------------------
    cdef adopt(self, int incarnation):
        """Take over the area: hold what handlers and the courier still have, free the rest."""
        cdef uint32_t i
        cdef PartitionName *name
        # ORDER: before any seat is looked at: from here on the supervisor waits for this feeder's resolved()
        # before it gives a dead handler's seat to another.
        store_release_32(&self.head.state, SEAT_ADOPTING)
        full_fence()
        for i in range(self.head.partitions):
            name = self.ring.partition_name(self.seat, i)
            self.indexes[(self.ring.topic_of(self.seat, i), name.partition)] = i
        # ORDER: seq may have run ahead of what was stored when the earlier feeder died; a jump beyond
        # anything it can have published since keeps every (slot, seq) unique.
        self.seq = (self.head.seq + SEQ_JUMP) % SEQ_ROOM
        store_release_64(&self.head.seq, self.seq)
        self.head.epoch += 1
        for i in range(RINGS):
            self.tails[i] = self.published_tails[i] = load_acquire_64(&self.head.tails[i])
        self.courier_tail = self.published_courier = load_acquire_64(&self.head.courier_tail)
        self.free_or_hold()
        self.skip_entries()
        # ORDER: acks first, so that the ack rings are empty before a slot is used again (each has room for
        # one ack a slot), and no verdict that arrived is taken for an orphan's.
        self.settle()
        for i in range(self.count):
            if self.is_orphan(i):
                self.release(i, False)
            elif word_state(self.slots[i].word) == COURIER and self.was_never_sent(i):
                self.to_courier(i)
        self.flush_nogil()
        self.head.incarnation = incarnation
        self.head.pid = getpid()
        store_release_32(&self.head.state, SEAT_ADMITTED)

    cdef void free_or_hold(self) noexcept nogil:
        cdef int64_t i
        cdef uint32_t state
        cdef uint64_t w
        self.free_count = 0
        for i in range(self.count - 1, -1, -1):
            while True:
                w = load_acquire_64(&self.slots[i].word)
                state = word_state(w)
                if state == EXECUTING or state == COURIER or state >= VERDICT:
                    self.hold(i)
                    break
                # ORDER: the rivals are handlers about to claim or to execute; the loser leaves the slot alone.
                if swap_if_64(&self.slots[i].word, w, 0):
                    self.free_slots[self.free_count] = i
                    self.free_count += 1
                    break

    cdef bint is_orphan(self, uint32_t slot) noexcept nogil:
        """Held for a handler that is gone: it died, or its seat was given on while no feeder sat here."""
        cdef uint64_t w = load_acquire_64(&self.slots[slot].word)
        cdef HandlerSeat *seat
        if word_state(w) != EXECUTING and word_state(w) < VERDICT:
            return False
        if word_seat(w) >= self.h.handlers:
            return True
        seat = self.ring.seat(word_seat(w))
        return load_acquire_32(&seat.state) != SEAT_ADMITTED or seat.incarnation & 255 != word_incarnation(w)

    cdef bint was_never_sent(self, uint32_t slot) noexcept nogil:
        """A feeder died between the slot's word and the courier ring's tail."""
        cdef uint64_t ahead = (word_seq(self.slots[slot].word) - self.head.sent) % SEQ_ROOM
        return 0 < ahead < SEQ_ROOM // 2

    cdef void hold(self, uint32_t slot) noexcept nogil:
        """Keep a slot that an earlier incarnation handed out: its blocks, and its place in its key's order."""
        cdef Slot *s = &self.slots[slot]
        s.epoch = NO_EPOCH          # late, whatever epochs follow: its offset is read again
        if s.flags & FLAG_ANNEX:
            self.annex_busy, self.annex_slot = True, slot
        else:
            arena_mark(&self.arena, s.block, self.blocks_of(s))
        self.published[slot] = True
        if self.order:
            chain_append(&self.chains, slot, self.hash_of(s))

    cdef void skip_entries(self) noexcept nogil:
        """Move the heads over entries whose slots were withdrawn; what is still READY is published again."""
        cdef uint64_t at, e, tail
        cdef uint32_t ring_no
        cdef uint64_t *head
        cdef uint64_t *entries
        for ring_no in range(RINGS):
            entries = self.ring.ready(self.seat, ring_no)
            head = &self.head.heads[ring_no]
            tail = self.published_tails[ring_no]
            at = load_acquire_64(head)
            while at != tail and not swap_if_64(head, at, tail):
                at = load_acquire_64(head)
            while at < tail:
                e = entries[at & self.mask]
                at += 1
                if (entry_slot(e) < self.count
                        and load_acquire_64(&self.slots[entry_slot(e)].word) == pack(entry_seq(e), 0, 0, READY)):
                    self.publish_again(entry_slot(e), ring_no)

    # -- partitions --------------------------------------------------------------------------------------
    def partition_index(self, str topic, int partition):
        """The number of (topic, partition) in this feeder's table. Raises IndexError when it is full."""
        found = self.indexes.get((topic, partition))
        if found is not None:
            return found
        cdef bytes name = topic.encode()
        cdef uint32_t n = self.head.partitions
        cdef PartitionName *at
        if n >= PARTITION_ROOM or len(name) > TOPIC_ROOM - 8:
            raise IndexError("this feeder's table of partitions is full")
        at = self.ring.partition_name(self.seat, n)
        at.partition = partition
        at.topic_bytes = len(name)
        memcpy(at.topic, <const char *>name, len(name))
        store_release_32(&self.head.partitions, n + 1)
        self.indexes[(topic, partition)] = n
        return n

    def open_partition(self, int index, long long position):
        """Begin a new epoch of the partition at `position`: verdicts of earlier epochs never move an offset."""
        self.head.epoch += 1
        window_open(&self.windows[index], position, self.commit_window, self.head.epoch)

    def withdraw(self, int index):
        """Take back all of the partition that no handler executes. Returns slots still out of reach."""
        cdef uint32_t i, state, left = 0
        cdef uint64_t w
        cdef Slot *s
        self.withdrawing = True
        for i in range(self.count):
            s = &self.slots[i]
            if s.partition != index or s.epoch != self.windows[index].epoch:
                continue
            while True:
                w = load_acquire_64(&s.word)
                state = word_state(w)
                if state == FREE:
                    break
                if state == EXECUTING or state == COURIER or state >= VERDICT:
                    left += 1
                    break
                # ORDER: the loser of this swap is a handler about to claim or execute: its own swap fails
                # and it skips the slot.
                if swap_if_64(&s.word, w, pack(word_seq(w), 0, 0, FILLED)):
                    self.release(i, False)
                    break
        self.withdrawing = False
        self.skip_entries()
        self.flush_nogil()
        return left

    def close_partition(self, int index):
        """End the epoch: what is still executing becomes late work. Returns (low water, late slots)."""
        cdef Window *w = &self.windows[index]
        cdef int64_t low = window_low_water(w)
        cdef int late = self.withdraw(index)    # what waits for a due time would otherwise wait for ever
        w.epoch = 0
        if w.outstanding:
            memset(w.unsettled, 0, w.size // 8)
            w.outstanding = 0
        return low, late

    def in_flight(self, int index):
        """Slots of the partition's present epoch that are not free."""
        cdef uint32_t i, n = 0
        for i in range(self.count):
            if (self.slots[i].partition == index and self.slots[i].epoch == self.windows[index].epoch
                    and word_state(load_acquire_64(&self.slots[i].word)) != FREE):
                n += 1
        return n

    def executing_seats(self, int index):
        """Handler seats that are executing a message of the partition's present epoch."""
        cdef uint32_t i
        cdef uint64_t w
        seats = set()
        for i in range(self.count):
            w = load_acquire_64(&self.slots[i].word)
            if (word_state(w) == EXECUTING and self.slots[i].partition == index
                    and self.slots[i].epoch == self.windows[index].epoch):
                seats.add(word_seat(w))
        return seats

    def low_water(self, int index):
        """First offset of the partition not settled; its position when all are."""
        return window_low_water(&self.windows[index])

    def position(self, int index):
        """Next offset to be taken."""
        return self.windows[index].position

    def window_full(self, int index):
        """The partition is as far ahead of its first unsettled offset as commit.window lets it be."""
        cdef Window *w = &self.windows[index]
        window_low_water(w)
        return not window_has_room(w, w.position)

    # -- placing -----------------------------------------------------------------------------------------
    cdef inline uint32_t blocks_of(self, Slot *s) noexcept nogil:
        cdef uint64_t size = s.headers_bytes + s.meta_bytes
        size += s.key_bytes if s.key_bytes != ABSENT else 0
        size += s.value_bytes if s.value_bytes != ABSENT else 0
        size = (size + self.h.block_bytes - 1) // self.h.block_bytes
        return <uint32_t>size if size else 1

    cdef inline uint64_t hash_of(self, Slot *s) noexcept nogil:
        """0 = no order: the slot hangs behind nobody."""
        if self.order == 0:
            return 0
        if self.order == 2:
            return key_hash(<char *>&s.partition, 2, 1)
        if s.key_bytes == ABSENT or s.flags & FLAG_ANNEX:
            return 0
        return key_hash(self.ring.bytes_of(self.seat, s), s.key_bytes, s.partition + 2)

    cdef int64_t reserve(self, uint32_t key, uint32_t headers, uint32_t meta, uint32_t value) noexcept nogil:
        """A slot with blocks for these lengths; -1 = no room now, -2 = larger than the arena."""
        cdef uint32_t slot
        cdef int64_t block
        cdef Slot *s
        cdef uint32_t n
        if self.free_count == 0 or (self.tagged and self.settled_tag_count >= self.count + self.free_count):
            return -1
        slot = self.free_slots[self.free_count - 1]
        s = &self.slots[slot]
        s.key_bytes, s.headers_bytes, s.meta_bytes, s.value_bytes = key, headers, meta, value
        n = self.blocks_of(s)
        if n > self.arena.blocks:
            return -2
        block = arena_take(&self.arena, n)
        if block < 0:
            return -1
        self.free_count -= 1
        s.block = <uint32_t>block
        s.flags = 0
        s.detail_bytes = 0
        return slot

    cdef inline void admit_slot(self, uint32_t slot, uint32_t index, int64_t offset) noexcept nogil:
        """The slot's bytes are in place: note the offset as taken, and publish it or hang it behind its key."""
        cdef Slot *s = &self.slots[slot]
        cdef uint64_t hash
        s.partition = index
        s.offset = offset
        s.epoch = self.windows[index].epoch
        if not self.tagged:
            window_take(&self.windows[index], offset)
        store_relaxed_64(&self.head.taken, self.head.taken + 1)
        hash = self.hash_of(s)
        if hash == 0 or chain_append(&self.chains, slot, hash):
            self.publish(slot, 0)
        else:
            self.published[slot] = False
            store_relaxed_64(&s.word, pack(0, 0, 0, FILLED))

    def place(self, int index, long long offset, bytes value, *, bytes key=None, bytes headers not None=b"",
              long long timestamp_ms=0, int attempt=1, int crashes=0, bytes meta not None=b"", long long tag=0):
        """Put one message into the ring. False = no room now, in the ring or in the partition's window.

        Raises OverflowError: larger than the arena, or more than 64 KiB of meta. ValueError: an offset that
        does not belong to the partition's present epoch.
        """
        if len(meta) > 0xFFFF:
            raise OverflowError("a message carries at most 65535 bytes of meta")
        if not self.tagged and not self.admits(index, offset):
            return False
        cdef uint32_t key_bytes = ABSENT if key is None else len(key)
        cdef uint32_t value_bytes = ABSENT if value is None else len(value)
        cdef int64_t slot = self.reserve(key_bytes, len(headers), len(meta), value_bytes)
        cdef char *at
        cdef Slot *s
        if slot == -1:
            return False
        if slot == -2:
            raise OverflowError("the message is larger than the ring's arena")
        s = &self.slots[slot]
        at = self.ring.bytes_of(self.seat, s)
        for part in (key, headers, meta, value):
            if part:
                memcpy(at, <const char *>(<bytes>part), len(part))
                at += len(part)
        s.timestamp_ms = timestamp_ms
        s.attempt, s.crashes = attempt, crashes
        self.tags[slot] = tag
        self.admit_slot(slot, index, offset)
        return True

    cdef bint admits(self, int index, int64_t offset) except -1:
        """The partition's window has room for this offset."""
        cdef Window *w = &self.windows[index]
        if w.epoch == 0 or offset < w.position:
            raise ValueError(f"offset {offset} was taken before, or its partition is not open")
        # LOSS: two offsets further apart than the window would share a bit, and the first that settles would
        # let the low water pass the other.
        return w.outstanding == 0 or window_has_room(w, offset) or (
            window_low_water(w) >= 0 and window_has_room(w, offset))

    # -- publishing --------------------------------------------------------------------------------------
    cdef inline void publish(self, uint32_t slot, uint32_t ring_no) noexcept nogil:
        """Write the slot's entry; visible to handlers at the next flush()."""
        cdef Slot *s = &self.slots[slot]
        cdef uint64_t *entries = self.ring.ready(self.seat, ring_no)
        self.seq = next_seq(self.seq)
        self.published[slot] = True
        s.run_next = 0
        # ORDER: the word is released after the slot's fields and bytes; the tail after the word.
        store_release_64(&s.word, pack(self.seq, 0, 0, READY))
        entries[self.tails[ring_no] & self.mask] = entry(self.seq, slot)
        self.tails[ring_no] += 1

    cdef void publish_run(self, uint32_t leader, uint32_t ring_no) noexcept nogil:
        """Publish the head of a chain, and behind it, as one piece, what waits for the same key."""
        cdef uint32_t n = 1, last = leader
        cdef int32_t slot = self.chains.next[leader]
        cdef uint32_t members[MAX_CLAIM]
        cdef uint32_t i
        cdef uint32_t limit = self.h.run_limit if self.h.run_limit else self.run_limit
        while slot >= 0 and n < limit and word_state(self.slots[slot].word) == FILLED:
            members[n] = slot
            n += 1
            slot = self.chains.next[slot]
        # ORDER: the leader's seq, then each member's the next one: a handler that follows run_next proves by
        # the seq alone that the slot it meets belongs to the very run whose leader it claimed.
        cdef uint64_t first = next_seq(self.seq)
        self.seq = first
        for i in range(1, n):
            slot = members[i]
            self.seq = next_seq(self.seq)
            self.published[slot] = True
            self.slots[slot].run_next = 0 if i + 1 == n else members[i + 1] + 1
            store_release_64(&self.slots[slot].word, pack(self.seq, 0, 0, READY))
        self.slots[leader].run_next = 0 if n == 1 else members[1] + 1
        self.published[leader] = True
        # ORDER: the leader last: who claims it finds its members READY.
        store_release_64(&self.slots[leader].word, pack(first, 0, 0, READY))
        self.ring.ready(self.seat, ring_no)[self.tails[ring_no] & self.mask] = entry(first, leader)
        self.tails[ring_no] += 1

    cdef void publish_again(self, uint32_t slot, uint32_t ring_no) noexcept nogil:
        """A slot that came back unexecuted: publish it, or let it hang behind its key again."""
        cdef int32_t member
        if self.chains.hash[slot] == 0:
            self.publish(slot, ring_no)
            return
        member = <int32_t>self.slots[slot].run_next - 1
        while member >= 0:      # the run is one piece: its members come back with their leader
            if not self.reclaim(member):
                break
            member = <int32_t>self.slots[member].run_next - 1
        self.published[slot] = False
        store_release_64(&self.slots[slot].word, pack(0, 0, 0, FILLED))
        if chain_is_head(&self.chains, slot):
            if ring_no == SUSPECT:
                self.publish(slot, ring_no)
            else:
                self.publish_run(slot, ring_no)

    cdef bint reclaim(self, uint32_t slot) noexcept nogil:
        """READY or CLAIMED -> FILLED, whoever has it. False when it is executing or beyond."""
        cdef Slot *s = &self.slots[slot]
        cdef uint64_t w
        cdef uint32_t state
        while True:
            w = load_acquire_64(&s.word)
            state = word_state(w)
            if state != READY and state != CLAIMED:
                return state == FILLED
            if swap_if_64(&s.word, w, pack(0, 0, 0, FILLED)):
                self.published[slot] = False
                return True

    def flush(self):
        """Make what was published visible, and wake whom it concerns."""
        self.flush_nogil()

    cdef void flush_nogil(self) noexcept nogil:
        store_relaxed_64(&self.head.seq, self.seq)
        if self.show(FRONT) | self.show(MAIN):
            full_fence()
            self.ring.wake_handler()
        if self.show(SUSPECT):
            fetch_add_32(&self.h.suspects, 1)
            full_fence()
            self.ring.wake_all_handlers()
        if self.courier_tail != self.published_courier:
            store_release_64(&self.head.courier_tail, self.courier_tail)
            self.published_courier = self.courier_tail
            full_fence()
            self.ring.wake_courier()
        # ORDER: after the tails: what has a later seq than `sent` was perhaps never visible. Whoever adopts
        # sends it again: twice is allowed, never is not.
        store_release_64(&self.head.sent, self.seq)

    cdef inline bint show(self, uint32_t ring_no) noexcept nogil:
        """Let handlers see what was published on this ring; True = there was something."""
        if self.tails[ring_no] == self.published_tails[ring_no]:
            return False
        store_release_64(&self.head.tails[ring_no], self.tails[ring_no])
        self.published_tails[ring_no] = self.tails[ring_no]
        return True

    # -- settling ----------------------------------------------------------------------------------------
    cdef inline bint is_late(self, Slot *s) noexcept nogil:
        return s.epoch != self.windows[s.partition].epoch

    cdef void release(self, uint32_t slot, bint settled) noexcept nogil:
        """Free the slot and its blocks. `settled`: its message is finished with, so its offset may pass."""
        cdef Slot *s = &self.slots[slot]
        cdef int32_t following
        if self.is_late(s):
            if settled:
                store_relaxed_64(&self.head.late, self.head.late + 1)
        elif settled:
            if self.tagged:
                self.settled_tags[self.settled_tag_count] = self.tags[slot]
                self.settled_tag_count += 1
            else:
                window_settle(&self.windows[s.partition], s.offset)
            store_relaxed_64(&self.head.settled, self.head.settled + 1)
        if s.flags & FLAG_ANNEX:
            self.clear_annex(s)
        else:
            arena_free(&self.arena, s.block, self.blocks_of(s))
        following = chain_remove(&self.chains, slot)
        store_release_64(&s.word, 0)
        self.free_slots[self.free_count] = slot
        self.free_count += 1
        if following >= 0 and not self.published[following] and not self.withdrawing:
            self.publish_run(following, MAIN)

    cdef void to_courier(self, uint32_t slot) noexcept nogil:
        cdef Slot *s = &self.slots[slot]
        self.seq = next_seq(self.seq)
        store_release_64(&s.word, pack(self.seq, 0, 0, COURIER))
        # Twice as long as there are slots: after a new courier's greeting each slot may stand in it twice.
        self.ring.courier_ring(self.seat)[self.courier_tail & (self.mask * 2 + 1)] = entry(self.seq, slot)
        self.courier_tail += 1

    cdef void conclude(self, uint32_t slot, uint32_t code) noexcept nogil:
        """Act on a verdict."""
        cdef Slot *s = &self.slots[slot]
        if code == V_DONE or code == V_SKIP or (self.is_late(s) and code != V_RETURNED):
            # LOSS: a late message was not committed by us; whoever owns the partition reads it again.
            self.release(slot, True)
        elif code == V_RETURNED:
            if self.is_late(s):
                self.release(slot, False)
            else:
                s.run_next = 0
                self.publish_again(slot, FRONT)
        elif code == V_DEAD or code == V_CHANNEL or (code == V_RETRY and self.order == 0):
            s.verdict = <uint8_t>code
            self.to_courier(slot)
        else:
            store_release_64(&s.word, pack(word_seq(s.word), 0, code, WAITING))
            if not self.in_events[slot]:
                self.in_events[slot] = True
                self.event_slots[self.event_count] = slot
                self.event_count += 1

    cdef void accept_ack(self, uint32_t seat, uint64_t e) noexcept nogil:
        cdef uint32_t slot = entry_slot(e), state
        cdef uint64_t w
        if slot >= self.count:
            store_relaxed_64(&self.head.refused_acks, self.head.refused_acks + 1)
            return
        w = load_acquire_64(&self.slots[slot].word)
        state = word_state(w)
        if word_seq(w) != entry_seq(e):
            store_relaxed_64(&self.head.refused_acks, self.head.refused_acks + 1)
        elif seat == self.h.handlers and state == COURIER:
            self.release(slot, True)
        elif seat != self.h.handlers and state > VERDICT and word_seat(w) == seat:
            self.conclude(slot, state - VERDICT)
        else:
            store_relaxed_64(&self.head.refused_acks, self.head.refused_acks + 1)

    cdef uint32_t drain_acks(self, uint32_t seat) noexcept nogil:
        cdef AckRing *acks = self.ring.acks(self.seat, seat)
        cdef uint64_t *entries = <uint64_t *>(<char *>acks + sizeof(AckRing))
        cdef uint64_t tail = load_acquire_64(&acks.tail), at = acks.head
        cdef uint32_t n
        if tail - at > self.count:
            at = tail - self.count      # no honest handler gets here: look at each cell once, believe none
        n = <uint32_t>(tail - at)
        while at != tail:
            self.accept_ack(seat, entries[at & self.mask])
            at += 1
        if n:
            store_release_64(&acks.head, at)
        return n

    cpdef int settle(self):
        """Take in every ack. Returns how many; what needs a decision is in `take_events()`."""
        cdef uint32_t seat, n = 0
        # ORDER: read before the acks: what is counted later is seen by the next prepare_sleep().
        self.urgent_seen = load_acquire_32(&self.head.urgent)
        with nogil:
            for seat in range(self.h.handlers + 1):
                n += self.drain_acks(seat)
        return n

    def take_events(self):
        """Slots that wait for a decision: list of (slot, verdict code, attempt, encoded failure)."""
        cdef uint32_t i, slot, n = self.event_count
        self.event_count = 0
        found = []
        for i in range(n):
            slot = self.event_slots[i]
            self.in_events[slot] = False
            if word_state(self.slots[slot].word) == WAITING:
                found.append((slot, word_incarnation(self.slots[slot].word), self.slots[slot].attempt,
                              self.detail(slot)))
        return found

    def take_tags(self):
        """Tags of the deliveries settled since the last call."""
        cdef uint32_t i, n = self.settled_tag_count
        self.settled_tag_count = 0
        return [self.settled_tags[i] for i in range(n)]

    def detail(self, uint32_t slot):
        cdef uint32_t n = min(self.slots[slot].detail_bytes, VERDICT_ROOM)
        return PyBytes_FromStringAndSize(self.ring.verdict_page(self.seat, slot), n)

    # -- decisions ---------------------------------------------------------------------------------------
    def token(self, uint32_t slot):
        """What proves later that the slot still waits for the same thing."""
        return load_acquire_64(&self.slots[slot].word)

    def resume(self, uint32_t slot, uint64_t token, bint counted=True):
        """A waiting slot is due: publish it, one attempt further if `counted`. False = it is gone."""
        cdef Slot *s = &self.slots[slot]
        if slot >= self.count or s.word != token or word_state(token) != WAITING:
            return False
        if self.is_late(s):
            self.release(slot, False)
            return False
        if counted and s.attempt < 0xFFFF:
            s.attempt += 1
        s.run_next = 0
        s.detail_bytes = 0
        self.publish_again(slot, FRONT)
        return True

    def blame(self, uint32_t slot):
        """One more process died executing this slot. Returns how many now."""
        if self.slots[slot].crashes < 0xFF:
            self.slots[slot].crashes += 1
        return self.slots[slot].crashes

    def again(self, uint32_t slot):
        """Publish a slot once more, nothing counted."""
        self.slots[slot].run_next = 0
        self.publish_again(slot, FRONT)

    def isolate(self, uint32_t slot):
        """Publish a slot to be executed alone in a process."""
        self.slots[slot].run_next = 0
        self.publish_again(slot, SUSPECT)

    def fail(self, uint32_t slot, int code, bytes detail):
        """Give a slot the verdict that its dead handler could not give. `detail`: an encoded failure."""
        cdef uint32_t n = min(len(detail), VERDICT_ROOM)
        memcpy(self.ring.verdict_page(self.seat, slot), <const char *>detail, n)
        self.slots[slot].detail_bytes = n
        self.conclude(slot, code)

    def attempt_of(self, uint32_t slot):
        return self.slots[slot].attempt

    # -- slow, dead and lost -----------------------------------------------------------------------------
    def take_back(self, long long slow_ns):
        """Publish again, ahead of what waits, what handlers claimed and cannot begin: their call lasts too long.

        Each slow call is looked at once: while it lasts, its handler claims nothing.
        """
        cdef uint32_t n, taken = 0
        cdef HandlerSeat *seat
        cdef uint64_t now = now_ns(), since
        for n in range(self.h.handlers):
            seat = self.ring.seat(n)
            since = seat.busy_since_ns
            if (seat.claim_count < 2 or seat.claim_feeder != <uint32_t>self.seat or since == 0
                    or since == self.relieved[n] or <int64_t>(now - since) < slow_ns):
                continue
            self.relieved[n] = since
            taken += self.relieve(n)
        if taken:
            store_relaxed_64(&self.head.taken_back, self.head.taken_back + taken)
            self.flush_nogil()
        return taken

    cdef uint32_t relieve(self, uint32_t n) noexcept nogil:
        """Take back all that handler `n` has claimed here and not begun."""
        cdef uint32_t slot, taken = 0
        cdef uint64_t w
        for slot in range(self.count):
            w = load_acquire_64(&self.slots[slot].word)
            if word_state(w) != CLAIMED or word_seat(w) != n or not chain_is_head(&self.chains, slot):
                continue
            # ORDER: the handler's own swap to EXECUTING is the only rival. Whoever loses skips the slot.
            if swap_if_64(&self.slots[slot].word, w, pack(0, 0, 0, FILLED)):
                self.publish_again(slot, FRONT)
                taken += 1
        return taken

    def dead_seats(self):
        """Handler seats that were buried and that this feeder has not resolved yet."""
        cdef uint32_t n
        cdef HandlerSeat *seat
        found = []
        for n in range(self.h.handlers):
            seat = self.ring.seat(n)
            if (load_acquire_32(&seat.state) == SEAT_DEAD
                    and self.head.resolved[n] != (seat.incarnation & 255) | 0x100):
                found.append(n)
        return found

    def resolve(self, uint32_t n):
        """Give back what a dead handler had claimed.

        Returns (slots it was executing here, how many it was executing anywhere, cause, detail); the caller
        decides about those slots by blame(), isolate() or fail(), then calls resolved().
        """
        cdef HandlerSeat *seat = self.ring.seat(n)
        cdef uint32_t i, slot, back = 0, incarnation = seat.incarnation & 255
        cdef uint32_t ring_no = min(seat.claim_ring, <uint32_t>FRONT)
        cdef uint64_t e, w, head
        cdef uint64_t *entries = self.ring.ready(self.seat, ring_no)
        cdef uint32_t state
        self.drain_acks(n)
        if seat.claim_count and seat.claim_feeder == <uint32_t>self.seat:
            head = load_acquire_64(&self.head.heads[ring_no])
            for i in range(min(seat.claim_count, <uint32_t>MAX_CLAIM)):
                if seat.claim_head + i >= head:
                    break
                # ORDER: an old claim's record may outlive its entries. Where the ring has come round, the cell
                # is another entry, perhaps still unclaimed: taking its slot would leave a stale entry behind.
                if self.tails[ring_no] - (seat.claim_head + i) > self.count:
                    continue
                e = entries[(seat.claim_head + i) & self.mask]
                slot = entry_slot(e)
                # ORDER: READY under a moved head: the dead seat claimed the entry and died before marking
                # the slot, or a live one is about to mark it. The swap makes the live one skip it.
                if slot < self.count and swap_if_64(
                        &self.slots[slot].word, pack(entry_seq(e), 0, 0, READY), pack(0, 0, 0, FILLED)):
                    self.publish_again(slot, ring_no)
        executing = []
        for i in range(self.count):
            w = load_acquire_64(&self.slots[i].word)
            state = word_state(w)
            if word_seat(w) != n or word_incarnation(w) != incarnation or state < CLAIMED or state == WAITING:
                continue
            if state == CLAIMED:
                if self.is_late(&self.slots[i]):
                    self.release(i, False)
                else:
                    store_release_64(&self.slots[i].word, pack(0, 0, 0, FILLED))
                    self.published[i] = False
                    self.scratch[back] = i
                    back += 1
            elif state == EXECUTING:
                if self.is_late(&self.slots[i]):
                    self.release(i, True)
                else:
                    store_release_64(&self.slots[i].word, pack(0, 0, 0, FILLED))
                    self.published[i] = True    # only the decision about it may publish it
                    executing.append(i)
            elif state > VERDICT:
                self.conclude(i, state - VERDICT)
        for i in range(back):
            slot = self.scratch[i]
            # ORDER: run_next is kept: a handler that died between the leader and its members left them READY
            # without an entry of their own, and publish_again() brings them back with their leader.
            if word_state(self.slots[slot].word) == FILLED and not self.published[slot]:
                if ring_no == SUSPECT:
                    self.publish_again(slot, SUSPECT)
                elif chain_is_head(&self.chains, slot):
                    self.publish_again(slot, FRONT)
        self.flush_nogil()
        detail = PyBytes_FromStringAndSize(seat.detail, min(seat.detail_bytes, VERDICT_ROOM))
        return executing, seat.executing, seat.cause, detail

    def resolved(self, uint32_t n):
        """Everything of the dead handler was decided: its seat may be used again."""
        self.flush_nogil()
        store_release_32(&self.head.resolved[n], (self.ring.seat(n).incarnation & 255) | 0x100)

    def greet_courier(self):
        """When a new courier began: send it every slot that the last one had. True if so."""
        cdef uint32_t i, incarnation = load_acquire_32(&self.h.courier_incarnation)
        if incarnation == self.head.greeted:
            return False
        self.drain_acks(self.h.handlers)
        for i in range(self.count):
            if word_state(self.slots[i].word) == COURIER:
                self.to_courier(i)
        self.flush_nogil()
        # ORDER: in shared memory and last: a feeder that dies half way leaves the greeting to the next one.
        store_release_32(&self.head.greeted, incarnation)
        return True

    # -- the annex: one message at a time that is larger than the arena ------------------------------------
    cdef void clear_annex(self, Slot *s) noexcept nogil:
        fallocate(self.ring.annex_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  <off_t>self.seat << 31, <off_t>1 << 31)
        self.annex_busy = False
        self.annex_slot = -1

    cdef int64_t place_annex(self, uint32_t key, uint32_t headers, uint32_t value, char **at) noexcept nogil:
        """A slot whose bytes are in the annex, mapped at `at` for the caller to fill and unmap; -1 = not now."""
        cdef uint32_t slot
        cdef Slot *s
        cdef uint64_t size = headers
        if self.annex_busy or self.free_count == 0:
            return -1
        size += key if key != ABSENT else 0
        size += value if value != ABSENT else 0
        at[0] = <char *>mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self.ring.annex_fd,
                             <off_t>self.seat << 31)
        if at[0] == <char *>MAP_FAILED:
            return -1
        self.free_count -= 1
        slot = self.free_slots[self.free_count]
        s = &self.slots[slot]
        s.key_bytes, s.headers_bytes, s.meta_bytes, s.value_bytes = key, headers, 0, value
        s.flags, s.attempt, s.crashes, s.block = FLAG_ANNEX, 1, 0, 0
        self.annex_busy, self.annex_slot = True, slot
        store_relaxed_64(&self.head.oversize, self.head.oversize + 1)
        return slot

    # -- sleeping ----------------------------------------------------------------------------------------
    def prepare_sleep(self, uint32_t how=EAGER):
        """Set the sleeping word; False = what this sleep waits for is there already, do not sleep.

        EAGER 1: any ack. ROOMY 2: a sixteenth of the slots, or handlers that run dry. LAZY 4: plain acks can
        wait for the feeder's next timer.
        """
        cdef uint64_t back
        self.flush_nogil()
        store_release_32(&self.head.sleeping, how)
        full_fence()
        back = self.acks_waiting()
        if (load_acquire_32(&self.head.urgent) != self.urgent_seen or (how == EAGER and back)
                or (how == ROOMY and self.free_count + back >= self.count // 16)):
            store_release_32(&self.head.sleeping, 0)
            return False
        return True

    cdef uint64_t acks_waiting(self) noexcept nogil:
        cdef uint32_t seat
        cdef uint64_t n = 0
        cdef AckRing *acks
        for seat in range(self.h.handlers + 1):
            acks = self.ring.acks(self.seat, seat)
            n += load_acquire_64(&acks.tail) - acks.head
        return n

    def awake(self):
        """Back from sleep: clear the bit and the doorbell."""
        cdef uint64_t rung
        exchange_32(&self.head.sleeping, 0)
        read(self.ring.bells[self.seat], &rung, 8)

    def fileno(self):
        """The doorbell: readable when handlers or the courier have something for this feeder."""
        return self.ring.bells[self.seat]

    # -- looking -----------------------------------------------------------------------------------------
    @property
    def room(self):
        """Free slots."""
        return self.free_count

    @property
    def roomy(self):
        """A sixteenth of slots and blocks is free: worth filling."""
        return self.free_count >= self.count // 16 and self.arena.free_blocks >= self.arena.blocks // 16

    @property
    def used_ratio(self):
        """How full the ring is, slots or arena, whichever is fuller: 0.0 to 1.0."""
        return max(1.0 - self.free_count / self.count, 1.0 - self.arena.free_blocks / self.arena.blocks)

    @property
    def busy(self):
        """Slots that are not free."""
        return self.count - self.free_count

    @property
    def unclaimed(self):
        """Entries that no handler claimed yet."""
        return sum([self.published_tails[i] - load_acquire_64(&self.head.heads[i]) for i in range(RINGS)])

    def counters(self):
        return {"taken": self.head.taken, "settled": self.head.settled, "late": self.head.late,
                "refused_acks": self.head.refused_acks, "taken_back": self.head.taken_back,
                "oversize": self.head.oversize}
