# The message as a handler's author sees it. Made only for who asks for it.

@cython.final
@cython.freelist(64)
cdef class Message:
    """One Kafka message, an immutable copy: it may be kept after the handler returned.

    `value`, `key`: bytes or None. `headers`: list of (str, bytes | None), repeats kept. `offset`, `partition`:
    Kafka's. `timestamp_ms`: Unix milliseconds. `attempt`: 1 at the first. `id` = "topic:partition:offset", the
    same on every redelivery.
    """
    cdef readonly object value
    cdef readonly object key
    cdef readonly str topic
    cdef readonly int partition
    cdef readonly long long offset
    cdef readonly long long timestamp_ms
    cdef readonly int attempt
    cdef readonly str route
    cdef readonly str channel
    cdef bytes packed_headers

    def __init__(self, value=None, *, key=None, headers=(), str topic="", int partition=0, long long offset=0,
                 long long timestamp_ms=0, int attempt=1, str route="", str channel=""):
        self.value = value
        self.key = key
        self.packed_headers = pack_headers(headers)
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp_ms = timestamp_ms
        self.attempt = attempt
        self.route = route
        self.channel = channel

    @property
    def headers(self):
        return parse_headers(self.packed_headers)

    @property
    def id(self):
        return f"{self.topic}:{self.partition}:{self.offset}"

    def __eq__(self, other):
        if not isinstance(other, Message):
            return NotImplemented
        cdef Message that = <Message>other
        return (self.id == that.id and self.attempt == that.attempt and self.key == that.key
                and self.value == that.value and self.packed_headers == that.packed_headers
                and self.timestamp_ms == that.timestamp_ms and self.route == that.route
                and self.channel == that.channel)

    def __hash__(self):
        return hash((self.topic, self.partition, self.offset, self.attempt))

    def __repr__(self):
        return f"<Message {self.id} attempt={self.attempt}>"
