"""The App: what a handler's author registers functions with.

Handler authors enter; handler processes, the probe and `ringmain check` read what was registered. Registering
inspects and remembers, it never calls; nothing here opens, forks or connects.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar

from ringmain.errors import AppError
from ringmain.signature import (
    WANTS_VALUE,
    RouteSpec,
    check_hook,
    check_middleware,
    inspect_handler,
    is_async,
    place_of,
)

Function = TypeVar("Function", bound=Callable[..., Any])
Classes = type[BaseException] | Iterable[type[BaseException]]

_NAME = re.compile(r"[a-z0-9_-]+")


class RouteSettings(Protocol):
    """What an app must fit, of a route in the config."""

    @property
    def concurrency(self) -> int | None: ...
    @property
    def format(self) -> str: ...


class Settings(Protocol):
    """What an app must fit, of the config."""

    @property
    def routes(self) -> Mapping[str, RouteSettings]: ...


class App:
    """Handlers by route name, and what surrounds them. `state` is the author's own, for connections."""

    def __init__(self) -> None:
        self.state = SimpleNamespace()
        self.routes: dict[str, RouteSpec] = {}
        self.start_hooks: list[Callable[[], Any]] = []
        self.stop_hooks: list[Callable[[], Any]] = []
        self.middlewares: list[Callable[..., Any]] = []

    def route(
        self, name: str, *, dead_on: Classes = (), skip_on: Classes = ()
    ) -> Callable[[Function], Function]:
        """Make the function the handler of `[routes.NAME]`; it is returned unchanged.

        An exception of a class in `dead_on` sends its message to the dead set at once, one in `skip_on` skips
        it; of several that fit, the closest base class decides.
        """
        place = _caller()
        if callable(name):
            raise AppError(f'{place}: a route needs its name: write @app.route("NAME")')
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise AppError(f"{place}: {name!r} is no route name; use a-z, 0-9, _ and - only")
        dead, skip = _classes("dead_on", dead_on, place), _classes("skip_on", skip_on, place)
        if both := [kind.__name__ for kind in dead if kind in skip]:
            raise AppError(f"{place}: route {name!r} has {', '.join(both)} in both dead_on and skip_on")
        names = sys._getframe(1).f_locals

        def register(function: Function) -> Function:
            spec = inspect_handler(name, function, names)
            if (first := self.routes.get(name)) is not None:
                raise AppError(f"{spec.place}: route {name!r} already has a handler, at {first.place}")
            self.routes[name] = replace(spec, dead_on=dead, skip_on=skip)
            return function

        return register

    def on_start(self, function: Function) -> Function:
        """Call it once in each handler process, after the fork and before the first message."""
        check_hook(function, "on_start")
        self.start_hooks.append(function)
        return function

    def on_stop(self, function: Function) -> Function:
        """Call it once in each handler process, after its last message."""
        check_hook(function, "on_stop")
        self.stop_hooks.append(function)
        return function

    def middleware(self, function: Function) -> Function:
        """Wrap each call: `def m(call, message): … return call()`; the first registered is the outermost."""
        check_middleware(function)
        self.middlewares.append(function)
        return function

    def problems(self, config: Settings) -> list[str]:
        """Why this app does not fit that config, one sentence each; empty when it does."""
        found = [
            f"route {name!r} is in the config but has no handler; add @app.route({name!r})"
            for name in config.routes
            if name not in self.routes
        ]
        for name, spec in self.routes.items():
            if (settings := config.routes.get(name)) is None:
                found.append(f"{spec.place}: route {name!r} is not in the config; add [routes.{name}]")
            else:
                found += self._misfits(spec, settings)
        return found

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
        if not spec.is_async and (settings.concurrency or 1) > 1:
            found.append(
                f"{spec.place}: routes.{spec.name}.concurrency = {settings.concurrency} needs an `async def` "
                f"handler; a sync one runs one call at a time, raise routes.{spec.name}.handlers instead"
            )
        if not spec.is_async:
            found += [
                f"{place_of(m)}: an async middleware cannot wrap the sync handler of route {spec.name!r}"
                for m in self.middlewares
                if is_async(m)
            ]
        return found


def _classes(what: str, given: Classes, place: str) -> tuple[type[BaseException], ...]:
    classes = (given,) if isinstance(given, type) else tuple(given)
    for kind in classes:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise AppError(f"{place}: {what} takes exception classes, not {kind!r}")
    return classes


def _caller() -> str:
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
