# The handler's side: claim at any feeder of the route, execute, leave the verdict, ack.

cdef enum:
    WANTS_VALUE = 1
    WANTS_RAW = 2
    WANTS_MESSAGE = 4
    ONLY_MESSAGE = 8

cdef enum:
    STAGE_TOMBSTONE = 0
    STAGE_DECODE = 1
    STAGE_CALL = 2

cdef enum:
    CLAIM_NS = 500000       # a claim is sized to this much work ...
    CLAIM_LIMIT = 32        # ... and never beyond: 16 costs as little a message as 256
    WAKE_NS = 1000000       # acks of slow calls do not wait longer than this for company


@cython.final
cdef class CallPlan:
    """How one message becomes one call.

    `call`: the user's function with its middleware. `decode`: bytes -> value, None for raw bytes. `resolve`:
    (message, result, error, stage) -> (verdict code, encoded failure), asked about all but a None result.
    `wants`: VALUE 1, RAW 2, MESSAGE as second parameter 4, ONLY_MESSAGE 8. `accepts_none`: tombstones are
    passed on as None.
    """
    cdef object call, decode, resolve
    cdef int wants
    cdef bint accepts_none
    cdef str route, channel

    def __init__(self, call, decode, resolve, int wants, bint accepts_none, str route="", str channel=""):
        self.call, self.decode, self.resolve = call, decode, resolve
        self.wants, self.accepts_none = wants, accepts_none
        self.route, self.channel = route, channel


cdef int check_verdict(int code) except -1:
    """A verdict that nobody knows would leave its slot where nobody looks for it."""
    if not V_DONE <= code <= V_RETURNED:
        raise ValueError(f"there is no verdict {code}")
    return 0


@cython.final
@cython.freelist(256)
cdef class Claim:
    """A slot that this process executes: what an async handler holds until `finish()`."""
    cdef readonly object value
    cdef readonly int attempt
    cdef readonly bint suspect
    cdef readonly long long begun_ns
    cdef HandlerSide side
    cdef uint32_t feeder, slot
    cdef uint64_t word

    def message(self, str route, str channel=""):
        """The message, a copy. Raises ValueError after `finish()`: its bytes may be another's by then."""
        if self.side is None:
            raise ValueError("a message is read before its claim is finished")
        return self.side.message_of(self.feeder, self.slot, self.value, route, channel)


