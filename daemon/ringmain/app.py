"""The App: what a handler's author registers functions with.

Handler authors enter; handler processes, the probe and `ringmain check` read what was registered. Registering
inspects and remembers, it never calls; nothing here opens, forks or connects.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Protocol, get_args

from ringmain.codec import Codec
from ringmain.errors import AppError
from ringmain.mistakes import noted
from ringmain.nearest import nearest
from ringmain.producer import Carry, Producer
from ringmain.shapes import BatchHandler, Handler, Hook, Middleware
from ringmain.signature import (
    WANTS_VALUE,
    RouteSpec,
    check_hook,
    check_middleware,
    inspect_handler,
    is_async,
    place_of,
    subject,
    takes_one_message,
)
from ringmain.types import Format

Classes = type[BaseException] | Iterable[type[BaseException]]
Outcomes = tuple[tuple[type[BaseException], ...], tuple[type[BaseException], ...]]
"""The classes of dead_on, and those of skip_on."""

_NAME = re.compile(r"[a-z0-9_-]+")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
RESERVED_PATHS = frozenset({"api", "health", "metrics", "openapi.json", "page", "ping"})
"""First parts of the admin's own addresses."""


class ChannelSettings(Protocol):
    """What an app must fit, of a channel in the config."""

    @property
    def concurrency(self) -> int | None: ...


class BatchSettings(Protocol):
    """How much becomes one call."""

    @property
    def messages(self) -> int: ...


class RouteSettings(ChannelSettings, Protocol):
    """The same of a route."""

    @property
    def format(self) -> str: ...
    @property
    def through(self) -> str | None: ...
    @property
    def channels(self) -> Mapping[str, ChannelSettings]: ...
    @property
    def producer(self) -> object | None: ...
    @property
    def transactional(self) -> bool: ...
    @property
    def batch(self) -> BatchSettings: ...


class Settings(Protocol):
    """What an app must fit, of the config."""

    @property
    def routes(self) -> Mapping[str, RouteSettings]: ...
    @property
    def producers(self) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class Mount:
    """HTTP routes of the author's own, at a prefix."""

    prefix: str
    target: Any
    """A Falcon resource, or a WSGI app."""
    is_resource: bool
    public: bool
    place: str


