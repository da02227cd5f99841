# The feeder's side of its own area: it alone allocates, publishes, settles and frees.
#
#   FREE -> FILLED (behind its key) -> READY -> CLAIMED -> EXECUTING -> VERDICT+code -> FREE
#                                        ^---- taken back, returned, crashed ----'  '-> WAITING | COURIER
#
# What happens to a slot on this way is in placing.pxi, publishing.pxi, settling.pxi and lost.pxi; here is what others
# ask for. Everything private (free list, block map, windows, chains) is rebuilt after a crash, in adoption.pxi.

@cython.final
cdef class FeederSide:
    """The feeder of seat `seat`. Adopts what an earlier incarnation left.

    `order`: 0 none, 1 key, 2 partition. `run_limit`: slots of one key that one claim may take (1 for async
    handlers). `commit_window`: offsets a partition may be ahead of its first unsettled one. `tagged`: slots
    are settled by tag (a queue's delivery) instead of by offset. `courier_share`: an eighth is kept for it.
    """
    cdef readonly Ring ring
    cdef readonly int seat
    cdef Header *h
    cdef FeederHead *head
    cdef Slot *slots
    cdef uint32_t count, mask, order, block_shift, run_limit, bell_threshold
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
    cdef uint32_t kept_slots        # that handlers' messages leave free; 0 = none are kept
    cdef bint straight              # what comes now goes straight for the courier
    cdef uint32_t at_courier, courier_blocks    # slots that wait for the courier's ack, and their blocks
    cdef uint64_t carried, executed # acks of the courier's, of handlers'
    cdef int32_t annex_slot
    cdef dict indexes
    cdef uint32_t *event_slots
    cdef uint8_t *in_events         # by slot: stands in event_slots, so it never stands there twice
    cdef uint32_t event_count
    cdef uint32_t urgent_seen
    cdef uint32_t clock             # when what is shown next is shown, see timing.pxi
    cdef uint32_t *scratch
    cdef uint32_t *members          # of the run that is being published

    def __cinit__(self, Ring ring, int seat, int incarnation, *, int order=0, int run_limit=1,
                  long commit_window=1000000, bint tagged=False, bint courier_share=False):
        if not 0 <= seat < <int>ring.h.feeders:
            raise ValueError(f"the ring has no feeder seat {seat}")
        cdef uint32_t s = ring.h.slots
        self.ring, self.seat, self.h = ring, seat, ring.h
        self.block_shift = lowest_bit(ring.h.block_bytes)
        self.head = ring.feeder(seat)
        self.slots = ring.slots(seat)
        self.count, self.mask, self.order = s, s - 1, order
        self.run_limit = max(1, min(run_limit, MAX_CLAIM))
        self.commit_window = commit_window
        self.tagged = tagged
        self.kept_slots = s >> 3 if courier_share else 0
        self.annex_slot = -1
        arena_init(&self.arena, ring.h.arena_bytes // ring.h.block_bytes,
                   ring.h.arena_limit_bytes // ring.h.block_bytes)
        grow_arena(self)
        chains_init(&self.chains, s)
        self.windows = <Window *>calloc(PARTITION_ROOM, sizeof(Window))
        self.free_slots = <uint32_t *>malloc(s * 4)
        self.published = <uint8_t *>calloc(s, 1)
        self.tags = <int64_t *>calloc(s, 8)
        self.settled_tags = <int64_t *>calloc(s * 2, 8)
        self.event_slots = <uint32_t *>calloc(s, 4)
        self.in_events = <uint8_t *>calloc(s, 1)
        self.scratch = <uint32_t *>calloc(s, 4)
        self.members = <uint32_t *>calloc(s, 4)
        self.relieved = <uint64_t *>calloc(ring.h.handlers, 8)
        self.indexes = {}
        adopt(self, incarnation)

    def __dealloc__(self):
        cdef int i
        if self.windows != NULL:
            for i in range(PARTITION_ROOM):
                free(self.windows[i].unsettled)
        free(self.windows)
        free(self.arena.used)
        chains_free(&self.chains)
        free(self.free_slots)
        free(self.published)
        free(self.tags)
        free(self.settled_tags)
        free(self.event_slots)
        free(self.in_events)
        free(self.scratch)
        free(self.members)
        free(self.relieved)

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

    def withdraw(self, int index, uint64_t overflow_bytes=0, bint spare=False):
        """Take back all of the partition that no handler executes. Returns slots still out of reach.

        What comes back unexecuted from now on (its handler died, its wait is over) is kept from handlers: ask again.
        What was never executed and is no larger than `overflow_bytes` goes to the courier with OVERFLOW. With `spare`
        what lies below anything that was begun stays and is executed, until this is asked again without it."""
        return withdraw(self, index, overflow_bytes, spare)

    def close_partition(self, int index):
        """End the epoch: what is still executing becomes late work. Returns (low water, late slots)."""
        cdef Window *w = &self.windows[index]
        cdef int64_t low = window_low_water(w)
        cdef int late = withdraw(self, index, 0, False)     # what waits for a due time would otherwise wait for ever
        w.epoch = 0
        tell_partition(self, index, -1, -1, False)
        if w.outstanding:
            memset(w.unsettled, 0, w.size // 8)
            w.outstanding = 0
        return low, late

    def tell_partition(self, int index, long long committed, long long end, bint paused):
        """Let who looks from outside know how far the partition is: now and then."""
        tell_partition(self, index, committed, end, paused)

    def in_flight(self, int index, bint at_hand=False):
        """Slots of the partition's present epoch that are not free; `at_hand`: that a handler has or could take."""
        return in_flight(self, index, at_hand)

    def executing_seats(self, int index):
        """Handler seats that are executing a message of the partition's present epoch."""
        return executing_seats(self, index)

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
    def place(self, int index, long long offset, bytes value, *, bytes key=None, bytes headers not None=b"",
              long long timestamp_ms=0, int attempt=1, int crashes=0, bytes meta not None=b"", long long tag=0,
              bytes oversize_failure=None, int verdict=0, bytes detail not None=b""):
        """Put one message into the ring. False = no room now, in the ring or in the partition's window.

        With a `verdict` (DEAD, CHANNEL, OVERFLOW) and its `detail` it goes straight for the courier. A message
        larger than the arena goes to the dead set with `oversize_failure`, an encoded failure. Raises
        OverflowError: larger than the arena without one, or more than 64 KiB of meta. ValueError: an offset that
        does not belong to the partition's present epoch, or a verdict that is no handler's to skip.
        """
        cdef Brought brought
        if len(meta) > 0xFFFF:
            raise OverflowError("a message carries at most 65535 bytes of meta")
        check_destination(verdict)
        if not self.tagged and not admits(self, index, offset):
            return False
        brought.timestamp_ms, brought.tag, brought.attempt, brought.crashes = timestamp_ms, tag, attempt, crashes
        brought.judged = judge(verdict, detail)
        # One that is dead already is not less so for being large: its own reason stays.
        if verdict == V_DEAD:
            brought.oversize = brought.judged
        else:
            brought.oversize = judge(V_DEAD if oversize_failure is not None else 0, oversize_failure or b"")
        set_clock(self)
        return place_parts(self, index, offset, (key, headers, meta, value), &brought)

    @property
    def knows_message_limit(self):
        """Whether the arena is as large as it will be: until then a larger message may yet have its place."""
        return load_acquire_64(&self.h.message_limit_bytes) != 0

    # -- publishing --------------------------------------------------------------------------------------
    def flush(self):
        """Make what was published visible, and wake whom it concerns."""
        show_all(self)

    # -- settling ----------------------------------------------------------------------------------------
    cpdef int settle(self):
        """Take in every ack. Returns how many; what needs a decision is in `take_events()`."""
        cdef uint32_t seat, n = 0
        # ORDER: read before the acks: what is counted later is seen by the next prepare_sleep().
        self.urgent_seen = load_acquire_32(&self.head.urgent)
        set_clock(self)
        with nogil:
            for seat in range(load_acquire_32(&self.h.seated)):
                n += drain_acks(self, seat)
            self.executed += n
            n += drain_acks(self, self.h.handlers)
        tell_use(self)
        return n

    def take_events(self):
        """Slots that wait for a decision: list of (slot, verdict code, attempt, encoded failure)."""
        return take_events(self)

    def take_tags(self):
        """Tags of the deliveries settled since the last call."""
        cdef uint32_t i, n = self.settled_tag_count
        self.settled_tag_count = 0
        return [self.settled_tags[i] for i in range(n)]

    def detail(self, uint32_t slot):
        cdef uint32_t n = min(self.slots[slot].detail_bytes, DETAIL_ROOM)
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
        if is_late(self, s):
            release(self, slot, False)
            return False
        if counted and s.attempt < 0xFFFF:
            s.attempt += 1
        s.run_next = 0
        s.detail_bytes = 0
        publish_again(self, slot, FRONT)
        return True

    def blame(self, uint32_t slot):
        """One more process died executing this slot. Returns how many now."""
        if self.slots[slot].crashes < 0xFF:
            self.slots[slot].crashes += 1
        return self.slots[slot].crashes

    def again(self, uint32_t slot):
        """Publish a slot once more, nothing counted."""
        self.slots[slot].run_next = 0
        publish_again(self, slot, FRONT)

    def isolate(self, uint32_t slot):
        """Publish a slot to be executed alone in a process."""
        self.slots[slot].run_next = 0
        publish_again(self, slot, SUSPECT)

    def fail(self, uint32_t slot, int code, bytes detail):
        """Give a slot the verdict that its dead handler could not give. `detail`: an encoded failure."""
        write_detail(self, slot, detail, len(detail))
        count_lost(self.head, code)
        conclude(self, slot, code)

    def failed_first(self, uint32_t slot, long long wall_ms):
        """The message failed and stays here: remember when, for a parcel that it may become. The first counts."""
        if not self.slots[slot].flags & FLAG_FAILED:
            self.slots[slot].flags |= FLAG_FAILED
            memcpy(self.ring.verdict_page(self.seat, slot) + DETAIL_ROOM, &wall_ms, 8)

    def attempt_of(self, uint32_t slot):
        return self.slots[slot].attempt

    # -- overflow ----------------------------------------------------------------------------------------
    def divert(self, uint32_t keep, uint32_t most, uint64_t limit_bytes):
        """Send to the courier, with OVERFLOW, what waits for handlers beyond the oldest `keep`: `most` at most.

        Messages larger than `limit_bytes` stay, and so do those that were tried before. Returns how many went.
        """
        show_all(self)
        return divert(self, keep, most, limit_bytes)

    def limit_frames(self, uint32_t messages):
        """The courier packs no more than so many of this feeder's messages into a frame; 0 = as it wants."""
        store_relaxed_32(&self.head.frame_limit, messages)

    # -- slow, dead and lost -----------------------------------------------------------------------------
    def take_back(self, long long slow_ns):
        """Publish again, ahead of what waits, what handlers claimed and cannot begin: their call lasts too long.

        Each slow call is looked at once: while it lasts, its handler claims nothing. Returns how many.
        """
        return take_back(self, slow_ns)

    def dead_seats(self):
        """Handler seats that were buried and that this feeder has not resolved yet."""
        return dead_seats(self)

    def resolve(self, uint32_t n):
        """Give back what a dead handler had claimed.

        Returns (slots it was calling here, how many calls were under way anywhere, cause, detail); the caller
        decides about those slots by blame(), isolate() or fail(), then calls resolved().
        """
        return resolve(self, n)

    def resolved(self, uint32_t n):
        """Everything of the dead handler was decided: its seat may be used again."""
        show_all(self)
        store_release_32(&self.head.resolved[n], (self.ring.seat(n).incarnation & 255) | 0x100)

    def greet_courier(self):
        """When a new courier began: send it every slot that the last one had. True if so."""
        return greet_courier(self)

    # -- sleeping ----------------------------------------------------------------------------------------
    def prepare_sleep(self, uint32_t how=EAGER):
        """Set the sleeping word; False = what this sleep waits for is there already, do not sleep.

        EAGER 1: any ack. ROOMY 2: it is full: a sixteenth of the slots, or handlers that run dry, and any ack with
        EAGER as well. LAZY 4: plain acks can wait for the feeder's next timer.
        """
        return feeder_may_sleep(self, how)

    def hurry_gatherers(self):
        """What handlers hold for a batch is wanted: they call it now."""
        hurry_gatherers(self)

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
        """Free slots for what comes now."""
        return open_slots(self, self.straight)

    @property
    def roomy(self):
        """A sixteenth of slots and blocks is free: worth filling."""
        return (open_slots(self, self.straight) >= self.count // 16 and self.arena.free_blocks
                >= self.arena.blocks // 16 + kept_blocks(self, self.straight))

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

    @property
    def waiting_for_courier(self):
        """Slots that the courier has, or is to get."""
        return self.at_courier

    @property
    def progress(self):
        """(verdicts that came back from handlers, acks that came from the courier) of this incarnation."""
        return self.executed, self.carried

    @property
    def paused(self):
        """Handlers are kept from taking anything: by a gate, or by what a handler said; a rest is none."""
        return self.h.gate != 0 or <int64_t>self.h.paused_until_ns > now_ns() + HOLD_NS

    def counters(self):
        return {"taken": self.head.taken, "settled": self.head.settled, "late": self.head.late,
                "refused_acks": self.head.refused_acks, "taken_back": self.head.taken_back,
                "oversize": self.head.oversize}
