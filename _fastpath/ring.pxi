# One process's view of a route's memory: where everything is, and the doorbells.


@cython.final
cdef class Ring:
    """One process's view of a route's shared memory.

    `doorbells` are eventfds: the feeders', then the handlers', then the courier's. The arena is mapped
    writable only for a feeder. Raises ValueError when the memory is not a ring.
    """
    cdef char *control
    cdef char *arenas
    cdef Header *h
    cdef size_t control_bytes, arenas_bytes
    cdef int *bells
    cdef readonly int fd
    cdef readonly int annex_fd

    def __cinit__(self, int fd, int annex_fd, list doorbells, bint arena_writable=False):
        cdef void *at
        cdef Header *h
        cdef int protection = PROT_READ | PROT_WRITE if arena_writable else PROT_READ
        self.fd, self.annex_fd = fd, annex_fd
        at = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0)
        if at == MAP_FAILED:
            raise OSError(errno, "cannot map the ring")
        h = <Header *>at
        if h.magic != MAGIC:
            munmap(at, PAGE_BYTES)
            raise ValueError("this shared memory is not a ring")
        self.control_bytes = h.arenas_at
        self.arenas_bytes = h.total_bytes - h.arenas_at
        munmap(at, PAGE_BYTES)
        at = mmap(NULL, self.control_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0)
        if at == MAP_FAILED:
            raise OSError(errno, "cannot map the ring")
        self.control = <char *>at
        self.h = <Header *>at
        at = mmap(NULL, self.arenas_bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, <off_t>self.control_bytes)
        if at == MAP_FAILED:
            raise OSError(errno, "cannot map the arenas")
        self.arenas = <char *>at
        self.bells = <int *>calloc(len(doorbells) + 1, sizeof(int))
        for i, bell in enumerate(doorbells):
            self.bells[i] = bell
        if len(doorbells) != self.h.feeders + self.h.handlers + 1:
            raise ValueError("a ring needs a doorbell for each feeder, each handler and the courier")

    def __dealloc__(self):
        if self.control != NULL:
            munmap(self.control, self.control_bytes)
        if self.arenas != NULL:
            munmap(self.arenas, self.arenas_bytes)
        free(self.bells)

    @staticmethod
    def room(int feeders, int handlers, int slots, int block_bytes, long arena_bytes):
        """Bytes of (sparse) shared memory that this geometry needs."""
        cdef Header h = describe(feeders, handlers, slots, block_bytes, arena_bytes)
        return h.total_bytes

    @staticmethod
    def format(int fd, int feeders, int handlers, int slots, int block_bytes, long arena_bytes,
               long arena_limit_bytes=0):
        """Write the header of a new ring into `fd`, which must be as large as `room()` says and all zero.

        `arena_limit_bytes`: how much of `arena_bytes` is used until larger messages are expected; 0 = all.
        """
        if not (0 < feeders <= MAX_FEEDERS and 0 < handlers <= MAX_HANDLERS):
            raise ValueError(f"a ring has room for 1 to {MAX_FEEDERS} feeders and 1 to {MAX_HANDLERS} handlers")
        if slots < 8 or slots & (slots - 1) or slots > 1 << 22:
            raise ValueError("slots must be a power of two from 8 to 4194304")
        if block_bytes < 64 or block_bytes & (block_bytes - 1) or arena_bytes < block_bytes * 8:
            raise ValueError("an arena has at least 8 blocks, each a power of two of at least 64 bytes")
        cdef Header h = describe(feeders, handlers, slots, block_bytes, arena_bytes)
        h.arena_limit_bytes = arena_limit_bytes if arena_limit_bytes else h.arena_bytes
        if pwrite(fd, &h, sizeof(Header), 0) != sizeof(Header):
            raise OSError(errno, "cannot write the ring's header")

    # -- places ------------------------------------------------------------------------------------------
    cdef inline HandlerSeat *seat(self, uint32_t n) noexcept nogil:
        return <HandlerSeat *>(self.control + pages(sizeof(Header))) + n

    cdef inline char *area(self, uint32_t feeder) noexcept nogil:
        return self.control + self.h.feeders_at + feeder * self.h.feeder_bytes

    cdef inline FeederHead *feeder(self, uint32_t feeder) noexcept nogil:
        return <FeederHead *>self.area(feeder)

    cdef inline Slot *slots(self, uint32_t feeder) noexcept nogil:
        return <Slot *>(self.area(feeder) + self.h.slots_at)

    cdef inline uint64_t *ready(self, uint32_t feeder, uint32_t ring) noexcept nogil:
        return <uint64_t *>(self.area(feeder) + self.h.ready_at + ring * pages(self.h.slots * 8))

    cdef inline uint64_t *courier_ring(self, uint32_t feeder) noexcept nogil:
        return <uint64_t *>(self.area(feeder) + self.h.courier_at)

    cdef inline PartitionName *partition_name(self, uint32_t feeder, uint32_t n) noexcept nogil:
        return <PartitionName *>(self.area(feeder) + self.h.partitions_at) + n

    cdef inline char *verdict_page(self, uint32_t feeder, uint32_t slot) noexcept nogil:
        return self.area(feeder) + self.h.verdicts_at + <uint64_t>slot * VERDICT_ROOM

    cdef inline AckRing *acks(self, uint32_t feeder, uint32_t seat) noexcept nogil:
        return <AckRing *>(self.area(feeder) + self.h.acks_at + seat * self.h.ack_bytes)

    cdef inline char *bytes_of(self, uint32_t feeder, Slot *s) noexcept nogil:
        return self.arenas + feeder * self.h.arena_bytes + <uint64_t>s.block * self.h.block_bytes

    # -- doorbells ---------------------------------------------------------------------------------------
    cdef void ring_bell(self, uint32_t n) noexcept nogil:
        cdef uint64_t one = 1
        write(self.bells[n], &one, 8)

    cdef bint wake_handler(self) noexcept nogil:
        """Wake one sleeping handler. The waker clears the bit, so that two wakers never pick the same."""
        cdef uint32_t w, words = (self.h.handlers + 63) // 64
        cdef uint64_t mask, bit
        for w in range(words):
            mask = load_relaxed_64(&self.h.sleeping[w])
            while mask:
                bit = mask & (~mask + 1)
                if fetch_and_64(&self.h.sleeping[w], ~bit) & bit:
                    self.ring_bell(self.h.feeders + w * 64 + lowest_bit(bit))
                    return True
                mask = load_relaxed_64(&self.h.sleeping[w])
        return False

    cdef void wake_all_handlers(self) noexcept nogil:
        while self.wake_handler():
            pass

    cdef void wake_feeder(self, uint32_t feeder, uint32_t sleepers) noexcept nogil:
        """Wake the feeder if it sleeps in one of the ways of `sleepers`."""
        cdef FeederHead *fh = self.feeder(feeder)
        if load_relaxed_32(&fh.sleeping) & sleepers and exchange_32(&fh.sleeping, 0):
            self.ring_bell(feeder)

    cdef void hurry_feeder(self, uint32_t feeder) noexcept nogil:
        """Something for this feeder must not wait for its next timer."""
        # ORDER: counted before the sleeper's word is read; a feeder that goes to sleep reads them the other
        # way round, so one of the two sees the other.
        fetch_add_32(&self.feeder(feeder).urgent, 1)
        full_fence()
        self.wake_feeder(feeder, EAGER | ROOMY | LAZY)

    cdef void wake_courier(self) noexcept nogil:
        if load_relaxed_32(&self.h.courier_sleeping) and exchange_32(&self.h.courier_sleeping, 0):
            self.ring_bell(self.h.feeders + self.h.handlers)

    cdef object topic_of(self, uint32_t feeder, uint32_t n):
        cdef PartitionName *name = self.partition_name(feeder, n)
        return PyUnicode_DecodeUTF8(name.topic, min(name.topic_bytes, TOPIC_ROOM - 8), "replace")
