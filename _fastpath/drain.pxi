# Messages out of librdkafka without a Python object each: the client's handle, a queue per partition, batches.
#
# Who enters: kafka/ makes a Drain for its consumer and a PartitionQueue for each partition it is assigned; the ring
# fetches from those queues (rings know no Kafka, queues know no ring).
# What never happens here: control. Subscribing, assigning, committing, pausing stay in confluent_kafka.Consumer.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t
from posix.unistd cimport close as close_descriptor

cdef extern from "drain.h" nogil:
    ctypedef struct rd_kafka_t:
        pass
    ctypedef struct rd_kafka_queue_t:
        pass
    ctypedef struct rd_kafka_message_t:
        int err
        int32_t partition
        void *payload
        size_t len
        void *key
        size_t key_len
        int64_t offset
    ctypedef struct rd_kafka_topic_partition_t:
        char *topic
        int32_t partition
        int64_t offset
        int err
    ctypedef struct rd_kafka_topic_partition_list_t:
        int cnt
        rd_kafka_topic_partition_t *elems
    ctypedef struct drain_message_t:
        rd_kafka_message_t head
        drain_message_t *next
        int64_t timestamp_ms

    const char *drain_bind_functions(const char *path)
    void drain_keep_freed_memory()
    int drain_find_client(const void *owner)
    rd_kafka_t *drain_client(int place)
    bint drain_alive(int place, const rd_kafka_t *client)
    rd_kafka_queue_t *drain_queue_get_partition "drain_rk.queue_get_partition"(rd_kafka_t *, const char *, int32_t)
    rd_kafka_queue_t *drain_queue_get_consumer "drain_rk.queue_get_consumer"(rd_kafka_t *)
    void drain_queue_forward "drain_rk.queue_forward"(rd_kafka_queue_t *, rd_kafka_queue_t *)
    ssize_t drain_consume_batch "drain_rk.consume_batch_queue"(
        rd_kafka_queue_t *, int timeout_ms, rd_kafka_message_t **, size_t)
    rd_kafka_topic_partition_list_t *drain_partitions_new "drain_rk.topic_partition_list_new"(int)
    rd_kafka_topic_partition_t *drain_partitions_add "drain_rk.topic_partition_list_add"(
        rd_kafka_topic_partition_list_t *, const char *, int32_t)
    void drain_partitions_destroy "drain_rk.topic_partition_list_destroy"(rd_kafka_topic_partition_list_t *)
    int drain_offsets_for_times "drain_rk.offsets_for_times"(
        rd_kafka_t *, rd_kafka_topic_partition_list_t *, int timeout_ms)
    void drain_ring_bell_for(rd_kafka_queue_t *queue, int fd)
    void drain_forget_queue(rd_kafka_queue_t *queue)
    int drain_make_bell()
    void drain_hush_bell(int fd)
    drain_message_t *drain_make_message(
        const char *key, size_t key_len, const char *value, size_t len, const char *headers, size_t headers_len)

    void message_destroy(rd_kafka_message_t *message)
    int64_t message_timestamp(const rd_kafka_message_t *message)
    ssize_t headers_size(const rd_kafka_message_t *message)
    void write_headers(const rd_kafka_message_t *message, char *into)

def keep_freed_memory():
    """For a process whose memory is mostly a Kafka client's: do not return freed memory to the kernel at once."""
    drain_keep_freed_memory()


cdef enum:
    CLOSING_BATCH = 64
    TAKEN_AT_ONCE = 1024
    OFFSET_LATEST = -1


cdef inline object bytes_or_none(const void *start, Py_ssize_t size):
    return None if start is NULL else PyBytes_FromStringAndSize(<const char *>start, size)


