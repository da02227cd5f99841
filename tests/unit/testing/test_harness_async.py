"""Async handlers in a Harness: beside each other, in order where the route says so, cancelled in time."""

import asyncio

import msgspec
import pytest

from ringmain import App, Dead, Message, Pause, Retry, To, clock
from ringmain.errors import RingmainError
from ringmain.handle.concurrent import GRACE_S
from ringmain.testing.plugin import MakeHarness


class Order(msgspec.Struct):
    id: int


def test_an_async_handler_is_awaited(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    async def handle(order: Order) -> Dead:
        await asyncio.sleep(0)
        return Dead(f"order {order.id}")

    assert harness(app).send("orders", {"id": 3}).outcome == Dead("order 3")


@pytest.mark.parametrize(("concurrency", "together"), [(None, 5), (2, 2)])
def test_messages_sent_together_run_together_up_to_concurrency(
    harness: MakeHarness, concurrency: int | None, together: int
) -> None:
    app = App()
    running, most = 0, 0

    @app.route("orders")
    async def handle(order: Order) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    config = {"routes": {"orders": {"concurrency": concurrency} if concurrency else {}}}
    results = harness(app, config).send_all("orders", [{"id": n} for n in range(5)])
    assert [result.outcome for result in results] == [None] * 5
    assert most == together


def test_messages_of_a_key_run_one_after_the_other_and_wait_for_a_retry(harness: MakeHarness) -> None:
    app, calls = App(), []

    @app.route("orders")
    async def handle(order: Order, message: Message) -> Retry | None:
        calls.append(order.id)
        await asyncio.sleep(0)
        return Retry(5) if order.id == 1 and message.attempt == 1 else None

    stage = harness(app, {"routes": {"orders": {"order": "key"}}})
    stage.send_all("orders", [{"id": n} for n in range(4)], key="k")
    assert calls == [0, 1, 1, 2, 3]
    assert stage.now_s == 5


def test_a_pause_lets_running_calls_end_and_begins_none(harness: MakeHarness) -> None:
    app, calls = App(), []

    @app.route("orders")
    async def handle(order: Order) -> Pause | None:
        calls.append((order.id, stage.now_s))
        return Pause(30, "away") if calls == [(0, 0.0)] else None

    stage = harness(app, {"routes": {"orders": {"concurrency": 1}}})
    stage.send_all("orders", [{"id": n} for n in range(3)])
    assert sorted(calls) == [(0, 0), (0, 30), (1, 30), (2, 30)]


def test_a_call_that_takes_too_long_is_cancelled_and_fails(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    async def handle(order: Order) -> None:
        await asyncio.Event().wait()

    began_s = clock.monotonic_s()
    config = {"routes": {"orders": {"timeout_s": 0.01, "retry": {"attempts": 2}}}}
    result = harness(app, config).send("orders", {"id": 1})
    assert (result.attempts, isinstance(result.steps[0].error, TimeoutError)) == (2, True)
    assert clock.monotonic_s() - began_s < GRACE_S, "the second call waited for the grace of the first"
    assert result.dead is not None
    assert result.dead.error_class == "TimeoutError"


def test_an_undecodable_message_and_a_tombstone_do_not_hang_an_async_route(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    async def handle(order: Order) -> None:
        raise AssertionError("called")

    stage = harness(app)
    assert isinstance(stage.send("orders", b"{").outcome, Dead)
    assert stage.send("orders", None).attempts == 0


def test_what_on_start_opened_is_used_on_the_same_loop(harness: MakeHarness) -> None:
    app = App()

    @app.on_start
    async def start() -> None:
        app.state.loop = asyncio.get_running_loop()

    @app.route("orders")
    async def handle(order: Order) -> Dead | None:
        return None if asyncio.get_running_loop() is app.state.loop else Dead("another loop")

    stage = harness(app)
    assert [stage.send("orders", {"id": n}).outcome for n in range(3)] == [None] * 3


def test_within_a_running_loop_it_says_how_to_use_it(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    async def handle(order: Order) -> None:
        raise AssertionError("called")

    stage = harness(app)

    async def test() -> None:
        stage.send("orders", {"id": 1})

    with pytest.raises(RingmainError, match="an event loop of its own"):
        asyncio.run(test())


def test_an_error_of_the_harness_comes_out_of_send(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    async def handle(order: Order) -> To:
        return To("slow")

    @app.channel("orders", "slow")
    def wait(order: Order) -> Pause:
        return Pause(60, "away")

    stage = harness(app, {"routes": {"orders": {"channels": {"slow": {}}}}})
    with pytest.raises(RingmainError, match=r"the ring of orders\.slow is full"):
        stage.send_all("orders", [{"id": n} for n in range(1100)])