@cython.final
cdef class HandlerSide:
    """The handler of seat `seat`. One thread only."""
    cdef readonly Ring ring
    cdef readonly int seat
    cdef Header *h
    cdef HandlerSeat *hs
    cdef uint32_t incarnation, next_feeder, claim_limit, got
    cdef uint64_t average_ns
    cdef uint64_t *ack_tails
    cdef uint32_t *pending
    cdef uint32_t claimed[MAX_CLAIM]
    cdef uint64_t words[MAX_CLAIM]
    cdef bint disowned_
    cdef bint alone
    cdef bint returning
    cdef bint suspect_inside
    cdef bint probing               # the present claim used up a probe
    cdef uint32_t suspects_seen     # the ring's `suspects` when none was left
    cdef int64_t woke_ns            # when feeders were last woken
    cdef dict topics

    def __cinit__(self, Ring ring, int seat, int incarnation):
        if not 0 <= seat < <int>ring.h.handlers:
            raise ValueError(f"the ring has no handler seat {seat}")
        cdef uint32_t f
        self.ring, self.seat, self.h, self.hs = ring, seat, ring.h, ring.seat(seat)
        self.incarnation = incarnation & 255
        self.ack_tails = <uint64_t *>calloc(self.h.feeders, 8)
        self.pending = <uint32_t *>calloc(self.h.feeders, 4)
        for f in range(self.h.feeders):
            self.ack_tails[f] = load_acquire_64(&ring.acks(f, seat).tail)
        self.next_feeder = seat % self.h.feeders
        self.average_ns = 10000
        self.topics = {}
        self.hs.pid = getpid()
        self.hs.executing = 0
        self.hs.claim_count = 0
        self.hs.busy_since_ns = 0

    def __dealloc__(self):
        free(self.ack_tails)
        free(self.pending)

    # -- claiming ----------------------------------------------------------------------------------------
    cdef bint gated(self) noexcept nogil:
        cdef uint32_t gate = load_acquire_32(&self.h.gate), probes
        self.probing = False
        if gate & ~<uint32_t>G_FLOOD:
            return True
        if self.h.paused_until_ns and <int64_t>self.h.paused_until_ns > now_ns():
            return True
        if gate & G_FLOOD:
            probes = load_acquire_32(&self.h.probes)
            if probes == 0 or not swap_if_32(&self.h.probes, probes, probes - 1):
                return True
            self.claim_limit = 1
            self.probing = True
        return False

    cdef void return_probe(self) noexcept nogil:
        """Nothing was there to probe with: the probe is still to be made."""
        if self.probing:
            self.probing = False
            fetch_add_32(&self.h.probes, 1)

    cdef uint32_t sleepers(self) noexcept nogil:
        cdef uint32_t w, n = 0
        cdef uint64_t mask
        for w in range((self.h.handlers + 63) // 64):
            mask = load_relaxed_64(&self.h.sleeping[w])
            while mask:
                mask &= mask - 1
                n += 1
        return n

    cdef uint32_t claim_from(self, uint32_t f, uint32_t ring_no, uint32_t limit) noexcept nogil:
        """Claim up to `limit` entries of one ring of one feeder: the slots are in `claimed`."""
        cdef FeederHead *fh = self.ring.feeder(f)
        cdef uint64_t *entries = self.ring.ready(f, ring_no)
        cdef uint64_t *head_at = &fh.heads[ring_no]
        cdef uint64_t *tail_at = &fh.tails[ring_no]
        cdef uint64_t head, tail, batch[MAX_CLAIM]
        cdef uint32_t n, i, got = 0, mask = self.h.slots - 1, slot, share
        while True:
            head = load_acquire_64(head_at)
            tail = load_acquire_64(tail_at)
            if <int64_t>(tail - head) <= 0:
                return 0
            share = <uint32_t>min(tail - head, <uint64_t>MAX_CLAIM * 64) // (self.sleepers() + 1)
            n = min(min(limit, share), <uint32_t>MAX_CLAIM) if share else 1
            # ORDER: the claim is announced before the head moves, so that whoever resolves this seat after
            # its death knows which entries it may have taken.
            store_release_32(&self.hs.claim_count, 0)
            self.hs.claim_feeder, self.hs.claim_ring, self.hs.claim_head = f, ring_no, head
            store_release_32(&self.hs.claim_count, n)
            for i in range(n):
                batch[i] = load_relaxed_64(&entries[(head + i) & mask])
            # ORDER: the head only grows, so a swap that succeeds proves that the entries just read were
            # these n and are nobody else's.
            if swap_if_64(head_at, head, head + n):
                break
        for i in range(n):
            slot = entry_slot(batch[i])
            if slot < self.h.slots and swap_if_64(
                    &self.ring.slots(f)[slot].word, pack(entry_seq(batch[i]), 0, 0, READY),
                    pack(entry_seq(batch[i]), self.seat, self.incarnation, CLAIMED)):
                self.words[got] = pack(entry_seq(batch[i]), self.seat, self.incarnation, CLAIMED)
                self.claimed[got] = slot
                got += 1
                self.claim_run(f, slot, entry_seq(batch[i]))
        if tail - head > n:
            self.ring.wake_handler()
        return got

    cdef void claim_run(self, uint32_t f, uint32_t leader, uint64_t seq) noexcept nogil:
        """The slots behind a leader are claimed with it."""
        cdef Slot *slots = self.ring.slots(f)
        cdef uint32_t following = slots[leader].run_next
        # ORDER: the feeder may take the leader back meanwhile and use its slots again. A member's seq is its
        # predecessor's next one only in the publication whose leader was claimed, so a swap on the exact word
        # never takes a slot that stands there for another reason: nobody would ever execute it.
        while following and following <= self.h.slots:
            seq = next_seq(seq)
            if not swap_if_64(&slots[following - 1].word, pack(seq, 0, 0, READY),
                              pack(seq, self.seat, self.incarnation, CLAIMED)):
                break
            following = slots[following - 1].run_next

    cdef int64_t claim_any(self, uint32_t limit) noexcept nogil:
        """Claim at the next feeder that has something, suspects first. The feeder, or -1."""
        cdef uint32_t i, f, hint = load_acquire_32(&self.h.suspects)
        self.alone = False
        if hint != self.suspects_seen and self.hs.executing == 0:
            for i in range(self.h.feeders):
                f = (self.next_feeder + i) % self.h.feeders
                while self.suspect_waits(f):
                    self.got = self.claim_from(f, SUSPECT, 1)
                    if self.got:
                        self.alone = True
                        return f
            # ORDER: the count was read before the rings: what was published since makes it differ again.
            self.suspects_seen = hint
        for i in range(self.h.feeders):
            f = self.next_feeder
            self.next_feeder = f + 1 if f + 1 < self.h.feeders else 0
            if load_relaxed_32(&self.ring.feeder(f).state) == SEAT_ADMITTED:
                self.got = self.claim_from(f, FRONT, limit)
                if not self.got:
                    self.got = self.claim_from(f, MAIN, limit)
                if self.got:
                    return f
        store_release_32(&self.hs.claim_count, 0)
        return -1

    cdef inline bint suspect_waits(self, uint32_t f) noexcept nogil:
        cdef FeederHead *fh = self.ring.feeder(f)
        return (load_acquire_32(&fh.state) == SEAT_ADMITTED
                and load_acquire_64(&fh.tails[SUSPECT]) != load_acquire_64(&fh.heads[SUSPECT]))

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
        if code != V_DONE and code != V_SKIP:
            self.ring.hurry_feeder(f)       # somebody has to decide

    cdef void write_detail(self, uint32_t f, uint32_t slot, bytes detail):
        cdef uint32_t n = min(len(detail), VERDICT_ROOM)
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
        if self.pending[f] >= self.h.slots // 16:
            self.pending[f] = 0
            full_fence()
            self.ring.wake_feeder(f, EAGER | ROOMY)

    # -- messages ----------------------------------------------------------------------------------------
    cdef object value_of(self, uint32_t f, Slot *s):
        cdef const char *at
        if s.value_bytes == ABSENT:
            return None
        at = self.ring.bytes_of(f, s) + s.headers_bytes + s.meta_bytes
        if s.key_bytes != ABSENT:
            at += s.key_bytes
        return PyBytes_FromStringAndSize(at, s.value_bytes)

    cdef Message message_of(self, uint32_t f, uint32_t slot, value, str route, str channel):
        cdef Slot *s = &self.ring.slots(f)[slot]
        cdef const char *at = self.ring.bytes_of(f, s)
        cdef Message m = Message.__new__(Message)
        m.value = value
        m.key = copy_or_none(at, s.key_bytes)
        if s.key_bytes != ABSENT:
            at += s.key_bytes
        m.packed_headers = PyBytes_FromStringAndSize(at, s.headers_bytes) if s.headers_bytes else b""
        m.topic = self.topic_of(f, s.partition)
        m.partition = self.ring.partition_name(f, s.partition).partition
        m.offset, m.timestamp_ms, m.attempt = s.offset, s.timestamp_ms, s.attempt
        m.route, m.channel = route, channel
        return m

    cdef str topic_of(self, uint32_t f, uint32_t n):
        # PERF: the names of a route's topics are few and repeat; making the str anew costs 60 ns a message.
        key = f * PARTITION_ROOM + n
        topic = self.topics.get(key)
        if topic is None:
            topic = self.topics[key] = self.ring.topic_of(f, n)
        return topic

    # -- sync --------------------------------------------------------------------------------------------
    def serve(self, CallPlan plan):
        """One claim: decode and call each message, leave its verdict. Returns messages executed; 0 = nothing."""
        cdef int64_t f, began
        cdef uint32_t i, n, executed = 0
        self.claim_limit = <uint32_t>max(1, min(CLAIM_LIMIT, CLAIM_NS // max(self.average_ns, 1)))
        if self.gated():
            return 0
        f = self.claim_any(self.claim_limit)
        if f < 0:
            self.return_probe()
            return 0
        n = self.got
        began = now_ns()
        self.hs.busy_since_ns = began
        self.returning = False
        add(&self.hs.claims, 1)
        for i in range(n):
            executed += self.serve_run(plan, <uint32_t>f, self.claimed[i], self.words[i])
        store_release_32(&self.hs.claim_count, 0)
        self.average_ns = (self.average_ns * 3 + (self.hs.busy_since_ns - began) // max(executed, 1)) // 4
        began = <int64_t>self.hs.busy_since_ns
        self.hs.busy_since_ns = 0
        add(&self.hs.claimed, executed)
        if executed == 0:
            self.return_probe()
        if began - self.woke_ns > WAKE_NS:
            self.woke_ns = began
            self.wake_feeders(EAGER)
        else:
            self.nudge(<uint32_t>f)
        return executed

    cdef uint32_t serve_run(self, CallPlan plan, uint32_t f, uint32_t slot, uint64_t word):
        """Execute a claimed slot and the run behind it."""
        cdef Slot *s
        cdef uint32_t code, executed = 0, following
        cdef uint64_t seq
        cdef int64_t ended
        while True:
            s = &self.ring.slots(f)[slot]
            seq = word_seq(word)
            following = s.run_next
            if self.returning:
                if swap_if_64(&s.word, word, pack(seq, self.seat, self.incarnation, VERDICT + V_RETURNED)):
                    self.push_ack(f, slot, seq)
                    self.ring.hurry_feeder(f)
                    if following:
                        self.return_run(f, following - 1)
                return executed
            self.hs.executing = 1
            # ORDER: the feeder may take a claimed slot back until this swap; whoever loses skips the slot,
            # and the run behind it belongs to the winner.
            if not swap_if_64(&s.word, word, pack(seq, self.seat, self.incarnation, EXECUTING)):
                self.hs.executing = 0
                return executed
            code = self.execute(plan, f, slot, s)
            self.leave_verdict(f, slot, seq, code)
            self.hs.executing = 0
            ended = now_ns()
            self.account(code, ended - <int64_t>self.hs.busy_since_ns)
            self.hs.busy_since_ns = ended
            executed += 1
            if code == V_PAUSE:
                self.returning = True
            if not following:
                return executed
            if code == V_RETRY or code == V_PAUSE or self.probing:
                self.return_run(f, following - 1)
                return executed
            slot = following - 1
            word = pack(next_seq(seq), self.seat, self.incarnation, CLAIMED)

    cdef void return_run(self, uint32_t f, uint32_t slot) noexcept nogil:
        """What hangs behind a message that must be tried again goes back to its feeder, last one first.

        ORDER: all of it is looked up before any of it is given back: the feeder writes run_next of what it has.
        """
        cdef uint32_t run[MAX_CLAIM]
        cdef uint32_t n = 0, following = slot + 1
        cdef uint64_t w
        while following and n < MAX_CLAIM:
            run[n] = following - 1
            n += 1
            following = self.ring.slots(f)[following - 1].run_next
        while n:
            n -= 1
            w = load_acquire_64(&self.ring.slots(f)[run[n]].word)
            if (word_state(w) == CLAIMED and word_seat(w) == <uint32_t>self.seat
                    and swap_if_64(&self.ring.slots(f)[run[n]].word, w,
                                   pack(word_seq(w), self.seat, self.incarnation, VERDICT + V_RETURNED))):
                self.push_ack(f, run[n], word_seq(w))

    cdef inline void account(self, uint32_t code, int64_t took_ns) noexcept nogil:
        add(&self.hs.calls, 1)
        add(&self.hs.busy_ns, took_ns)
        add(&self.hs.histogram[bucket_of(took_ns)], 1)
        count_verdict(self.hs, code)

    cdef uint32_t execute(self, CallPlan plan, uint32_t f, uint32_t slot, Slot *s) except? 0:
        """Decode and call; the verdict's code. Its failure, if any, is in the slot's verdict page."""
        cdef int stage = STAGE_TOMBSTONE
        cdef Message message = None
        value = self.value_of(f, s) if not s.flags & FLAG_ANNEX else None
        result = error = None
        try:
            if plan.wants & (WANTS_MESSAGE | ONLY_MESSAGE):
                message = self.message_of(f, slot, value, plan.route, plan.channel)
            if value is None and not plan.accepts_none:
                return self.consult(plan, f, slot, value, message, None, None, stage)
            stage = STAGE_DECODE
            if value is not None and plan.decode is not None and plan.wants & WANTS_VALUE:
                argument = PyObject_CallOneArg(plan.decode, value)
            else:
                argument = value
            stage = STAGE_CALL
            if plan.wants & ONLY_MESSAGE:
                result = PyObject_CallOneArg(plan.call, message)
            elif plan.wants & WANTS_MESSAGE:
                result = plan.call(argument, message)
            else:
                result = PyObject_CallOneArg(plan.call, argument)
        except BaseException as e:
            error = e
        if self.disowned_:
            _exit(0)
        if result is None and error is None:
            return V_DONE
        return self.consult(plan, f, slot, value, message, result, error, stage)

    cdef uint32_t consult(self, CallPlan plan, uint32_t f, uint32_t slot, value, Message message, result, error,
                          int stage) except? 0:
        """Ask what a call that did not just return None means."""
        if message is None:
            message = self.message_of(f, slot, value, plan.route, plan.channel)
        code, detail = plan.resolve(message, result, error, stage)
        check_verdict(code)
        self.write_detail(f, slot, detail)
        return code

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
        if self.gated():
            return claims
        f = self.claim_any(self.claim_limit)
        if f < 0:
            self.return_probe()
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
                self.return_run(<uint32_t>f, s.run_next - 1)
            c = Claim.__new__(Claim)
            c.side, c.feeder, c.slot, c.word = self, <uint32_t>f, slot, self.words[i]
            c.value = self.value_of(<uint32_t>f, s)
            c.attempt = s.attempt
            c.suspect = self.alone
            c.begun_ns = now_ns()
            self.suspect_inside = self.alone
            claims.append(c)
        store_release_32(&self.hs.claim_count, 0)
        if not claims:
            self.return_probe()
        add(&self.hs.claimed, len(claims))
        return claims

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
        self.account(verdict, now_ns() - claim.begun_ns)
        self.nudge(claim.feeder)

    def suspects(self):
        """True when a suspect waits somewhere for a process of its own."""
        cdef uint32_t f
        for f in range(self.h.feeders):
            if self.suspect_waits(f):
                return True
        return False

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
        cdef uint64_t until = now_ns() + <int64_t>(for_s * 1e9)
        cdef uint64_t present = load_acquire_64(&self.h.paused_until_ns)
        while present < until and not swap_if_64(&self.h.paused_until_ns, present, until):
            present = load_acquire_64(&self.h.paused_until_ns)

    def disown(self):
        """In a child that the user's code forked: it never touches the ring again, and ends with its call."""
        self.disowned_ = True

    # -- sleeping ----------------------------------------------------------------------------------------
    def prepare_sleep(self):
        """Set the sleeping bit; False = work appeared, do not sleep.

        A handler that could not claim (a suspect is inside, or waits for the calls under way to end) sets no
        bit: a wake spent on it would be lost to those who can. The end of one of its own calls is its wake.
        """
        cdef uint32_t f, gate
        cdef FeederHead *fh
        cdef uint64_t bit = <uint64_t>1 << (self.seat & 63)
        self.flush()
        if self.holds_back():
            return True
        # ORDER: the bit before the look, by a full barrier; feeders publish before they look at the bits.
        fetch_or_64(&self.h.sleeping[self.seat >> 6], bit)
        gate = load_acquire_32(&self.h.gate)
        if (gate & ~<uint32_t>G_FLOOD or (gate and load_acquire_32(&self.h.probes) == 0)
                or (self.h.paused_until_ns and <int64_t>self.h.paused_until_ns > now_ns())):
            return True
        for f in range(self.h.feeders):
            fh = self.ring.feeder(f)
            if load_relaxed_32(&fh.state) == SEAT_ADMITTED and (
                    load_acquire_64(&fh.tails[MAIN]) != load_acquire_64(&fh.heads[MAIN])
                    or load_acquire_64(&fh.tails[FRONT]) != load_acquire_64(&fh.heads[FRONT])
                    or load_acquire_64(&fh.tails[SUSPECT]) != load_acquire_64(&fh.heads[SUSPECT])):
                fetch_and_64(&self.h.sleeping[self.seat >> 6], ~bit)
                return False
        return True

    def awake(self):
        """Back from sleep: clear the bit and the doorbell."""
        cdef uint64_t rung
        fetch_and_64(&self.h.sleeping[self.seat >> 6], ~(<uint64_t>1 << (self.seat & 63)))
        read(self.ring.bells[self.h.feeders + self.seat], &rung, 8)

    def fileno(self):
        """The doorbell: readable when there is something to claim."""
        return self.ring.bells[self.h.feeders + self.seat]
