"""The app's on_start and on_stop, sync or async, once in each process.

`run` enters around the loop. A hook that fails at the start keeps the process from coming to work; one that
fails at the end is logged and nothing else.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ringmain.errors import AppError
from ringmain.handle import trace
from ringmain.signature import place_of

_log = logging.getLogger(__name__)
Hook = Callable[[], Any]


def start(hooks: Sequence[Hook], events: asyncio.AbstractEventLoop) -> None:
    """Call them in the order they were registered; the first failure is an AppError."""
    for hook in hooks:
        try:
            _call(hook, events)
        except BaseException as error:
            _log.error("on_start failed", extra={"hook": place_of(hook), "traceback": trace.text_of(error)})
            said = f"{trace.class_name(error)}: {trace.message_of(error)}"
            raise AppError(f"{place_of(hook)}: on_start failed: {said}") from error


def stop(hooks: Sequence[Hook], events: asyncio.AbstractEventLoop) -> None:
    """Call them all, the last registered first."""
    for hook in reversed(hooks):
        try:
            _call(hook, events)
        except BaseException as error:
            _log.error("on_stop failed", extra={"hook": place_of(hook), "traceback": trace.text_of(error)})


def _call(hook: Hook, events: asyncio.AbstractEventLoop) -> None:
    result = hook()
    if inspect.isawaitable(result):
        events.run_until_complete(_awaited(result))


async def _awaited(result: Any) -> None:
    await result
