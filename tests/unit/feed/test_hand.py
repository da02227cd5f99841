"""What is in hand: a delivery is finished with the last of its messages, given back when none was begun."""

import msgspec
import pytest
from msgspec.structs import replace

from ringmain import verdict
from ringmain.feed.hand import Hand, failure_of
from ringmain.queues.contract import Delivery
from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.frames import pack
from support.queue_backends import message

QUEUE = "shop.orders.overflow"


def frame(count: int) -> Packed:
    return pack([message(number) for number in range(count)])


def test_a_frame_is_finished_with_the_last_of_its_messages() -> None:
    hand = Hand(0, 1)
    pieces = hand.add(Delivery(7, QUEUE, frame(3)))
    assert [piece.message.offset for piece in pieces if isinstance(piece.message, Envelope)] == [0, 1, 2]
    number = pieces[0].number
    assert hand.settled([number, number]) == []
    assert (hand.messages, hand.deliveries, hand.holds(number)) == (1, 1, True)
    assert hand.settled([number]) == [7]
    assert (hand.messages, hand.deliveries, hand.holds(number)) == (0, 0, False)


def test_what_comes_together_is_settled_together() -> None:
    hand = Hand(0, 2)
    first, second = hand.add(Delivery(7, QUEUE, frame(2))), hand.add(Delivery(9, QUEUE, message(5)))
    assert {piece.number for piece in first + second} == {0, 2}
    assert sorted(hand.settled([0, 2, 0])) == [7, 9]


def test_only_what_nobody_has_begun_is_given_back() -> None:
    hand = Hand(0, 1)
    begun = hand.add(Delivery(7, QUEUE, frame(2)))[0].number
    hand.add(Delivery(8, QUEUE, frame(3)))
    hand.begin(begun)
    assert hand.drop_unbegun() == [8]
    assert (hand.messages, hand.deliveries) == (2, 1)
    assert hand.drop_unbegun() == []


def test_a_broken_frame_is_one_foreign_message_with_its_body() -> None:
    for body in (b"", b"\xc1", frame(2).body[:-1], msgspec.msgpack.encode([1, 2]), b"\x90"):
        hand = Hand(0, 1)
        (piece,) = hand.add(Delivery(7, QUEUE, Packed(body, 2)))
        assert isinstance(piece.message, Foreign)
        assert piece.message.body == body
        failure = verdict.decode(failure_of(piece.message))
        assert failure.error_class == "ForeignMessage"
        assert "frame" in failure.error_message
        assert hand.settled([piece.number]) == [7]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"attempt": 0}, {"attempt": 1 << 16}, {"crashes": -1}, {"crashes": 256}, {"topic": "t" * 250}),
        *({"partition": 1 << 31}, {"offset": 1 << 63}, {"timestamp_ms": -(1 << 63) - 1}),
        {"first_failed_ms": 1 << 63},
    ],
)
def test_what_no_message_can_say_is_foreign_and_stops_nobody(wrong: dict[str, object]) -> None:
    for found in (replace(message(1), **wrong), replace(message(1), value=None, **wrong)):
        (piece,) = Hand(0, 1).add(Delivery(7, "shop.orders.ready", found))
        assert isinstance(piece.message, Foreign)
        assert piece.message.body == (found.value or b"")
        assert piece.message.headers == found.headers


def test_the_largest_that_a_message_can_say_is_one() -> None:
    largest = replace(
        message(1), attempt=65535, crashes=255, topic="t" * 249, partition=(1 << 31) - 1, offset=(1 << 63) - 1
    )
    (piece,) = Hand(0, 1).add(Delivery(7, "shop.orders.ready", largest))
    assert piece.message == largest
