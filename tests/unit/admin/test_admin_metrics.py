"""/metrics: the names of the contract, parsed by Prometheus' own parser, fast enough for any scrape."""

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from site_under_test import Answering, Client

from ringmain import meters
from ringmain._fastpath import CallPlan
from ringmain.clock import monotonic_s
from ringmain.control import Client as ClientFigures
from ringmain.rings import FeederTerms, count_transaction
from ringmain.seat import Seat
from ringmain.verdict import DEAD
from support.pictures import node, unwell

Sample = tuple[str, frozenset[tuple[str, str]]]


def scraped(client: Client) -> dict[Sample, float]:
    """Name and labels -> value."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: dict[Sample, float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_the_names_of_the_contract_are_there_with_their_labels(client: Client, supervisor: Answering) -> None:
    samples = scraped(client)
    assert value(samples, "ringmain_messages_total", route="orders", channel="", outcome="done") == 1_234_567
    assert value(samples, "ringmain_lag_messages", route="orders", topic="orders", partition="3") == 120
    assert value(samples, "ringmain_lag_seconds", route="orders", topic="orders", partition="3") == 0.4
    assert (
        value(samples, "ringmain_committed_offset", route="orders", topic="orders", partition="0") == 10_000
    )
    assert (
        value(
            samples,
            "ringmain_ring_used_ratio",
            route="orders",
            channel="",
            feeder=supervisor.picture.rings[0].feeder,
        )
        == 0.11
    )
    assert value(samples, "ringmain_queue_messages", route="orders", channel="", queue="dead") == 3
    assert value(samples, "ringmain_queue_oldest_seconds", route="orders", channel="", queue="dead") == 7200
    assert value(samples, "ringmain_route_paused", route="orders", channel="", cause="operator") == 0
    assert value(samples, "ringmain_supervisor_up") == 1
    assert value(samples, "ringmain_ready") == 1


def test_restarts_are_told_by_role_route_and_cause(client: Client, supervisor: Answering) -> None:
    supervisor.picture = unwell()
    samples = scraped(client)
    named = {"role": "handler", "route": "orders", "channel": "", "cause": "crashed"}
    assert value(samples, "ringmain_process_restarts_total", **named) == 17
    assert value(samples, "ringmain_ready") == 0
    assert value(samples, "ringmain_unwell", route="orders") == 2
    standing = {"route": "orders", "topic": "orders", "partition": "7"}
    assert value(samples, "ringmain_partition_standing", **standing) == 1


def test_a_partition_has_series_at_its_owner_only(client: Client) -> None:
    owned = {labels for name, labels in scraped(client) if name == "ringmain_lag_messages"}
    assert len(owned) == 4, "not those of web-2"


def test_histogram_and_counters_are_read_from_shared_memory(seat: Seat, client: Client) -> None:
    samples = scraped(client)
    pool = {"route": "orders", "channel": ""}
    assert value(samples, "ringmain_handler_duration_seconds_count", **pool) == 0
    assert value(samples, "ringmain_handler_duration_seconds_bucket", **pool, le="+Inf") == 0
    assert value(samples, "ringmain_claims_total", **pool) == 0


def test_time_is_split_into_its_parts(seat: Seat, client: Client) -> None:
    def part(name: str) -> float:
        return value(scraped(client), "ringmain_message_seconds_total", route="orders", channel="", part=name)

    parts = ("waiting", "decoding", "handling", "publishing")
    assert [part(name) for name in parts] == [0, 0, 0, 0]
    segment = seat.segments["orders"]
    feeder, courier = segment.open_feeder(0, 1, FeederTerms()), segment.open_courier(1)
    handler = segment.open_handler(0, segment.overseer().admit(0))
    feeder.greet_courier()
    index = feeder.partition_index("orders", 0)
    feeder.open_partition(index, 0)
    for offset in range(4):
        feeder.place(index, offset, b"x")
    feeder.flush()
    until_s = monotonic_s() + 0.01
    while monotonic_s() < until_s:
        pass
    assert handler.serve(CallPlan(lambda value: None, bytes.upper, lambda *_: (DEAD, b""), 1, False)) > 0
    handler.serve(CallPlan(lambda value: DEAD, bytes.upper, lambda *_: (DEAD, b""), 1, False))
    feeder.settle()
    feeder.flush()
    courier.ack(courier.take(4))
    waiting, decoding, handling, _ = (part(name) for name in parts)
    assert waiting >= 0.009
    assert 0 < decoding < handling + decoding
    published = value(scraped(client), "ringmain_published_total", route="orders", channel="")
    assert published == segment.overseer().totals()[3]


def test_transactions_have_series_once_there_are_any(seat: Seat, client: Client) -> None:
    assert not [name for name, _ in scraped(client) if name.startswith("ringmain_transaction")]
    segment = seat.segments["orders"]
    feeder, handler = segment.open_feeder(0, 1), segment.open_handler(0, segment.overseer().admit(0))
    index = feeder.partition_index("orders", 0)
    feeder.open_partition(index, 0)
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert handler.serve(CallPlan(lambda value: None, None, lambda *_: (DEAD, b""), 2, False)) == 1
    for stands in (True, True, False):
        count_transaction(handler, stands, 0.5)
    samples, pool = scraped(client), {"route": "orders", "channel": ""}
    assert value(samples, "ringmain_transactions_total", **pool, outcome="committed") == 2
    assert value(samples, "ringmain_transactions_total", **pool, outcome="aborted") == 1
    assert value(samples, "ringmain_transaction_seconds_total", **pool) == 1.5


def test_a_feeders_kafka_client_has_series_once_it_has_spoken(client: Client, supervisor: Answering) -> None:
    first, *others = supervisor.picture.rings
    told = replace(
        first, client=ClientFigures(connections=3, rtt_s=0.5, received_bytes=9_000, fetched_bytes=7)
    )
    supervisor.picture = replace(supervisor.picture, rings=[told, *others])
    samples = scraped(client)
    of = {"route": "orders", "channel": "", "feeder": first.feeder}
    assert value(samples, "ringmain_kafka_connections", **of) == 3
    assert value(samples, "ringmain_kafka_rtt_seconds", **of) == 0.5
    assert value(samples, "ringmain_kafka_received_bytes_total", **of) == 9_000
    assert value(samples, "ringmain_kafka_fetched_bytes", **of) == 7
    assert sum(name == "ringmain_kafka_connections" for name, _ in samples) == 1


def test_the_age_of_a_commit_is_told(client: Client, supervisor: Answering) -> None:
    first, *others = supervisor.picture.partitions
    old = replace(first, commit_age_s=12.5)
    supervisor.picture = replace(supervisor.picture, partitions=[old, *others])
    of = {"route": "orders", "topic": first.topic, "partition": str(first.partition)}
    assert value(scraped(client), "ringmain_commit_age_seconds", **of) == 12.5


def test_without_the_supervisor_there_is_still_what_memory_knows(seat: Seat) -> None:
    samples = scraped(Client(seat))
    assert value(samples, "ringmain_supervisor_up") == 0
    assert ("ringmain_ready", frozenset()) not in samples


def test_every_sample_is_of_a_meter_that_is_described(client: Client) -> None:
    known = {meter.name.removesuffix("_total") for meter in meters.METERS}
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    assert {family.name.removesuffix("_total") for family in families} <= known
    assert all(family.documentation for family in families)


def test_names_are_as_prometheus_wants_them() -> None:
    names = [meter.name for meter in meters.METERS]
    assert len(set(names)) == len(names)
    for meter in meters.METERS:
        assert re.fullmatch(r"ringmain_[a-z_]+", meter.name)
        assert meter.name.endswith("_total") == (meter.kind == "counter")


def test_one_scrape_of_64_partitions_takes_less_than_50_ms(client: Client, supervisor: Answering) -> None:
    supervisor.picture = node(64)
    client.get("/metrics")
    took_s = []
    for _ in range(5):
        began_s = monotonic_s()
        client.get("/metrics")
        took_s.append(monotonic_s() - began_s)
    assert min(took_s) < 0.05


@pytest.mark.parametrize("route", ['a"b\\c', "line\nend", "ü"])
def test_no_label_can_break_the_format(client: Client, supervisor: Answering, route: str) -> None:
    from msgspec.structs import replace

    from ringmain.control import Unwell

    supervisor.picture = replace(node(), ready=False, reasons=[Unwell("why", route)])
    assert value(scraped(client), "ringmain_unwell", route=route) == 1


def test_promtool_finds_nothing(client: Client, promtool: Callable[..., str]) -> None:
    promtool("check", "metrics", given=client.get("/metrics").text)
