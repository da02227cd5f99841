# Messages out without confluent_kafka's Python: the plain ones, and what became of each.
#
# Who enters: kafka/ makes Letters for each client that sends. What never happens here: control, and judgement:
# whatever is not plain, or is refused, is for the client's own produce(), and says there why.

from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.string cimport strlen

cdef extern from "Python.h":
    object PyObject_CallFunctionObjArgs(object, ...)
    Py_ssize_t Py_REFCNT(PyObject *)
    object PyLong_FromVoidPtr(void *)
    void *PyLong_AsVoidPtr(object) except? NULL
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL

cdef extern from "letters.h" nogil:
    ctypedef struct letter_box_t:
        pass
    ctypedef struct rd_kafka_topic_t:
        pass
    ctypedef struct letter_t:
        letter_t *next
        void *outlet
        void *outbox
        void *topic
        void *delivery
        int64_t offset
        int32_t partition
        int err
        size_t len

    letter_t *letters_take(letter_box_t *box)
    letter_t *letter_make(letter_box_t *box, const char *value, size_t len)
    rd_kafka_topic_t *letter_topic(rd_kafka_t *, const char *name)
    void letter_topic_done(rd_kafka_topic_t *)
    int letter_send(rd_kafka_topic_t *, letter_t *, const char *key, size_t key_len)

cdef enum:
    TOPICS_KEPT = 1024


