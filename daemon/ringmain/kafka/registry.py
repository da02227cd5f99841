"""The schema registry, by Confluent's own client: its TLS, passwords, tokens and several URLs are the user's.

Handlers with a format that has schemas enter, after the fork, and producers. Each id is asked for once:
whoever asks keeps what it makes of the answer. LOSS: only the registry's plain word that it has no such
schema is about the message; one that is away, refuses us or answers rubbish lets the message wait.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from ringmain import clock
from ringmain.errors import AppError, SchemaRefused, Undecodable
from ringmain.outcome import Pause
from ringmain.schemas import WITH_SCHEMAS, Schema

WAIT_S = 5.0
"""Between two questions to a registry that is away."""
LONGEST_ASKING_S = 5.0
"""To connect, and then to hear the answer, unless `timeout` says otherwise; at all URLs together they never
take more than half of what a call may."""
UNKNOWN_FOR_S = 10.0
"""So long an id that is not there is not asked for again: many messages may have it."""
MOST_UNKNOWN = 1000
_MOST_WORDS = 200
"""Of the registry's own."""

_UNKNOWN = (40403, 40401, 40402)
"""No such schema, subject, version. A proxy's 404 has none of these codes."""
_REFUSED = (409, 422)
"""Incompatible with an earlier schema; no schema at all."""
_NUMBERS = (
    "timeout",
    "cache.capacity",
    "cache.latest.ttl.sec",
    "max.retries",
    "retries.wait.ms",
    "retries.max.wait.ms",
)

Answer = TypeVar("Answer")


class Formatted(Protocol):
    """A producer in the config, as far as a registry is made for it."""

    @property
    def format(self) -> str: ...


class RouteSettings(Formatted, Protocol):
    """The same of a route."""

    @property
    def key_format(self) -> str | None: ...
    @property
    def schema_registry(self) -> Mapping[str, str]: ...
    @property
    def producer(self) -> Formatted | None: ...


class Settings(Protocol):
    """The same of the whole config."""

    @property
    def routes(self) -> Mapping[str, RouteSettings]: ...
    @property
    def producers(self) -> Mapping[str, Formatted]: ...
    @property
    def schema_registry(self) -> Mapping[str, str]: ...


def registry_for(
    properties: Mapping[str, str], format_names: Iterable[str], call_s: float
) -> "Registry | None":
    """The registry, where one is configured and one of these formats has schemas."""
    return Registry(properties, call_s) if properties and set(WITH_SCHEMAS) & {*format_names} else None


def check(config: Settings) -> None:
    """AppError when the client does not take the properties of who needs it; nothing is asked."""
    for properties, format_names in _needed(config):
        if any("${" in text for text in properties.values()):
            continue  # left unresolved on purpose
        registry_for(properties, format_names, LONGEST_ASKING_S)


def _needed(config: Settings) -> Iterator[tuple[Mapping[str, str], list[str]]]:
    for route in config.routes.values():
        sent = [route.producer.format] if route.producer is not None else []
        yield route.schema_registry, [route.format, route.key_format or "", *sent]
    for producer in config.producers.values():
        yield config.schema_registry, [producer.format]


