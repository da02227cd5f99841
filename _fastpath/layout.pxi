# The shape of a route's shared memory. Every process of the route enters through `Ring`; nothing here moves
# a message.
#
#   header | handler seats | feeder areas ............................. | arenas
#                            head, ready ring, suspect ring, courier     one per feeder, mapped
#                            ring, slots, partition table, verdict       read-only by handlers
#                            pages, ack rings (one a handler + courier)  and the courier
#
# All of it is one sparse memfd: room that nobody uses costs address space only.


cdef enum:
    PAGE_BYTES = 4096
    LINE_BYTES = 64
    MAX_HANDLERS = 1024
    SLEEPER_WORDS = 16
    MAX_FEEDERS = 1024
    PARTITION_ROOM = 16384      # partitions that one feeder may ever see: a queue feeder, all of its route's
    TOPIC_ROOM = 264            # Kafka's longest name is 249
    MEMBER_ROOM = 4096          # what a transaction says of the member in whose name it sends offsets
    VERDICT_ROOM = 4096
    DETAIL_ROOM = 4088          # of it; behind it stands when the message failed first
    MAX_CLAIM = 64
    BUCKETS = 40

# states of a slot
cdef enum:
    FREE = 0
    FILLED = 1          # has bytes, hangs behind an earlier slot of its key
    READY = 2           # in a ready ring, anybody's
    CLAIMED = 3         # one handler's, not begun
    EXECUTING = 4       # inside the user's code
    COURIER = 5         # on its way to the queues
    WAITING = 6         # has a due time
    VERDICT = 16        # VERDICT + code: executed, the code says how it went

# verdict codes, the same numbers as in verdict.py
cdef enum:
    V_DONE = 1
    V_SKIP = 2
    V_RETRY = 3
    V_DEAD = 4
    V_CHANNEL = 5
    V_PAUSE = 6
    V_RETURNED = 7
    V_OVERFLOW = 8      # nobody executed it: the ring was full for too long

# states of a handler's, a feeder's and the courier's seat
cdef enum:
    SEAT_FREE = 0
    SEAT_ADMITTED = 1
    SEAT_DEAD = 2
    SEAT_ADOPTING = 3   # a feeder looks through what the last one left: nobody claims, nobody's seat is reused

# how a feeder sleeps: a bit each, so that a waker names whom it means
cdef enum:
    EAGER = 1           # any ack matters
    ROOMY = 2           # full: wake me when a sixteenth came back, or when handlers run dry; hold nothing back
    LAZY = 4            # plain acks can wait for my next timer

# the rings from which handlers claim
cdef enum:
    MAIN = 0
    SUSPECT = 1         # to be executed alone
    FRONT = 2           # taken back from slow calls: earlier offsets than what waits, so claimed first
    RINGS = 3

# gates, the same numbers as in rings/
cdef enum:
    G_STOP = 1
    G_QUIET = 2
    G_FLOOD = 4
    G_OPERATOR = 8

cdef enum:
    FLAG_ANNEX = 1      # the bytes are in the annex, not in the arena
    FLAG_FAILED = 2     # it failed before and waited in place: its page says when
    FLAG_KEPT = 4       # EXECUTING, but its call has ended: its verdict is kept back

ctypedef struct Header:
    uint64_t magic
    uint32_t feeders, handlers, slots, block_bytes
    uint64_t arena_bytes, feeder_bytes, feeders_at, arenas_at, total_bytes
    uint64_t ready_at, courier_at, slots_at, partitions_at, verdicts_at, acks_at, ack_bytes
    char pad0[LINE_BYTES]
    uint32_t gate
    uint32_t probes
    uint64_t paused_until_ns
    uint32_t pool               # handler seats that are admitted
    uint32_t seated             # no handler ever sat in this seat or above. PERF: room that nobody uses costs no look
    char pad1[LINE_BYTES]
    uint32_t suspects           # how often suspects were published: a reason to look, never reset
    uint32_t courier_sleeping
    uint32_t courier_state
    uint32_t courier_incarnation
    uint64_t arena_limit_bytes      # how much of its arena a feeder uses ...
    uint64_t message_limit_bytes    # ... or four times this, the route's topics' limit; 0 = not known yet
    uint32_t run_limit          # 0 = as the feeder wants; async handlers set 1: they execute no runs
    uint32_t hurry              # how often feeders wanted what handlers held for a batch, never reset
    char pad2[LINE_BYTES]
    uint64_t sleeping[SLEEPER_WORDS]
    uint64_t admitted[SLEEPER_WORDS]    # a bit a feeder: PERF: most of the room for feeders is empty
    uint64_t carried, carrying_ns       # by the courier, from hand-over to confirmation

ctypedef struct HandlerSeat:
    uint32_t state, incarnation, pid, cause
    uint32_t executing, claim_feeder, claim_ring, claim_count
    uint64_t claim_head, busy_since_ns
    uint32_t gathering          # holds claims until there are enough for a batch
    uint32_t called_feeder, called      # of a transaction: the slot + 1 whose call is under way, 0 = none
    uint32_t kept               # of what is executing: calls that have ended, see keeping.pxi
    char pad0[LINE_BYTES]
    uint64_t calls, done, skip, retry, dead, channel, bad, busy_ns, claims, claimed, waiting_ns, decoding_ns
    uint64_t committed, aborted, transacting_ns     # transactions
    uint64_t histogram[BUCKETS]
    uint32_t detail_bytes
    char detail[VERDICT_ROOM]

