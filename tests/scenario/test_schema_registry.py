"""A route that reads its schemas from a registry: nothing is lost while that is away, or says rubbish."""

import json
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from support import order_formats as orders
from support.environment import child_environment
from support.registry_server import RegistryServer, framed, running
from support.scenario import RINGMAIN, Daemon, Scenario
from support.topic_contents import values
from support.waiting import eventually

fastavro = pytest.importorskip("fastavro")
pytest.importorskip("authlib")

TYPES = """
    class Item(msgspec.Struct):
        name: str
        amount: float

    class Order(msgspec.Struct):
        id: int
        customer: str
        items: list[Item]

"""
APP = (
    TYPES
    + """
    @app.route("r")
    {kind} handle(order: Order, message: Message, *, key: int) -> None:
        tell("done", message, note=[order.id, key])
"""
)
BATCHES = (
    TYPES
    + """
    @app.batch_route("r")
    {kind} load(orders: list[Order], messages: list[Message]) -> None:
        for order, message in zip(orders, messages):
            tell("done", message, note=[order.id, int(message.key)])
"""
)
SENDING = """
    out = app.producer("out")

    @app.route("r")
    {kind} handle(number: int, message: Message) -> None:
        tell("begun", message)
        out.send({topic!r}, {{"number": number}})
        tell("done", message)
"""
NUMBER = '{"type":"record","name":"Number","fields":[{"name":"number","type":"long"}]}'
MESSAGES = 60
AWAY = "route paused by its handler"


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with running() as found:
        yield found


def given(
    scenario: Scenario, registry: RegistryServer, kind: str = "def", app: str = APP, **route: Any
) -> int:
    """The app with its config, and orders 0, 1, … written with a schema of the registry's."""
    schema = registry.register(f"{scenario.topic}-value", "AVRO", orders.AVRO)
    scenario.create_topic(partitions=2)
    scenario.produce(
        {"key": b"%d" % number, "value": framed(schema, orders.avro_bytes(orders.PLAIN | {"id": number}))}
        for number in range(MESSAGES)
    )
    scenario.app(app.format(kind=kind))
    scenario.config({"format": "avro", "schema_registry": {"url": registry.url}, **route})
    return schema


def started_before_the_registry(scenario: Scenario, registry: RegistryServer) -> Daemon:
    """A daemon that waited for the stopped registry, and has handled each message since it is back."""
    daemon = scenario.start()
    reasons = eventually(lambda: [line["reason"] for line in daemon.log(AWAY)])
    assert "is away" in reasons[0]
    assert scenario.events("done") == []
    registry.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    return daemon


@pytest.mark.parametrize(
    ("kind", "app", "order"),
    [
        ("def", APP, "none"),
        ("async def", APP, "none"),
        ("def", APP, "key"),
        ("def", APP, "partition"),
        ("def", BATCHES, "none"),
        ("async def", BATCHES, "key"),
    ],
    ids=["sync", "async", "key", "partition", "batches", "batches-key"],
)
def test_while_the_registry_is_away_messages_wait_and_then_all_are_handled(
    scenario: Scenario, registry: RegistryServer, kind: str, app: str, order: str
) -> None:
    given(scenario, registry, kind, app, handlers=2, order=order)
    registry.stop()
    daemon = started_before_the_registry(scenario, registry)
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
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert scenario.dead() == []
    daemon.stop()


def test_a_stop_while_the_registry_is_away_is_soon_over_and_the_next_start_handles_all(
    scenario: Scenario, registry: RegistryServer
) -> None:
    given(scenario, registry)
    registry.stop()
    daemon = scenario.start()
    eventually(lambda: daemon.log(AWAY))
    daemon.stop()
    assert scenario.events("done") == []
    registry.start()
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert {one.attempt for one in scenario.events("done")} == {1}
    assert scenario.dead() == []
    daemon.stop()


def sending(scenario: Scenario, registry: RegistryServer, kind: str, tmp_path: Path, **route: Any) -> str:
    """A route whose handler sends what a schema is registered for; the name of the topic it sends to."""
    path = tmp_path / "number.avsc"
    path.write_text(NUMBER)
    output = scenario.kafka.create_topic(partitions=1)
    scenario.app(SENDING.format(kind=kind, topic=output))
    out = {"format": "avro", "schema": str(path)}
    scenario.config(route, producers={"out": out}, schema_registry={"url": registry.url})
    scenario.produce_numbers(MESSAGES)
    return output


def sent(scenario: Scenario, output: str) -> list[int]:
    found = [value or b"" for value in values(scenario.kafka, output)]
    parsed = fastavro.parse_schema(json.loads(NUMBER))
    assert all(value[:5] == b"\0\0\0\0\1" for value in found)
    return sorted(fastavro.schemaless_reader(BytesIO(value[5:]), parsed, None)["number"] for value in found)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_while_the_registry_is_away_what_sends_waits_and_then_all_is_sent(
    scenario: Scenario, registry: RegistryServer, kind: str, tmp_path: Path
) -> None:
    registry.stop()
    output = sending(scenario, registry, kind, tmp_path)
    daemon = started_before_the_registry(scenario, registry)
    assert {one.attempt for one in scenario.events("done")} == {1}
    assert sent(scenario, output) == list(range(MESSAGES))
    assert scenario.dead() == []
    daemon.stop()


def test_what_sends_a_schema_that_the_registry_refuses_fails_with_its_words_and_nothing_is_lost(
    scenario: Scenario, registry: RegistryServer, tmp_path: Path
) -> None:
    retry = {"attempts": 2, "first_s": 1}
    output = sending(scenario, registry, "def", tmp_path, retry=retry, flood=False)
    registry.says = (409, b'{"error_code":409,"message":"incompatible with version 3"}')
    daemon = scenario.start()
    dead = scenario.wait_for_dead(MESSAGES)
    said = f"the schema of {output}-value is refused by the registry: "
    assert all(entry["error_message"].startswith(said) for entry in dead)
    assert all("incompatible with version 3" in entry["error_message"] for entry in dead)
    registry.says = None
    replay = [*RINGMAIN, "dead", "replay", str(scenario.folder / "ringmain.toml"), "--all", "--yes"]
    subprocess.run(replay, env=child_environment(), check=True, timeout=60)
    scenario.wait_for("done", MESSAGES)
    eventually(lambda: sent(scenario, output) == list(range(MESSAGES)))
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
