"""What handlers send in a Harness: kept, encoded, attributed; and a delivery that fails fails its message."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ringmain import App, Dead, Message, Outcome, Skip
from ringmain.errors import AppError, DeliveryFailed
from ringmain.testing import Produced
from ringmain.testing.plugin import MakeHarness


class Order(msgspec.Struct):
    id: int


def app_of(make: Callable[[Any], Callable[..., object]]) -> App:
    app = App()
    app.route("orders")(make(app.producer("invoices")))  # type: ignore[type-var]
    return app


def sync(invoices: Any) -> Callable[..., object]:
    def handle(order: Order) -> None:
        invoices.send("paid", {"order": order.id}, key="k", headers={"trace": "1"})

    return handle


def later(invoices: Any) -> Callable[..., object]:
    async def handle(order: Order) -> None:
        sent = await invoices.send("paid", {"order": order.id}, key="k", headers={"trace": "1"})
        assert sent.topic == "paid"

    return handle


@pytest.mark.parametrize("make", [sync, later])
def test_what_a_call_sends_is_its_messages_own(harness: MakeHarness, make: Any) -> None:
    stage = harness(app_of(make))
    results = stage.send_all("orders", [{"id": 1}, {"id": 2}])
    expected = [
        Produced("invoices", "paid", b'{"order":%d}' % each, b"k", (("trace", b"1"),)) for each in (1, 2)
    ]
    assert [result.produced for result in results] == [(each,) for each in expected]
    assert stage.produced == expected
    assert [result.outcome for result in results] == [None, None]


@pytest.mark.parametrize("make", [sync, later])
def test_a_delivery_that_fails_fails_its_message(harness: MakeHarness, make: Any) -> None:
    stage = harness(app_of(make), {"routes": {"orders": {"retry": {"attempts": 2}}}})
    stage.refuse("paid", "topic not authorised")
    result = stage.send("orders", {"id": 1})
    assert result.attempts == 2
    assert isinstance(result.outcome, Dead)
    assert result.dead is not None
    assert "topic not authorised" in result.dead.error_message
    assert stage.produced == []


def test_a_failure_that_the_handler_judged_fails_nothing(harness: MakeHarness) -> None:
    def make(invoices: Any) -> Callable[..., object]:
        def handle(order: Order) -> None:
            with pytest.raises(DeliveryFailed):
                invoices.send("paid", None).result()

        return handle

    stage = harness(app_of(make))
    stage.refuse("paid")
    assert stage.send("orders", {"id": 1}).outcome is None


def test_partition_time_and_tombstone_are_kept_as_they_were_given(harness: MakeHarness) -> None:
    def make(invoices: Any) -> Callable[..., object]:
        def handle(order: Order, message: Message) -> None:
            invoices.send("paid", None, b"k", partition=3, timestamp_ms=5)

        return handle

    result = harness(app_of(make)).send("orders", {"id": 1})
    assert result.produced == (Produced("invoices", "paid", None, b"k", (), 3, 5),)


def test_of_two_apps_each_sends_to_its_own_harness_and_none_after_the_end(harness: MakeHarness) -> None:
    app = app_of(sync)
    first = harness(app)
    first.send("orders", {"id": 1})
    first.close()
    with pytest.raises(AppError, match=r"ringmain\.testing\.Harness"):
        app.producer("invoices").send("paid", b"")
    second = harness(app)
    second.send("orders", {"id": 2})
    assert [each.value for each in (*first.produced, *second.produced)] == [b'{"order":1}', b'{"order":2}']


def test_a_transactional_route_is_called_and_sends_as_any(harness: MakeHarness) -> None:
    result = harness(app_of(sync), {"routes": {"orders": {"transactional": True}}}).send("orders", {"id": 1})
    assert [each.value for each in result.produced] == [b'{"order":1}']


def test_of_a_transactional_route_only_what_calls_sent_that_ended_well_is_produced(
    harness: MakeHarness,
) -> None:
    app = App()
    out = app.producer("out")

    @app.route("orders")
    def handle(order: Order, message: Message) -> Outcome:
        out.send("bills", {"order": order.id, "attempt": message.attempt})
        if order.id == 2:
            return Dead("no")
        if order.id == 3:
            return Skip("seen")
        if message.attempt == 1:
            raise ValueError("not yet")
        return None

    one = harness(app, {"routes": {"orders": {"transactional": True}}})
    results = [one.send("orders", {"id": number}) for number in (1, 2, 3)]
    sent = [[each.value for each in result.produced] for result in results]
    assert sent == [[b'{"order":1,"attempt":2}'], [], [b'{"order":3,"attempt":1}']]
    assert [each.value for each in one.produced] == [b'{"order":1,"attempt":2}', b'{"order":3,"attempt":1}']


@pytest.mark.parametrize("about", [{"key": 5}, {"headers": {"tries": 1}}])
def test_a_key_or_a_header_that_kafka_cannot_have_is_said(harness: MakeHarness, about: Any) -> None:
    with pytest.raises(TypeError, match=r"a key or a header's content is str, bytes or None, found int"):
        harness(app_of(sync)).send("orders", {"id": 1}, **about)
