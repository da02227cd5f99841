"""AMQP's bytes: what we write pika reads, what pika writes we read, however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import frame, spec

from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.amqp import Confirm, Delivered, Reader, Reply, Returned

HEADERS = spec.BasicProperties(headers={"a": "b"}, delivery_mode=2)
ENCODED = b"".join(HEADERS.encode())


def content(method: object, body: bytes, channel: int = 1, piece: int = 4) -> bytes:
    """A message as pika writes it, its body in small frames."""
    frames = [frame.Method(channel, method), frame.Header(channel, len(body), HEADERS)]
    frames += [frame.Body(channel, body[at : at + piece]) for at in range(0, len(body), piece)]
    return b"".join(one.marshal() for one in frames)


def deliver(tag: int, consumer: str = "c-1", redelivered: bool = False) -> spec.Basic.Deliver:
    return spec.Basic.Deliver(consumer, tag, redelivered, "", "q")


STREAM = [
    (frame.Method(1, spec.Basic.Ack(7, True)).marshal(), Confirm(1, 7, True, True)),
    (content(deliver(1), b"0123456789"), Delivered(1, b"c-1", 1, False, ENCODED, b"0123456789")),
    (frame.Heartbeat().marshal(), None),
    (frame.Method(1, spec.Basic.Nack(9, False)).marshal(), Confirm(1, 9, False, False)),
    (content(spec.Basic.Return(312, "NO_ROUTE", "", "shop.gone"), b"xy"), Returned(1, "shop.gone")),
    (content(deliver(2, "", True), b"", 3), Delivered(3, b"", 2, True, ENCODED, b"")),
    (frame.Method(2, spec.Queue.DeclareOk("q", 4, 1)).marshal(), Reply(2, spec.Queue.DeclareOk("q", 4, 1))),
]
BYTES = b"".join(data for data, _ in STREAM)
EVENTS = [event for _, event in STREAM if event is not None]


@given(st.lists(st.integers(0, len(BYTES)), max_size=8))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    reader, events = Reader(), []
    edges = [0, *sorted(cuts), len(BYTES)]
    for begin, end in pairwise(edges):
        events += reader.feed(BYTES[begin:end])
    assert events == EVENTS


def test_messages_of_two_channels_may_come_in_turns() -> None:
    one, two = (content(deliver(1), body, channel, 100) for channel, body in ((1, b"one"), (2, b"two")))
    head = len(one) - len(b"one") - 8
    events = Reader().feed(one[:head] + two + one[head:])
    assert [(event.channel, event.body) for event in events] == [(2, b"two"), (1, b"one")]  # type: ignore[union-attr]


def test_what_does_not_speak_amqp_is_said() -> None:
    with pytest.raises(ValueError, match="AMQP"):
        Reader().feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("size", [0, 1, 4096 - 8, 4096 - 7, 20_000])
def test_a_published_message_is_what_pika_would_send(size: int) -> None:
    body = b"x" * size
    written = amqp.publish_method(1, "shop.orders.ready") + b"".join(amqp.content(1, ENCODED, body, 4096))
    publish = spec.Basic.Publish(exchange="", routing_key="shop.orders.ready", mandatory=True)
    assert written == content(publish, body, 1, 4096 - 8)


def test_acks_and_returns_are_what_pika_would_send() -> None:
    assert amqp.ack(1, 5, True) == frame.Method(1, spec.Basic.Ack(5, True)).marshal()
    assert amqp.ack(1, 5, False) == frame.Method(1, spec.Basic.Ack(5, False)).marshal()
    assert amqp.give_back(1, 5) == frame.Method(1, spec.Basic.Nack(5, False, True)).marshal()
