# What a handler holds of a message that it executes, and how much it claims at once.

cdef enum:
    CLAIM_NS = 500000       # a claim is sized to this much work ...
    CLAIM_LIMIT = 32        # ... and never beyond: 16 costs as little a message as 256
    RUN_NS = 10000000       # after so much of a run it is others' turn, if any wait
    WAKE_NS = 1000000       # acks of slow calls do not wait longer than this for company
    QUICK_NS = 4000         # below this average calls are timed ...
    TIMED_TOGETHER = 8      # ... so many together ...
    TOGETHER_NS = 10000000  # ... unless they turn out slow: the next call must not pay for their time


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Claim:
    """A slot that this process executes: what an async handler holds until `finish()`."""
    cdef readonly object value
    cdef readonly int attempt
    cdef readonly bint suspect
    cdef readonly long long begun_ns
    cdef readonly int stands_for    # its decoding is to be counted for so many, see count_decoding()
    cdef bint kept                  # its verdict is kept back, see keeping.pxi: this one
    cdef HandlerSide side
    cdef uint32_t feeder, slot
    cdef uint64_t word

    def message(self, str route, str channel=""):
        """The message, a copy. Raises ValueError after `finish()`: its bytes may be another's by then."""
        if self.side is None:
            raise ValueError("a message is read before its claim is finished")
        return message_of(self.side, self.feeder, self.slot, self.value, route, channel)
