"""What handlers send in a Harness: kept, encoded, attributed; and a delivery that fails fails its message."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ringmain import App, Dead, Message
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
