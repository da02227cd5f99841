"""Envelopes: everything comes back, and what is too large says so."""

from hypothesis import given
from hypothesis import strategies as st

from ringmain.queues import envelope
from ringmain.queues.entry import iso
from ringmain.queues.envelope import Envelope, Meta
from support.queue_backends import message

CONTENT = st.none() | st.binary(max_size=50)


@given(
    value=CONTENT,
    key=CONTENT,
    headers=st.lists(st.tuples(st.text(max_size=9), CONTENT), max_size=4),
    offset=st.integers(0, 2**63 - 1),
    error_message=st.text(max_size=20),
)
def test_an_envelope_comes_back_from_its_bytes(**fields: object) -> None:
    sent = message(0, **fields)
    assert envelope.decode(envelope.encode(sent)) == sent


def test_an_envelope_without_fields_that_came_later_still_opens() -> None:
    full = envelope.encode(message(1))
    shorter = bytes([full[0], full[1], full[2] - 1]) + full[3:-1]
    assert envelope.decode(shorter) == message(1)


def test_meta_costs_nothing_straight_from_kafka() -> None:
    assert envelope.encode_meta(Meta()) == b""
    assert envelope.decode_meta(b"") == Meta()
    meta = Meta(5, True)
    assert envelope.decode_meta(envelope.encode_meta(meta)) == meta


def test_a_value_above_the_limit_is_withheld_and_said() -> None:
    kept: Envelope = message(1, value=b"x" * 10)
    assert envelope.withhold(kept, 10) is kept
    cut = envelope.withhold(kept, 9)
    assert (cut.value, cut.withheld_bytes, cut.key) == (None, 10, b"k1")
    assert "10 bytes" in cut.error_message


def test_a_tombstone_is_not_a_withheld_value() -> None:
    assert envelope.withhold(message(1, value=None), 0).withheld_bytes == 0


def test_a_long_traceback_keeps_its_ends() -> None:
    cut = envelope.cut_traceback("begin" + "x" * 10_000 + "end")
    assert len(cut.encode()) <= 4096
    assert cut.startswith("begin")
    assert cut.endswith("end")


def test_an_entry_of_no_calendars_time_is_shown() -> None:
    """Anybody may publish into a queue: one such entry must not keep all others from being listed."""
    assert [iso(wall_ms)[:10] for wall_ms in (-1, 0, 1 << 60)] == ["1970-01-01", "1970-01-01", "9999-12-31"]