ctypedef struct FeederHead:
    # A line that the feeder writes, then one that the handlers write: the rings' tails and heads.
    uint64_t tails[RINGS]
    char pad0[LINE_BYTES - 8 * RINGS]
    uint64_t heads[RINGS]
    char pad1[LINE_BYTES - 8 * RINGS]
    uint64_t courier_tail
    char pad3[LINE_BYTES - 8]
    uint64_t courier_head
    char pad4[LINE_BYTES - 8]
    uint32_t state, incarnation, pid, epoch
    uint64_t seq, sent          # last used; last whose ring entries are surely visible
    uint32_t partitions
    uint32_t greeted            # the courier's incarnation that was sent everything
    uint32_t frame_limit        # the most messages that a frame should hold, 0 = as the courier wants
    uint32_t used_slots, used_blocks, blocks    # as of the last settle(), for who looks from outside
    char pad5[LINE_BYTES - 56]
    uint32_t sleeping           # 0 awake, or how it sleeps
    uint32_t urgent             # counts what must not wait for a timer
    char pad6[LINE_BYTES - 8]
    uint64_t taken, settled, late, refused_acks, taken_back, oversize
    uint64_t retry, dead        # verdicts that dead handlers could not give
    uint32_t resolved[MAX_HANDLERS]
    uint64_t member_version     # odd while the word is being written
    uint32_t member_bytes
    char member[MEMBER_ROOM]    # see transactions.pxi

ctypedef struct Slot:
    uint64_t word
    int64_t offset
    int64_t timestamp_ms
    uint32_t epoch
    uint16_t partition
    uint16_t flags
    uint16_t attempt
    uint8_t crashes
    uint8_t verdict             # what the courier carries
    uint32_t block
    uint32_t key_bytes          # ABSENT = no key
    uint32_t headers_bytes
    uint32_t value_bytes        # ABSENT = no value: a tombstone
    uint16_t meta_bytes
    uint16_t detail_bytes       # DETAIL_ROOM at most
    uint32_t run_next           # slot number + 1 of the next of the same key, claimed as one piece
    uint32_t since              # when it was shown to handlers or the courier, see timing.pxi

ctypedef struct PartitionName:
    int32_t partition
    uint32_t topic_bytes
    char topic[TOPIC_ROOM - 8]
    # What its feeder told last, for who looks from outside: see telling.pxi.
    uint64_t version            # odd while it is being written
    uint64_t position, committed, end, low_water, timestamp_ms      # all signed, -1 = not known
    uint32_t epoch              # 0 = not this feeder's now
    uint32_t paused

ctypedef struct AckRing:
    uint64_t tail
    char pad0[LINE_BYTES - 8]
    uint64_t head
    char pad1[LINE_BYTES - 8]

cdef uint64_t MAGIC = 0x31676e6972
cdef uint32_t ABSENT = 0xFFFFFFFF

# A slot's word: seq 40 | seat 10 | incarnation 8 | state 6. Whoever compares and swaps it proves in one step
# which publication, which claimer and which stage it means.
cdef inline uint64_t pack(uint64_t seq, uint32_t seat, uint32_t incarnation, uint32_t state) noexcept nogil:
    return (seq << 24) | (<uint64_t>(seat & 1023) << 14) | (<uint64_t>(incarnation & 255) << 6) | state

cdef inline uint64_t word_seq(uint64_t word) noexcept nogil:
    return word >> 24

cdef uint64_t SEQ_ROOM = <uint64_t>1 << 40
cdef uint64_t SEQ_JUMP = <uint64_t>1 << 24
cdef uint32_t NO_EPOCH = 0xFFFFFFFF

cdef inline uint64_t next_seq(uint64_t seq) noexcept nogil:
    return seq + 1 if seq + 1 < SEQ_ROOM else 1

cdef inline uint32_t word_seat(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 14) & 1023

cdef inline uint32_t word_incarnation(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 6) & 255

cdef inline uint32_t word_state(uint64_t word) noexcept nogil:
    return <uint32_t>word & 63

# An entry of a ready, courier or ack ring: seq 40 | slot 24. The seq says which publication of the slot is meant.
cdef inline uint64_t entry(uint64_t seq, uint32_t slot) noexcept nogil:
    return (seq << 24) | slot

cdef inline uint64_t entry_seq(uint64_t e) noexcept nogil:
    return e >> 24

cdef inline uint32_t entry_slot(uint64_t e) noexcept nogil:
    return <uint32_t>e & 0xFFFFFF

cdef inline uint64_t pages(uint64_t size) noexcept nogil:
    return (size + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES


cdef Header describe(uint32_t feeders, uint32_t handlers, uint32_t slots, uint32_t block_bytes,
                     uint64_t arena_bytes):
    """Offsets of everything, from the five numbers that decide them."""
    cdef Header h
    memset(&h, 0, sizeof(Header))
    h.magic = MAGIC
    h.feeders, h.handlers, h.slots, h.block_bytes = feeders, handlers, slots, block_bytes
    h.arena_bytes = pages(arena_bytes)
    h.feeders_at = pages(sizeof(Header)) + pages(handlers * sizeof(HandlerSeat))
    h.ready_at = pages(sizeof(FeederHead))
    h.courier_at = h.ready_at + RINGS * pages(slots * 8)
    h.slots_at = h.courier_at + pages(slots * 16)
    h.partitions_at = h.slots_at + pages(slots * sizeof(Slot))
    h.verdicts_at = h.partitions_at + pages(PARTITION_ROOM * sizeof(PartitionName))
    h.acks_at = h.verdicts_at + <uint64_t>slots * VERDICT_ROOM
    h.ack_bytes = pages(sizeof(AckRing) + slots * 8)
    h.feeder_bytes = h.acks_at + (handlers + 1) * h.ack_bytes
    h.arenas_at = h.feeders_at + feeders * h.feeder_bytes
    h.total_bytes = h.arenas_at + feeders * h.arena_bytes
    return h
