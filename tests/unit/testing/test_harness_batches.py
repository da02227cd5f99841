"""Batch routes in a Harness: filled from what is there, judged item by item, retried as production does."""

from collections.abc import Callable

import msgspec
import pytest

from ringmain import App, Batch, Dead, Message, Retry, Skip
from ringmain.testing.plugin import MakeHarness


class Order(msgspec.Struct):
    id: int


def orders(*ids: int) -> list[dict[str, int]]:
    return [{"id": each} for each in ids]


def app_of(handler: Callable[..., object]) -> App:
    app = App()
    app.batch_route("orders")(handler)  # type: ignore[type-var]
    return app


@pytest.mark.parametrize("is_async", [False, True])
def test_messages_that_are_there_together_are_a_batch_up_to_its_size(
    harness: MakeHarness, is_async: bool
) -> None:
    calls: list[list[int]] = []

    def load(batch: list[Order], messages: list[Message]) -> None:
        assert [message.offset for message in messages] == [order.id for order in batch]
        calls.append([order.id for order in batch])

    async def load_later(batch: list[Order], messages: list[Message]) -> None:
        load(batch, messages)

    stage = harness(
        app_of(load_later if is_async else load), {"routes": {"orders": {"batch": {"messages": 3}}}}
    )
    results = stage.send_all("orders", orders(*range(7)))
    assert sorted(map(len, calls)) == [1, 3, 3]
    assert sorted(each for call in calls for each in call) == list(range(7))
    assert [(result.outcome, result.attempts) for result in results] == [(None, 1)] * 7


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_batch_says_of_its_items_is_each_messages_own_outcome(
    harness: MakeHarness, is_async: bool
) -> None:
    def load(batch: list[Order]) -> Batch | None:
        if len(batch) == 1:
            return None
        return Batch(retry=[batch[0]], skip=[(batch[1], "twice")], dead=[(2, "never")], after_s=7)

    async def load_later(batch: list[Order]) -> Batch | None:
        return load(batch)

    stage = harness(app_of(load_later if is_async else load))
    results = stage.send_all("orders", orders(0, 1, 2, 3))
    assert [result.outcome for result in results] == [None, Skip("twice"), Dead("never"), None]
    assert [step.outcome for step in results[0].steps] == [Retry(7), None]
    assert stage.now_s == 10  # 7 on the ladder


def test_an_undecodable_message_spoils_nothing(harness: MakeHarness) -> None:
    calls: list[int] = []

    def load(batch: list[Order]) -> None:
        calls.append(len(batch))

    results = harness(app_of(load)).send_all("orders", [{"id": 1}, b"{", {"id": 2}])
    assert [isinstance(result.outcome, Dead) for result in results] == [False, True, False]
    assert [result.attempts for result in results] == [1, 0, 1]
    assert calls == [2]


@pytest.mark.parametrize("is_async", [False, True])
def test_of_a_batch_that_fails_only_the_guilty_message_ends_in_the_dead_set(
    harness: MakeHarness, is_async: bool
) -> None:
    def load(batch: list[Order]) -> None:
        if any(order.id == 2 for order in batch):
            raise ValueError("two")

    async def load_later(batch: list[Order]) -> None:
        load(batch)

    stage = harness(
        app_of(load_later if is_async else load), {"routes": {"orders": {"retry": {"attempts": 2}}}}
    )
    results = stage.send_all("orders", orders(1, 2, 3))
    assert [result.outcome for result in results] == [None, Dead("ValueError: two"), None]
    assert len(stage.dead) == 1
