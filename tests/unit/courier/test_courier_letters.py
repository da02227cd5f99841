"""What a parcel becomes, by its verdict."""

from dataclasses import dataclass, field, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain.courier import letters
from ringmain.courier.letters import Desk
from ringmain.queues.envelope import Headers, Meta, encode, encode_meta
from ringmain.verdict import CHANNEL, DEAD, RETRY, Failure
from ringmain.verdict import encode as encode_failure

NOW_MS = 1_800_000_000_000


class Policy(msgspec.Struct, frozen=True):
    attempts: int = 12
    backoff: str = "exponential"
    first_s: float = 5.0
    max_s: float = 3600.0


DESK = Desk("shop", "orders", "n1", Policy(), 1000, channels=["slow"])  # type: ignore[arg-type]
OF_SLOW = replace(DESK, policy=Policy(attempts=2, first_s=60), channel="slow")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Parcel:
    verdict: int = RETRY
    detail: bytes = encode_failure(
        Failure(error_class="shop.Declined", error_message="no", traceback="trace")
    )
    meta: bytes = b""
    key: bytes | None = b"k"
    value: bytes | None = b"{}"
    headers: Headers = field(default_factory=lambda: [("h", b"1"), ("h", None)])
    topic: str = "orders"
    partition: int = 3
    offset: int = 7
    timestamp_ms: int = 5
    attempt: int = 1
    crashes: int = 1
    first_failed_ms: int = 0


def test_a_failed_message_waits_in_the_delay_queue_of_its_policys_step() -> None:
    queue, sent = letters.write(DESK, Parcel(), NOW_MS)
    assert queue == "shop.orders.delay.5"
    assert (sent.value, sent.key, sent.headers) == (b"{}", b"k", [("h", b"1"), ("h", None)])
    assert (sent.topic, sent.partition, sent.offset, sent.timestamp_ms) == ("orders", 3, 7, 5)
    assert (sent.attempt, sent.crashes, sent.node) == (2, 1, "n1")
    assert (sent.error_class, sent.error_message, sent.traceback) == ("shop.Declined", "no", "trace")
    assert (sent.first_failed_ms, sent.failed_ms) == (NOW_MS, NOW_MS)


def test_the_first_failure_is_remembered_over_redeliveries() -> None:
    meta = encode_meta(Meta(first_failed_ms=1000, replayed=True))
    sent = letters.write(DESK, Parcel(meta=meta, attempt=3), NOW_MS).envelope
    assert (sent.first_failed_ms, sent.failed_ms, sent.replayed, sent.attempt) == (1000, NOW_MS, True, 4)


def test_a_message_that_waited_in_place_tells_when_it_failed_first() -> None:
    waited = Parcel(verdict=DEAD, first_failed_ms=2000)
    assert letters.write(DESK, waited, NOW_MS).envelope.first_failed_ms == 2000
    meta = encode_meta(Meta(first_failed_ms=1000))
    assert letters.write(DESK, replace(waited, meta=meta), NOW_MS).envelope.first_failed_ms == 1000


def test_a_delay_that_was_asked_for_is_rounded_up_to_the_ladder() -> None:
    detail = encode_failure(Failure(delay_s=11.0))
    assert letters.write(DESK, Parcel(detail=detail), NOW_MS).queue == "shop.orders.delay.20"


def test_a_retry_that_is_not_counted_uses_up_no_attempt() -> None:
    detail = encode_failure(Failure(delay_s=1.0, counted=False))
    queue, sent = letters.write(DESK, Parcel(detail=detail, attempt=12), NOW_MS)
    assert (queue, sent.attempt) == ("shop.orders.delay.1", 12)


def test_the_last_attempt_ends_in_the_dead_set() -> None:
    queue, sent = letters.write(DESK, Parcel(attempt=12), NOW_MS)
    assert (queue, sent.attempt) == ("shop.orders.dead", 12)


def test_a_channels_message_stays_in_its_channel_under_its_policy() -> None:
    assert letters.write(OF_SLOW, Parcel(), NOW_MS).queue == "shop.orders.slow.delay.60"
    assert letters.write(OF_SLOW, Parcel(attempt=2), NOW_MS).queue == "shop.orders.slow.dead"


