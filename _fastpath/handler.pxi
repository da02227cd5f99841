# The handler's side: claim at any feeder of the route, execute, leave the verdict, ack.

@cython.final
cdef class HandlerSide:
    """The handler of seat `seat`. One thread only."""
    cdef readonly Ring ring
    cdef readonly int seat
    cdef Header *h
    cdef HandlerSeat *hs
    cdef uint32_t incarnation, next_feeder, claim_limit, got
    cdef uint64_t average_ns
    cdef uint32_t untimed           # calls of this claim since the clock was read
    cdef bint samples               # the next decoding is measured
    cdef int64_t decoding_ns        # ... and took so long
    cdef uint64_t *ack_tails
    cdef uint32_t *pending
    cdef uint32_t claimed[MAX_CLAIM]
    cdef uint64_t words[MAX_CLAIM]
    cdef bint disowned_
    cdef bint alone
    cdef bint returning
    cdef bint suspect_inside
    cdef bint front_only            # the present claim is one of a stop
    cdef bint probing               # the present claim used up a probe
    cdef uint32_t suspects_seen     # the ring's `suspects` when none was left
    cdef public uint32_t hold_after # see hold_back(); 0 = never
    cdef uint64_t done_before       # by the last failure
    cdef uint32_t failures          # without a success in between
    cdef int64_t woke_ns            # when feeders were last woken
    cdef dict topics
    cdef uint32_t at_feeder, at_slot    # what serve() executes at present: its slot + 1, 0 = no call is under way
    cdef public Outboxes outboxes   # of its calls, where they may send
    cdef Outbox sent                # verdicts that are kept back, see keeping.pxi
    cdef list emptied
    cdef uint32_t kept_count
    cdef readonly bint run_follows  # within a call: the next of its key begins right behind it
    cdef uint32_t *run              # of return_run()
    # What is held for a batch, see gathering.pxi
    cdef Held *held
    cdef Held suspect_held
    cdef uint32_t held_room, held_count, hurry_seen, mean_run
    cdef uint64_t held_bytes, mean_bytes
    cdef int64_t due_ns
    cdef bint suspect, going, waited, greedy
    cdef BatchPlan batches
    cdef uint32_t batch_limit

    def __cinit__(self, Ring ring, int seat, int incarnation):
        if not 0 <= seat < <int>ring.h.handlers:
            raise ValueError(f"the ring has no handler seat {seat}")
        cdef uint32_t f
        self.ring, self.seat, self.h, self.hs = ring, seat, ring.h, ring.seat(seat)
        self.incarnation = incarnation & 255
        self.ack_tails = <uint64_t *>calloc(self.h.feeders, 8)
        self.pending = <uint32_t *>calloc(self.h.feeders, 4)
        self.run = <uint32_t *>malloc(self.h.slots * 4)
        if self.ack_tails == NULL or self.pending == NULL or self.run == NULL:
            raise MemoryError("no memory for a handler's side")
        for f in range(self.h.feeders):
            self.ack_tails[f] = load_acquire_64(&ring.acks(f, seat).tail)
        self.next_feeder = seat % self.h.feeders
        self.average_ns = 10000
        self.topics = {}
        self.emptied = []
        self.hs.pid = getpid()
        self.hs.executing = self.hs.kept = 0
        self.hs.claim_count = 0
        self.hs.busy_since_ns = 0
        self.hs.gathering = 0

    def __dealloc__(self):
        free(self.ack_tails)
        free(self.pending)
        free(self.run)
        free(self.held)

    # -- verdicts ----------------------------------------------------------------------------------------
    cdef inline void push_ack(self, uint32_t f, uint32_t slot, uint64_t seq) noexcept nogil:
        cdef AckRing *acks = self.ring.acks(f, self.seat)
        cdef uint64_t *entries = <uint64_t *>(<char *>acks + sizeof(AckRing))
        entries[self.ack_tails[f] & (self.h.slots - 1)] = entry(seq, slot)
        self.ack_tails[f] += 1
        # ORDER: the verdict's word was released before; the ack makes the feeder look at it.
        store_release_64(&acks.tail, self.ack_tails[f])
        self.pending[f] += 1

    cdef inline void leave_verdict(self, uint32_t f, uint32_t slot, uint64_t seq, uint32_t code) noexcept nogil:
        cdef Slot *s = &self.ring.slots(f)[slot]
        store_release_64(&s.word, pack(seq, self.seat, self.incarnation, VERDICT + code))
        self.push_ack(f, slot, seq)
        # PERF: what goes to the dead set or waits a second or more for its retry can wait for the feeder's next
        # look as well (it knows that something is in flight): a wake for each costs more than the failed call.
        if code == V_RETRY or code == V_DEAD:
            hold_back(self)
        elif code == V_CHANNEL or code == V_PAUSE:
            self.ring.hurry_feeder(f)

    cdef void write_detail(self, uint32_t f, uint32_t slot, bytes detail):
        cdef uint32_t n = min(len(detail), DETAIL_ROOM)
        if n:
            memcpy(self.ring.verdict_page(f, slot), <const char *>detail, n)
        self.ring.slots(f)[slot].detail_bytes = n

    cpdef void flush(self):
        """Wake the feeders that have acks waiting: at the end of a stretch of work."""
        self.wake_feeders(EAGER | ROOMY)

    cdef void wake_feeders(self, uint32_t sleepers) noexcept nogil:
        cdef uint32_t f
        for f in range(self.h.feeders):
            if self.pending[f]:
                full_fence()
                if load_relaxed_32(&self.ring.feeder(f).sleeping) & sleepers:
                    self.pending[f] = 0
                    self.ring.wake_feeder(f, sleepers)

    cdef inline void nudge(self, uint32_t f) noexcept nogil:
        """The pool's share each: of many handlers none alone would bring back a sixteenth of the slots."""
        if self.pending[f] * self.h.pool >= self.h.slots // 8:
            self.pending[f] = 0
            full_fence()
            self.ring.wake_feeder(f, EAGER | ROOMY)

    # -- sync --------------------------------------------------------------------------------------------
    def serve(self, CallPlan plan):
        """One claim: decode and call each message, leave its verdict. Returns messages executed; 0 = nothing."""
        cdef int64_t f, began
        cdef uint64_t waiting_ns
        cdef uint32_t i, n, executed = 0
        self.claim_limit = <uint32_t>max(1, min(CLAIM_LIMIT, CLAIM_NS // max(self.average_ns, 1)))
        if self.kept_count and self.holds_back():
            return 0
        if gated(self):
            return 0
        f = claim_any(self, self.claim_limit)
        if f < 0:
            return_probe(self)
            return 0
        n = self.got
        began = now_ns()
        self.hs.busy_since_ns = began
        self.returning = False
        add(&self.hs.claims, 1)
        waiting_ns, self.decoding_ns = since_ns(&self.ring.slots(<uint32_t>f)[self.claimed[n // 2]], began), 0
        for i in range(n):
            self.samples = i == n // 2
            executed += serve_run(self, plan, <uint32_t>f, self.claimed[i], self.words[i])
        store_release_32(&self.hs.claim_count, 0)
        time_calls(self)
        count_sample(self.hs, waiting_ns, self.decoding_ns, executed)
        self.average_ns = (self.average_ns * 3 + (self.hs.busy_since_ns - began) // max(executed, 1)) // 4
        began = <int64_t>self.hs.busy_since_ns
        self.hs.busy_since_ns = 0
        add(&self.hs.claimed, executed)
        if executed == 0:
            return_probe(self)
        if began - self.woke_ns > WAKE_NS:
            self.woke_ns = began
            self.wake_feeders(EAGER)
        else:
            self.nudge(<uint32_t>f)
        return executed

    # -- batches -----------------------------------------------------------------------------------------
    def serve_batch(self, BatchPlan plan, uint32_t limit):
        """Gather, and call one batch when it is time. Returns messages executed; 0 = nothing was called.

        With `limit` 0 nothing more is claimed, and what is held is called now.
        """
        cdef BatchClaim batch = next_batch(self, plan, limit, True)
        if batch is None:
            return 0
        if batch.count:
            call_batch(self, plan, batch)
        self.hs.busy_since_ns = 0
        return batch.executed

    def batch(self, BatchPlan plan, uint32_t limit):
        """The next batch, already EXECUTING, or None: for calls that overlap. Its length may be 0."""
        return next_batch(self, plan, limit, False)

    def return_held(self):
        """What is held goes back to its feeders: nothing can be called here soon."""
        return_held(self)

    @property
    def held(self):
        """Messages that are held for a batch."""
        return self.held_count

    @property
    def held_for_s(self):
        """How much longer they wait for more."""
        cdef int64_t left_ns = self.due_ns - now_ns() if self.held_count else 0
        return left_ns / 1e9 if left_ns > 0 else 0.0

    def limit_runs(self, uint32_t messages):
        """How many of one key one claim may take; 0 = as the feeder wants."""
        store_relaxed_32(&self.h.run_limit, messages)

    def keep(self, Outbox sent):
        """Within a call: its verdict is left by `settle_delivered()`, once nothing of this is on its way."""
        self.sent = sent

    @property
    def kept(self):
        """Verdicts that are kept back."""
        return self.kept_count

    def settle_delivered(self):
        """Leave the verdicts of calls of which nothing is on its way any more.

        Returns (claim, failure) of each that something failed of, for settle().
        """
        return settle_delivered(self)

    def settle(self, Claim claim, int verdict, bytes detail=b""):
        """Leave another verdict than was kept back. Exactly once a claim: ValueError otherwise."""
        settle_otherwise(self, claim, verdict, detail)

    def return_kept(self):
        """All that is kept back comes again, as nobody waits for it here any more. Returns how many."""
        return return_kept(self)

    def present(self, str route, str channel=""):
        """The message whose call is under way in serve(), a copy; None between calls, and in a forked child.

        Only within the thread that serves: elsewhere its bytes may be another's by then.
        """
        cdef Slot *s
        if self.disowned_ or self.at_slot == 0:
            return None
        s = &self.ring.slots(self.at_feeder)[self.at_slot - 1]
        value = value_of(self, self.at_feeder, s) if not s.flags & FLAG_ANNEX else None
        return message_of(self, self.at_feeder, self.at_slot - 1, value, route, channel)

    # -- async -------------------------------------------------------------------------------------------
    def claim(self, int limit):
        """Up to `limit` slots, already EXECUTING. A suspect comes alone, when nothing else executes here."""
        cdef int64_t f
        cdef uint32_t i, n, slot
        cdef Slot *s
        cdef Claim c
        claims = []
        if limit < 1 or self.holds_back():
            return claims
        self.claim_limit = <uint32_t>limit
        if gated(self):
            return claims
        f = claim_any(self, self.claim_limit)
        if f < 0:
            return_probe(self)
            return claims
        n = self.got
        add(&self.hs.claims, 1)
        for i in range(n):
            slot = self.claimed[i]
            s = &self.ring.slots(<uint32_t>f)[slot]
            self.hs.executing += 1
            if not swap_if_64(&s.word, self.words[i],
                              pack(word_seq(self.words[i]), self.seat, self.incarnation, EXECUTING)):
                self.hs.executing -= 1
                continue
            if s.run_next:
                # Calls overlap here, those of one key must not: what hangs behind goes back, and is not
                # published in runs any more.
                store_relaxed_32(&self.h.run_limit, 1)
                return_run(self, <uint32_t>f, s.run_next - 1)
            c = Claim.__new__(Claim)
            c.side, c.feeder, c.slot, c.word = self, <uint32_t>f, slot, self.words[i]
            c.value = value_of(self, <uint32_t>f, s)
            c.attempt = s.attempt
            c.suspect = self.alone
            c.begun_ns = now_ns()
            add(&self.hs.waiting_ns, since_ns(s, c.begun_ns))
            self.suspect_inside = self.alone
            claims.append(c)
        store_release_32(&self.hs.claim_count, 0)
        if not claims:
            return_probe(self)
        else:
            (<Claim>claims[len(claims) // 2]).stands_for = len(claims)
        add(&self.hs.claimed, len(claims))
        return claims

    def count_decoding(self, double took_s, int messages):
        """One message's decoding took so long; it stands for so many."""
        add(&self.hs.decoding_ns, <uint64_t>(took_s * 1e9) * messages)

    cpdef void finish(self, Claim claim, int verdict, bytes detail=b""):
        """The call ended: leave its verdict. Exactly once a claim: ValueError otherwise."""
        if self.disowned_:
            _exit(0)
        check_verdict(verdict)
        if claim.side is not self:
            raise ValueError("this claim was finished before, or is another handler's")
        claim.side = None
        self.write_detail(claim.feeder, claim.slot, detail)
        self.leave_verdict(claim.feeder, claim.slot, word_seq(claim.word), verdict)
        self.hs.executing -= 1
        if claim.suspect:
            self.suspect_inside = False
        account(self.hs, verdict, now_ns() - claim.begun_ns)
        self.nudge(claim.feeder)

    def suspects(self):
        """True when a suspect waits somewhere for a process of its own."""
        return work_waits(self, True)

    cdef bint holds_back(self):
        """A suspect is inside, or one waits until nothing else is."""
        return self.suspect_inside or (self.hs.executing
                                       and load_acquire_32(&self.h.suspects) != self.suspects_seen
                                       and self.suspects())

    @property
    def executing(self):
        """Calls that are under way in this process."""
        return self.hs.executing

    def pause(self, double for_s):
        """The route takes nothing new for so long, in any of its handlers."""
        pause_route(self, now_ns() + <int64_t>(for_s * 1e9))

    @property
    def paused_s(self):
        """How much longer the route takes nothing new; 0.0 = it is not paused."""
        cdef int64_t left_ns = <int64_t>load_acquire_64(&self.h.paused_until_ns) - now_ns()
        return left_ns / 1e9 if left_ns > 0 else 0.0

    def disown(self):
        """In a child that the user's code forked: it never touches the ring again, and ends with its call."""
        self.disowned_ = True

    # -- sleeping ----------------------------------------------------------------------------------------
    def prepare_sleep(self):
        """Set the sleeping bit; False = work appeared, do not sleep."""
        return may_sleep(self)

    def awake(self):
        """Back from sleep: clear the bit and the doorbell."""
        cdef uint64_t rung
        fetch_and_64(&self.h.sleeping[self.seat >> 6], ~(<uint64_t>1 << (self.seat & 63)))
        read(self.ring.bells[self.h.feeders + self.seat], &rung, 8)

    def fileno(self):
        """The doorbell: readable when there is something to claim."""
        return self.ring.bells[self.h.feeders + self.seat]