@cython.final
cdef class PartitionQueue:
    """The messages of one partition, from its assignment until it is given away.

    Make it before the partition is assigned (messages fetched earlier go elsewhere for good) and close it right
    after it is unassigned. What `push` put in comes out first, in order: strays, and everything where the
    client's queues cannot be reached.
    """

    cdef readonly str topic
    cdef readonly int partition
    cdef readonly bint closed
    cdef readonly int waiting          # pushed, not yet fetched
    cdef Drain drain                   # kept for its bell, which librdkafka writes to until close()
    cdef int place
    cdef rd_kafka_t *client
    cdef rd_kafka_queue_t *queue       # NULL = only what is pushed
    cdef drain_message_t *first
    cdef drain_message_t *last

    def __cinit__(self, Drain drain, str topic, int partition):
        self.drain = drain
        self.topic = topic
        self.partition = partition
        self.place = drain.place
        self.client = drain.client
        if drain.available:
            self._split(topic.encode())

    cdef _split(self, bytes topic):
        if not drain_alive(self.place, self.client):
            raise RuntimeError(f"{self.topic}/{self.partition}: its consumer is closed; make a new one")
        self.queue = drain_queue_get_partition(self.client, topic, self.partition)
        if self.queue is NULL:
            raise RuntimeError(f"{self.topic}/{self.partition}: librdkafka has no queue for it")
        drain_queue_forward(self.queue, NULL)
        drain_ring_bell_for(self.queue, self.drain.bell)

    def __dealloc__(self):
        self._discard_pushed()
        if self.queue is not NULL and drain_alive(self.place, self.client):
            drain_forget_queue(self.queue)

    cdef int fetch(self, rd_kafka_message_t **messages, int limit) noexcept nogil:
        """Up to `limit` messages, each to be given to message_destroy(); 0 = none now, -1 = closed.

        An `err` that is not 0 is an event, not a message: -191 = the partition's end, its position in `offset`.
        The doorbell does not ring again for what is left behind: come back until it returns 0.
        """
        cdef ssize_t got
        if self.closed:
            return -1
        if self.first is not NULL:
            return self._pop_pushed(messages, limit)
        if self.queue is NULL:
            return 0
        if not drain_alive(self.place, self.client):
            return -1
        got = drain_consume_batch(self.queue, 0, messages, limit)
        return 0 if got < 0 else <int>got

    cdef int _pop_pushed(self, rd_kafka_message_t **messages, int limit) noexcept nogil:
        cdef int got = 0
        while got < limit and self.first is not NULL:
            messages[got] = &self.first.head
            self.first = self.first.next
            got += 1
        self.waiting -= got
        return got

    cdef void _discard_pushed(self) noexcept:
        cdef rd_kafka_message_t *message
        while self._pop_pushed(&message, 1):
            message_destroy(message)

    def push(self, bytes key, bytes value, bytes headers, int64_t offset, int64_t timestamp_ms, int err=0):
        """Adds a message that was read by other means; `headers` is a blob, empty = none."""
        cdef drain_message_t *made
        if self.closed:
            raise RuntimeError(f"{self.topic}/{self.partition} is closed: nothing may be added to it")
        made = drain_make_message(
            NULL if key is None else PyBytes_AS_STRING(key), 0 if key is None else PyBytes_GET_SIZE(key),
            NULL if value is None else PyBytes_AS_STRING(value), 0 if value is None else PyBytes_GET_SIZE(value),
            PyBytes_AS_STRING(headers), PyBytes_GET_SIZE(headers),
        )
        if made is NULL:
            raise MemoryError()
        made.head.err = err
        made.head.partition = self.partition
        made.head.offset = offset
        made.timestamp_ms = timestamp_ms
        if self.first is NULL:
            self.first = made
        else:
            self.last.next = made
        self.last = made
        self.waiting += 1

    def discard(self):
        """Drops what was pushed and not yet fetched: after a seek it belongs to the old position."""
        self._discard_pushed()

    def take(self, int limit):
        """Up to `limit` as (err, offset, timestamp_ms, key, value, headers' blob): for a look, not for the hot path."""
        cdef rd_kafka_message_t *messages[TAKEN_AT_ONCE]
        cdef int got = self.fetch(messages, min(limit, <int>TAKEN_AT_ONCE))
        cdef int index
        if got < 0:
            raise RuntimeError(f"{self.topic}/{self.partition} is closed: reading it would touch freed memory")
        taken = []
        for index in range(got):
            taken.append(taken_from(messages[index]))
            message_destroy(messages[index])
        return taken

    def close(self):
        """Lets go of the partition. ORDER: after it was unassigned, before its consumer is closed."""
        cdef rd_kafka_message_t *messages[CLOSING_BATCH]
        cdef int got, index
        if self.closed:
            return
        self._discard_pushed()
        # One more read frees operations that the unassignment made stale; a message left behind would hang close().
        got = self.fetch(messages, CLOSING_BATCH)
        for index in range(got):
            message_destroy(messages[index])
        self.closed = True
        if self.queue is not NULL and drain_alive(self.place, self.client):
            drain_forget_queue(self.queue)
        self.queue = NULL


