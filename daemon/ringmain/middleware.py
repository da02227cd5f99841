"""Middlewares around a handler, put together once in each process.

A handler's plan enters; without middlewares the handler itself is what is called. Nothing here catches
anything: an exception passes through whoever wraps the call, and an outcome stands unless a middleware
returns another. One that forgets its `return` must not turn a Retry into done.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ringmain.errors import AppError
from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE, RouteSpec, is_async

Middleware = Callable[..., Any]
Entered = Callable[..., Any]
"""A handler within middlewares: entered(value, message)."""


def compose(spec: RouteSpec, middlewares: Sequence[Middleware]) -> RouteSpec:
    """The spec whose call goes through the middlewares, the first of them outermost.

    PERF: without any it is `spec` as it is; with some, every call is given its Message.
    """
    if not middlewares:
        return spec
    link = _async_link if spec.is_async else _link
    entered, takes_message = spec.call, bool(spec.wants & WANTS_MESSAGE)
    for middleware in reversed(middlewares):
        entered, takes_message = link(entered, middleware, takes_message), True
    if spec.wants & WANTS_ONLY_MESSAGE:
        return replace(spec, call=lambda message: entered(message, message))
    return replace(spec, call=entered, wants=spec.wants | WANTS_MESSAGE)


def _link(inner: Entered, middleware: Middleware, takes_message: bool) -> Entered:
    """One middleware around `inner`, in a process that makes one call at a time.

    PERF: `call` is made once and not for each message, which would cost as much as all the rest. `turn` is
    whose call it is: a call that a middleware left behind in a thread never speaks for a later message.
    """
    said = value = turn = None

    def call_with_value() -> Any:
        nonlocal said
        if (mine := turn) is None:
            raise AppError(_OVER)
        said = None  # of a call that is repeated, the last one counts
        result = inner(value)
        if mine is turn:
            said = result
        return result

    def call_with_both() -> Any:
        nonlocal said
        if (mine := turn) is None:
            raise AppError(_OVER)
        said = None
        result = inner(value, mine)
        if mine is turn:
            said = result
        return result

    call = call_with_both if takes_message else call_with_value

    def enter(argument: Any, message: Any) -> Any:
        nonlocal said, value, turn
        said, value, turn = None, argument, message
        try:
            result = middleware(call, message)
            return said if result is None else result
        finally:
            value = turn = None

    return enter


_OVER = "call() of a middleware was called after the middleware had returned; its message is settled"


def _async_link(inner: Entered, middleware: Middleware, takes_message: bool) -> Entered:
    """The same where calls overlap, so that each has a `call` of its own."""
    surely_awaited = is_async(middleware)

    async def enter(value: Any, message: Any) -> Any:
        said = waiting = None

        async def rest() -> Any:
            nonlocal said, waiting
            said = waiting = None
            said = await (inner(value, message) if takes_message else inner(value))
            return said

        def call() -> Any:
            nonlocal waiting
            waiting = rest()
            return waiting

        result = middleware(call, message)
        if surely_awaited or inspect.isawaitable(result):
            result = await result
        if result is None and waiting is not None:
            # LOSS: a middleware that called and forgot to await or to return what it got would have left its
            # message unhandled, and done.
            return await waiting
        return said if result is None else result

    return enter
