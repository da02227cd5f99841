# Values that begin with a head which says what reads them (a schema's id), and a stream over bytes for libraries
# that read from one. Nothing of the ring is known here.

cdef enum:
    HEADS = 8


@cython.final
@cython.internal
cdef class Head:
    """What values begin with that one reader reads."""
    cdef bytes head
    cdef object read

    cdef inline bint fits(self, bytes value) noexcept:
        cdef Py_ssize_t n = PyBytes_GET_SIZE(self.head)
        return (PyBytes_GET_SIZE(value) >= n
                and memcmp(PyBytes_AS_STRING(value), PyBytes_AS_STRING(self.head), n) == 0)


@cython.final
cdef class HeadReader:
    """Reads what is behind the head of a value.

    `find`: value -> (how long its head is, what reads the rest), asked about heads that are not among the last
    few; no head may be the beginning of another. `refuse`: (the rest, error), called when that could not be read,
    to raise something better.
    """
    cdef object find, refuse
    cdef Head last
    cdef list known
    cdef Py_ssize_t oldest

    def __init__(self, find, refuse=None):
        self.find, self.refuse, self.known = find, refuse, []

    def decode(self, value):
        """One value."""
        cdef bytes whole = bytes_of(value)
        cdef Head head = self.last
        cdef Py_ssize_t n
        # PERF: a frame and two slices in Python cost as much again as the decoding of a small message.
        if head is None or not head.fits(whole):
            head = self.last = self.head_of(whole)
        n = PyBytes_GET_SIZE(head.head)
        behind = PyBytes_FromStringAndSize(PyBytes_AS_STRING(whole) + n, PyBytes_GET_SIZE(whole) - n)
        try:
            return PyObject_CallOneArg(head.read, behind)
        except Exception as error:
            if self.refuse is not None:
                self.refuse(behind, error)
            raise

    cdef Head head_of(self, bytes value):
        """PERF: while producers change over to a new schema, messages of two alternate."""
        cdef Head head
        for head in self.known:
            if head.fits(value):
                return head
        n, read = self.find(value)
        if not 0 <= n <= len(value):
            raise ValueError(f"a head of {n} bytes in a value of {len(value)}")
        head = Head.__new__(Head)
        head.head, head.read = value[:n], read
        if len(self.known) < HEADS:
            self.known.append(head)
        else:
            self.known[self.oldest] = head
            self.oldest = (self.oldest + 1) % HEADS
        return head


@cython.final
@cython.freelist(8)
cdef class ByteStream:
    """Bytes to be read from the beginning to the end. PERF: of what io.BytesIO can, the little that decoders need.

    `left`: bytes that were not read yet.
    """
    cdef bytes data
    cdef Py_ssize_t at

    def __cinit__(self, data):
        self.data = bytes_of(data)

    def read(self, Py_ssize_t size):
        """The next bytes: fewer where so many are not left, all of them for a size below zero."""
        cdef Py_ssize_t at = self.at, left = PyBytes_GET_SIZE(self.data) - at
        if size < 0 or size > left:
            size = left
        self.at += size
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.data) + at, size)

    @property
    def left(self):
        return PyBytes_GET_SIZE(self.data) - self.at


cdef inline bytes bytes_of(value):
    return <bytes>value if PyBytes_CheckExact(value) else bytes(memoryview(value))
