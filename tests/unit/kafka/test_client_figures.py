"""What of librdkafka's report is shown: its own names, added up over brokers and partitions."""

import json
from queue import Queue

import msgspec
import pytest
from confluent_kafka import Consumer

from ringmain.control import Client
from ringmain.kafka import figures
from ringmain.kafka.properties import Member, consumer_properties
from support.waiting import eventually


def broker(state: str = "UP", **said: object) -> dict[str, object]:
    return {"state": state, **said}


def read(**report: object) -> Client:
    return figures.read(json.dumps({"name": "x", "type": "consumer", "age": 1, **report}))


def test_brokers_are_added_up_and_the_slowest_is_told() -> None:
    client = read(
        brokers={
            "a:9092/1": broker(
                tx=10, txbytes=100, rxbytes=1000, txretries=1, txerrs=2, rxerrs=3, req_timeouts=4,
                disconnects=5, outbuf_cnt=6, waitresp_cnt=7, rtt={"avg": 900, "p99": 4_000},
                throttle={"avg": 250},
            ),
            "b:9092/2": broker(tx=1, txbytes=1, rxbytes=1, rtt={"p99": 12_000}),
            "c:9092/3": broker("DOWN", tx=2, outbuf_cnt=50, rtt={"p99": 99_000}, disconnects=1),
        }
    )  # fmt: skip
    assert client == Client(
        connections=2, rtt_s=0.012, throttled_s=0.25, waiting=13, requests=13, retries=1, timeouts=4,
        errors=5, disconnects=6, sent_bytes=101, received_bytes=1001,
    )  # fmt: skip


def test_partitions_are_added_up_over_topics() -> None:
    one = {"partitions": {"0": {"fetchq_cnt": 3, "fetchq_size": 30}, "-1": {"fetchq_cnt": 0}}}
    client = read(topics={"t": one, "u": one}, cgrp={"rebalance_cnt": 4})
    assert (client.fetched_messages, client.fetched_bytes, client.rebalances) == (6, 60, 4)


def test_what_a_later_version_leaves_out_counts_as_nothing() -> None:
    assert read() == Client()


@pytest.mark.parametrize("report", ["", "{", "[]", '{"brokers": 5}', '{"brokers": {"a": {"tx": "much"}}}'])
def test_what_is_no_report_is_refused(report: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        figures.read(report)


def test_a_client_of_librdkafka_reports_in_this_form() -> None:
    reports: Queue[str] = Queue()
    settings = consumer_properties(
        Member("app", "r", "n", 0), {"bootstrap.servers": "localhost:1", "group.id": "g"}
    )
    assert settings["statistics.interval.ms"] == str(figures.EACH_MS)
    settings |= {"statistics.interval.ms": "10", "log_level": "0"}
    consumer = Consumer({**settings, "stats_cb": reports.put})
    try:
        eventually(lambda: consumer.poll(0) is None and not reports.empty())
        report = reports.get()
    finally:
        consumer.close()
    assert {"brokers", "topics", "cgrp"} <= set(json.loads(report))
    assert figures.read(report).connections == 0
