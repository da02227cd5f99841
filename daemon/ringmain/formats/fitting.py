"""Whether an app fits its config: what the app says of itself, and whether its types fit their formats.

The command line's check, the probe and each handler enter. Nothing is connected to, no schema is fetched, and
no library of a format is loaded: they are only looked for.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Protocol

from ringmain import app as apps
from ringmain.errors import AppError
from ringmain.formats import typed
from ringmain.formats.contract import Sources
from ringmain.formats.decoding import BUILT_IN, unknown
from ringmain.formats.keys import key_decoder
from ringmain.signature import WANTS_VALUE, RouteSpec

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


class Settings(apps.Settings, Protocol):
    """The same of the whole config."""

    @property
    def routes(self) -> Mapping[str, RouteSettings]: ...


def check(app: apps.App, config: Settings) -> None:
    """AppError with all that does not fit."""
    if found := [*app.problems(config), *problems(app, config)]:
        raise AppError("\n".join(found))


def problems(app: apps.App, config: Settings) -> Iterator[str]:
    """Why types and formats do not fit, one sentence each."""
    for name, settings in config.routes.items():
        yield from (f"routes.{name}.format: {said}" for said in _missing(settings, app))
    for spec in app.handlers.values():
        if spec.name in config.routes:
            route = config.routes[spec.name]
            said = [*_against_value(spec, route, app), *_against_key(spec, route, app)]
            yield from (f"{spec.place}: the handler of {spec.subject}: {one}" for one in said)


def _missing(settings: RouteSettings, app: apps.App) -> Iterator[str]:
    name = settings.format
    if name not in BUILT_IN and name not in app.codecs:
        yield unknown(name, Sources(app.codecs))
    if (library := LIBRARIES.get(name)) and not _is_there(library):
        yield f"{name} is read with {library}, which is not there: pip install 'ringmain[{name}]'"
    if name in ("avro", "json-schema") and not settings.schema and not settings.schema_registry:
        yield f"{name} needs the file of its schema (schema = …), or a [schema_registry]"


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
    try:
        key_decoder(settings.key_format, "raw", spec.key_type, Sources(app.codecs))
    except AppError as error:
        if settings.key_format or settings.format == "raw":
            yield f"its key: {error}"
        elif said := against(settings.format, spec.key_type):
            yield f"its key: {said}"