cdef object taken_from(rd_kafka_message_t *message):
    cdef ssize_t size = 0 if message.err else headers_size(message)
    cdef bytes headers = PyBytes_FromStringAndSize(NULL, max(size, 0)) if size > 0 else b""
    if size > 0:
        write_headers(message, PyBytes_AS_STRING(headers))
    return (
        message.err, message.offset, -1 if message.err else message_timestamp(message),
        bytes_or_none(message.key, message.key_len), bytes_or_none(message.payload, message.len), headers,
    )


cdef str why_unbound(str path):
    """Find the functions; why that is not possible, "" when it was."""
    cdef const char *missing
    encoded = path.encode()
    missing = drain_bind_functions(encoded)
    if missing is NULL:
        return f"{path} is not loaded in this process"
    return f"{path} does not offer {(<bytes>missing).decode()}" if missing[0] else ""


@cython.final
cdef class Drain:
    """One consumer's way around its own Python: bind(), make the Consumer with the plugin, capture() it.

    Where any of it fails (another build of the client) `available` stays False, `reason` says why, and its queues
    hold only what is pushed.
    """

    cdef readonly bint available
    cdef readonly str reason
    cdef int place
    cdef int bell
    cdef rd_kafka_t *client
    cdef rd_kafka_queue_t *control

    def __cinit__(self):
        self.place = -1
        self.reason = "not captured yet"
        self.bell = drain_make_bell()
        if self.bell < 0:
            raise OSError("no eventfd for the Kafka consumer: too many open files?")

    def __dealloc__(self):
        if self.bell >= 0:
            close_descriptor(self.bell)

    def bind(self, str path):
        """Finds librdkafka's functions in the library that `path` (confluent_kafka's own module) has loaded.

        True = the plugin may be named in the consumer's properties.
        """
        self.reason = why_unbound(path)
        return not self.reason

    def capture(self, consumer):
        """Takes up the handle of this consumer, made after bind() with the plugin named. True = available."""
        self.place = drain_find_client(<void *>consumer)
        self.available = self.place >= 0
        if not self.available:
            self.reason = "the plugin was not handed this consumer's handle"
            return False
        self.reason = ""
        self.client = drain_client(self.place)
        self.control = drain_queue_get_consumer(self.client)
        if self.control is not NULL:
            drain_ring_bell_for(self.control, self.bell)
        return True

    def queue(self, str topic, int partition):
        """The partition's queue. ORDER: before incremental_assign() or assign()."""
        return PartitionQueue(self, topic, partition)

    def end_offsets(self, partitions, double timeout_s):
        """Ask the broker for the next offset of each (topic, partition); one that it refuses is left out.

        Returns (librdkafka's error code, 0 = answered; dict of partition to offset). For a thread of its own:
        confluent_kafka lets one call at a time into a client, so a question of its own would keep poll() waiting
        for as long as the broker lets the fetch before it wait. ORDER: the client is closed after the answer.
        """
        cdef rd_kafka_topic_partition_list_t *asked
        cdef int i, err, timeout_ms = <int>(timeout_s * 1000)
        if not drain_alive(self.place, self.client):
            raise RuntimeError("the consumer is closed: make a new one")
        asked = drain_partitions_new(len(partitions))
        try:
            for topic, partition in partitions:
                drain_partitions_add(asked, (<str>topic).encode(), partition).offset = OFFSET_LATEST
            with nogil:
                err = drain_offsets_for_times(self.client, asked, timeout_ms)
            ends = {}
            for i in range(0 if err else asked.cnt):
                if asked.elems[i].err == 0:
                    ends[asked.elems[i].topic.decode(), asked.elems[i].partition] = asked.elems[i].offset
            return err, ends
        finally:
            drain_partitions_destroy(asked)

    def fileno(self):
        """Readable when a partition has messages, or the consumer has something to be polled for."""
        return self.bell

    def hush(self):
        """ORDER: read the bell first, then poll and fetch: what arrives in between rings again."""
        drain_hush_bell(self.bell)

    def release(self):
        """Stops listening for control. ORDER: right before Consumer.close(), which frees that queue."""
        if self.control is not NULL and drain_alive(self.place, self.client):
            drain_forget_queue(self.control)
        self.control = NULL
