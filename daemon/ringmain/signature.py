"""What a handler's signature says: which value it takes, whether it wants the message, how it is called.

App enters when a function is registered. The function is looked at, never called, and nothing is kept but the
RouteSpec; whether the value can be decoded from the route's format is the formats' to say.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringmain.errors import AppError
from ringmain.message import Message
from ringmain.outcome import Batch, OutcomeValue
from ringmain.returns import check_return

WANTS_VALUE = 1
"""The first argument is the decoded value; the numbers are `_fastpath`'s."""
WANTS_RAW = 2
"""The first argument is the value's bytes."""
WANTS_MESSAGE = 4
"""The second argument is the Message."""
WANTS_ONLY_MESSAGE = 8
"""The Message is the only argument."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_SHAPES = (
    "(value: TYPE), (value: TYPE, message: Message), (value: bytes) or (message: Message); "
    "`*, key: TYPE` may follow"
)
_BATCH_SHAPES = (
    "(values: list[TYPE]), (values: list[TYPE], messages: list[Message]), (values: list[bytes]) or "
    "(messages: list[Message])"
)
KEY = "key"
"""The name of a handler's keyword parameter that is given the message's key."""


@dataclass(frozen=True)
class RouteSpec:
    """One handler as the app registered it."""

    name: str
    """The route's."""
    call: Callable[..., Any] = field(repr=False)
    type: Any
    """What the value is decoded into; bytes when it is not decoded."""
    wants: int
    """WANTS_… bits: how `call` takes its arguments."""
    accepts_none: bool
    """Whether a tombstone (a message without a value) may reach it."""
    is_async: bool
    dead_on: tuple[type[BaseException], ...] = ()
    skip_on: tuple[type[BaseException], ...] = ()
    place: str = ""
    """file:line of the handler, for messages."""
    channel: str = ""
    """Empty = the route's own handler."""
    key_type: Any = None
    """What the key is decoded into for the parameter `key`; None = the handler has none."""
    batch: bool = False
    """Whether it takes lists: many messages in one call."""

    @property
    def subject(self) -> str:
        """What it handles, for messages."""
        return subject(self.name, self.channel)


def subject(route: str, channel: str) -> str:
    """`route 'orders'`, or `channel 'express' of route 'orders'`."""
    return f"channel {channel!r} of route {route!r}" if channel else f"route {route!r}"


def place_of(function: Callable[..., Any]) -> str:
    """`file:line` of a function, as far as it can be known."""
    plain = inspect.unwrap(getattr(function, "func", function))
    code = getattr(plain, "__code__", None) or getattr(getattr(plain, "__call__", None), "__code__", None)  # noqa: B004
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine: `async def`, a partial of one, an object with such a __call__."""
    called = getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def check_hook(function: Callable[..., Any], what: str) -> None:
    """Refuse an on_start or on_stop hook that needs arguments, or is a generator."""
    place = place_of(function)
    _check_callable(function, what, place)
    for parameter in _signature(function, what, place).parameters.values():
        if parameter.default is parameter.empty and parameter.kind not in _VARIADIC:
            raise AppError(f"{place}: {what} is called without arguments; {parameter.name!r} needs a default")


def check_middleware(function: Callable[..., Any]) -> None:
    """Refuse a middleware that cannot be called as m(call, message)."""
    place = place_of(function)
    _check_callable(function, "middleware", place)
    try:
        _signature(function, "middleware", place).bind(None, None)
    except TypeError as error:
        raise AppError(f"{place}: middleware is called as m(call, message): {error}") from None


def takes_one_message(middleware: Callable[..., Any]) -> bool:
    """Whether its second parameter is annotated Message, and so cannot be a batch's list of them."""
    parameters = [p for p in inspect.signature(middleware).parameters.values() if p.kind in _POSITIONAL]
    plain = getattr(middleware, "func", middleware)
    annotated = plain if hasattr(plain, "__annotations__") else getattr(plain, "__call__", plain)  # noqa: B004
    try:
        hints = typing.get_type_hints(annotated)
    except (NameError, TypeError):
        return False
    return len(parameters) > 1 and _is_message(hints.get(parameters[1].name))