@pytest.mark.parametrize("desk", [DESK, OF_SLOW], ids=["from its route", "from a channel"])
def test_to_a_channel_a_message_goes_as_if_it_had_never_failed(desk: Desk) -> None:
    detail = encode_failure(Failure(channel="slow"))
    queue, sent = letters.write(desk, Parcel(verdict=CHANNEL, detail=detail, attempt=5), NOW_MS)
    assert queue == "shop.orders.slow.ready"
    assert (sent.attempt, sent.crashes, sent.first_failed_ms, sent.error_class) == (1, 0, 0, "")


def test_a_message_for_a_channel_that_nobody_serves_is_dead_and_says_so() -> None:
    detail = encode_failure(Failure(channel="fast"))
    queue, sent = letters.write(DESK, Parcel(verdict=CHANNEL, detail=detail), NOW_MS)
    assert queue == "shop.orders.dead"
    assert sent.error_message == "route 'orders' has no channel 'fast'"


@pytest.mark.parametrize("kind", [RETRY, DEAD, CHANNEL])
def test_what_is_too_large_for_the_queues_is_dead_without_its_value_and_says_so(kind: int) -> None:
    detail = encode_failure(Failure(channel="slow", error_message="no"))
    queue, sent = letters.write(DESK, Parcel(verdict=kind, detail=detail, value=b"x" * 1001), NOW_MS)
    assert queue == "shop.orders.dead"
    assert (sent.value, sent.withheld_bytes, sent.key) == (None, 1001, b"k")
    assert "1001 bytes" in sent.error_message


@given(
    kind=st.integers(0, 255),
    detail=st.binary(max_size=30),
    meta=st.binary(max_size=30),
    name=st.binary(max_size=5).map(lambda raw: raw.decode(errors="surrogateescape")),
)
def test_every_parcel_becomes_a_letter_that_can_be_stored(
    kind: int, detail: bytes, meta: bytes, name: str
) -> None:
    parcel = Parcel(verdict=kind, detail=detail, meta=meta, headers=[(name, b"")])
    assert encode(letters.write(DESK, parcel, NOW_MS).envelope)


def test_what_the_queues_refuse_is_dead_without_its_value() -> None:
    letter = letters.refused(DESK, letters.write(DESK, Parcel(), NOW_MS), "too long", NOW_MS)
    assert letter.queue == "shop.orders.dead"
    assert letter.envelope.value is None
    assert "too long" in letter.envelope.error_message


@pytest.mark.parametrize("value", [b"{}", b"", None])
def test_what_is_refused_without_its_value_goes_without_key_and_headers(value: bytes | None) -> None:
    letter = letters.write(DESK, Parcel(value=value), NOW_MS)
    for _ in range(2):
        letter = letters.refused(DESK, letter, "too long", NOW_MS)
    assert not letter.envelope.value
    assert (letter.envelope.key, letter.envelope.headers, letter.envelope.offset) == (None, [], 7)


def test_what_the_queues_refuse_on_its_way_to_a_channel_died_now_and_here() -> None:
    """An entry without a time would be too old for `dead.keep_s` at once."""
    sent = letters.write(DESK, Parcel(CHANNEL, encode_failure(Failure(channel="slow"))), NOW_MS)
    bare = letters.refused(DESK, sent, "too long", NOW_MS)
    assert bare.queue == "shop.orders.slow.dead"
    assert (bare.envelope.first_failed_ms, bare.envelope.failed_ms, bare.envelope.node) == (
        NOW_MS,
        NOW_MS,
        "n1",
    )


def test_a_tombstone_stays_a_tombstone() -> None:
    sent = letters.write(DESK, replace(Parcel(), value=None, key=None, headers=[]), NOW_MS).envelope
    assert (sent.value, sent.key, sent.headers, sent.withheld_bytes) == (None, None, [], 0)


def test_notes_whose_text_is_no_utf_8_lose_the_notes_and_not_the_message() -> None:
    letter = letters.write(DESK, Parcel(meta=b"\x92\x00\xa6\x00\x00\x00\x00\x00\x80"), NOW_MS)
    assert letter.envelope.value == Parcel().value
