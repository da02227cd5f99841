"""What a handler's return annotation says, and whether that is an outcome.

The look at a signature enters, when a function is registered. Nothing is called; a handler that does not say
what it returns is believed, and judged by each value that it returns.
"""

import types
import typing
from collections.abc import Iterator
from typing import Any

from ringmain.errors import AppError
from ringmain.outcome import OutcomeValue

_AWAITED = {"Awaitable", "Coroutine", "Future", "Task"}
_ANYTHING = (typing.NoReturn, typing.Never, Any, object)


def check_return(annotation: Any, kinds: tuple[type, ...], is_async: bool, what: str, place: str) -> None:
    """Refuse what is no outcome: `kinds`, None, or a type of which nothing can be known."""
    for one in _members(annotation):
        if one is None or one is types.NoneType or one in _ANYTHING or isinstance(one, typing.TypeVar):
            continue
        if isinstance(one, type) and issubclass(one, kinds):
            continue
        if not is_async and getattr(typing.get_origin(one) or one, "__name__", "") in _AWAITED:
            raise AppError(f"{place}: {what} returns {_name(one)} but is no `async def`; make it one")
        raise AppError(
            f"{place}: {what} returns {_name(one)}, which is no outcome: its messages would go to the dead "
            f"set; return {said(kinds)}"
        )


def said(kinds: tuple[type, ...]) -> str:
    """`None, Retry, … or Pause`, for messages."""
    names = ["None"]
    for kind in kinds:
        names += [one.__name__ for one in kind.__subclasses__()] if kind is OutcomeValue else [kind.__name__]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _members(annotation: Any) -> Iterator[Any]:
    """The types of a union, of an alias of one, of an annotated one."""
    annotation = getattr(annotation, "__value__", annotation)  # type X = … of Python 3.12
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(annotation.__origin__)
    elif origin in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _members(one)
    else:
        yield annotation


def _name(one: Any) -> str:
    return one.__name__ if isinstance(one, type) and not typing.get_origin(one) else str(one)
