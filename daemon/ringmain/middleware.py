"""Middlewares around a handler, put together once in each process.

The handler process enters after on_start; without middlewares the handler itself is what is called. Nothing
here catches anything: an exception passes through whoever wraps the call, and an outcome stands unless a
middleware returns another. One that forgets its `return` must not turn a Retry into done.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE, RouteSpec

Middleware = Callable[..., Any]


def compose(spec: RouteSpec, middlewares: Sequence[Middleware]) -> RouteSpec:
    """The spec whose call goes through the middlewares, the first of them outermost.

    PERF: without any it is `spec` as it is; with some, every call is given its Message.
    """
    if not middlewares:
        return spec
    chain = _async_chain if spec.is_async else _chain
    entered = chain(spec.call, tuple(middlewares))
    if spec.wants & (WANTS_MESSAGE | WANTS_ONLY_MESSAGE):
        return replace(spec, call=lambda *arguments: entered(0, arguments[-1], arguments))
    return replace(
        spec,
        call=lambda value, message: entered(0, message, (value,)),
        wants=spec.wants | WANTS_MESSAGE,
    )


def _chain(handler: Callable[..., Any], middlewares: tuple[Middleware, ...]) -> Callable[..., Any]:
    def enter(depth: int, message: Any, arguments: tuple[Any, ...]) -> Any:
        if depth == len(middlewares):
            return handler(*arguments)
        said = None

        def call() -> Any:
            nonlocal said
            said = None  # of a call that is repeated, the last one counts
            said = enter(depth + 1, message, arguments)
            return said

        result = middlewares[depth](call, message)
        return said if result is None else result

    return enter


def _async_chain(handler: Callable[..., Any], middlewares: tuple[Middleware, ...]) -> Callable[..., Any]:
    async def enter(depth: int, message: Any, arguments: tuple[Any, ...]) -> Any:
        if depth == len(middlewares):
            return await handler(*arguments)
        said, begun = None, None

        async def inner() -> Any:
            nonlocal said
            said = None
            said = await enter(depth + 1, message, arguments)
            return said

        def call() -> Any:
            nonlocal begun
            begun = inner()
            return begun

        result = middlewares[depth](call, message)
        if inspect.isawaitable(result):
            result = await result
        if result is None and begun is not None and inspect.getcoroutinestate(begun) == inspect.CORO_CREATED:
            # LOSS: a sync middleware that called and forgot to return what it got would have left its message
            # unhandled, and done.
            return await begun
        return said if result is None else result

    return enter
