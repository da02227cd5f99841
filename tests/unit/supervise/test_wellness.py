"""Whether a node is well: each reason alone, and that what is wanted is no reason."""

from dataclasses import replace

import pytest

from ringmain.control import PausedBy, Unwell
from ringmain.supervise.wellness import Facts, PartitionFacts, PlaceFacts, PoolFacts, is_ready, reasons

HANDLER = PlaceFacts("handler orders/0", "handle", "orders")
FEEDER = PlaceFacts("feeder orders/0", "feed", "orders", "kafka")
COURIER = PlaceFacts("courier", "courier")
POOL = PoolFacts("orders", wanted=2, alive=2)
PARTITION = PartitionFacts("orders", "t/0", behind=10, still_s=0.0)
OPERATOR = PausedBy("operator", "a migration", operator="ada")


def of(*places: PlaceFacts, pool: PoolFacts = POOL, partition: PartitionFacts = PARTITION) -> list[Unwell]:
    return reasons(Facts("running", list(places), [pool], [partition]))


def only(found: list[Unwell]) -> Unwell:
    assert len(found) == 1, found
    return found[0]


def test_a_node_at_work_is_ready_and_there_is_nothing_to_say() -> None:
    assert of(HANDLER, FEEDER, COURIER) == []
    assert is_ready([])


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            replace(HANDLER, looping=True, last="crashed: killed by signal 11 (SIGSEGV)"),
            "crash loop: crashed",
        ),
        (replace(HANDLER, booted=False, hopeless=True, last="cannot boot: no such table"), "no such table"),
        (replace(FEEDER, hopeless=True, age_s=2.0, last="fatal: fenced"), "it gave up: fatal: fenced"),
        (replace(FEEDER, booted=False, down_s=3.0, last="crashed"), "nobody is there for 3 s: crashed"),
        (replace(FEEDER, silent_s=6.0), "no sign of life for 6 s"),
        (
            replace(FEEDER, state="unreachable", detail="Kafka at b:1 does not answer"),
            "Kafka at b:1 does not",
        ),
        (
            replace(COURIER, state="unreachable", detail="connection refused"),
            "the queues are away: connection",
        ),
        (replace(FEEDER, source="queue", state="unreachable", detail="gone"), "the queues are away: gone"),
    ],
)
def test_a_place_that_is_not_well_is_named_with_the_reason(place: PlaceFacts, words: str) -> None:
    reason = only(of(place))
    assert words in reason.reason
    assert (reason.route, reason.subject, reason.ready) == (place.pool, place.title, False)
    assert not is_ready([reason])


@pytest.mark.parametrize(
    "place",
    [
        replace(FEEDER, booted=False, down_s=0.5, last="crashed"),
        replace(FEEDER, hopeless=True, age_s=60.0),
        replace(HANDLER, booted=False, down_s=60.0, last="crashed"),
        replace(HANDLER, silent_s=25.0),
    ],
)
def test_one_that_is_replaced_as_it_should_be_is_no_news(place: PlaceFacts) -> None:
    assert of(place) == []


def test_a_spare_is_ready_with_its_reason() -> None:
    assert of(replace(FEEDER, spare_s=2.0)) == []
    reason = only(of(replace(FEEDER, spare_s=60.0)))
    assert reason.ready
    assert "standby" in reason.reason


def test_an_admin_that_waits_for_its_port_keeps_no_message_waiting() -> None:
    place = PlaceFacts("admin", "admin", state="waiting", detail="127.0.0.1:8100 is in use")
    assert only(of(place)).ready


def test_a_pool_in_which_nothing_ends_while_something_waits_is_frozen() -> None:
    frozen = replace(POOL, waiting=7, busy=2, still_s=4.0)
    reason = only(of(pool=frozen))
    assert not reason.ready
    assert "no call has ended for 4 s while 7 wait; 2 of 2 handlers are in a call" in reason.reason
    assert of(pool=replace(frozen, waiting=0)) == []
    assert of(pool=replace(frozen, still_s=2.0)) == []


def test_where_calls_are_slow_a_pool_gets_more_time_but_not_more_than_a_call() -> None:
    slow = replace(POOL, waiting=7, busy=2, still_s=8.0, usual_s=5.0)
    assert of(pool=slow) == []
    assert "frozen" in only(of(pool=replace(slow, still_s=10.5))).reason
    assert "frozen" in only(of(pool=replace(slow, usual_s=600.0, timeout_s=6.0))).reason


def test_a_pool_without_anybody_is_not_ready() -> None:
    nobody = replace(POOL, alive=0, waiting=3, still_s=2.0)
    assert only(of(pool=nobody)) == Unwell("no handler is alive while 3 wait", "orders")
    assert of(pool=replace(nobody, still_s=0.2)) == [], "the next one is being born"
    assert of(pool=replace(nobody, wanted=0)) == [], "a route that is taken through a channel has none"


def test_suspended_handlers_are_frozen_at_once_when_they_are_all() -> None:
    assert "all 2 handlers are suspended" in only(of(pool=replace(POOL, stopped=2))).reason
    assert of(pool=replace(POOL, stopped=1)) == []


def test_a_paused_route_is_ready_and_what_stands_in_it_is_no_news() -> None:
    paused = replace(POOL, waiting=7, still_s=99.0, paused=[OPERATOR])
    reason = only(of(pool=paused, partition=replace(PARTITION, still_s=99.0)))
    assert reason == Unwell("paused by ada: a migration", "orders", ready=True)


def test_the_flood_breaker_is_ready_and_says_why() -> None:
    flood = PausedBy("flood", "60 of 100 calls failed within 30 s")
    reason = only(of(pool=replace(POOL, paused=[flood])))
    assert reason.ready
    assert "flood breaker: 60 of 100 calls failed" in reason.reason


def test_a_pause_of_one_partition_excuses_no_other() -> None:
    one = PausedBy("operator", topic="t", partition=0)
    pool = replace(POOL, waiting=7, still_s=9.0, busy=2, paused=[one])
    found = of(pool=pool)
    assert [(reason.subject, reason.ready) for reason in found] == [("", False), ("t/0", True)]


def test_a_partition_that_stands_still_is_named_with_what_is_behind() -> None:
    reason = only(of(partition=replace(PARTITION, still_s=4.0)))
    assert reason == Unwell("stands still: nothing has moved for 4 s, 10 messages behind", "orders", "t/0")
    assert of(partition=replace(PARTITION, still_s=99.0, behind=0)) == []
    assert of(partition=replace(PARTITION, still_s=99.0, paused=True)) == []


def test_a_retry_that_waits_in_its_order_is_worth_knowing() -> None:
    reason = only(of(partition=replace(PARTITION, still_s=60.0, held=True)))
    assert reason.ready
    assert "a retry waits in place" in reason.reason


def test_a_start_is_not_ready_until_all_have_come_to_work() -> None:
    facts = Facts("starting", [replace(HANDLER, booted=False), FEEDER, COURIER])
    assert only(reasons(facts)).reason == "starting: 2 of 3 processes are at work"


@pytest.mark.parametrize(("state", "ready"), [("stopping", False), ("quiet", True)])
def test_the_states_of_a_node_say_themselves(state: str, ready: bool) -> None:
    assert only(reasons(Facts(state))).ready is ready


def test_what_is_wrong_comes_first() -> None:
    spare = replace(FEEDER, spare_s=60.0)
    found = of(spare, replace(COURIER, state="unreachable", detail="gone"))
    assert [reason.ready for reason in found] == [False, True]
    assert not is_ready(found)
