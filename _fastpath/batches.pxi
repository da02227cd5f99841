# How many messages become one call, and how each of them gets its verdict.

cdef enum:
    DECODE_AHEAD = 6


@cython.final
cdef class BatchClaim:
    """Messages that this process executes in one call. Its length counts those that could be decoded.

    `values`: what they decode to. `executed`: with those that could not, whose verdicts are there already.
    """
    cdef readonly list values
    cdef readonly int executed
    cdef readonly bint suspect
    cdef readonly long long begun_ns
    cdef readonly int verdict           # of the message that was finished last
    cdef HandlerSide side
    cdef CallPlan plan
    cdef object read
    cdef Held *items
    cdef uint32_t count, left
    cdef list made

    def __dealloc__(self):
        free(self.items)

    def __len__(self):
        return self.count

    cdef int check(self, Py_ssize_t n) except -1:
        if not 0 <= n < self.count or self.items[n].word == 0:
            raise ValueError(f"message {n} is not of this batch, or was finished before")
        return 0

    @property
    def messages(self):
        """The messages, as many and in the same order as `values`. Read before any is finished."""
        if self.made is None:
            self.made = [self.message(n) for n in range(self.count)]
        return self.made

    def message(self, Py_ssize_t n):
        """The nth message, a copy."""
        cdef Held *item
        if self.made is not None:
            return self.made[n]
        self.check(n)
        item = &self.items[n]
        value = value_of(self.side, item.feeder, &self.side.ring.slots(item.feeder)[item.slot])
        return message_of(self.side, item.feeder, item.slot, value, self.plan.route, self.plan.channel)

    def attempt(self, Py_ssize_t n):
        """The nth message's attempt."""
        self.check(n)
        return self.items[n].attempt

    def follows(self, Py_ssize_t n):
        """Whether the nth message hangs behind the one before it: they have the same key."""
        return 0 < n < self.count and self.items[n].follows

    def finish(self, Py_ssize_t n, int verdict, bytes detail=b""):
        """Leave the nth message's verdict. Exactly once: ValueError otherwise."""
        if self.side.disowned_:
            _exit(0)
        check_verdict(verdict)
        self.check(n)
        self.side.write_detail(self.items[n].feeder, self.items[n].slot, detail)
        self.verdict = verdict
        self.leave(n, verdict)
        self.close()

    def done(self):
        """All that are not finished are done."""
        cdef uint32_t n
        if self.side.disowned_:
            _exit(0)
        self.verdict = V_DONE
        for n in range(self.count):
            if self.items[n].word:
                self.leave(n, V_DONE)
        self.close()

    def alone(self, Py_ssize_t n):
        """The nth message as a batch of its own, to be called and finished there."""
        cdef BatchClaim one = BatchClaim.__new__(BatchClaim)
        self.check(n)
        one.items = <Held *>malloc(sizeof(Held))
        if one.items == NULL:
            raise MemoryError("no memory for a batch")
        one.side, one.plan, one.items[0] = self.side, self.plan, self.items[n]
        one.items[0].follows = False
        one.count = one.left = one.executed = 1
        one.values = [self.values[n]]
        one.made = None if self.made is None else [self.made[n]]
        one.begun_ns = now_ns()
        self.items[n].word = 0
        self.left -= 1
        self.close()
        return one

    def member(self):
        """In whose name the offsets of this batch may be sent; b"" = it has none, None = it is another's by now."""
        return member_for(self)

    def begin_call(self, Py_ssize_t n):
        """The nth message's call begins: its time runs, and if this process dies in it, it alone is blamed."""
        self.check(n)
        begin_call(self.side, &self.items[n])

    def end_call(self):
        """No call is under way. FORK: not in a child that the call forked, whose parent is still in it."""
        if self.side.disowned_:
            _exit(0)
        end_call(self.side)

    cdef inline void leave(self, uint32_t n, uint32_t verdict) noexcept nogil:
        cdef Held *item = &self.items[n]
        self.side.leave_verdict(item.feeder, item.slot, word_seq(item.word), verdict)
        item.word = 0
        self.left -= 1
        self.side.hs.executing -= 1
        add(&self.side.hs.calls, 1)
        count_verdict(self.side.hs, verdict)

    cdef void close(self) noexcept nogil:
        """With the last verdict the call's time is shared out."""
        cdef int64_t now
        if self.left or self.begun_ns == 0:
            return
        now = now_ns()
        add(&self.side.hs.busy_ns, now - self.begun_ns)
        add(&self.side.hs.histogram[bucket_of((now - self.begun_ns) // max(self.count, 1))], self.count)
        if self.suspect:
            self.side.suspect_inside = False
        self.begun_ns = 0
        tell_feeders(self.side, now)


cdef void tell_feeders(HandlerSide side, int64_t now) noexcept nogil:
    """After a batch: not so seldom that feeders wait, not so often that it costs."""
    cdef uint32_t f
    if now - side.woke_ns > WAKE_NS:
        side.woke_ns = now
        side.wake_feeders(EAGER)
        return
    for f in range(side.h.feeders):
        if side.pending[f]:
            side.nudge(f)


cdef BatchClaim next_batch(HandlerSide side, BatchPlan plan, uint32_t limit, bint watched):
    """Gather; what is to be called now, begun and decoded, or None. `watched`: from outside, by its beginning."""
    cdef BatchClaim batch
    if side.held_room == 0:
        make_room(side, plan)
    limit = min(limit, side.held_room)
    side.batches, side.batch_limit = plan, limit
    if side.holds_back():
        # Nothing can be called here before other calls have ended: what is held must not wait for them.
        if side.held_count:
            return_held(side)
        return None
    gather(side, plan, limit)
    if not side.suspect and (side.held_count == 0 or not is_time(side, plan, limit)):
        return None
    if limit and not side.suspect and side.held_count < limit and returned_for_more(side, plan):
        return None
    batch = begin(side, plan)
    if watched:
        side.hs.busy_since_ns = batch.begun_ns
    decode_all(side, batch)
    add(&side.hs.decoding_ns, now_ns() - batch.begun_ns)
    add(&side.hs.claimed, batch.executed)
    if batch.executed == 0:
        return_probe(side)
    if batch.count == 0:
        batch.close()
    return batch


cdef BatchClaim begin(HandlerSide side, BatchPlan plan):
    """Take the next group of what is held."""
    cdef BatchClaim batch = BatchClaim.__new__(BatchClaim)
    cdef Held *middle
    batch.items = <Held *>malloc((side.held_count + 1) * sizeof(Held))
    if batch.items == NULL:
        raise MemoryError("no memory for a batch")
    batch.side, batch.plan, batch.read, batch.suspect = side, plan.plan, plan.read, side.suspect
    batch.values = []
    batch.count = take_group(side, plan, batch.items)
    if not batch.suspect:
        side.going = side.held_count > 0
    side.suspect_inside = batch.suspect
    batch.begun_ns = now_ns()
    if batch.count:
        middle = &batch.items[batch.count // 2]
        count_sample(side.hs, since_ns(&side.ring.slots(middle.feeder)[middle.slot], batch.begun_ns), 0, batch.count)
    return batch


cdef int decode_all(HandlerSide side, BatchClaim batch) except -1:
    """Step to EXECUTING and decode, one after the other. What cannot be decoded leaves by itself."""
    cdef uint32_t i = 0, kept = 0, n = batch.count, code
    cdef bint gone = False      # the message before, of the same key, was taken back or is to wait
    cdef bint behind = False    # one of the same key is in the batch
    cdef bint closed = False    # a decoder asks for a pause
    cdef int stage = STAGE_DECODE
    cdef Held *items = batch.items
    cdef Slot *s
    cdef CallPlan plan = batch.plan
    cdef list values = batch.values
    if plan.wants & WANTS_MESSAGE:
        batch.made = []
    # ORDER: at least as many as are executing: a process that dies now leaves suspects, nobody blamed.
    side.hs.executing += n
    value = None
    while i < n:
        try:
            while i < n:
                if i + DECODE_AHEAD < n:
                    prefetch_item(side, &items[i + DECODE_AHEAD // 2], &items[i + DECODE_AHEAD])
                s = &side.ring.slots(items[i].feeder)[items[i].slot]
                if not items[i].follows:
                    gone, behind = closed, False
                if gone or not swap_if_64(&s.word, items[i].word,
                                          pack(word_seq(items[i].word), side.seat, side.incarnation, EXECUTING)):
                    give_back(side, &items[i])
                    gone = True
                    i += 1
                    continue
                # LOSS: one that there is no memory for is no tombstone.
                stage, value = STAGE_DECODE, None
                value = value_of(side, items[i].feeder, s) if not s.flags & FLAG_ANNEX else None
                if value is None and not plan.accepts_none:
                    stage = STAGE_TOMBSTONE
                    raise LookupError
                append_argument(side, batch, &items[i], value)
                items[kept] = items[i]
                items[kept].follows = behind
                behind = True
                kept += 1
                i += 1
        except BaseException as error:
            if side.disowned_:
                _exit(0)
            code = refuse(side, batch, &items[i], value, error if stage == STAGE_DECODE else None, stage)
            gone = code == V_RETRY or code == V_PAUSE
            closed = closed or code == V_PAUSE
            i += 1
    side.hs.executing -= n - kept
    batch.count = batch.left = kept
    batch.executed += kept
    return 0


cdef inline void prefetch_item(HandlerSide side, Held *soon, Held *later) noexcept nogil:
    """PERF: what was claimed for a whole batch is no longer near when its turn comes."""
    prefetch_write(&side.ring.slots(later.feeder)[later.slot])
    prefetch_value(side.ring.bytes_of(soon.feeder, &side.ring.slots(soon.feeder)[soon.slot]))


cdef inline int append_argument(HandlerSide side, BatchClaim batch, Held *item, value) except -1:
    cdef CallPlan plan = batch.plan
    if plan.wants & ONLY_MESSAGE:
        argument = message_of(side, item.feeder, item.slot, value, plan.route, plan.channel)
    elif value is not None and batch.read is not None:
        argument = batch.read(value, message_of(side, item.feeder, item.slot, value, plan.route, plan.channel))
    elif value is not None and plan.decode is not None and plan.wants & WANTS_VALUE:
        argument = PyObject_CallOneArg(plan.decode, value)
    else:
        argument = value
    if plan.wants & WANTS_MESSAGE:
        batch.made.append(argument if plan.wants & ONLY_MESSAGE else
                          message_of(side, item.feeder, item.slot, value, plan.route, plan.channel))
    batch.values.append(argument)
    return 0


cdef uint32_t refuse(HandlerSide side, BatchClaim batch, Held *item, value, error, int stage) except? 0:
    """A message that never reaches the handler: its verdict, at once."""
    cdef uint32_t code = consult(side, batch.plan, item.feeder, item.slot, value, None, None, error, stage)
    side.leave_verdict(item.feeder, item.slot, word_seq(item.word), code)
    add(&side.hs.calls, 1)
    count_verdict(side.hs, code)
    batch.executed += 1
    return code


cdef inline void give_back(HandlerSide side, Held *item) noexcept nogil:
    """Unexecuted, to its feeder; unless that has taken it back already."""
    if swap_if_64(&side.ring.slots(item.feeder)[item.slot].word, item.word,
                  pack(word_seq(item.word), side.seat, side.incarnation, VERDICT + V_RETURNED)):
        side.push_ack(item.feeder, item.slot, word_seq(item.word))
        side.ring.hurry_feeder(item.feeder)


cdef int call_batch(HandlerSide side, BatchPlan plan, BatchClaim batch) except -1:
    """One call, and what follows from it: calls of single messages, should nobody know which one it was."""
    result = error = None
    side.hs.busy_since_ns = batch.begun_ns
    # The handler may do with its list what it likes; what it says is about this one.
    values = batch.values[:]
    try:
        if plan.plan.wants & WANTS_MESSAGE:
            result = plan.plan.call(values, batch.messages[:])
        else:
            result = PyObject_CallOneArg(plan.plan.call, values)
    except BaseException as e:
        error = e
    if side.disowned_:
        _exit(0)
    if result is None and error is None:
        batch.done()
        return 0
    for one in plan.settle(batch, result, error):
        call_batch(side, plan, one)
    return 0
