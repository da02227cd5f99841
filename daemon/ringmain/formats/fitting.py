"""Whether an app fits its config: what the app says of itself, and whether its types fit their formats.

The command line's check, the probe and each handler enter. Nothing is connected to and no schema is fetched;
the library of a format is only looked for, unless there is a schema of the route's own to be parsed.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Protocol

from ringmain import app as apps
from ringmain.errors import AppError
from ringmain.formats import typed
from ringmain.formats.contract import Sources
from ringmain.formats.decoding import BUILT_IN, decoder, encoder, unknown
from ringmain.formats.keys import chosen, key_decoder
from ringmain.formats.schema_files import schema_text
from ringmain.signature import WANTS_VALUE, RouteSpec

PARSED = ("avro", "json-schema")
"""Formats that need a schema: of a file, or of a registry."""
LIBRARIES = {"protobuf": "google.protobuf", "avro": "fastavro", "json-schema": "jsonschema_rs"}
"""What each format is read with; the extra of ringmain that brings it has the format's name."""


class RouteSettings(apps.RouteSettings, Protocol):
    """What types must fit, of a route in the config."""

    @property
    def key_format(self) -> str | None: ...
    @property
    def schema(self) -> str | None: ...
    @property
    def schema_registry(self) -> Mapping[str, str]: ...

    @property
    def producer(self) -> "ProducerSettings | None": ...


class ProducerSettings(Protocol):
    """What is known of how a producer encodes."""

    @property
    def format(self) -> str: ...
    @property
    def schema(self) -> str | None: ...


class Settings(apps.Settings, Protocol):
    """The same of the whole config."""

    @property
    def routes(self) -> Mapping[str, RouteSettings]: ...
    @property
    def producers(self) -> Mapping[str, ProducerSettings]: ...


def check(app: apps.App, config: Settings) -> None:
    """AppError with all that does not fit."""
    if found := [*app.problems(config), *problems(app, config)]:
        raise AppError("\n".join(found))


def problems(app: apps.App, config: Settings) -> Iterator[str]:
    """Why types and formats do not fit, one sentence each."""
    for name, settings in config.routes.items():
        yield from (f"routes.{name}.{said}" for said in _against_route(settings, app))
    for path, producer in _producers(app, config):
        yield from (f"{path}.{said}" for said in _against_producer(producer, app))
    for spec in app.handlers.values():
        if spec.name in config.routes:
            route = config.routes[spec.name]
            said = [*_against_value(spec, route, app), *_against_key(spec, route, app)]
            yield from (f"{spec.place}: the handler of {spec.subject}: {one}" for one in said)


def _producers(app: apps.App, config: Settings) -> Iterator[tuple[str, ProducerSettings]]:
    """Those that the app asks for and the config knows."""
    for name in app.producers:
        if name in config.producers:
            yield f"producers.{name}", config.producers[name]
        elif name in config.routes and (found := config.routes[name].producer) is not None:
            yield f"routes.{name}.producer", found


def _against_route(settings: RouteSettings, app: apps.App) -> Iterator[str]:
    name = settings.format
    if unusable := _unusable(name, app):
        yield f"format: {unusable}"
    elif name in PARSED and not settings.schema and not settings.schema_registry:
        yield f"format: {name} needs the file of its schema (schema = …), or a [schema_registry]"
    elif name in PARSED and settings.schema:
        yield from _said(lambda: decoder(name, dict, Sources(schema=schema_text(settings.schema))))
    if settings.key_format and (missing := _missing_library(settings.key_format)):
        yield f"key_format: {missing}"


def _against_producer(settings: ProducerSettings, app: apps.App) -> Iterator[str]:
    name = settings.format
    if unusable := _unusable(name, app):
        yield f"format: {unusable}"
    else:
        yield from _said(lambda: encoder(name, Sources(app.codecs, schema_text(settings.schema))))


def _unusable(name: str, app: apps.App) -> str:
    """Why nobody can read or write this format here; "" = somebody can."""
    if name not in BUILT_IN and name not in app.codecs:
        return unknown(name, Sources(app.codecs))
    return _missing_library(name)


def _said(make: Callable[[], object]) -> Iterator[str]:
    """What there is against a schema, from whoever would use it."""
    try:
        make()
    except AppError as error:
        yield f"schema: {error}"


def _missing_library(name: str) -> str:
    library = LIBRARIES.get(name)
    if library is None or _is_there(library):
        return ""
    return f"{name} is read with {library}, which is not there: pip install 'ringmain[{name}]'"


def _is_there(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def _against_value(spec: RouteSpec, settings: RouteSettings, app: apps.App) -> Iterator[str]:
    name = settings.format
    # What the app itself says of format raw is enough.
    if spec.wants & WANTS_VALUE and name in BUILT_IN - {"raw"} and name not in app.codecs:
        yield from filter(None, [against(name, spec.type)])


def against(format_name: str, value_type: Any) -> str:
    """Why this format never gives a value of this type; "" = it does."""
    if format_name == "protobuf":
        plain = typed.without_none(value_type)
        if hasattr(plain, "FromString") and hasattr(plain, "DESCRIPTOR"):
            return ""
        return f"format protobuf gives an object of a class that protoc made, and {value_type!r} is none"
    return typed.problem_with(value_type)


def _against_key(spec: RouteSpec, settings: RouteSettings, app: apps.App) -> Iterator[str]:
    if spec.key_type is None:
        return
    name = chosen(settings.key_format, settings.format, spec.key_type)
    if name in PARSED:
        if settings.schema_registry:
            yield from (f"its key: {said}" for said in [against(name, spec.key_type)] if said)
        else:
            yield (
                f"its key: keys are read as {name} by a [schema_registry] only, schema is that of values; "
                "name another key_format"
            )
        return
    try:
        key_decoder(settings.key_format, "raw", spec.key_type, Sources(app.codecs))
    except AppError as error:
        if settings.key_format or settings.format == "raw":
            yield f"its key: {error}"
        elif said := against(settings.format, spec.key_type):
            yield f"its key: {said}"
