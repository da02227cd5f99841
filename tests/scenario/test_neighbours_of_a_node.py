"""Several nodes of one name: each sees the others, and a pause said at one holds at all, now and later."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringmain import control
from ringmain.asking import ask
from ringmain.errors import NoAnswer
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.nodes import APP, partitions_of, start_node
from support.rabbit_server import RabbitServer
from support.scenario import ROUTE, Daemon, Scenario
from support.waiting import eventually, never

PARTITIONS = 4
JOINED_S = 60.0
HEARD_S = 60.0
QUICK = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


def given(scenario: Scenario, queues: dict[str, Any], **more: Any) -> None:
    scenario.create_topic(PARTITIONS)
    scenario.app(APP)
    scenario.config(queues=queues, kafka=QUICK, membership="dynamic", **more)


def socket_of(scenario: Scenario, node: str) -> str:
    return control.socket_path(str(scenario.folder / "run" / node), scenario.group, node)


def look(scenario: Scenario, node: str) -> control.Node:
    """The picture that a node gives of itself."""
    try:
        picture = ask(socket_of(scenario, node), control.Look())
    except NoAnswer as not_yet:
        raise AssertionError(str(not_yet)) from None
    assert isinstance(picture, control.Node)
    return picture


def told(scenario: Scenario, node: str, request: control.Request) -> control.Done:
    reply = ask(socket_of(scenario, node), request)
    assert isinstance(reply, control.Done), reply
    return reply


def peers(scenario: Scenario, node: str) -> dict[str, str]:
    """Name and state of the others, as a node sees them."""
    return {peer.node: peer.state for peer in look(scenario, node).peers}


def is_paused(scenario: Scenario, node: str) -> bool:
    [pool] = [pool for pool in look(scenario, node).pools if pool.key == ROUTE]
    return any(paused.cause == "operator" for paused in pool.paused)


def until_said(daemon: Daemon, event: str) -> None:
    eventually(lambda: daemon.log(event), HEARD_S, event)


def both_joined(scenario: Scenario) -> tuple[Daemon, Daemon]:
    first, second = start_node(scenario, "first"), start_node(scenario, "second")
    eventually(lambda: len(partitions_of(first)) + len(partitions_of(second)) == PARTITIONS, JOINED_S)
    eventually(lambda: partitions_of(first) and partitions_of(second), JOINED_S)
    eventually(lambda: peers(scenario, "first") == {"second": "here"}, HEARD_S)
    eventually(lambda: peers(scenario, "second") == {"first": "here"}, HEARD_S)
    return first, second


def test_a_pause_at_one_node_holds_at_the_other_and_at_one_that_was_down(
    scenario: Scenario, queues: dict[str, Any]
) -> None:
    given(scenario, queues)
    first, second = both_joined(scenario)
    told(scenario, "first", control.Pause(ROUTE, operator="anna", reason="the database moves"))
    eventually(lambda: is_paused(scenario, "second"), HEARD_S)
    second.stop()
    eventually(lambda: peers(scenario, "first") == {}, HEARD_S, "it has said farewell")
    told(scenario, "first", control.Resume(ROUTE, operator="anna"))
    second = start_node(scenario, "second")
    eventually(lambda: peers(scenario, "second") == {"first": "here"}, HEARD_S)
    eventually(lambda: not is_paused(scenario, "second"), HEARD_S, "what was said while it was down")
    scenario.produce(b'{"n":%d}' % number for number in range(100))
    scenario.wait_for_settled(JOINED_S)
    scenario.assert_all()
    first.stop()
    second.stop()


def test_a_node_shows_the_others_with_their_partitions_and_pages(
    scenario: Scenario, queues: dict[str, Any]
) -> None:
    given(scenario, queues)
    first, second = both_joined(scenario)
    third = start_node(scenario, "third", 'modes=["management-api"]', "admin.advertise=http://third:8100")
    eventually(lambda: set(peers(scenario, "third")) == {"first", "second"}, HEARD_S)
    eventually(lambda: set(peers(scenario, "first")) == {"second", "third"}, HEARD_S)
    pages = {peer.node: peer.admin for peer in look(scenario, "first").peers}
    assert pages == {"second": "", "third": "http://third:8100"}

    def all_known() -> bool:
        seen = {peer.node: sorted(peer.partitions.get(ROUTE, [])) for peer in look(scenario, "third").peers}
        assert seen == {"first": partitions_of(first), "second": partitions_of(second)}
        return sum(map(len, seen.values())) == PARTITIONS

    eventually(all_known, HEARD_S)
    theirs = int(partitions_of(second)[0].rpartition("/")[2])
    sought = told(scenario, "first", control.Seek(ROUTE, theirs, "earliest"))
    assert sought.text == f"{scenario.topic}/{theirs} goes on at offset 0", "done by its owner, answered here"
    for node in (first, second, third):
        node.stop()


def test_what_dies_at_one_node_is_counted_at_another(scenario: Scenario, queues: dict[str, Any]) -> None:
    given(scenario, queues)
    scenario.app("""
        @app.route("r")
        def handle(value: int) -> Dead:
            return Dead("no")
    """)
    onlooker = start_node(scenario, "onlooker", 'modes=["management-api"]')
    worker = start_node(scenario, "worker")
    eventually(lambda: set(peers(scenario, "onlooker")) == {"worker"}, HEARD_S)
    scenario.produce_numbers(7)
    scenario.wait_for_settled(JOINED_S)

    def counted(node: str) -> int:
        queues = look(scenario, node).queues
        return sum(one.messages for one in queues if (one.pool, one.queue) == (ROUTE, "dead"))

    eventually(lambda: counted("worker") == 7, HEARD_S)
    eventually(lambda: counted("onlooker") == 7, HEARD_S)
    worker.stop()
    onlooker.stop()


@pytest.fixture
def on_brittle_rabbit(
    leftovers: Leftovers, kafka: KafkaServer, brittle_rabbit: RabbitServer, tmp_path: Path
) -> Iterator[Scenario]:
    """On a RabbitMQ that the test may stop and that outlives the daemons."""
    made = Scenario(tmp_path / "scenario", kafka, leftovers)
    yield made
    brittle_rabbit.mend()
    leftovers.allow_process(brittle_rabbit.pid)
    leftovers.allow_process(brittle_rabbit.epmd_pid)
    made.close()


def test_a_broker_that_was_away_costs_no_word_in_the_end(
    on_brittle_rabbit: Scenario, brittle_rabbit: RabbitServer
) -> None:
    scenario = on_brittle_rabbit
    given(scenario, {"backend": "rabbitmq", "url": brittle_rabbit.url})
    first, second = both_joined(scenario)
    brittle_rabbit.kill()
    for node in (first, second):
        until_said(node, "other nodes are not heard")
    told(scenario, "first", control.Pause(ROUTE))
    never(lambda: is_paused(scenario, "second"), 2.0)
    brittle_rabbit.start()
    eventually(lambda: is_paused(scenario, "second"), HEARD_S)
    for node in (first, second):
        until_said(node, "other nodes are heard again")
        assert len(node.log("other nodes are not heard")) == 1
        assert not [line for line in node.log("child ended") if line["child"] == "herald"]
        node.stop()


@pytest.mark.parametrize("wrong", ["type", "rights"])
def test_queues_that_refuse_are_said_once_per_daemon_with_the_plain_reason(
    on_brittle_rabbit: Scenario, brittle_rabbit: RabbitServer, wrong: str
) -> None:
    scenario = on_brittle_rabbit
    url = {"backend": "rabbitmq", "url": brittle_rabbit.url}
    scenario.app("""
        @app.route("r")
        def handle(value: int) -> Dead:
            return Dead("no")
    """)
    if wrong == "type":
        scenario.config(queues={**url, "type": "classic"})
        scenario.produce_numbers(3)
        earlier = scenario.start()
        scenario.wait_for_settled(JOINED_S)
        earlier.stop()
        scenario.config(queues=url, stop_s=3)
    else:
        brittle_rabbit.add_user("poor", "secret")
        brittle_rabbit.permit("poor", "^$", ".*", ".*")
        scenario.config(queues={**url, "username": "poor", "password": "secret"}, stop_s=3)
    scenario.produce_numbers(3)
    daemon = scenario.start()
    [said] = eventually(lambda: daemon.log("queues cannot be used"), HEARD_S)
    reason = "exists with other arguments" if wrong == "type" else "ACCESS_REFUSED"
    assert reason in said["reason"]
    never(lambda: len(daemon.log("queues cannot be used")) > 1, 5.0)
    assert not daemon.log("queues are away")
    assert not daemon.log("child in trouble")
    daemon.stop()
