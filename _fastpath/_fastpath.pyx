# cython: language_level=3
"""The fast path: everything that happens once per message, compiled.

Feeders, handlers and the courier enter through rings/, which wraps nothing here but hands out what belongs
to a role. Python code runs in here only as the user's handler, the decoder and the `resolve` of a call that
did not simply return None.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.errno cimport errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset
from posix.types cimport off_t
from posix.unistd cimport getpid, read, write

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *, size_t, int, int, int, off_t)
    int munmap(void *, size_t)
    int PROT_READ, PROT_WRITE, MAP_SHARED, MAP_NORESERVE
    void *MAP_FAILED

cdef extern from "<unistd.h>" nogil:
    ssize_t pwrite(int, const void *, size_t, off_t)
    void _exit(int)

cdef extern from "<fcntl.h>" nogil:
    int fallocate(int, int, off_t, off_t)

cdef extern from "<linux/falloc.h>" nogil:
    int FALLOC_FL_PUNCH_HOLE, FALLOC_FL_KEEP_SIZE

cdef extern from "Python.h":
    object PyObject_CallOneArg(object, object)
    object PyObject_CallNoArgs(object)

cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_64(const uint64_t *)
    uint64_t load_relaxed_64(const uint64_t *)
    void store_release_64(uint64_t *, uint64_t)
    void store_relaxed_64(uint64_t *, uint64_t)
    int swap_if_64(uint64_t *, uint64_t, uint64_t)
    uint64_t fetch_or_64(uint64_t *, uint64_t)
    uint64_t fetch_and_64(uint64_t *, uint64_t)
    uint32_t load_acquire_32(const uint32_t *)
    uint32_t load_relaxed_32(const uint32_t *)
    void store_release_32(uint32_t *, uint32_t)
    void store_relaxed_32(uint32_t *, uint32_t)
    uint32_t exchange_32(uint32_t *, uint32_t)
    uint32_t fetch_or_32(uint32_t *, uint32_t)
    uint32_t fetch_and_32(uint32_t *, uint32_t)
    uint32_t fetch_add_32(uint32_t *, uint32_t)
    int swap_if_32(uint32_t *, uint32_t, uint32_t)
    void full_fence()
    int64_t now_ns()
    int64_t about_now_ns()
    int64_t crash_before(int64_t)
    void prefetch_write(const void *)
    void prefetch_read(const void *)
    int lowest_bit(uint64_t)
    int highest_bit(uint64_t)
    uint64_t key_hash(const char *, size_t, uint64_t)

include "drain.pxi"
include "layout.pxi"
include "ring.pxi"
include "headers.pxi"
include "framing.pxi"
include "message.pxi"
include "counters.pxi"
include "timing.pxi"
include "arena.pxi"
include "offsets.pxi"
include "chains.pxi"
include "telling.pxi"
include "placing.pxi"
include "publishing.pxi"
include "settling.pxi"
include "adoption.pxi"
include "lost.pxi"
include "feeder.pxi"
include "intake.pxi"
include "calls.pxi"
include "claiming.pxi"
include "gathering.pxi"
include "batches.pxi"
include "transactions.pxi"
include "claims.pxi"
include "outboxes.pxi"
include "letters.pxi"
include "keeping.pxi"
include "resting.pxi"
include "serving.pxi"
include "handler.pxi"
include "frames.pxi"
include "courier.pxi"
include "overseer.pxi"
