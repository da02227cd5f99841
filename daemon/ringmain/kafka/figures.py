"""librdkafka's own figures: what a client says of itself, cut down to what an operator looks at.

KafkaSource enters with each report. Of what there is (STATISTICS.md of librdkafka) little is decoded, so the
size of a cluster costs little. What is unknown to this version counts as 0.
"""

import msgspec

from ringmain.control import Client

EACH_MS = 10_000
_UP = "UP"


class _Window(msgspec.Struct):
    avg: int = 0
    p99: int = 0


class _Broker(msgspec.Struct):
    state: str = ""
    outbuf_cnt: int = 0
    waitresp_cnt: int = 0
    tx: int = 0
    txbytes: int = 0
    rxbytes: int = 0
    txerrs: int = 0
    rxerrs: int = 0
    txretries: int = 0
    req_timeouts: int = 0
    disconnects: int = 0
    rtt: _Window = msgspec.field(default_factory=_Window)
    throttle: _Window = msgspec.field(default_factory=_Window)


class _Partition(msgspec.Struct):
    fetchq_cnt: int = 0
    fetchq_size: int = 0


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Group(msgspec.Struct):
    rebalance_cnt: int = 0


class _Report(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}
    cgrp: _Group = msgspec.field(default_factory=_Group)


_decode = msgspec.json.Decoder(_Report).decode


def read(report: str | bytes) -> Client:
    """The figures of one report; times are microseconds and milliseconds there, seconds here.

    Raises msgspec.DecodeError.
    """
    said = _decode(report)
    brokers = list(said.brokers.values())
    up = [broker for broker in brokers if broker.state == _UP]
    fetched = [one for topic in said.topics.values() for one in topic.partitions.values()]
    return Client(
        connections=len(up),
        rtt_s=max((broker.rtt.p99 for broker in up), default=0) / 1e6,
        throttled_s=max((broker.throttle.avg for broker in up), default=0) / 1e3,
        waiting=sum(broker.outbuf_cnt + broker.waitresp_cnt for broker in up),
        requests=sum(broker.tx for broker in brokers),
        retries=sum(broker.txretries for broker in brokers),
        timeouts=sum(broker.req_timeouts for broker in brokers),
        errors=sum(broker.txerrs + broker.rxerrs for broker in brokers),
        disconnects=sum(broker.disconnects for broker in brokers),
        sent_bytes=sum(broker.txbytes for broker in brokers),
        received_bytes=sum(broker.rxbytes for broker in brokers),
        fetched_messages=sum(one.fetchq_cnt for one in fetched),
        fetched_bytes=sum(one.fetchq_size for one in fetched),
        rebalances=said.cgrp.rebalance_cnt,
    )
