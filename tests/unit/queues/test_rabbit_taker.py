"""What a taker makes of a broker that closes its channel just then: real ones do it after half an hour."""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from pika import frame, spec

from ringmain.queues import names
from ringmain.queues.rabbit import Topology
from ringmain.queues.rabbit import taker as taker_module
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.amqp import Delivered, Reply
from ringmain.queues.rabbit.connection import Event, Opened
from ringmain.queues.rabbit.taker import RabbitTaker

READY = names.ready("shop", "orders")
TAKING = 1
ANSWERS: dict[type, Callable[[], Any]] = {
    spec.Channel.Open: spec.Channel.OpenOk,
    spec.Queue.Declare: lambda: spec.Queue.DeclareOk(READY, 0, 0),
    spec.Basic.Qos: spec.Basic.QosOk,
    spec.Basic.Consume: lambda: spec.Basic.ConsumeOk("anything"),
    spec.Basic.Cancel: lambda: spec.Basic.CancelOk("anything"),
}


class Broker:
    """A connection that answers by itself; `closes_at`: the method that it answers with the channel's end."""

    is_open = True
    broker = ("RabbitMQ", "3.10.8")
    address = "here"

    def __init__(self) -> None:
        self.events: deque[Event] = deque([Opened()])
        self.acked: list[int] = []
        self.consumer = ""
        self.closes_at: type | None = None

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            _, told = frame.decode_frame(piece)
            method = told.method
            if isinstance(method, spec.Basic.Ack):
                self.acked.append(method.delivery_tag)
                continue
            if isinstance(method, spec.Basic.Consume):
                self.consumer = method.consumer_tag
            closed = self.closes_at is not None and isinstance(method, self.closes_at)
            self.closes_at = None if closed else self.closes_at
            answer = spec.Channel.Close(406, "too late", 0, 0) if closed else ANSWERS[type(method)]()
            self.events.append(Reply(told.channel_number, answer))

    def pump(self) -> list[Event]:
        came, self.events = list(self.events), deque()
        return came

    def deliver(self, *tags: int) -> None:
        self.events += [Delivered(TAKING, self.consumer.encode(), tag, False, b"\0\0", b"x") for tag in tags]

    def away(self) -> None:
        return None


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    one = Broker()
    monkeypatch.setattr(taker_module, "Connection", lambda _access: one)
    monkeypatch.setattr(taker_module, "ACKS_APART_S", 0.0)
    return one


def settled(taker: RabbitTaker) -> None:
    """Until nothing is asked any more."""
    for _ in range(12):
        taker.pump()


@pytest.mark.parametrize("closes_at", [spec.Basic.Cancel, spec.Basic.Qos])
def test_a_channel_that_is_closed_while_the_prefetch_changes_is_another_life(
    broker: Broker, closes_at: type
) -> None:
    taker = RabbitTaker(Access([]), Topology("quorum"), [READY])
    settled(taker)
    broker.deliver(1, 2, 3)
    settled(taker)
    old = [delivery.tag for delivery in taker.take(3)]
    broker.closes_at = closes_at
    taker.hold(4)
    settled(taker)
    assert broker.closes_at is None
    broker.deliver(1, 2)
    settled(taker)
    new = [delivery.tag for delivery in taker.take(2)]
    assert len(new) == 2
    assert not set(old) & set(new)
    taker.ack(old)
    assert broker.acked == [], "they are others' again"
    taker.ack(new)
    assert broker.acked == [2]