class App:
    """Handlers by route and channel ("" = the route's own), and what surrounds them.

    `state` is the author's own, for connections.
    """

    def __init__(self) -> None:
        self.state = SimpleNamespace()
        self.handlers: dict[tuple[str, str], RouteSpec] = {}
        self.start_hooks: list[Callable[[], Any]] = []
        self.stop_hooks: list[Callable[[], Any]] = []
        self.middlewares: list[Callable[..., Any]] = []
        self.mounts: dict[str, Mount] = {}
        self.producers: dict[str, Producer] = {}
        self.carriers: list[Carry] = []
        self.codecs: dict[str, Codec] = {}

    def route(
        self, name: str, *, dead_on: Classes = (), skip_on: Classes = ()
    ) -> Callable[[Handler], Handler]:
        """Make the function the handler of `[routes.NAME]`; it is returned unchanged.

        An exception of a class in `dead_on` sends its message to the dead set at once, one in `skip_on` skips
        it; of several that fit, the closest base class decides.
        """
        place = _caller()
        if callable(name):
            raise AppError(f'{place}: a route needs its name: write @app.route("NAME")')
        _check_name(name, "route", place)
        outcomes = _outcomes(subject(name, ""), dead_on, skip_on, place)
        return self._registrar((name, ""), outcomes, sys._getframe(1).f_locals)

    def batch_route(
        self, name: str, *, dead_on: Classes = (), skip_on: Classes = ()
    ) -> Callable[[BatchHandler], BatchHandler]:
        """Make the function the handler of `[routes.NAME]` that takes lists, as `[routes.NAME.batch]` says.

        It is returned unchanged. Of an exception that `dead_on` or `skip_on` names nobody knows which message
        it is about: each of the batch is called alone at once, and the classes judge that one.
        """
        place = _caller()
        if callable(name):
            raise AppError(f'{place}: a batch route needs its name: write @app.batch_route("NAME")')
        _check_name(name, "route", place)
        outcomes = _outcomes(subject(name, ""), dead_on, skip_on, place)
        names = sys._getframe(1).f_locals

        def register(function: BatchHandler) -> BatchHandler:
            with noted():
                self._register(inspect_handler(name, "", function, names, batch=True), outcomes)
            return function

        return register

    def channel(
        self, route: str, channel: str = "", *, dead_on: Classes = (), skip_on: Classes = ()
    ) -> Callable[[Handler], Handler]:
        """Make the function the handler of `[routes.ROUTE.channels.CHANNEL]`, of what `To(channel)` sends.

        It is returned unchanged; `dead_on` and `skip_on` are as those of `route`.
        """
        place = _caller()
        if callable(route) or not channel:
            raise AppError(
                f'{place}: a channel needs its route and its name: write @app.channel("ROUTE", "NAME")'
            )
        _check_name(route, "route", place)
        _check_name(channel, "channel", place)
        outcomes = _outcomes(subject(route, channel), dead_on, skip_on, place)
        return self._registrar((route, channel), outcomes, sys._getframe(1).f_locals)

    def _registrar(
        self, of: tuple[str, str], outcomes: Outcomes, names: Mapping[str, Any]
    ) -> Callable[[Handler], Handler]:
        def register(function: Handler) -> Handler:
            with noted():
                self._register(inspect_handler(*of, function, names), outcomes)
            return function

        return register

    def _register(self, spec: RouteSpec, outcomes: Outcomes) -> None:
        of = spec.name, spec.channel
        if (first := self.handlers.get(of)) is not None:
            raise AppError(f"{spec.place}: {spec.subject} already has a handler, at {first.place}")
        self.handlers[of] = replace(spec, dead_on=outcomes[0], skip_on=outcomes[1])

    def on_start(self, function: Hook) -> Hook:
        """Call it once in each handler process, after the fork and before the first message."""
        with noted():
            check_hook(function, "on_start")
        self.start_hooks.append(function)
        return function

    def on_stop(self, function: Hook) -> Hook:
        """Call it once in each handler process, after its last message."""
        with noted():
            check_hook(function, "on_stop")
        self.stop_hooks.append(function)
        return function

    def middleware(self, function: Middleware) -> Middleware:
        """Wrap each call: `def m(call, message): … return call()`; the first registered is the outermost."""
        with noted():
            check_middleware(function)
        self.middlewares.append(function)
        return function

    def codec(self, name: str, codec: Codec) -> None:
        """A format of your own, for `routes.R.format = NAME` and `producers.P.format = NAME`."""
        place = _caller()
        _check_name(name, "format", place)
        if not isinstance(codec, Codec):
            raise AppError(f"{place}: a codec is ringmain.Codec(decode, encode), not {codec!r}")
        if name in get_args(Format) or name in self.codecs:
            raise AppError(f"{place}: there is a format {name!r} already; give yours another name")
        self.codecs[name] = codec

    def producer(self, name: str) -> Producer:
        """What sends as `[producers.NAME]` or `[routes.NAME.producer]` says; the same for one name."""
        place = _caller()
        _check_name(name, "producer", place)
        return self.producers.setdefault(name, Producer(name, place, self.carriers))

    def mount(self, prefix: str, target: Any, public: bool = False) -> None:
        """Serve a Falcon resource, or a WSGI app such as falcon.App(), at `prefix` and below.

        Behind the admin's token unless `public`; on a server of its own with `[http]`. The target sees its
        prefix as SCRIPT_NAME. `on_start` hooks run in handlers only, not there.
        """
        place = _caller()
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise AppError(
                f'{place}: {prefix!r} is no prefix for a mount; write "/NAME", without an end slash'
            )
        if (first := prefix.split("/")[1]) in RESERVED_PATHS:
            raise AppError(f"{place}: /{first} is the admin's own; mount at another prefix")
        if (earlier := self.mounts.get(prefix)) is not None:
            raise AppError(f"{place}: {prefix} is mounted already, at {earlier.place}")
        is_resource = any(callable(getattr(target, f"on_{method}", None)) for method in _METHODS)
        if not is_resource and (not callable(target) or is_async(type(target).__call__)):
            raise AppError(f"{place}: {target!r} is neither a Falcon resource nor a WSGI app")
        self.mounts[prefix] = Mount(prefix, target, is_resource, public, place)

    def handler_of(self, route: str, channel: str = "") -> RouteSpec:
        """What was registered for a route, or for one of its channels."""
        if (spec := self.handlers.get((route, channel))) is None:
            raise AppError(f"{subject(route, channel)} has no handler in the app")
        return spec

    def unhandled(self, config: Settings) -> list[str]:
        """Routes without a handler of their own, which is fine where `through` leads past it."""
        return [name for name in config.routes if (name, "") not in self.handlers]

    def problems(self, config: Settings) -> list[str]:
        """Why this app does not fit that config, one sentence each; empty when it does."""
        found = [
            f"route {name!r} is in the config but has no handler; add @app.route({name!r})"
            for name in self.unhandled(config)
            if config.routes[name].through is None
        ]
        found += [
            f"channel {channel!r} of route {name!r} is in the config but has no handler; "
            f"add @app.channel({name!r}, {channel!r})"
            for name, settings in config.routes.items()
            for channel in settings.channels
            if (name, channel) not in self.handlers
        ]
        for spec in self.handlers.values():
            found += _strangers(spec, config) or self._misfits(spec, config.routes[spec.name])
        return found + _unknown_producers(self.producers.values(), config)

    def check(self, config: Settings) -> None:
        """AppError with all that does not fit."""
        if found := self.problems(config):
            raise AppError("\n".join(found))

    def _misfits(self, spec: RouteSpec, settings: RouteSettings) -> list[str]:
        found = []
        if settings.format == "raw" and spec.wants & WANTS_VALUE:
            found.append(
                f"{spec.place}: routes.{spec.name}.format is raw; annotate the value bytes, or name a format"
            )
        if settings.transactional and (spec.is_async or spec.batch):
            kind = "a batch route" if spec.batch else "`async def`"
            found.append(
                f"{spec.place}: routes.{spec.name}.transactional: the handler is {kind}; a process has one "
                "transaction at a time, made of plain calls that follow one another"
            )
        if not (spec.batch or settings.transactional) and _is_set(settings.batch):
            found.append(
                f"{spec.place}: [routes.{spec.name}.batch] is for a batch route; "
                f"write @app.batch_route({spec.name!r})"
            )
        if not spec.is_async:
            found += _too_concurrent(spec, settings)
            found += [
                f"{place_of(m)}: an async middleware cannot wrap the sync handler of {spec.subject}"
                for m in self.middlewares
                if is_async(m)
            ]
        if spec.batch:
            found += [
                f"{place_of(m)}: around {spec.subject}, a batch route, a middleware gets list[Message]; "
                "annotate Message | list[Message] and look which it is"
                for m in self.middlewares
                if takes_one_message(m)
            ]
        return found