def inspect_handler(
    name: str, channel: str, function: Callable[..., Any], names: Mapping[str, Any], batch: bool = False
) -> RouteSpec:
    """The spec of a handler without its exception classes; `names` are the local ones where it stands."""
    place = place_of(function)
    what = f"the {'batch ' if batch else ''}handler of {subject(name, channel)}"
    _check_callable(function, what, place)
    signature, shapes = _signature(function, what, place), _BATCH_SHAPES if batch else _SHAPES
    parameters = _needed(signature, what, place, shapes)
    hints = _annotations(function, names, what, place)
    if batch:
        _check_batch(signature, what, place)
        hints |= {p.name: _item(hints.get(p.name), p.name, what, place) for p in parameters}
    first = hints.get(parameters[0].name)
    if first is None:
        raise AppError(
            f"{place}: {what} has no annotation on {parameters[0].name!r}; it decides the decoding, "
            "write dict, a Struct, bytes or Message"
        )
    value_type, accepts_none = _without_none(first)
    with_message = len(parameters) == 2
    if with_message and not _is_message(hints.get(parameters[1].name)):
        raise AppError(f"{place}: {what} needs {parameters[1].name!r} annotated Message; it takes {shapes}")
    wants, value_type = _wants(value_type, first)
    if with_message and wants == WANTS_ONLY_MESSAGE:
        raise AppError(f"{place}: {what} asks for the Message twice; it takes {shapes}")
    kinds = (Batch, OutcomeValue) if batch else (OutcomeValue,)
    check_return(hints.get("return", Any), kinds, is_async(function), what, place)
    return RouteSpec(
        name=name,
        call=function,
        type=value_type,
        wants=wants | (WANTS_MESSAGE if with_message else 0),
        accepts_none=accepts_none or wants == WANTS_ONLY_MESSAGE,
        is_async=is_async(function),
        place=place,
        channel=channel,
        key_type=_key_type(signature, hints, what, place),
        batch=batch,
    )


def _check_batch(signature: inspect.Signature, what: str, place: str) -> None:
    if _is_key(signature.parameters.get(KEY)):
        raise AppError(f"{place}: {what} takes no 'key'; take messages: list[Message], each has its own")


def _item(annotation: Any, name: str, what: str, place: str) -> Any:
    """`list[Order]` -> Order."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) is not list:
        raise AppError(
            f"{place}: {what} needs {name!r} annotated as a list that says of what, as in list[Order]; it "
            f"takes {_BATCH_SHAPES}"
        )
    return typing.get_args(annotation)[0]


def _wants(value_type: Any, annotation: Any) -> tuple[int, Any]:
    if value_type is bytes:
        return WANTS_RAW, bytes
    if _is_message(value_type):
        return WANTS_ONLY_MESSAGE, Message
    return WANTS_VALUE, annotation


def _key_type(signature: inspect.Signature, hints: Mapping[str, Any], what: str, place: str) -> Any:
    if not _is_key(signature.parameters.get(KEY)):
        return None
    if KEY not in hints:
        raise AppError(f"{place}: {what} has no annotation on 'key'; write key: int, str, bytes or a Struct")
    return hints[KEY]


def _is_key(parameter: inspect.Parameter | None) -> bool:
    return parameter is not None and parameter.kind is parameter.KEYWORD_ONLY and parameter.name == KEY


def _check_callable(function: Any, what: str, place: str) -> None:
    if not callable(function) or isinstance(function, type):
        raise AppError(f"{place}: {what} is a function, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise AppError(f"{place}: {what} is a generator and would never run; remove its yield")


def _signature(function: Callable[..., Any], what: str, place: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise AppError(f"{place}: {what} has no signature to read: {error}; wrap it in a function") from None


def _needed(signature: inspect.Signature, what: str, place: str, shapes: str) -> list[inspect.Parameter]:
    """The one or two parameters that ringmain fills; others are fine if they have defaults."""
    needed = [
        p
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind not in _VARIADIC and not _is_key(p)
    ]
    positional = [p for p in signature.parameters.values() if p.kind in _POSITIONAL]
    if not needed and positional:
        needed = positional[:1]
    if not 1 <= len(needed) <= 2 or any(p.kind not in _POSITIONAL for p in needed):
        raise AppError(f"{place}: {what} is {_shown(signature)}; it takes {shapes}")
    return needed


def _annotations(
    function: Callable[..., Any], names: Mapping[str, Any], what: str, place: str
) -> dict[str, Any]:
    plain: Any = getattr(function, "func", function)
    if not hasattr(plain, "__annotations__"):
        plain = plain.__call__
    try:
        return typing.get_type_hints(plain, localns=dict(names), include_extras=True)
    except NameError as error:
        raise AppError(f"{place}: {what}: {error}; define the type above the handler") from None
    except Exception as error:
        raise AppError(f"{place}: {what} has an annotation that is not a type: {_shown(error)}") from None


def _shown(what: object) -> str:
    """As the author wrote it: Message is imported from ringmain, wherever it was made."""
    text = str(what) if isinstance(what, inspect.Signature | Exception) else repr(what)
    return text.replace(f"{Message.__module__}.Message", "Message")


def _is_message(annotation: Any) -> bool:
    return _bare(annotation) is Message


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """`Order | None` -> (Order, True); what is not a union with None stays as it is, without its names."""
    annotation = _bare(annotation)
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation, False
    members = typing.get_args(annotation)
    others = tuple(member for member in members if member is not types.NoneType)
    if len(others) == len(members):
        return annotation, False
    return _bare(typing.Union[others]), True  # noqa: UP007


def _bare(annotation: Any) -> Any:
    """What an alias, a NewType or an Annotated stands for: a name for bytes or Message is that itself."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = annotation.__origin__
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif (meant := getattr(annotation, "__value__", annotation)) is not annotation:
            annotation = meant  # type X = ... of Python 3.12
        else:
            return annotation