@cython.no_gc_clear
@cython.final
cdef class Letters:
    """One client's way in and back: bind(), make the Producer with the plugin, capture() it.

    `kind`: the subclass of Posted that post() makes. Where any of it fails (another build of the client) `available`
    stays False, `reason` says why, and post() takes nothing.
    """
    cdef readonly bint available
    cdef readonly str reason
    cdef type kind
    cdef object client              # lives as long as this does
    cdef rd_kafka_t *rk
    cdef dict topics                # PERF: a name -> its handle, as a number: librdkafka takes a lock to look it up
    cdef str topic                  # the last one, ...
    cdef rd_kafka_topic_t *handle   # ... and its handle
    cdef letter_box_t *box
    cdef readonly int out           # sent, and not collected yet
    cdef list told

    def __cinit__(self, type kind not None):
        self.kind, self.reason, self.told, self.topics = kind, "not captured yet", [], {}
        if not issubclass(kind, Posted):
            raise TypeError(f"{kind.__name__} is not made of Posted")
        self.box = <letter_box_t *>calloc(1, sizeof(letter_t *))
        if self.box is NULL:
            raise MemoryError("no memory for a producer's letters")

    def __dealloc__(self):
        # ORDER: the collector clears nothing of this (no_gc_clear): the client is to outlive its topics' handles.
        for handle in self.topics.values():
            letter_topic_done(<rd_kafka_topic_t *>PyLong_AsVoidPtr(handle))
        # LOSS: what is still on its way comes back here when the client ends, which is after this: then it stays.
        if self.out == 0:
            free(self.box)

    def bind(self, str path):
        """As Drain.bind()."""
        self.reason = why_unbound(path)
        return not self.reason

    def capture(self, client):
        """Takes up the handle of this client, made after bind() with the plugin named. True = available."""
        cdef int place = drain_find_client(<void *>client)
        self.client, self.available = client, place >= 0
        self.rk = drain_client(place) if self.available else NULL
        if self.available:
            self.reason = ""
        elif not self.reason:
            self.reason = "the plugin was not handed this producer's handle"
        return self.available

    cpdef Posted post(self, outlet, Outbox outbox, topic, value, key):
        """Put one on its way: its delivery; None = not so: it is not plain, or there is no room, or it is refused.

        ValueError, UnicodeEncodeError: the topic or key is no text.
        """
        cdef const char *key_at = NULL
        cdef Py_ssize_t key_size = 0
        cdef letter_t *letter
        cdef rd_kafka_topic_t *handle
        cdef Posted delivery
        if not self.available or type(topic) is not str or type(value) is not bytes:
            return None
        if topic is not self.topic and not self.find(topic):
            return None
        # ORDER: taken now: where memory is taken the collector may run, and with it who sends to another topic.
        handle = self.handle
        if type(key) is str:
            key_at = PyUnicode_AsUTF8AndSize(key, &key_size)
        elif type(key) is bytes:
            key_at, key_size = PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)
        elif key is not None:
            return None
        delivery = new_posted(self.kind)
        letter = letter_make(self.box, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        if letter is NULL:
            raise MemoryError("no memory for a message to send")
        if letter_send(handle, letter, key_at, key_size):
            free(letter)
            return None
        # ORDER: it may be back by now, but is taken out under the interpreter's lock only, which we hold.
        self.out += 1
        count_posted(delivery, outlet, outbox, topic)
        delivery.letter, letter.delivery = letter, <void *>delivery
        letter.outlet, letter.topic = <void *>outlet, <void *>topic
        letter.outbox = <void *>outbox if outbox is not None else NULL
        Py_INCREF(outlet)
        Py_INCREF(topic)
        if outbox is not None:
            Py_INCREF(outbox)
        return delivery

    cdef bint find(self, str topic) except -1:
        """Make this the last topic; False = it has no handle: it is no name, or one of very many."""
        cdef rd_kafka_topic_t *handle
        cdef const char *name
        cdef Py_ssize_t size = 0
        known = self.topics.get(topic)
        if known is None:
            name = PyUnicode_AsUTF8AndSize(topic, &size)
            if <Py_ssize_t>strlen(name) != size or len(self.topics) >= TOPICS_KEPT:
                return False
            handle = letter_topic(self.rk, name)
            if handle is NULL:
                return False
            number = PyLong_FromVoidPtr(handle)
            known = self.topics.setdefault(topic, number)
            if known is not number:     # who was let in where memory was taken
                letter_topic_done(handle)
        self.topic, self.handle = topic, <rd_kafka_topic_t *>PyLong_AsVoidPtr(known)
        return True

    def collect(self):
        """Count what has come back. Returns those of which somebody must be told: (Posted, error's code, bytes).

        Theirs is it to say so, by end(): they count as on their way until then.
        """
        cdef letter_t *letter = letters_take(self.box)
        cdef letter_t *following
        trouble = None
        while letter is not NULL:
            following = letter.next
            self.out -= 1
            try:
                opened(self, letter)
            except BaseException as error:
                trouble = error         # LOSS: of the others nobody would ever hear
            Py_XDECREF(<PyObject *>letter.outlet)
            Py_XDECREF(<PyObject *>letter.topic)
            Py_XDECREF(<PyObject *>letter.outbox)
            free(letter)
            letter = following
        if trouble is not None:
            raise trouble
        # ORDER: made before: where memory is taken the collector may run, and with it who collects here as well.
        fresh = []
        told, self.told = self.told, fresh
        return told


cdef Posted new_posted(type kind):
    # PERF: what kind() does, without looking for __init__.
    arguments = ()
    return <Posted>(<PyTypeObject *>kind).tp_new(kind, <PyObject *>arguments, NULL)


cdef inline bint is_held(letter_t *letter) noexcept:
    # LOSS: one that nobody holds any more lives on for a moment, where the interpreter puts a deep chain's end off,
    # or its collector has emptied it already; other code runs meanwhile. It must not be taken up again.
    return Py_REFCNT(<PyObject *>letter.delivery) > 0 and (<Posted>letter.delivery).outlet is not None


cdef int opened(Letters self, letter_t *letter) except -1:
    cdef Posted delivery
    cdef Outbox outbox = <Outbox>letter.outbox if letter.outbox is not NULL else None
    if letter.delivery is not NULL and not is_held(letter):
        (<Posted>letter.delivery).letter = NULL
        letter.delivery = NULL
    if letter.delivery is NULL:
        if letter.err == 0:
            if outbox is not None:
                outbox.one_fewer()
            return 0
        delivery = new_posted(self.kind)
        count_posted(delivery, <object>letter.outlet, None, <object>letter.topic)
        delivery.outbox, delivery.counted = outbox, outbox is not None
    else:
        delivery = <Posted>letter.delivery
        delivery.letter = NULL
    if letter.err == 0:
        delivery.lies(letter.partition, letter.offset)
    if letter.err or delivery.waiters:
        self.told.append((delivery, letter.err, letter.len))
        return 0
    delivery.done = True
    if outbox is not None:
        outbox.release(delivery)
    return 0


@cython.final
cdef class Sender:
    """One outlet's shortest way for a message of nothing but topic, value and key.

    `letters`: None = there is none, now. `encode`: (value, topic) -> bytes, or, if `by_value`, of the value alone.
    `outbox`: Outboxes, or what gives the call's outbox. What does not go so goes, encoded, by the outlet's put().
    """
    cdef public Letters letters
    cdef object outlet, encode, outbox
    cdef Outboxes boxes
    cdef bint by_value

    def __init__(self, outlet, encode, bint by_value, outbox):
        self.outlet, self.encode, self.by_value, self.outbox = outlet, encode, by_value, outbox
        self.boxes = outbox if isinstance(outbox, Outboxes) else None

    def __call__(self, topic, value, key=None):
        """Put one on its way: its delivery."""
        return sent_by(self, topic, value, key)

    cdef object encoded(self, topic, value):
        if self.by_value:
            return PyObject_CallOneArg(self.encode, value)
        return PyObject_CallFunctionObjArgs(self.encode, <PyObject *>value, <PyObject *>topic, NULL)


cdef object sent_by(Sender self, topic, value, key):
    cdef Letters letters
    cdef Posted posted = None
    if value is not None and not isinstance(value, bytes):
        value = self.encoded(topic, value)
    outbox = self.boxes.present() if self.boxes is not None else self.outbox()
    # ORDER: looked at here: what encodes is anybody's code, another thread's or a fork may come in between.
    letters = self.letters
    if letters is not None:
        posted = letters.post(self.outlet, outbox, topic, value, key)
    return self.outlet.put(topic, value, key, outbox) if posted is None else posted


cdef class PlainSend:
    """What a Producer of Python's is made of: send(), which costs next to nothing where there is nothing to be said.

    `plain`: what sends a message of nothing but topic, value and key, at best a Sender; None = nothing, now. All others
    go by `send_more(topic, value, key, more)`, which the Producer has; `more` is what was given of the rest.
    """
    cdef public object plain

    def send(self, topic, value, key=None, *, partition=None, headers=None, timestamp_ms=None):
        """Send one message: bytes as they are, None as a tombstone, all else by the producer's format.

        Its partition is the given one, else by its key. When the queue to Kafka is full, it waits for room.
        """
        plain = self.plain
        if partition is None and headers is None and timestamp_ms is None:
            if isinstance(plain, Sender):
                return sent_by(<Sender>plain, topic, value, key)
            return self.send_more(topic, value, key, {}) if plain is None else plain(topic, value, key)
        said = {"partition": partition, "headers": headers, "timestamp_ms": timestamp_ms}
        return self.send_more(topic, value, key, {name: one for name, one in said.items() if one is not None})