def _is_set(batch: BatchSettings) -> bool:
    """Whether somebody has written the table; its other settings are filled in, or changed by a Harness."""
    return batch.messages != type(batch)().messages


def _strangers(spec: RouteSpec, config: Settings) -> list[str]:
    """What the app handles and the config does not know, with the nearest name that it knows."""
    if (settings := config.routes.get(spec.name)) is None:
        hint = _nearest(spec.name, config.routes) or f"add [routes.{spec.name}]"
        return [f"{spec.place}: route {spec.name!r} is not in the config; {hint}"]
    if spec.channel and spec.channel not in settings.channels:
        table = f"[routes.{spec.name}.channels.{spec.channel}]"
        hint = _nearest(spec.channel, settings.channels) or f"add {table}"
        return [f"{spec.place}: {spec.subject} is not in the config; {hint}"]
    return []


def _unknown_producers(producers: Iterable[Producer], config: Settings) -> list[str]:
    if not producers:
        return []
    known = {
        *config.producers,
        *(name for name, route in config.routes.items() if route.producer is not None),
    }
    return [
        f"{one.place}: producer {one.name!r} is not in the config; "
        + (_nearest(one.name, known) or f"add [producers.{one.name}], or [routes.{one.name}.producer]")
        for one in producers
        if one.name not in known
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else ""


def _too_concurrent(spec: RouteSpec, settings: RouteSettings) -> list[str]:
    """A sync handler runs one call at a time; a channel's number may be the one that its route gave it."""
    path = f"routes.{spec.name}"
    concurrency, remedy = settings.concurrency, f"raise {path}.handlers instead"
    if spec.channel:
        path = f"{path}.channels.{spec.channel}"
        concurrency, remedy = settings.channels[spec.channel].concurrency, f"set {path}.concurrency = 1"
    if (concurrency or 1) == 1:
        return []
    return [
        f"{spec.place}: {path}.concurrency = {concurrency} needs an `async def` handler; a sync one runs one "
        f"call at a time, {remedy}"
    ]


def _check_name(name: object, what: str, place: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise AppError(f"{place}: {name!r} is no {what} name; use a-z, 0-9, _ and - only")


def _outcomes(of: str, dead_on: Classes, skip_on: Classes, place: str) -> Outcomes:
    dead, skip = _classes("dead_on", dead_on, place), _classes("skip_on", skip_on, place)
    if both := [kind.__name__ for kind in dead if kind in skip]:
        raise AppError(f"{place}: {of} has {', '.join(both)} in both dead_on and skip_on")
    return dead, skip


def _classes(what: str, given: Classes, place: str) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else tuple(given)
    for kind in classes:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise AppError(f"{place}: {what} takes exception classes, not {kind!r}")
    return classes


def _caller() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
