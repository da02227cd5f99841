"""/metrics: the names of the contract, parsed by Prometheus' own parser, fast enough for any scrape."""

import re
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from site_under_test import Answering, Client

from ringmain import meters
from ringmain.clock import monotonic_s
from ringmain.seat import Seat
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
