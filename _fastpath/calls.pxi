# How one message becomes one call, and what the call's end means.

cdef enum:
    WANTS_VALUE = 1
    WANTS_RAW = 2
    WANTS_MESSAGE = 4
    ONLY_MESSAGE = 8

cdef enum:
    STAGE_TOMBSTONE = 0
    STAGE_DECODE = 1
    STAGE_CALL = 2


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


cdef object value_of(HandlerSide side, uint32_t f, Slot *s):
    cdef const char *at
    if s.value_bytes == ABSENT:
        return None
    at = side.ring.bytes_of(f, s) + s.headers_bytes + s.meta_bytes
    if s.key_bytes != ABSENT:
        at += s.key_bytes
    return PyBytes_FromStringAndSize(at, s.value_bytes)


cdef Message message_of(HandlerSide side, uint32_t f, uint32_t slot, value, str route, str channel):
    cdef Slot *s = &side.ring.slots(f)[slot]
    cdef const char *at = side.ring.bytes_of(f, s)
    cdef Message m = Message.__new__(Message)
    m.value = value
    m.key = copy_or_none(at, s.key_bytes)
    if s.key_bytes != ABSENT:
        at += s.key_bytes
    m.packed_headers = PyBytes_FromStringAndSize(at, s.headers_bytes) if s.headers_bytes else b""
    m.topic = topic_of(side, f, s.partition)
    m.partition = side.ring.partition_name(f, s.partition).partition
    m.offset, m.timestamp_ms, m.attempt = s.offset, s.timestamp_ms, s.attempt
    m.route, m.channel = route, channel
    return m


cdef str topic_of(HandlerSide side, uint32_t f, uint32_t n):
    # PERF: the names of a route's topics are few and repeat; making the str anew costs 60 ns a message.
    key = f * PARTITION_ROOM + n
    topic = side.topics.get(key)
    if topic is None:
        topic = side.topics[key] = side.ring.topic_of(f, n)
    return topic


cdef uint32_t execute(HandlerSide side, CallPlan plan, uint32_t f, uint32_t slot, Slot *s) except? 0:
    """Decode and call; the verdict's code. Its failure, if any, is in the slot's verdict page."""
    cdef int stage = STAGE_TOMBSTONE
    cdef Message message = None
    cdef Outboxes boxes = side.outboxes
    value = value_of(side, f, s) if not s.flags & FLAG_ANNEX else None
    result = error = None
    try:
        if plan.wants & (WANTS_MESSAGE | ONLY_MESSAGE):
            message = message_of(side, f, slot, value, plan.route, plan.channel)
        if value is None and not plan.accepts_none:
            return consult(side, plan, f, slot, value, message, None, None, stage)
        stage = STAGE_DECODE
        if value is not None and plan.decode is not None and plan.wants & WANTS_VALUE:
            argument = decoded(side, plan, value)
        else:
            argument = value
        stage = STAGE_CALL
        if boxes is not None:
            boxes.begin()
        if plan.wants & ONLY_MESSAGE:
            result = PyObject_CallOneArg(plan.call, message)
        elif plan.wants & WANTS_MESSAGE:
            result = plan.call(argument, message)
        else:
            result = PyObject_CallOneArg(plan.call, argument)
    except BaseException as e:
        error = e
    if side.disowned_:
        _exit(0)
    if boxes is not None and stage == STAGE_CALL:
        failed = boxes.judge(result, error, side.run_follows)
        if failed is not error:
            result, error = None, failed
        side.sent = boxes.left
    if result is None and error is None:
        return V_DONE
    return consult(side, plan, f, slot, value, message, result, error, stage)


cdef inline object decoded(HandlerSide side, CallPlan plan, value):
    cdef int64_t began
    if not side.samples:
        return PyObject_CallOneArg(plan.decode, value)
    side.samples = False
    began = now_ns()
    argument = PyObject_CallOneArg(plan.decode, value)
    side.decoding_ns = now_ns() - began
    return argument


cdef uint32_t consult(HandlerSide side, CallPlan plan, uint32_t f, uint32_t slot, value, Message message, result, error,
                      int stage) except? 0:
    """Ask what a call that did not just return None means."""
    if message is None:
        message = message_of(side, f, slot, value, plan.route, plan.channel)
    code, detail = plan.resolve(message, result, error, stage)
    check_verdict(code)
    side.write_detail(f, slot, detail)
    return code
