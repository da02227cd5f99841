"""What comes out of a call with middlewares around it: the handler's outcome, unless one says another."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ringmain.app import App
from ringmain.message import Message
from ringmain.middleware import compose
from ringmain.outcome import Dead, Outcome, Retry, Skip

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
