"""What comes out of a call with middlewares around it: the handler's outcome, unless one says another."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from ringmain.app import App
from ringmain.errors import AppError
from ringmain.message import Message
from ringmain.middleware import compose
from ringmain.outcome import Dead, Outcome, Retry, Skip
from ringmain.signature import takes_one_message

MESSAGE = Message(b"{}")
Call = Callable[[], Any]


def forgets(call: Call, message: Message) -> Any:
    call()


def replaces(call: Call, message: Message) -> Any:
    call()
    return Skip("instead")


def leaves_out(call: Call, message: Message) -> Any: ...


def calls_twice(call: Call, message: Message) -> Any:
    call()
    call()


async def forgets_later(call: Callable[[], Awaitable[Any]], message: Message) -> Any:
    await call()


async def never_awaits(call: Callable[[], Awaitable[Any]], message: Message) -> Any:
    call()


async def shields(call: Callable[[], Awaitable[Any]], message: Message) -> Any:
    await call()
    try:
        await call()
    except ConnectionError:
        return None


def said(outcomes: list[Any], *middlewares: Any, later: bool = False) -> Any:
    """What a handler that gives these outcomes in turn comes to, within the middlewares."""
    left = iter(outcomes)

    def give() -> Outcome:
        outcome = next(left)
        if isinstance(outcome, ConnectionError):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    app = App()
    if later:

        @app.route("orders")
        async def handle_later(order: dict[str, Any]) -> Outcome:
            return give()
    else:

        @app.route("orders")
        def handle(order: dict[str, Any]) -> Outcome:
            return give()

    result = compose(app.handler_of("orders"), middlewares).call({}, MESSAGE)
    return asyncio.run(result) if later else result


@pytest.mark.parametrize("outcome", [None, Retry(5), Dead("no"), "a stray value"])
@pytest.mark.parametrize(
    ("middlewares", "later"),
    [
        ((forgets,), False),
        ((forgets, forgets), False),
        ((forgets,), True),
        ((forgets_later, forgets), True),
        ((forgets, forgets_later), True),
    ],
)
def test_a_middleware_that_forgets_its_return_changes_nothing(
    outcome: Any, middlewares: Any, later: bool
) -> None:
    assert said([outcome], *middlewares, later=later) == outcome


def test_a_plain_middleware_that_drops_an_async_call_has_it_made_all_the_same() -> None:
    assert said([Retry(5)], forgets, later=True) == Retry(5)
    assert said([Retry(5)], never_awaits, later=True) == Retry(5)


def test_a_middleware_may_say_another_outcome() -> None:
    assert said([Retry(5)], replaces) == Skip("instead")
    assert said([Retry(5)], forgets, replaces) == Skip("instead")


def test_a_middleware_that_never_calls_has_chosen_done() -> None:
    assert said([Retry(5)], leaves_out) is None


def test_of_a_call_that_is_repeated_the_last_one_counts() -> None:
    assert said([Retry(5), None], calls_twice) is None
    assert said([None, Retry(5)], calls_twice) == Retry(5)
    assert said([Retry(5), ConnectionError()], shields, later=True) is None


Handler = Callable[..., Any]


def within(handler: Handler, *middlewares: Any) -> Handler:
    """The handler as its process calls it."""
    app = App()
    app.route("orders")(handler)
    return compose(app.handler_of("orders"), middlewares).call


def test_the_first_registered_is_the_outermost_and_each_gets_the_message() -> None:
    seen: list[tuple[str, Any]] = []

    def outer(call: Call, message: Message) -> Any:
        seen.append(("outer", message))
        return call()

    def inner(call: Call, message: Message) -> Any:
        seen.append(("inner", message))
        return call()

    def value(order: dict[str, Any]) -> None:
        seen.append(("handler", order))

    def both(order: dict[str, Any], message: Message) -> None:
        seen.append(("handler", (order, message)))

    def only(message: Message) -> None:
        seen.append(("handler", message))

    around = [("outer", MESSAGE), ("inner", MESSAGE)]
    for handler, arguments, given in (
        (value, ({"id": 1}, MESSAGE), {"id": 1}),
        (both, ({"id": 1}, MESSAGE), ({"id": 1}, MESSAGE)),
        (only, (MESSAGE,), MESSAGE),
    ):
        within(handler, outer, inner)(*arguments)
        assert seen == [*around, ("handler", given)]
        seen.clear()


def test_an_exception_passes_through_and_leaves_nothing_for_the_next_call() -> None:
    def fails_on_one(order: int) -> Outcome:
        if order == 1:
            raise ConnectionError
        return None if order == 2 else Dead("three")

    call = within(fails_on_one, forgets, forgets)
    assert call(3, MESSAGE) == Dead("three")
    with pytest.raises(ConnectionError):
        call(1, MESSAGE)
    assert call(2, MESSAGE) is None


def test_a_call_after_its_middleware_returned_is_refused() -> None:
    kept: list[Call] = []
    handled: list[int] = []

    def keeps(call: Call, message: Message) -> Any:
        kept.append(call)
        return call()

    def handle(order: int) -> None:
        handled.append(order)

    within(handle, keeps)(7, MESSAGE)
    with pytest.raises(AppError, match="after the middleware had returned"):
        kept[0]()
    assert handled == [7]


def test_a_call_left_behind_in_a_thread_does_not_speak_for_a_later_message() -> None:
    # Given a middleware that gives up waiting for the first message's call
    begun, release, left = Event(), Event(), []

    def handle(order: int) -> Outcome:
        if order != 1:
            return None
        begun.set()
        release.wait(10)
        return Dead("of the first")

    with ThreadPoolExecutor(1) as pool:

        def gives_up(call: Call, message: Message) -> Any:
            if message.offset != 1:
                call()
                release.set()
                left[0].result(10)
                return None
            late: Future[Any] = pool.submit(call)
            left.append(late)
            begun.wait(10)
            return Retry(5)

        call = within(handle, gives_up)
        assert call(1, Message(b"1", offset=1)) == Retry(5)
        # When that call ends within the second message's
        said_of_second = call(2, Message(b"2", offset=2))
    # Then the second message's own outcome stands
    assert said_of_second is None
    assert left[0].result() == Dead("of the first")


def test_a_middleware_around_a_batch_gets_its_messages_and_is_told_so_beforehand() -> None:
    app, seen = App(), []

    @app.batch_route("orders")
    def load(orders: list[dict[str, Any]], messages: list[Message]) -> None:
        seen.append(("handler", orders, messages))

    def takes_both(call: Call, message: Message | list[Message]) -> Any:
        seen.append(("middleware", message))
        return call()

    def unannotated(call, message): ...
    def takes_one(call: Call, message: Message) -> Any: ...

    batch = compose(app.handler_of("orders"), [takes_both]).call
    batch([{"id": 1}], [MESSAGE])
    assert seen == [("middleware", [MESSAGE]), ("handler", [{"id": 1}], [MESSAGE])]
    assert [takes_one_message(one) for one in (takes_both, unannotated, takes_one)] == [False, False, True]


def test_async_calls_that_overlap_keep_their_own_outcomes() -> None:
    async def both() -> list[Any]:
        turn = asyncio.Event()

        async def handle(order: int) -> Outcome:
            if order == 1:
                await turn.wait()
                return None
            turn.set()
            return Dead("two")

        call = within(handle, forgets_later)
        return list(await asyncio.gather(call(1, MESSAGE), call(2, MESSAGE)))

    assert asyncio.run(both()) == [None, Dead("two")]
