"""Input that nobody expects: it goes where the promise says, with the reason, and its neighbours go on."""

import base64
import os

import pytest

from support.scenario import Scenario
from support.waiting import eventually

NEIGHBOURS = 100
ORDERS = """
    class Order(msgspec.Struct):
        id: int
        customer: str

    @app.route("r")
    def handle(order: Order, message: Message) -> None:
        tell("done", message)
"""
RAW = """
    @app.route("r")
    def handle(message: Message) -> None:
        value = message.value
        note = None if value is None else [len(value), value.count(0)]
        tell("done", message, note=[note, len(message.key or b""), len(message.headers)])
"""
GOOD = b'{"id": 1, "customer": "c"}'
UNDECODABLE = {
    "no JSON": b"\xff\xfe\x00garbage",
    "nothing at all": b"",
    "a field of another type": b'{"id": "one", "customer": "c"}',
    "a missing field": b'{"id": 1}',
    "another document": b"[1, 2, 3]",
    "half a document": GOOD[:-5],
    "nested too deep": b"[" * 100_000 + b"]" * 100_000,
    "a number too large": b'{"id": ' + b"9" * 5000 + b', "customer": "c"}',
    "invalid UTF-8 in a string": b'{"id": 1, "customer": "\xff\xff"}',
}


def among_neighbours(scenario: Scenario, *items: object) -> list[int]:
    """Produce them between good ones; their offsets."""
    good = [GOOD] * (NEIGHBOURS // 2)
    scenario.produce([*good, *items, *good])  # type: ignore[list-item]
    return list(range(len(good), len(good) + len(items)))


def test_what_cannot_be_decoded_is_dead_at_once_with_the_decoders_reason(scenario: Scenario) -> None:
    offsets = among_neighbours(scenario, *UNDECODABLE.values())
    scenario.app(ORDERS)
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = {entry["offset"]: entry for entry in scenario.dead()}
    assert sorted(dead) == offsets
    for entry in dead.values():
        assert entry["attempt"] == 1
        assert entry["error_class"].endswith(("ValidationError", "DecodeError", "RecursionError")), entry
        assert entry["error_message"]
    third = dead[offsets[2]]
    assert "$.id" in third["error_message"]
    assert third["value"] == {"id": "one", "customer": "c"}
    first = dead[offsets[0]]
    assert base64.b64decode(first["value"]) == UNDECODABLE["no JSON"]
    assert len(scenario.offsets()) == NEIGHBOURS
    assert not daemon.log("child ended")
    daemon.stop()


def test_what_cannot_be_decoded_is_skipped_where_the_route_says_so(scenario: Scenario) -> None:
    among_neighbours(scenario, *UNDECODABLE.values())
    scenario.app(ORDERS)
    scenario.config({"on_bad": "skip"})
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert scenario.dead() == []
    assert len(scenario.offsets()) == NEIGHBOURS
    daemon.stop()


@pytest.mark.parametrize("policy", ["skip", "dead"])
def test_a_tombstone_goes_where_on_tombstone_says(scenario: Scenario, policy: str) -> None:
    offsets = among_neighbours(scenario, ("key", None), (None, None))
    scenario.app(ORDERS)
    scenario.config({"on_tombstone": policy})
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = scenario.dead()
    assert [entry["offset"] for entry in dead] == (offsets if policy == "dead" else [])
    assert all(entry["value"] is None for entry in dead)
    assert len(scenario.offsets()) == NEIGHBOURS
    daemon.stop()


def test_a_handler_that_takes_tombstones_gets_them(scenario: Scenario) -> None:
    offsets = among_neighbours(scenario, ("key", None))
    scenario.app("""
        @app.route("r")
        def handle(order: dict | None, message: Message) -> None:
            tell("done", message, note=order is None)
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert [one.offset for one in scenario.events("done") if one.note] == offsets
    daemon.stop()


@pytest.mark.parametrize(
    ("compressions", "most_bytes"),
    [(["gzip", "zstd", "lz4"], 200_000), (["snappy", "none"], 20_000_000)],
    ids=["small while compressed", "large"],
)
def test_ten_megabytes_of_zeros_are_handled_by_the_default_ring(
    scenario: Scenario, compressions: list[str], most_bytes: int
) -> None:
    size = 10_000_000
    scenario.create_topic(max__message__bytes=most_bytes)
    for compression in compressions:
        scenario.produce([GOOD] * 10)
        send_large(scenario, bytes(size), compression)
    scenario.produce([GOOD] * 10)
    scenario.app(RAW)
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    large = {one.offset: one.note[0] for one in scenario.events("done") if one.note[0][0] == size}
    assert large == {11 * number + 10: [size, size] for number in range(len(compressions))}
    assert scenario.dead() == []
    daemon.stop()


def test_one_larger_than_a_small_ring_is_dead_with_the_reason_and_its_value(scenario: Scenario) -> None:
    size = 10_000_000
    scenario.create_topic(max__message__bytes=200_000)
    scenario.produce([GOOD] * 10)
    send_large(scenario, bytes(size), "gzip")
    scenario.produce([GOOD] * 10)
    scenario.app(RAW)
    scenario.config(ring={"messages": 64, "bytes": "64KiB"})
    daemon = scenario.start()
    scenario.wait_for_settled()
    handled = [one for one in scenario.events("done") if one.offset == 10]
    dead = scenario.dead()
    if dead:
        [entry] = dead
        assert (entry["offset"], entry["error_class"]) == (10, "MessageTooLarge")
        assert entry["value"] == "\0" * size
    else:
        assert [one.note[0] for one in handled] == [[size, size]]
    assert len(handled) + len(dead) == 1
    assert {one.offset for one in scenario.events("done")} | {10} == set(range(21))
    daemon.stop()


def send_large(scenario: Scenario, value: bytes, compression: str, **more: object) -> None:
    """librdkafka checks the size before it compresses, so this producer is a permissive one."""
    from confluent_kafka import Producer

    settings = {"bootstrap.servers": scenario.kafka.bootstrap, "message.max.bytes": 30_000_000}
    producer = Producer({**settings, "compression.type": compression, "log_level": 0})
    failed: list[object] = []
    producer.produce(
        scenario.topic, value, on_delivery=lambda error, _: error and failed.append(error), **more
    )
    assert producer.flush(30) == 0
    assert not failed, failed


def test_keys_and_headers_of_a_megabyte_arrive_whole(scenario: Scenario) -> None:
    scenario.create_topic(max__message__bytes=20_000_000)
    mega = 1 << 20
    send_large(scenario, b"v", "none", key=b"k" * mega)
    send_large(scenario, b"v", "none", headers=[("h", b"x" * mega)])
    send_large(scenario, b"v", "none", headers=[("h" * 30_000, b"x")])
    send_large(scenario, b"v", "none", key=b"k" * mega, headers=[("h", b"x" * mega)] * 4)
    scenario.produce([GOOD] * 10)
    scenario.app(RAW)
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    notes = {one.offset: one.note for one in scenario.events("done")}
    assert notes[0] == [[1, 0], mega, 0]
    assert notes[1] == [[1, 0], 0, 1]
    assert notes[2] == [[1, 0], 0, 1]
    assert notes[3] == [[1, 0], mega, 4]
    daemon.stop()


@pytest.mark.parametrize("dies", [False, True], ids=["handled", "to the dead set"])
def test_absurd_headers_and_keys_are_kept(scenario: Scenario, dies: bool) -> None:
    absurd = [
        {"value": b"1", "headers": [("", b"")] * 1000},
        {"value": b"1", "headers": [("repeated", b"1"), ("repeated", b"2"), ("repeated", None)]},
        {"value": b"1", "headers": [("bytes", os.urandom(1000)), ("nul", b"\x00")]},
        {"value": b"1", "headers": [("x-ringmain-attempt", b"99"), ("x-death", b"mine")]},
        {"value": b"1", "key": b"\xff\xfe\xfd"},
        {"value": b"1", "key": b""},
        {"value": b"1", "key": b"\x00" * 100},
        {"value": b"1", "headers": [("\u2603" * 100, "\u2603".encode() * 100)]},
    ]
    scenario.produce(absurd)
    scenario.app(f"""
        @app.route("r")
        def handle(message: Message):
            headers = [[name, None if value is None else value.hex()] for name, value in message.headers]
            tell("done", message, note=headers)
            return Dead("as asked") if {dies} else None
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    for event, sent in zip(sorted(scenario.events("done"), key=lambda one: one.offset), absurd, strict=True):
        given = sent.get("headers", [])
        assert event.note == [[name, None if value is None else value.hex()] for name, value in given]  # type: ignore[attr-defined]
    dead = {entry["offset"]: entry for entry in scenario.dead()}
    assert sorted(dead) == (list(range(len(absurd))) if dies else [])
    if dies:
        assert len(dead[0]["headers"]) == 1000
        assert dead[1]["headers"] == [["repeated", "1"], ["repeated", "2"], ["repeated", None]]
        assert base64.b64decode(dead[4]["key"]["base64"]) == b"\xff\xfe\xfd"
        assert dead[5]["key"] == ""
    daemon.stop()


def test_a_handler_that_returns_rubbish_sends_its_message_to_the_dead_set(scenario: Scenario) -> None:
    scenario.produce_numbers(NEIGHBOURS)
    scenario.app("""
        RUBBISH = {
            10: True, 20: "done", 30: 0, 40: object(), 50: Retry, 60: [Retry()], 70: ValueError("returned"),
        }

        @app.route("r")
        def handle(number: int, message: Message):
            tell("done", message)
            return asyncio.sleep(0) if number == 80 else RUBBISH.get(number)
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = {entry["offset"]: (entry["error_class"], entry["attempt"]) for entry in scenario.dead()}
    assert dead == {offset: ("TypeError", 1) for offset in range(10, 90, 10)}
    scenario.assert_each_once()
    daemon.stop()


def test_a_topic_that_does_not_exist_is_waited_for_and_said_and_consumed_once_it_does(
    scenario: Scenario,
) -> None:
    scenario.app(ORDERS)
    scenario.config(kafka={"topic.metadata.refresh.interval.ms": 500})
    daemon = scenario.start()
    eventually(lambda: any(scenario.topic in str(line) for line in daemon.log("child in trouble")), 60)
    scenario.create_topic(partitions=2)
    scenario.produce([GOOD] * NEIGHBOURS)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert not daemon.log("child ended")
    daemon.stop()


def test_a_message_beyond_ten_megabytes_on_a_topic_with_ordered_keys_holds_up_nobody(
    scenario: Scenario,
) -> None:
    scenario.create_topic(max__message__bytes=20_000_000)
    for _ in range(5):
        send_large(scenario, os.urandom(15_000_000), "none", key=b"same")
    scenario.produce([("same", GOOD)] * 20)
    scenario.app(RAW)
    scenario.config({"order": "key"})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert scenario.offsets() == list(range(25))
    daemon.stop()
