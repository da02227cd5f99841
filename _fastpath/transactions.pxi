# What a transaction needs to know across processes: in whose name its offsets are sent, and which of its messages
# is being called. Both are in shared memory: a feeder tells handlers, a dead handler its feeder.

def tell_member(FeederSide side, bytes word not None):
    """Let handlers know in whose name they send offsets: before anything is placed, and when it changes.

    One writer, any reader: the version is odd while the word is being written.
    """
    cdef FeederHead *head = side.head
    cdef uint32_t n = len(word)
    # A feeder that died in between left an odd one.
    cdef uint64_t version = (head.member_version | 1) + 1
    if n > MEMBER_ROOM:
        raise ValueError(f"the word on a member has {n} bytes, more than {MEMBER_ROOM}")
    store_relaxed_64(&head.member_version, version - 1)
    full_fence()    # ORDER: the odd version is seen before anything of the word
    memcpy(head.member, <const char *>word, n)
    store_relaxed_32(&head.member_bytes, n)
    store_release_64(&head.member_version, version)     # ORDER: after all of it


cdef bytes member_of(FeederHead *head):
    """The word, or None while it is being written."""
    cdef char copy[MEMBER_ROOM]
    cdef uint32_t n, looks
    cdef uint64_t version
    for looks in range(LOOKS):
        version = load_acquire_64(&head.member_version)
        n = min(load_relaxed_32(&head.member_bytes), <uint32_t>MEMBER_ROOM)
        memcpy(copy, head.member, n)
        full_fence()
        if not version & 1 and load_acquire_64(&head.member_version) == version:
            return PyBytes_FromStringAndSize(copy, n)
    return None


cdef bytes member_for(BatchClaim batch):
    """The word of the batch's feeder, if the batch is what that word speaks for.

    ORDER: the word first, then the epochs. A partition that is still of the slot's epoch when the word has been read
    was this feeder's at every moment since the slot was placed: so the word is of the group as it was then, or
    later while the partition stayed here, or older, which Kafka refuses. Never is it the word of a feeder that has
    adopted (it marks late what it finds before it tells its own), or of one that lost the partition and got it back.
    """
    cdef uint32_t n
    cdef Slot *s
    cdef Held *item
    cdef bytes word
    if batch.count == 0:
        return None
    word = member_of(batch.side.ring.feeder(batch.items[0].feeder))
    if word is None:
        return None
    full_fence()
    for n in range(batch.count):
        item = &batch.items[n]
        if item.word == 0:
            continue
        s = &batch.side.ring.slots(item.feeder)[item.slot]
        if item.feeder != batch.items[0].feeder or s.epoch == NO_EPOCH:
            return None
        if word and load_acquire_32(&batch.side.ring.partition_name(item.feeder, s.partition).epoch) != s.epoch:
            return None
    return word


cdef inline void begin_call(HandlerSide side, Held *item) noexcept nogil:
    store_relaxed_32(&side.hs.called_feeder, item.feeder)
    store_relaxed_32(&side.hs.called, item.slot + 1)
    store_release_64(&side.hs.busy_since_ns, now_ns())


cdef inline void end_call(HandlerSide side) noexcept nogil:
    store_relaxed_64(&side.hs.busy_since_ns, 0)
    store_release_32(&side.hs.called, 0)


def called_slot(FeederSide side, uint32_t n):
    """The slot whose call a handler of transactions died in; -1 = in none of this feeder's."""
    cdef HandlerSeat *seat = side.ring.seat(n)
    cdef uint32_t called = load_acquire_32(&seat.called)
    if called == 0 or called > side.count or seat.called_feeder != <uint32_t>side.seat:
        return -1
    return called - 1


def count_transaction(HandlerSide side, bint stands, double took_s):
    """One has ended: whether it stands, and how long it was open."""
    add(&side.hs.committed if stands else &side.hs.aborted, 1)
    add(&side.hs.transacting_ns, <uint64_t>(took_s * 1e9))