class Registry:
    """One registry as one process asks it."""

    def __init__(self, properties: Mapping[str, str], call_s: float) -> None:
        self._client = _client(properties, call_s)
        self._where = _hosts(properties.get("url", ""))
        self._away: Pause | None = None
        self._ask_again_s = 0.0
        self._unknown: dict[int, float] = {}

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        """The schema with this id, and what it refers to."""
        if clock.monotonic_s() < self._unknown.get(schema_id, 0.0):
            raise _no_schema(schema_id, self._where)
        try:
            found = self._asked(lambda: self._client.get_schema(schema_id, fmt=shape or None), _is_unknown)
        except LookupError:
            self._remember(schema_id)
            raise _no_schema(schema_id, self._where) from None
        text, kind = found.schema_str, found.schema_type or "AVRO"
        if not isinstance(text, str) or not text or not isinstance(kind, str):
            raise self._waits(f"answers rubbish: its schema {schema_id} has no text")
        referred: dict[str, str] = {}
        self._follow(found, frozenset(), referred)
        return Schema(schema_id, kind, text, tuple(referred.items()))

    def _remember(self, schema_id: int) -> None:
        if len(self._unknown) >= MOST_UNKNOWN:  # ids come with messages: somebody may make up any number
            self._unknown.clear()
        self._unknown[schema_id] = clock.monotonic_s() + UNKNOWN_FOR_S

    def register(self, subject: str, kind: str, text: str) -> int:
        """The id of a schema under a subject; SchemaRefused when the registry does not take it."""
        from confluent_kafka.schema_registry import Schema as Unregistered

        asked = Unregistered(text, kind)
        try:
            # Looked up first: of what is there already, the right to read is enough.
            found = self._asked(lambda: self._client.lookup_schema(subject, asked).schema_id, _is_no)
        except LookupError:
            found = self._registered(subject, asked)
        if not isinstance(found, int):
            raise self._waits(f"answers rubbish: no id for the schema of {subject}")
        return found

    def _registered(self, subject: str, asked: Any) -> Any:
        try:
            return self._asked(lambda: self._client.register_schema(subject, asked), _is_no)
        except LookupError as error:
            raise SchemaRefused(f"the schema of {subject} is refused by the registry: {error}") from None

    def _follow(self, schema: Any, above: frozenset[str], found: dict[str, str]) -> None:
        """Names and texts of what it refers to; what others need comes before them, and each of them once."""
        for one in schema.references or ():
            if one.name in above:
                raise self._waits(f"answers rubbish: {one.name} refers to itself")
            if one.name in found:
                continue
            try:
                registered = self._asked(
                    partial(self._client.get_version, one.subject, one.version), _is_unknown
                )
            except LookupError:
                raise self._waits(f"answers rubbish: it has no {one.subject} {one.version}") from None
            self._follow(registered.schema, above | {one.name}, found)
            found[one.name] = registered.schema.schema_str

    def _asked(self, question: Callable[[], Answer], is_no: Callable[[Any], bool]) -> Answer:
        """What the registry says; LookupError = it says no, about this one question."""
        from confluent_kafka.schema_registry import SchemaRegistryError

        # PERF: many messages wait for one registry: one of them asks, and the others hear what it heard.
        if self._away is not None and clock.monotonic_s() < self._ask_again_s:
            raise Pause(max(0.1, self._ask_again_s - clock.monotonic_s()), self._away.reason)
        self._client.clear_caches()
        try:
            answer = question()
        except SchemaRegistryError as error:
            if is_no(error):
                raise LookupError(str(error.error_message)) from None
            raise self._waits(_words(error)) from None
        except Exception as error:
            raise self._waits(_trouble(error)) from None
        self._away = None
        return answer

    def _waits(self, words: str) -> Pause:
        self._ask_again_s = clock.monotonic_s() + WAIT_S
        self._away = Pause(WAIT_S, f"the schema registry at {self._where} {words}")
        return self._away


def _client(properties: Mapping[str, str], call_s: float) -> Any:
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
    except ImportError as error:
        raise AppError(f"a schema registry needs {error.name}: pip install 'ringmain[avro]'") from None
    # A call that waits for longer than its time would be killed, and counted as failed.
    addresses = 1 + properties.get("url", "").count(",")
    ours = {"timeout": str(min(LONGEST_ASKING_S, call_s / 4 / addresses)), "max.retries": "0"}
    try:
        given = ours | dict(properties)
        return SchemaRegistryClient({name: _typed(name, text) for name, text in given.items()})
    except (ValueError, TypeError, OSError) as error:
        raise AppError(f"schema_registry: {error}") from None


def _typed(name: str, text: str) -> str | float:
    if name not in _NUMBERS:
        return text
    try:
        return float(text)
    except ValueError:
        raise AppError(f"schema_registry.{name}: expected a number, found {text!r}") from None


def _is_unknown(error: Any) -> bool:
    """The registry itself says so, not a proxy before it or another server at its address."""
    return bool(error.error_code in _UNKNOWN)


def _is_no(error: Any) -> bool:
    """The same of a schema that is looked up, or to be registered."""
    refused = error.http_status_code in _REFUSED and error.error_code not in (-1, None)
    return refused or _is_unknown(error)


def _words(error: Any) -> str:
    status = error.http_status_code
    if status in (401, 403):
        own = error.error_code not in (-1, None)
        said = f", {str(error.error_message)[:_MOST_WORDS]!r}" if own else ""
        return f"refuses us with HTTP {status}{said}: see schema_registry.basic.auth.user.info"
    if status >= 500 or status in (408, 429):
        return f"is away: HTTP {status}"
    return f"answers rubbish: HTTP {status}, code {error.error_code}"


def _trouble(error: Exception) -> str:
    """Exceptions of the HTTP client never leave this room; one of Python's own means an unreadable answer."""
    unreadable = isinstance(error, ValueError | TypeError | AttributeError | LookupError)
    if unreadable and not isinstance(error, OSError):
        return f"answers rubbish: {type(error).__name__}"
    return f"is away: {str(error) or type(error).__name__}"


def _no_schema(schema_id: int, where: str) -> Undecodable:
    return Undecodable(f"$: the schema registry at {where} has no schema {schema_id}")


def _hosts(urls: str) -> str:
    """Its addresses without user and password."""
    return ", ".join(url.strip().rpartition("@")[2].rpartition("//")[2] for url in urls.split(","))
