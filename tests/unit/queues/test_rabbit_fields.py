"""Envelopes as AMQP properties and back, read by pika's own decoder where another client would."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import spec

from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.rabbit import fields

NAMES = st.text(max_size=20)
BYTES = st.none() | st.binary(max_size=50)
NUMBERS = st.integers(min_value=0, max_value=(1 << 62) - 1)
ENVELOPES = st.builds(
    Envelope, value=BYTES, key=BYTES, headers=st.lists(st.tuples(NAMES, BYTES), max_size=4), topic=NAMES,
    partition=NUMBERS, offset=NUMBERS, timestamp_ms=st.integers(-1, 1 << 50), attempt=NUMBERS,
    crashes=NUMBERS, first_failed_ms=NUMBERS, failed_ms=NUMBERS, error_class=NAMES, error_message=NAMES,
    traceback=NAMES, node=NAMES, replayed=st.booleans(), withheld_bytes=NUMBERS,
)  # fmt: skip
PLAIN = Envelope(
    value=b"{}", key=b"\xff", headers=[("h", b"\x00"), ("h", None)], topic="orders", partition=3, offset=7,
    timestamp_ms=5, attempt=2, error_class="shop.Declined",
)  # fmt: skip


def properties(**known: object) -> bytes:
    """Encoded as any client does."""
    return b"".join(spec.BasicProperties(**known).encode())


def headers_of(envelope: Envelope) -> dict[str, object]:
    return dict(spec.BasicProperties().decode(fields.write(envelope)[0]).headers)


@given(ENVELOPES)
def test_every_envelope_comes_back_as_it_went(envelope: Envelope) -> None:
    assert fields.read(*fields.write(envelope)) == envelope


def test_another_client_reads_the_headers_and_the_value_unchanged() -> None:
    encoded, body = fields.write(PLAIN)
    decoded = spec.BasicProperties().decode(encoded)
    assert body == b"{}"
    assert decoded.delivery_mode == 2
    assert decoded.headers == {
        "x-ringmain-attempt": 2, "x-ringmain-offset": 7, "x-ringmain-partition": 3,
        "x-ringmain-timestamp-ms": 5, "x-ringmain-topic": "orders", "x-ringmain-key": b"\xff",
        "x-ringmain-headers": ["h", b"\x00", "h", None], "x-ringmain-error-class": "shop.Declined",
    }  # fmt: skip


def test_headers_as_another_client_writes_them_are_read() -> None:
    written = properties(content_type="application/json", headers=headers_of(PLAIN), message_id="m")
    assert fields.read(written, b"{}") == PLAIN


def test_what_the_broker_adds_is_not_carried_on() -> None:
    death = {"x-death": [{"count": 3, "reason": "expired", "queue": "q"}], "x-delivery-count": 1}
    came = fields.read(properties(headers={**death, **headers_of(PLAIN), "x-other": "y"}), b"{}")
    assert came == PLAIN


def test_metadata_over_the_frame_limit_travels_in_the_body() -> None:
    large = msgspec.structs.replace(PLAIN, headers=[("h", b"x" * 1000)] * 200)
    encoded, body = fields.write(large)
    assert len(encoded) < 100
    assert len(body) > 200_000
    assert fields.read(encoded, body) == large


def test_a_frame_says_how_many_messages_it_holds() -> None:
    encoded, body = fields.write(Packed(b"\x92\xc0\xc0", 2))
    assert spec.BasicProperties().decode(encoded).headers == {"x-ringmain-messages": 2}
    assert fields.read(encoded, body) == Packed(b"\x92\xc0\xc0", 2)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({}, "it has no x-ringmain- headers"),
        ({"headers": {"a": "b"}}, "header x-ringmain-topic is missing"),
        ({"headers": {**headers_of(PLAIN), "x-ringmain-attempt": "many"}}, "x-ringmain-attempt is no number"),
        ({"headers": {**headers_of(PLAIN), "x-ringmain-key": True}}, "x-ringmain-key is not bytes"),
        ({"headers": {**headers_of(PLAIN), "x-ringmain-headers": ["one"]}}, "argument"),
        ({"headers": {**headers_of(PLAIN), "x-ringmain-headers": [1, 2]}}, "x-ringmain-headers is not"),
        ({"headers": {**headers_of(PLAIN), "x-ringmain-topic": b"\xff"}}, "utf-8"),
        ({"content_type": fields.PACKED_TYPE}, ""),
    ],
)
def test_what_is_none_of_ours_is_foreign_with_its_bytes_and_the_reason(
    known: dict[str, object], reason: str
) -> None:
    came = fields.read(properties(**known), b"body")
    assert isinstance(came, Foreign)
    assert came.body == b"body"
    assert reason in came.reason


@pytest.mark.parametrize(
    "strange", [b"T" + b"\x17\x97\x9c\xfe\x36\x2a\x00\x00", b"T" + b"\xff" * 8, b"d\x7f\xf0" + bytes(6)]
)
def test_a_header_that_no_clock_or_number_can_be_is_foreign(strange: bytes) -> None:
    """A time in nanoseconds, one beyond all times, infinity."""
    table = b"\x01t" + strange
    came = fields.read(b"\x20\x00" + len(table).to_bytes(4, "big") + table, b"body")
    assert came == Foreign(b"body", [], came.reason)  # type: ignore[union-attr]


def test_a_foreign_message_keeps_its_headers() -> None:
    came = fields.read(properties(headers={"a": "b", "n": 1, "b": b"\xff", "v": None}), b"")
    assert isinstance(came, Foreign)
    assert came.headers == [("a", b"b"), ("n", b"1"), ("b", b"\xff"), ("v", None)]


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_no_bytes_at_all_raise(encoded: bytes, body: bytes) -> None:
    assert isinstance(fields.read(encoded, body), Foreign | Envelope | Packed)


@given(ENVELOPES, st.data())
def test_damaged_properties_never_raise(envelope: Envelope, data: st.DataObject) -> None:
    encoded, body = fields.write(envelope)
    at = data.draw(st.integers(0, len(encoded) - 1))
    damaged = encoded[:at] + data.draw(st.binary(min_size=1, max_size=3)) + encoded[at + 1 :]
    assert isinstance(fields.read(damaged, body), Foreign | Envelope | Packed)


def test_a_lone_surrogate_does_not_stop_a_message() -> None:
    came = fields.read(*fields.write(msgspec.structs.replace(PLAIN, error_message="\udcff!")))
    assert isinstance(came, Envelope)
    assert came.error_message == "\\udcff!"
