"""OpenTelemetry around each call: a consumer span that knows the producer's, by the messaging conventions.

Handler authors enter by `tracing(app)`, with the extra `otel` installed; nothing else of ringmain imports
this. Only the API is used: which spans are kept and where they go is the SDK's, set up in an `on_start` hook,
after the fork. Without an SDK nothing is recorded. Value and key of a message never come into a span.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, TracerProvider

from ringmain.app import App
from ringmain.message import Message
from ringmain.outcome import Batch, Dead, OutcomeValue, Retry
from ringmain.producer import Carried, Delivery

Headers = Sequence[tuple[str, bytes | None]]
Attributes = dict[str, str | int | bool]


def tracing(app: App, tracer_provider: TracerProvider | None = None, *, continue_trace: bool = True) -> None:
    """Make a CONSUMER span of each call, current within it; register it first to have it around everything.

    It is linked to the producer's span, whose context is in the message's headers, and is its child too, in
    the same trace; with `continue_trace=False` it begins a trace of its own. The span of a batch begins one,
    and is linked to all its producers. What `app.producer` sends has a PRODUCER span, which ends with its
    delivery and whose context goes along.
    """
    tracer = trace.get_tracer("ringmain", tracer_provider=tracer_provider)

    def traced(call: Callable[[], Any], message: Message | list[Message]) -> Any:
        if isinstance(message, Message):
            inside = _around_one(tracer, message, continue_trace)
        else:
            inside = _around_many(tracer, message)
        with _current(inside):
            result = call()
        if inspect.isawaitable(result):
            return _awaited(inside, result)
        return _end(trace.get_current_span(inside), result)

    app.middleware(traced)
    app.carriers.append(partial(_sending, tracer))


def _sending(tracer: Tracer, topic: str) -> Carried:
    """The span of one message that is sent here, and its context as headers."""
    headers: dict[str, str] = {}
    span = tracer.start_span(
        f"send {topic}", kind=SpanKind.PRODUCER, attributes=_SEND | {_DESTINATION: topic}
    )
    propagate.inject(headers, context=trace.set_span_in_context(span))
    return Carried(headers.items(), partial(_sent, span))


def _sent(span: Span, end: Delivery | BaseException) -> None:
    if not span.is_recording():
        return
    if isinstance(end, BaseException):
        _raised(span, end)
    elif end.failure is not None:
        _raised(span, end.failure)
    else:
        lies = end.sent()
        span.set_attribute("messaging.destination.partition.id", str(lies.partition))
        if lies.offset >= 0:
            span.set_attribute("messaging.kafka.offset", lies.offset)
        span.end()


async def _awaited(inside: Context, rest: Awaitable[Any]) -> Any:
    with _current(inside):
        result = await rest
    return _end(trace.get_current_span(inside), result)


@contextmanager
def _current(inside: Context) -> Iterator[None]:
    """Spans begun within are children of this context's; what is raised ends that one."""
    token, span = context.attach(inside), trace.get_current_span(inside)
    try:
        yield
    except OutcomeValue as outcome:
        _end(span, outcome)
        raise
    except BaseException as error:
        _raised(span, error)
        raise
    finally:
        context.detach(token)


def _raised(span: Span, error: BaseException) -> None:
    kind = type(error)
    try:
        text = str(error)
        span.record_exception(error)
    except (
        Exception
    ) as broken:  # it is the user's __str__ that raises, and no reason to hide the error itself
        text = f"<its text cannot be had: __str__ raised {type(broken).__name__}>"
    _fail(span, f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), text)
    span.end()


def _end(span: Span, result: Any) -> Any:
    """The outcome's name is in the span; Retry, Dead and what is no outcome are errors."""
    if isinstance(result, OutcomeValue):
        span.set_attribute("ringmain.outcome", type(result).__name__.lower())
    if isinstance(result, Retry | Dead):
        _fail(span, type(result).__name__, result.reason)
    elif isinstance(result, Batch):
        _say_parts(span, result)
    elif result is not None and not isinstance(result, OutcomeValue):
        _fail(span, "TypeError", f"the handler returned a value of type {type(result).__name__}")
    span.end()
    return result


def _say_parts(span: Span, batch: Batch) -> None:
    """How many of a batch did not go well, and how; with any to retry or dead it is an error."""
    for name in ("retry", "skip", "dead"):
        span.set_attribute(f"ringmain.batch.{name}", len(getattr(batch, name)))
    if batch.retry or batch.dead:
        _fail(span, "Dead" if batch.dead else "Retry", "")


def _fail(span: Span, kind: str, text: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, text)


def _around_one(tracer: Tracer, message: Message, continue_trace: bool) -> Context:
    sent = _context_of(message)
    span = tracer.start_span(
        f"process {message.topic}",
        context=sent if continue_trace else Context(),
        kind=SpanKind.CONSUMER,
        attributes=_PROCESS | _of_topic([message]) | _of_message(message),
        links=_links([sent]),
    )
    return trace.set_span_in_context(span, sent)


def _around_many(tracer: Tracer, messages: list[Message]) -> Context:
    topic = _of_topic(messages)
    name = topic.get(_DESTINATION, "")
    span = tracer.start_span(
        f"process {name}".rstrip(),
        context=Context(),
        kind=SpanKind.CONSUMER,
        attributes=_PROCESS | topic | {"messaging.batch.message_count": len(messages)},
        links=_links([_context_of(one) for one in messages]),
    )
    return trace.set_span_in_context(span, Context())


def _context_of(message: Message) -> Context:
    """What the message's producer sent along."""
    return propagate.extract(message.headers, context=Context(), getter=_HEADERS)


def _links(sent: list[Context]) -> list[Link]:
    found = [trace.get_current_span(one).get_span_context() for one in sent]
    return [Link(one) for one in found if one.is_valid]


# Names: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/, and ringmain.… for what it alone knows.
_PROCESS: Attributes = {
    "messaging.system": "kafka",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
}
_SEND: Attributes = {
    "messaging.system": "kafka",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
}
_DESTINATION = "messaging.destination.name"


def _of_topic(messages: list[Message]) -> Attributes:
    """Where they are from, as far as they are all from there."""
    first, topics = messages[0], {one.topic for one in messages}
    found: Attributes = {"ringmain.route": first.route}
    if first.channel:
        found["ringmain.channel"] = first.channel
    if len(topics) == 1:
        found[_DESTINATION] = first.topic
        if len({one.partition for one in messages}) == 1:
            found["messaging.destination.partition.id"] = str(first.partition)
    return found


def _of_message(message: Message) -> Attributes:
    found: Attributes = {"messaging.kafka.offset": message.offset, "ringmain.attempt": message.attempt}
    if message.value is None:
        found["messaging.kafka.message.tombstone"] = True
    else:
        found["messaging.message.body.size"] = len(message.value)
    return found


class _MessageHeaders(Getter[Headers]):
    """A Kafka message's headers as propagators read them: names may repeat, a value may be no text."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """Values under the name that are text; None if there is none."""
        found = [value for name, value in carrier if name == key and value is not None]
        return [value.decode("utf-8", "replace") for value in found] or None

    def keys(self, carrier: Headers) -> list[str]:
        """All names."""
        return [name for name, _ in carrier]


_HEADERS = _MessageHeaders()
