"""Every metric that ringmain has: its name, kind, labels and meaning, in one place.

admin/scrape.py fills them, README's table is made from them. Nothing is measured here. A counter's name ends
in _total, times are seconds, sizes bytes; `channel` is empty for a route's own pool.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
POOL = ("route", "channel")
PARTITION = ("route", "topic", "partition")
FEEDER = (*POOL, "feeder")
PROCESS = ("role", *POOL, "process")


@dataclass(frozen=True)
class Meter:
    """One metric."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


BUILD_INFO = Meter("ringmain_build_info", "gauge", ("name", "node", "version"), "1, with what runs here")
SUPERVISOR_UP = Meter(
    "ringmain_supervisor_up", "gauge", (), "1 while the supervisor answers; without it the rest is missing"
)
BEAT_AGE = Meter("ringmain_supervisor_beat_age_seconds", "gauge", (), "since the supervisor's last beat")
READY = Meter("ringmain_ready", "gauge", (), "1 = ready, as /health/ready says")
UNWELL = Meter("ringmain_unwell", "gauge", ("route",), "reasons why the node is not ready")
START_TIME = Meter("ringmain_start_time_seconds", "gauge", (), "when the node started, Unix time")
QUEUES_UP = Meter("ringmain_queues_up", "gauge", (), "1 = RabbitMQ (or the queue file) can be used")
PEERS = Meter("ringmain_peers", "gauge", (), "other nodes of this name that are known")

MESSAGES = Meter(
    "ringmain_messages_total", "counter", (*POOL, "outcome"),
    "calls and what became of them: done, retry, skip, dead, channel",
)  # fmt: skip
TAKEN = Meter("ringmain_taken_total", "counter", POOL, "messages taken into rings, from Kafka or the queues")
SETTLED = Meter(
    "ringmain_settled_total", "counter", POOL, "messages that are finished or safely in the queues"
)
LATE = Meter("ringmain_late_total", "counter", POOL, "results of a partition that had been given away")
OVERSIZE = Meter("ringmain_oversize_total", "counter", POOL, "messages larger than the ring's arena")
TIME = Meter(
    "ringmain_message_seconds_total", "counter", (*POOL, "part"),
    "time of messages, summed up: waiting in a ring for a handler, decoding, handling (the call), publishing "
    "(from a verdict to the queues' confirmation); waiting and decoding by one message of each claim",
)  # fmt: skip
PUBLISHED = Meter("ringmain_published_total", "counter", POOL, "messages that the queues have confirmed")
DURATION = Meter("ringmain_handler_duration_seconds", "histogram", POOL, "how long calls took")
TRANSACTIONS = Meter(
    "ringmain_transactions_total", "counter", (*POOL, "outcome"), "transactions of Kafka: committed, aborted"
)
TRANSACTION_SECONDS = Meter(
    "ringmain_transaction_seconds_total", "counter", POOL, "how long transactions were open, summed up"
)
CLAIMS = Meter("ringmain_claims_total", "counter", POOL, "times that handlers took messages from rings")
CLAIMED = Meter(
    "ringmain_claimed_messages_total", "counter", POOL, "messages so taken: by claims, the size of a claim"
)
HANDLERS = Meter("ringmain_handlers", "gauge", POOL, "handler processes wanted: configured or scaled")
HANDLERS_ALIVE = Meter("ringmain_handlers_alive", "gauge", POOL, "handler processes at work")
HANDLERS_BUSY = Meter("ringmain_handlers_busy", "gauge", POOL, "of these, in a call")
PAUSED = Meter(
    "ringmain_route_paused", "gauge", (*POOL, "cause"),
    "1 = takes nothing: operator, flood, pause (a handler's), quiet, stop",
)  # fmt: skip

