# The supervisor's side: who sits where, who is dead, what the counters say. It never touches a message.

def crash_before_store(long n):
    """For tests: this process kills itself right before its nth shared store from here on; 0 = never.

    Returns the stores that were left of an earlier order, -1 when this is not a debug build (RINGMAIN_DEBUG=1).
    """
    return crash_before(n)


@cython.final
cdef class Overseer:
    """Seats, gates and counters of one route."""
    cdef readonly Ring ring
    cdef Header *h

    def __cinit__(self, Ring ring):
        self.ring, self.h = ring, ring.h

    # -- handlers ----------------------------------------------------------------------------------------
    def free_seat(self):
        """A handler seat that nobody has and that every feeder is done with, or -1."""
        cdef uint32_t n, f
        cdef HandlerSeat *seat
        for n in range(self.h.handlers):
            seat = self.ring.seat(n)
            if seat.state == SEAT_DEAD and self.is_resolved(n, seat.incarnation):
                seat.state = SEAT_FREE
            if seat.state == SEAT_FREE:
                return n
        return -1

    cdef bint is_resolved(self, uint32_t n, uint32_t incarnation) noexcept:
        cdef uint32_t f
        cdef FeederHead *fh
        for f in range(self.h.feeders):
            fh = self.ring.feeder(f)
            if (load_acquire_32(&fh.state) != SEAT_FREE
                    and load_acquire_32(&fh.resolved[n]) != ((incarnation & 255) | 0x100)):
                return False
        return True

    def admit(self, int seat):
        """Give the seat to a new handler. Returns its incarnation."""
        cdef HandlerSeat *hs = self.ring.seat(seat)
        hs.incarnation = (hs.incarnation + 1) & 255
        hs.cause = 0
        hs.detail_bytes = 0
        hs.claim_count = 0
        hs.executing = hs.kept = 0
        hs.busy_since_ns = 0
        hs.gathering = 0
        hs.called = 0
        store_relaxed_32(&self.h.pool, self.h.pool + 1)
        # ORDER: before the handler is born: feeders look no further than this for its acks and for its death.
        if <uint32_t>seat >= self.h.seated:
            store_release_32(&self.h.seated, seat + 1)
        store_release_32(&hs.state, SEAT_ADMITTED)
        return hs.incarnation

    def bury(self, int seat, int cause, bytes detail=b""):
        """The handler of this seat is dead, reaped, and cannot write any more. Feeders are told."""
        cdef HandlerSeat *hs = self.ring.seat(seat)
        cdef uint32_t f, n = min(len(detail), VERDICT_ROOM)
        if n:
            memcpy(hs.detail, <const char *>detail, n)
        hs.detail_bytes = n
        hs.cause = cause
        hs.gathering = 0
        # It may have been asleep: nobody must spend a wake on the dead.
        fetch_and_64(&self.h.sleeping[seat >> 6], ~(<uint64_t>1 << (seat & 63)))
        if hs.state == SEAT_ADMITTED:
            store_relaxed_32(&self.h.pool, self.h.pool - 1)
        store_release_32(&hs.state, SEAT_DEAD)
        self.ring.wake_handler()
        for f in range(self.h.feeders):
            if load_acquire_32(&self.ring.feeder(f).state) == SEAT_ADMITTED:
                exchange_32(&self.ring.feeder(f).sleeping, 0)
                self.ring.ring_bell(f)

    def handler(self, int seat):
        """(state, pid, incarnation, executing, busy since in monotonic ns or 0) of a handler seat."""
        cdef HandlerSeat *hs = self.ring.seat(seat)
        return load_acquire_32(&hs.state), hs.pid, hs.incarnation, hs.executing, hs.busy_since_ns

    def handler_counters(self, int seat):
        """Totals of a seat over all its incarnations."""
        cdef HandlerSeat *hs = self.ring.seat(seat)
        return {"calls": hs.calls, "done": hs.done, "skip": hs.skip, "retry": hs.retry, "dead": hs.dead,
                "channel": hs.channel, "busy_ns": hs.busy_ns, "claims": hs.claims, "claimed": hs.claimed,
                "waiting_ns": hs.waiting_ns, "decoding_ns": hs.decoding_ns,
                "committed": hs.committed, "aborted": hs.aborted, "transacting_ns": hs.transacting_ns,
                "histogram": [hs.histogram[i] for i in range(BUCKETS)]}

    def totals(self):
        """(done, skip, retry, dead, channel) over all handlers of the route, and what feeders said for dead ones."""
        cdef uint32_t n
        cdef HandlerSeat *hs
        cdef uint64_t done = 0, skip = 0, retry = 0, dead = 0, channel = 0
        for n in range(load_acquire_32(&self.h.seated)):
            hs = self.ring.seat(n)
            done += hs.done
            skip += hs.skip
            retry += hs.retry
            dead += hs.dead
            channel += hs.channel
        for n in range(self.h.feeders):
            retry += self.ring.feeder(n).retry
            dead += self.ring.feeder(n).dead
        return done, skip, retry, dead, channel

    # -- feeders -----------------------------------------------------------------------------------------
    def feeder_state(self, int seat):
        return load_acquire_32(&self.ring.feeder(seat).state)

    def bury_feeder(self, int seat):
        """The feeder of this seat is dead: nothing is claimed from its ring until the next one adopts it."""
        self.dismiss_feeder(seat, SEAT_DEAD)

    def free_feeder(self, int seat):
        """The feeder of this seat ended well and nobody follows."""
        self.dismiss_feeder(seat, SEAT_FREE)

    cdef void dismiss_feeder(self, uint32_t seat, uint32_t state) noexcept nogil:
        fetch_and_64(&self.h.admitted[seat >> 6], ~(<uint64_t>1 << (seat & 63)))
        store_release_32(&self.ring.feeder(seat).state, state)

    def feeder_counters(self, int seat):
        cdef FeederHead *fh = self.ring.feeder(seat)
        return {"taken": fh.taken, "settled": fh.settled, "late": fh.late, "refused_acks": fh.refused_acks,
                "taken_back": fh.taken_back, "oversize": fh.oversize,
                "unclaimed": load_acquire_64(&fh.tails[MAIN]) - load_acquire_64(&fh.heads[MAIN])}

    def courier_counters(self):
        """What the courier carried of this pool, and the sum of the times from each hand-over to its confirmation."""
        return {"carried": self.h.carried, "carrying_ns": self.h.carrying_ns}

    def partitions(self, int seat):
        """What the feeder of this seat owns now: list of (topic, partition, position, committed, end, low water,
        timestamp in ms of the last taken, paused). -1 = not known yet."""
        if load_acquire_32(&self.ring.feeder(seat).state) != SEAT_ADMITTED:
            return []
        return told_partitions(self.ring, seat)

    def ring_use(self, int seat):
        """(slots, used ones, how full it is from 0.0 to 1.0, entries that no handler claimed yet) of a feeder."""
        cdef FeederHead *fh = self.ring.feeder(seat)
        cdef uint32_t i, blocks = load_relaxed_32(&fh.blocks), used = load_relaxed_32(&fh.used_slots)
        cdef uint64_t head, unclaimed = 0
        cdef double of_slots = used, of_blocks = load_relaxed_32(&fh.used_blocks)
        of_slots = of_slots / self.h.slots
        of_blocks = of_blocks / blocks if blocks else 0.0
        for i in range(RINGS):
            head = load_acquire_64(&fh.heads[i])    # ORDER: before the tail, so that it is never ahead of it
            unclaimed += load_acquire_64(&fh.tails[i]) - head
        return self.h.slots, used, max(of_slots, of_blocks), min(unclaimed, <uint64_t>self.h.slots)

    # -- gates -------------------------------------------------------------------------------------------
    @property
    def gate(self):
        return load_acquire_32(&self.h.gate)

    def close_gate(self, int bit):
        """Handlers claim nothing new."""
        fetch_or_32(&self.h.gate, bit)

    def open_gate(self, int bit):
        """Handlers claim again, as far as no other gate is closed."""
        fetch_and_32(&self.h.gate, ~<uint32_t>bit)
        full_fence()
        self.ring.wake_all_handlers()

    def allow_probe(self, int n):
        """Let `n` messages through a closed FLOOD gate."""
        exchange_32(&self.h.probes, n)
        full_fence()
        self.ring.wake_all_handlers()

    @property
    def paused_until_ns(self):
        return self.h.paused_until_ns

    def learn_message_limit(self, uint64_t limit_bytes):
        """How large the route's topics let a message be: feeders make their arenas four times that, if smaller."""
        if limit_bytes > self.h.message_limit_bytes:
            store_release_64(&self.h.message_limit_bytes, limit_bytes)

    def wake_all(self):
        self.ring.wake_all_handlers()
