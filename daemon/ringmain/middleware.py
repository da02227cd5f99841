"""Middlewares around a handler, put together once in each process.

The handler process enters after on_start; without middlewares the handler itself is what is called. Nothing
here decides or catches anything: an outcome or an exception passes through whoever wraps the call.
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
        return middlewares[depth](lambda: enter(depth + 1, message, arguments), message)

    return enter


def _async_chain(handler: Callable[..., Any], middlewares: tuple[Middleware, ...]) -> Callable[..., Any]:
    async def enter(depth: int, message: Any, arguments: tuple[Any, ...]) -> Any:
        if depth == len(middlewares):
            return await handler(*arguments)
        result = middlewares[depth](lambda: enter(depth + 1, message, arguments), message)
        return await result if inspect.isawaitable(result) else result

    return enter