LAG = Meter("ringmain_lag_messages", "gauge", PARTITION, "messages not committed, of partitions owned here")
LAG_SECONDS = Meter(
    "ringmain_lag_seconds", "gauge", PARTITION, "age of the oldest message not taken yet; 0 = none"
)
POSITION = Meter("ringmain_position_offset", "gauge", PARTITION, "next offset to be taken")
COMMITTED = Meter("ringmain_committed_offset", "gauge", PARTITION, "where a restart would go on")
END = Meter("ringmain_end_offset", "gauge", PARTITION, "next offset that a producer will get")
AHEAD = Meter(
    "ringmain_uncommitted_messages", "gauge", PARTITION,
    "from the first unsettled offset to the position: what a crash would repeat at most",
)  # fmt: skip
COMMIT_AGE = Meter(
    "ringmain_commit_age_seconds", "gauge", PARTITION,
    "since the committed offset moved, while something that was taken is not committed; 0 = all is",
)  # fmt: skip
STANDING = Meter(
    "ringmain_partition_standing", "gauge", PARTITION, "1 = there is something and nothing moves"
)

RING_USED_RATIO = Meter("ringmain_ring_used_ratio", "gauge", FEEDER, "of slots or bytes, whichever is fuller")
RING_SLOTS = Meter("ringmain_ring_slots", "gauge", FEEDER, "messages that the ring has room for")
RING_USED = Meter("ringmain_ring_used_slots", "gauge", FEEDER, "messages in the ring")
RING_UNCLAIMED = Meter("ringmain_ring_unclaimed_messages", "gauge", FEEDER, "of these, not begun")

KAFKA_CONNECTIONS = Meter("ringmain_kafka_connections", "gauge", FEEDER, "brokers that it is connected to")
KAFKA_RTT = Meter(
    "ringmain_kafka_rtt_seconds", "gauge", FEEDER,
    "p99 of the slowest broker's answers, fetches that wait there for messages (fetch.wait.max.ms) included",
)  # fmt: skip
KAFKA_THROTTLED = Meter(
    "ringmain_kafka_throttled_seconds", "gauge", FEEDER, "mean time that a broker held back answers by quota"
)
KAFKA_WAITING = Meter(
    "ringmain_kafka_waiting_requests", "gauge", FEEDER, "requests not sent or not answered yet"
)
KAFKA_REQUESTS = Meter("ringmain_kafka_requests_total", "counter", FEEDER, "requests sent to brokers")
KAFKA_RETRIES = Meter("ringmain_kafka_retries_total", "counter", FEEDER, "of these, sent again")
KAFKA_TIMEOUTS = Meter(
    "ringmain_kafka_timeouts_total", "counter", FEEDER, "requests that nobody answered in time"
)
KAFKA_ERRORS = Meter("ringmain_kafka_errors_total", "counter", FEEDER, "requests or answers that failed")
KAFKA_DISCONNECTS = Meter("ringmain_kafka_disconnects_total", "counter", FEEDER, "connections that ended")
KAFKA_SENT = Meter("ringmain_kafka_sent_bytes_total", "counter", FEEDER, "bytes sent to brokers")
KAFKA_RECEIVED = Meter(
    "ringmain_kafka_received_bytes_total", "counter", FEEDER, "bytes received from brokers"
)
KAFKA_FETCHED = Meter(
    "ringmain_kafka_fetched_messages", "gauge", FEEDER, "messages that are fetched and not yet in the ring"
)
KAFKA_FETCHED_BYTES = Meter("ringmain_kafka_fetched_bytes", "gauge", FEEDER, "their size")
KAFKA_REBALANCES = Meter(
    "ringmain_kafka_rebalances_total", "counter", FEEDER, "assignments that came and went at this client"
)

QUEUE_MESSAGES = Meter(
    "ringmain_queue_messages", "gauge", (*POOL, "queue"), "messages in ready, delay, dead, overflow"
)
QUEUE_OLDEST = Meter(
    "ringmain_queue_oldest_seconds", "gauge", (*POOL, "queue"),
    "age of the oldest of them; SQLite only, RabbitMQ does not tell",
)  # fmt: skip

RESTARTS = Meter(
    "ringmain_process_restarts_total", "counter", ("role", *POOL, "cause"),
    "processes that ended: crashed, timeout, rss, stuck, recycled, fatal, …",
)  # fmt: skip
MEMORY = Meter("ringmain_process_resident_memory_bytes", "gauge", PROCESS, "resident size of a process")
AGE = Meter("ringmain_process_age_seconds", "gauge", PROCESS, "since a process was started")
PROCESSES = Meter("ringmain_processes", "gauge", ("role", *POOL, "state"), "processes by state")

METERS: tuple[Meter, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Meter))
