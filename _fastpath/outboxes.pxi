# What a call sent, as far as its verdict goes: how much of it is on its way, and what failed unheard.
#
# ORDER: each step here is one under the interpreter's lock, so that a thread of the user's may send and wait too: a
# failure is noted before its delivery stops waiting, and who looks, looks in the other order.

@cython.no_gc
cdef class Outbox:
    """What one call sent: what is still on its way, and what failed without the call having been told."""
    cdef readonly int waiting
    cdef dict failures              # by their delivery's mark: with itself, neither would ever be let go of
    cdef int marks
    cdef public bint over           # the call has ended: what is sent now is nobody's
    cdef object on_empty
    # The verdict that is kept back until nothing is on its way, see keeping.pxi: by whom (None = none is), of which
    # message, and which.
    cdef HandlerSide keeper
    cdef uint64_t word
    cdef uint32_t feeder, slot, code
    cdef uint16_t attempt
    cdef bint suspect

    @property
    def failed(self):
        """Failures that the call does not know of."""
        return list(self.failures.values()) if self.failures else []

    @property
    def failure(self):
        """The first of them."""
        return next(iter(self.failures.values())) if self.failures else None

    cpdef arrived(self, Posted delivery):
        """One more is where it should be, or never will be."""
        if delivery.failure is not None:
            self.note(delivery, delivery.failure)
        self.release(delivery)

    def forgotten(self, Posted delivery, failure):
        """One was never sent. LOSS: a thread may hear of that when its call has ended, and only waits."""
        if self.over and failure is not None:
            self.note(delivery, failure)
        self.release(delivery)

    def heard(self, Posted delivery):
        """The call was told of this one."""
        if self.failures is not None:
            self.failures.pop(delivery.mark, None)

    def take_failure(self):
        """The first of them, for who raises it where this is at hand; none is kept any more.

        It holds the frames that it is raised through, and so this: together they would never be let go of.
        """
        failure, self.failures = self.failure, None
        return failure

    def call_when_empty(self, callback):
        """At once if it is."""
        self.on_empty = callback
        if self.waiting == 0:
            self.emptied()

    cdef note(self, Posted delivery, failure):
        if self.failures is None:
            made = {}
            # ORDER: where memory is taken the collector may run, and with it who notes something as well.
            if self.failures is None:
                self.failures = made
        if delivery.mark == 0:
            self.marks += 1
            delivery.mark = self.marks
        self.failures[delivery.mark] = failure

    cdef int release(self, Posted delivery) except -1:
        """It is on its way no more; once for each, however often it is said."""
        if delivery.counted:
            delivery.counted = False
            self.one_fewer()
        return 0

    cdef int one_fewer(self) except -1:
        self.waiting -= 1
        if self.waiting == 0:
            self.emptied()
        return 0

    cdef int emptied(self) except -1:
        if self.keeper is not None:
            self.keeper.emptied.append(self)
        callback, self.on_empty = self.on_empty, None
        if callback is not None:
            callback(self)
        return 0


cdef class Posted:
    """One message that is sent, as far as it is counted: what a Delivery of Python's is made of."""
    cdef readonly bint done         # delivered, or failed
    cdef public object failure      # why it was not delivered
    cdef public tuple waiters       # called when it is done
    cdef public object unheard      # who says its failure if nobody asks
    cdef readonly object outlet
    cdef readonly Outbox outbox     # None = no call's
    cdef readonly object topic      # a str, or of a class made of it
    cdef readonly int partition
    cdef readonly long long offset
    cdef bint counted               # its outbox counts it as on its way ...
    cdef int mark                   # ... and knows its failure by this; 0 = it has none
    cdef letter_t *letter           # while it is one

    def __init__(self, outlet, Outbox outbox, topic):
        count_posted(self, outlet, outbox, topic)

    def __dealloc__(self):
        if self.letter is not NULL:
            self.letter.delivery = NULL

    def lies(self, int partition, long long offset):
        """Where it came to lie; offset -1 = nobody knows."""
        self.partition, self.offset = partition, max(offset, -1)

    def end(self):
        """It is done, one way or the other: its outbox and who waits for it hear of it."""
        self.done = True
        if self.outbox is not None:
            self.outbox.arrived(self)
        for waiter in self.waiters:
            waiter()


cdef int count_posted(Posted self, outlet, Outbox outbox, topic) except -1:
    self.outlet, self.outbox, self.topic, self.waiters = outlet, outbox, topic, ()
    self.partition = self.offset = -1
    if outbox is not None:
        outbox.waiting += 1
        self.counted = True
    return 0


@cython.final
cdef class Outboxes:
    """The outbox of the call that is under way, of calls that follow one another.

    None outside of calls, and none for a call that sends nothing. `kind`: what is made, an Outbox. `is_good`: whether
    what a call sent stands with this end of it, a value or an exception. `in_place`, `wait`: for a call whose next
    must come later; wait(outbox, when the call began in seconds) lasts until nothing is on its way, or raises.
    """
    cdef public bint is_open        # calls may come
    cdef readonly Outbox left
    cdef Outbox outbox
    cdef bint within, in_place, may_wait
    cdef int64_t began_ns
    cdef object kind, is_good, wait

    def __init__(self, kind=Outbox, is_good=None, wait=None, bint in_place=False, bint may_wait=False):
        self.kind, self.is_good, self.wait = kind, is_good, wait
        self.in_place, self.may_wait = in_place, in_place or may_wait
        self.is_open = True

    cpdef Outbox present(self):
        """Of the call that is under way, whatever thread sends."""
        if self.outbox is None and self.within and self.is_open:
            made = Outbox.__new__(Outbox) if self.kind is Outbox else self.kind()  # PERF: as quick as it gets
            # ORDER: what is made may run Python: a thread may have been quicker, or the call be over.
            if self.outbox is None and self.within and self.is_open:
                self.outbox = made
        return self.outbox

    cpdef begin(self):
        """A call begins."""
        self.within = True
        if self.may_wait:
            self.began_ns = now_ns()

    cpdef Outbox end(self):
        """It has ended; what it sent."""
        sent, self.outbox, self.within = self.outbox, None, False
        if sent is not None:
            (<Outbox>sent).over = True
        return sent

    def close(self):
        """No more calls."""
        self.is_open, self.outbox = False, None

    cpdef judge(self, result, error, bint run_follows):
        """The call has ended so: what it failed with, or None. `left`: its outbox, if anything is on its way.

        A call that ended well has failed with the first of its messages that is known not to be delivered.
        """
        cdef Outbox sent = self.end()
        self.left = None
        if sent is None or not self.stands(result, error):
            return error
        if sent.waiting and (self.in_place or run_follows):
            try:
                self.wait(sent, self.began_ns / 1e9)
            except BaseException as late:
                return late
        if sent.failures:
            return sent.failure
        if sent.waiting:
            self.left = sent
        return error

    cdef bint stands(self, result, error) except -1:
        if error is None and result is None:
            return True
        return self.is_good(result if error is None else error)
