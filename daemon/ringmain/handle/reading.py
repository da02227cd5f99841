"""What the arguments of a call are read with: the value's format, the key's, what undoes a compression.

A plan enters once. Values go straight from the ring through the decoder; only what needs more than the value
(its key, its headers) is put around the call, and costs the Message. What cannot be read is Undecodable and
never reaches the handler; a registry that is away raises a Pause.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ringmain import formats
from ringmain.app import App
from ringmain.config.schema import Route
from ringmain.errors import Undecodable
from ringmain.formats import Decode, Explain, Schemas, Sources
from ringmain.kafka.registry import registry_for
from ringmain.message import Message
from ringmain.outcome import OutcomeValue
from ringmain.signature import KEY, WANTS_MESSAGE, WANTS_ONLY_MESSAGE, WANTS_RAW, WANTS_VALUE, RouteSpec


@dataclass(frozen=True)
class Reading:
    """How one route's values and keys are read."""

    settings: Route
    sources: Sources
    decode: Decode | None
    explain: Explain | None

    def with_key(self, spec: RouteSpec) -> RouteSpec:
        """The handler that is given its key, if it wants one; PERF: that costs it the Message."""
        if spec.key_type is None:
            return spec
        decode = formats.key_decoder(
            self.settings.key_format, self.settings.format, spec.key_type, self.sources
        )
        handler, with_message = spec.call, spec.wants & WANTS_MESSAGE

        if spec.wants & WANTS_ONLY_MESSAGE:
            return replace(spec, call=lambda message: handler(message, **{KEY: decode(message.key)}))
        if with_message:
            return replace(
                spec, call=lambda value, message: handler(value, message, **{KEY: decode(message.key)})
            )
        return replace(
            spec,
            call=lambda value, message: handler(value, **{KEY: decode(message.key)}),
            wants=spec.wants | WANTS_MESSAGE,
        )

    def reader(self, limit_bytes: int) -> Callable[[bytes, Message], object]:
        """What reads a value by what its message's headers say, for a call of many."""
        return _reader(formats.inflater(limit_bytes), self.decode, self.explain)

    def inflating(self, spec: RouteSpec, limit_bytes: int) -> RouteSpec:
        """The call that is given raw bytes and reads them itself, by what their headers say."""
        call, with_message = spec.call, spec.wants & WANTS_MESSAGE
        read = self.reader(limit_bytes)

        def inflated(raw: bytes | None, message: Message) -> Any:
            value = None if raw is None else read(raw, message)
            return call(value, message) if with_message else call(value)

        return replace(spec, call=inflated, wants=WANTS_RAW | WANTS_MESSAGE)


def of(app: App, settings: Route, spec: RouteSpec) -> Reading:
    """What a handler's value is read with; AppError when that cannot be made."""
    sources = Sources(app.codecs, formats.schema_text(settings.schema), _schemas(settings, spec))
    if not spec.wants & WANTS_VALUE:
        return Reading(settings, sources, None, None)
    decode = formats.decoder(settings.format, spec.type, sources)
    framed = sources.schemas is not None
    return Reading(
        settings, sources, decode, None if framed else formats.explainer(settings.format, spec.type)
    )


def _schemas(settings: Route, spec: RouteSpec) -> Schemas | None:
    """The registry, where something of this handler is read by it. FORK: made in the process that uses it."""
    read = [settings.format] if spec.wants & WANTS_VALUE else []
    if spec.key_type is not None:
        read += [settings.key_format or settings.format]
    return registry_for(settings.schema_registry, read, settings.timeout_s)


def _reader(
    inflate: Callable[..., bytes], decode: Decode | None, explain: Explain | None
) -> Callable[[bytes, Message], object]:
    def read(raw: bytes, message: Message) -> object:
        value = inflate(raw, message.headers)
        if decode is None:
            return value
        try:
            return decode(value)
        except (Undecodable, OutcomeValue, MemoryError):
            raise
        except Exception as error:
            raise Undecodable(explain(value, error) if explain else str(error)) from None

    return read
