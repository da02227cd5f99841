"""A route that reads its schemas from a registry: nothing is lost while that is away, or says rubbish."""

from collections.abc import Iterator
from typing import Any

import pytest

from support import order_formats as orders
from support.registry_server import RegistryServer, framed, running
from support.scenario import Scenario
from support.waiting import eventually

pytest.importorskip("fastavro")
pytest.importorskip("authlib")

APP = """
    class Item(msgspec.Struct):
        name: str
        amount: float

    class Order(msgspec.Struct):
        id: int
        customer: str
        items: list[Item]

    @app.route("r")
    {kind} handle(order: Order, message: Message, *, key: int) -> None:
        tell("done", message, note=[order.id, key])
"""
MESSAGES = 60
AWAY = "route paused by its handler"


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with running() as found:
        yield found


def given(scenario: Scenario, registry: RegistryServer, kind: str = "def", **route: Any) -> int:
    """The app with its config, and orders 0, 1, … written with a schema of the registry's."""
    schema = registry.register(f"{scenario.topic}-value", "AVRO", orders.AVRO)
    scenario.create_topic(partitions=2)
    scenario.produce(
        {"key": b"%d" % number, "value": framed(schema, orders.avro_bytes(orders.PLAIN | {"id": number}))}
        for number in range(MESSAGES)
    )
    scenario.app(APP.format(kind=kind))
    scenario.config({"format": "avro", "schema_registry": {"url": registry.url}, **route})
    return schema


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_while_the_registry_is_away_messages_wait_and_then_all_are_handled(
    scenario: Scenario, registry: RegistryServer, kind: str
) -> None:
    given(scenario, registry, kind, handlers=2)
    registry.stop()
    daemon = scenario.start()
    reasons = eventually(lambda: [line["reason"] for line in daemon.log(AWAY)])
    assert "is away" in reasons[0]
    assert scenario.events("done") == []
    registry.start()
    scenario.wait_for_settled(40)
    scenario.assert_each_once()
    assert sorted(one.note for one in scenario.events("done")) == [[n, n] for n in range(MESSAGES)]
    assert scenario.dead() == []
    daemon.stop()


def test_a_registry_that_answers_rubbish_is_waited_for_and_named(
    scenario: Scenario, registry: RegistryServer
) -> None:
    given(scenario, registry)
    registry.says = (200, b"<html>please sign in</html>")
    daemon = scenario.start()
    reasons = eventually(lambda: [line["reason"] for line in daemon.log(AWAY)])
    assert "answers rubbish" in reasons[0]
    registry.says = None
    scenario.wait_for_settled(40)
    scenario.assert_each_once()
    assert scenario.dead() == []
    daemon.stop()


def test_an_id_that_is_not_there_is_dead_with_its_reason_and_its_neighbours_are_done(
    scenario: Scenario, registry: RegistryServer
) -> None:
    given(scenario, registry)
    scenario.produce([{"key": b"1", "value": framed(404, b"x")}, {"key": b"1", "value": b"no frame at all"}])
    daemon = scenario.start()
    scenario.wait_for_settled()
    first, second = sorted(scenario.dead(), key=lambda entry: len(entry["value"]))
    assert "has no schema 404" in first["error_message"]
    assert "written without the registry" in second["error_message"]
    assert len(scenario.events("done")) == MESSAGES
    daemon.stop()


def test_a_schema_that_does_not_go_with_the_routes_own_is_dead_with_its_field(
    scenario: Scenario, registry: RegistryServer, tmp_path: Any
) -> None:
    path = tmp_path / "order.avsc"
    path.write_text(orders.AVRO.replace('"customer"', '"client"'))
    given(scenario, registry, schema=str(path))
    daemon = scenario.start()
    dead = scenario.wait_for_dead(MESSAGES)
    assert all(entry["error_message"].startswith("$.client: ") for entry in dead)
    assert {entry["attempt"] for entry in dead} == {1}
    assert scenario.events("done") == []
    daemon.stop()
