"""What a call sent, its deliveries, and who hears of a failure."""

import asyncio
import gc
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from ringmain import App, Delivery, DeliveryFailed, Sent
from ringmain._fastpath import Outbox
from ringmain.errors import AppError
from ringmain.handle import sending
from ringmain.producer import Plain

FAILED = DeliveryFailed("out", "bills", "the broker is on holiday")


class Shelf:
    """An outlet that delivers when it is told to."""

    def __init__(self) -> None:
        self.box = Outbox()
        self.sent: list[tuple[Any, ...]] = []
        self.deliveries: list[Delivery] = []

    @property
    def plain(self) -> Plain:
        return partial(self.send, more=None)

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        self.sent.append((topic, value, key, more))
        self.deliveries.append(Delivery(self, self.box, topic))
        self.deliveries[-1].lies(0, 7)
        return self.deliveries[-1]

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        raise TimeoutError


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_an_outbox_is_empty_with_the_last_delivery_and_says_so_once(shelf: Shelf) -> None:
    told: list[Outbox] = []
    first, second = shelf.send("t", b"", None, None), shelf.send("t", b"", None, None)
    shelf.box.call_when_empty(told.append)
    second.arrive()
    assert told == []
    first.arrive()
    assert told == [shelf.box]
    assert shelf.box.failure is None


def test_an_outbox_that_is_empty_says_so_at_once(shelf: Shelf) -> None:
    told: list[Outbox] = []
    shelf.box.call_when_empty(told.append)
    assert told == [shelf.box]


def test_a_failure_is_the_outboxs_until_somebody_is_told_of_it(shelf: Shelf) -> None:
    sent = shelf.send("t", b"", None, None)
    sent.fail(FAILED)
    assert shelf.box.failure is FAILED
    with pytest.raises(DeliveryFailed, match="on holiday"):
        sent.result()
    assert shelf.box.failure is None


def test_a_failure_that_is_raised_beside_its_outbox_goes_with_it(shelf: Shelf) -> None:
    """It holds the frame that it is raised in, and that one the outbox: none would ever go."""

    async def call() -> None:
        box = Outbox()
        Delivery(shelf, box, "t").fail(DeliveryFailed("out", "bills", "to be let go of"))
        await sending._emptied(box, set())

    with pytest.raises(DeliveryFailed):
        asyncio.run(call())
    gc.collect()
    failures = [one for one in gc.get_objects() if type(one) is DeliveryFailed]
    assert not [one for one in failures if "to be let go of" in str(one)]


def test_of_two_failures_the_one_that_nobody_was_told_of_stays(shelf: Shelf) -> None:
    told, untold = shelf.send("t", b"", None, None), shelf.send("t", b"", None, None)
    told.fail(FAILED)
    untold.fail(FAILED)
    with pytest.raises(DeliveryFailed):
        told.result()
    assert shelf.box.failure is FAILED


def test_an_awaited_delivery_gives_its_place_or_its_failure(shelf: Shelf) -> None:
    async def life() -> None:
        good, bad, done = (shelf.send("t", b"", None, None) for _ in range(3))
        done.arrive()
        assert (await done).offset == 7
        asyncio.get_running_loop().call_soon(good.arrive)
        assert await good == Sent("t", 0, 7)
        asyncio.get_running_loop().call_soon(bad.fail, FAILED)  # type: ignore[attr-defined]
        with pytest.raises(DeliveryFailed):
            await bad

    asyncio.run(life())
    assert shelf.box.failure is None


def test_two_tasks_may_await_the_same_delivery(shelf: Shelf) -> None:
    async def life() -> list[Sent]:
        sent = shelf.send("t", b"", None, None)

        async def wait() -> Sent:
            return await sent

        both = asyncio.gather(wait(), wait())
        asyncio.get_running_loop().call_later(0.01, sent.arrive)  # type: ignore[attr-defined]
        return await asyncio.wait_for(both, 5)

    assert asyncio.run(life()) == [Sent("t", 0, 7)] * 2


def test_a_producer_passes_on_what_was_said_and_nothing_else(shelf: Shelf) -> None:
    out = App().producer("out")
    out.open_by(lambda _producer: shelf)
    out.send("bills", 1)
    out.send("bills", None, "key", partition=0, headers={"a": b"1"}, timestamp_ms=5)
    assert shelf.sent == [
        ("bills", 1, None, None),
        ("bills", None, "key", {"partition": 0, "headers": {"a": b"1"}, "timestamp_ms": 5}),
    ]


def test_the_same_name_is_the_same_producer() -> None:
    app = App()
    assert app.producer("out") is app.producer("out")


def test_a_producer_that_nobody_opened_says_where_it_may_be_used() -> None:
    with pytest.raises(AppError, match=r"test_outbox\.py:\d+: producer 'out' sends from handlers"):
        App().producer("out").send("bills", b"")


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AppError, match="'Bills!' is no producer name"):
        App().producer("Bills!")
