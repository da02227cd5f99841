"""Each format of values, from a producer's bytes to the handler's typed argument."""

import msgspec
import pytest

from support.scenario import Scenario

APP = """
    @app.route("r")
    def handle(value: {annotation}, message: Message) -> None:
        tell("done", message, note={note})
"""


@pytest.mark.parametrize(
    ("value_format", "encode", "annotation", "note"),
    [
        ("json", msgspec.json.encode, "list[int]", "sum(value)"),
        ("msgpack", msgspec.msgpack.encode, "list[int]", "sum(value)"),
        (
            "raw",
            lambda value: b",".join(b"%d" % one for one in value),
            "bytes",
            "sum(map(int, value.split(b',')))",
        ),
    ],
)
def test_a_handler_gets_what_was_encoded(scenario: Scenario, value_format, encode, annotation, note) -> None:
    scenario.create_topic(partitions=2)
    scenario.produce({"value": encode([number, 1])} for number in range(200))
    scenario.app(APP.format(annotation=annotation, note=note))
    scenario.config({"format": value_format})
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert sorted(one.note for one in scenario.events("done")) == list(range(1, 201))
    assert scenario.dead() == []
    daemon.stop()
