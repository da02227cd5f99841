"""One message through a Harness: what its handler said, what policy made of it, what time it took."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ringmain import App, Dead, Message, Pause, Retry, Skip, To
from ringmain.errors import AppError, RingmainError
from ringmain.testing.plugin import MakeHarness


class Order(msgspec.Struct):
    id: int


def app_of(handler: Callable[..., object]) -> App:
    app = App()
    app.route("orders")(handler)
    return app


def test_a_handler_gets_the_value_decoded_and_none_is_done(harness: MakeHarness) -> None:
    seen = []

    def handle(order: Order) -> None:
        seen.append(order)

    result = harness(app_of(handle)).send("orders", {"id": 7})
    assert (seen, result.outcome, result.attempts, result.dead) == ([Order(7)], None, 1, None)


def test_the_message_has_all_that_kafka_would_bring(harness: MakeHarness) -> None:
    seen: list[Message] = []

    def handle(message: Message) -> None:
        seen.append(message)

    stage = harness(app_of(handle), {"routes": {"orders": {"topics": ["shop.orders"]}}})
    headers = {"trace": "1", "none": None}
    stage.send("orders", b"\x00raw", key="k", headers=headers, partition=3, timestamp_ms=5)
    stage.send("orders", b"next", partition=3)
    first, second = seen
    assert first == Message(
        b"\x00raw",
        key=b"k",
        headers=[("trace", b"1"), ("none", None)],
        topic="shop.orders",
        partition=3,
        offset=0,
        timestamp_ms=5,
        route="orders",
    )
    assert second.id == "shop.orders:3:1"


@pytest.mark.parametrize("outcome", [Skip("twice"), Dead("never"), Retry(reason="busy"), Pause(1, "away")])
@pytest.mark.parametrize("way", ["returned", "raised"])
def test_a_step_tells_the_outcome_as_the_handler_said_it(
    harness: MakeHarness, outcome: object, way: str
) -> None:
    def handle(message: Message) -> Skip | Dead | Retry | Pause | None:
        if message.offset or stage.now_s:
            return None
        if way == "raised":
            raise outcome  # type: ignore[misc]
        return outcome  # type: ignore[return-value]

    stage = harness(app_of(handle))
    assert stage.send("orders", b"1").steps[0].outcome == outcome


def test_retries_take_no_time_and_go_by_the_routes_policy_and_the_ladder(harness: MakeHarness) -> None:
    def handle(order: Order) -> None:
        raise ValueError("boom")

    stage = harness(app_of(handle), {"routes": {"orders": {"retry": {"attempts": 4, "first_s": 3}}}})
    result = stage.send("orders", {"id": 1})
    # 3, 6 and 12 s by policy; the steps of the ladder above them are 5, 10 and 20.
    assert [step.at_s for step in result.steps] == [0, 5, 15, 35]
    assert [step.attempt for step in result.steps] == [1, 2, 3, 4]
    assert [step.delay_s for step in result.steps] == [3, 6, 12, None]
    assert result.attempts == 4
    assert result.outcome == Dead("ValueError: boom")
    assert isinstance(result.steps[0].error, ValueError)


def test_what_is_dead_is_in_the_dead_set_with_its_cause(harness: MakeHarness) -> None:
    def handle(order: Order) -> None:
        raise ValueError("boom")

    stage = harness(app_of(handle), {"routes": {"orders": {"retry": {"attempts": 1}}}})
    result = stage.send("orders", {"id": 1}, key=b"k")
    assert stage.dead == [result.dead]
    assert result.dead is not None
    assert (result.dead.error_class, result.dead.error_message) == ("ValueError", "boom")
    assert "test_harness.py" in result.dead.traceback
    assert (result.dead.message.value, result.dead.message.key) == (b'{"id":1}', b"k")


def test_an_undecodable_message_reaches_no_handler(harness: MakeHarness) -> None:
    def handle(order: Order) -> None:
        raise AssertionError("called")

    result = harness(app_of(handle)).send("orders", {"id": "seven"})
    assert result.attempts == 0
    assert result.dead is not None
    assert "$.id" in result.dead.error_message


def test_a_tombstone_goes_by_on_tombstone(harness: MakeHarness) -> None:
    def handle(order: Order) -> None:
        raise AssertionError("called")

    assert isinstance(harness(app_of(handle)).send("orders", None).outcome, Skip)
    dead = harness(app_of(handle), {"routes": {"orders": {"on_tombstone": "dead"}}}).send("orders", None)
    assert isinstance(dead.outcome, Dead)


def test_a_value_that_is_no_outcome_is_dead_as_in_production(harness: MakeHarness) -> None:
    result = harness(app_of(_stray)).send("orders", {"id": 1})
    assert isinstance(result.outcome, Dead)
    assert "returned a value of type int" in result.outcome.reason


def _stray(order: Order) -> Any:
    return 1


def test_dead_on_and_skip_on_are_heard(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders", dead_on=KeyError, skip_on=LookupError)
    def handle(order: Order) -> None:
        raise KeyError(order.id) if order.id else LookupError

    stage = harness(app)
    assert stage.send("orders", {"id": 1}).outcome == Dead("KeyError: 1")
    assert stage.send("orders", {"id": 0}).outcome == Skip("LookupError")


def test_a_retry_that_is_not_counted_uses_up_no_attempt(harness: MakeHarness) -> None:
    attempts = []

    def handle(message: Message) -> Retry | None:
        attempts.append(message.attempt)
        return Retry(60, "429", count=False) if len(attempts) < 4 else None

    stage = harness(app_of(handle), {"routes": {"orders": {"retry": {"attempts": 2}}}})
    result = stage.send("orders", b"")
    assert (attempts, result.attempts, result.outcome, stage.now_s) == ([1, 1, 1, 1], 4, None, 180)


def test_a_pause_holds_back_what_comes_after_it(harness: MakeHarness) -> None:
    calls = []

    def handle(message: Message) -> Pause | None:
        calls.append((message.offset, stage.now_s))
        return Pause(30, "the database is away") if len(calls) == 1 else None

    stage = harness(app_of(handle))
    stage.send_all("orders", [b"0", b"1"])
    assert sorted(calls) == [(0, 0), (0, 30), (1, 30)]


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_a_failed_message_holds_back_what_its_order_says(harness: MakeHarness, order: str) -> None:
    calls = []

    def handle(message: Message) -> Retry | None:
        calls.append(message.offset)
        return Retry(5) if message.offset == 0 and message.attempt == 1 else None

    stage = harness(app_of(handle), {"routes": {"orders": {"order": order}}})
    sent = [stage.begin("orders", b"", key=key) for key in ("a", "b", "a")]
    stage.advance(5)
    assert all(each.result.settled for each in sent)
    expected = {"none": [0, 1, 2, 0], "key": [0, 1, 0, 2], "partition": [0, 0, 1, 2]}
    assert calls == expected[order]


def test_a_message_that_was_begun_waits_until_the_clock_moves(harness: MakeHarness) -> None:
    def handle(message: Message) -> Retry | None:
        return Retry(10) if message.attempt == 1 else None

    stage = harness(app_of(handle))
    sent = stage.begin("orders", b"")
    assert sent.result.attempts == 0
    stage.advance()
    assert (sent.result.outcome, sent.result.settled) == (Retry(10), False)
    stage.advance(9.9)
    assert not sent.result.settled
    stage.advance(0.1)
    assert (sent.result.outcome, sent.result.settled, stage.now_s) == (None, True, 10)


def test_middlewares_and_hooks_are_those_of_production(harness: MakeHarness) -> None:
    app, said = App(), []

    @app.on_start
    async def start() -> None:
        said.append("start")

    @app.on_stop
    def stop() -> None:
        said.append("stop")

    @app.middleware
    def around(call: Callable[[], object], message: Message) -> object:
        said.append(message.id)
        return call()

    @app.route("orders")
    def handle(order: Order) -> None:
        said.append("call")

    stage = harness(app)
    stage.send("orders", {"id": 1})
    stage.close()
    assert said == ["start", "orders:0:0", "call", "stop"]


def test_hooks_are_left_out_where_a_test_fills_the_state_itself(harness: MakeHarness) -> None:
    app = App()

    @app.on_start
    def start() -> None:
        raise AssertionError("called")

    @app.route("orders")
    def handle(order: Order) -> None:
        app.state.orders.append(order)

    app.state.orders = []
    harness(app, hooks=False).send("orders", {"id": 1})
    assert app.state.orders == [Order(1)]


def test_a_hook_that_fails_fails_the_test(harness: MakeHarness) -> None:
    app = app_of(lambda_free)

    @app.on_start
    def start() -> None:
        raise OSError("no database")

    with pytest.raises(AppError, match="no database"):
        harness(app)


def lambda_free(order: Order) -> None:
    """A handler that does nothing."""


def test_a_message_that_is_never_settled_ends_its_test_with_a_reason(harness: MakeHarness) -> None:
    def handle(order: Order) -> Retry:
        return Retry(1, "for ever", count=False)

    with pytest.raises(RingmainError, match="not settled after"):
        harness(app_of(handle)).send("orders", {"id": 1})


def test_a_route_that_the_config_does_not_know_is_named(harness: MakeHarness) -> None:
    with pytest.raises(RingmainError, match="route 'order' is not in the harness's config; it has orders"):
        harness(app_of(lambda_free)).send("order", {})


def test_as_many_messages_as_one_likes_more_than_the_ring_has_room_for(harness: MakeHarness) -> None:
    results = harness(app_of(lambda_free)).send_all("orders", ({"id": n} for n in range(2500)))
    assert len({result.id for result in results if result.outcome is None}) == 2500


def test_a_sent_channel_is_followed(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    def handle(order: Order) -> To:
        return To("review")

    @app.channel("orders", "review")
    def review(order: Order, message: Message) -> Retry | None:
        return Retry(5) if message.attempt == 1 else None

    result = harness(app).send("orders", {"id": 1})
    assert [(step.channel, step.attempt, step.outcome) for step in result.steps] == [
        ("", 1, To("review")),
        ("review", 1, Retry(5)),
        ("review", 2, None),
    ]


def test_a_channel_can_be_sent_to_straight(harness: MakeHarness) -> None:
    app = App()

    @app.route("orders")
    def handle(order: Order) -> None:
        raise AssertionError("called")

    @app.channel("orders", "review")
    def review(message: Message) -> Dead:
        return Dead(message.channel)

    result = harness(app).send("orders", {"id": 1}, channel="review")
    assert result.outcome == Dead("review")
    assert result.dead is not None
    assert result.dead.channel == "review"


def test_through_takes_messages_past_the_routes_handler(harness: MakeHarness) -> None:
    app, seen = App(), []

    @app.channel("orders", "slow")
    def slow(order: Order) -> None:
        seen.append(order)

    config = {"routes": {"orders": {"through": "slow", "channels": {"slow": {"timeout_s": 5}}}}}
    result = harness(app, config).send("orders", {"id": 1})
    assert (seen, result.outcome, result.attempts) == ([Order(1)], None, 1)


def test_a_channel_that_nobody_knows_is_dead(harness: MakeHarness) -> None:
    def handle(order: Order) -> To:
        return To("nowhere")

    result = harness(app_of(handle)).send("orders", {"id": 1})
    assert result.dead is not None
    assert result.dead.error_class == "UnknownChannel"
