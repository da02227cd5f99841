"""Spans as the SDK's in-memory exporter has them: whose child, linked to whom, named and marked how."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` and the SDK are not installed")

from opentelemetry import baggage, trace
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import messaging_attributes as conventions
from opentelemetry.trace import SpanKind, StatusCode

from ringmain.app import App
from ringmain.errors import DeliveryFailed
from ringmain.message import Message
from ringmain.middleware import compose
from ringmain.outcome import Batch, Dead, Outcome, OutcomeValue, Pause, Retry, Skip, To
from ringmain.producer import Delivery, Producer
from ringmain.tracing import tracing

Handler = Callable[..., Any]


class Stage:
    """A provider whose finished spans are kept here."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self.exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def handling(self, handler: Handler, **options: Any) -> Handler:
        """The handler as its process calls it, traced."""
        app = App()
        tracing(app, self.provider, **options)
        app.route("orders")(handler)
        return compose(app.handler_of("orders"), app.middlewares).call

    def of_one_call(self, handler: Handler, message: Message, **options: Any) -> ReadableSpan:
        """The span of a call; its outcome is returned or raised."""
        with contextlib.suppress(OutcomeValue):
            result = self.handling(handler, **options)({"id": 1}, message)
            if asyncio.iscoroutine(result):
                asyncio.run(result)
        [span] = self.exporter.get_finished_spans()
        return span


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Without what the SDK does in each forked child as long as a provider lives: other tests fork."""
    monkeypatch.delattr(os, "register_at_fork")
    return Stage()


def produced(stage: Stage) -> tuple[trace.SpanContext, Message]:
    """The producer's span, and the message that it sent."""
    carrier: dict[str, str] = {}
    tracer = stage.provider.get_tracer("producer")
    with tracer.start_as_current_span("send orders", kind=SpanKind.PRODUCER) as span:
        inject(carrier)
    stage.exporter.clear()
    headers = [(name, value.encode()) for name, value in carrier.items()]
    return span.get_span_context(), arrived(headers=headers)


def arrived(value: bytes | None = b"{}", **more: Any) -> Message:
    return Message(value, topic="orders-v2", partition=3, offset=41, attempt=2, route="orders", **more)


def done(order: dict[str, Any]) -> None: ...
async def done_later(order: dict[str, Any]) -> None: ...


@pytest.mark.parametrize("handler", [done, done_later])
def test_a_call_is_a_consumer_span_that_is_child_of_the_producers_and_linked_to_it(
    stage: Stage, handler: Handler
) -> None:
    producer, message = produced(stage)
    span = stage.of_one_call(handler, message)
    assert (span.name, span.kind, span.status.status_code) == (
        "process orders-v2",
        SpanKind.CONSUMER,
        StatusCode.UNSET,
    )
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (producer.trace_id, producer.span_id)
    assert [link.context.span_id for link in span.links] == [producer.span_id]


def test_a_trace_of_its_own_is_only_linked(stage: Stage) -> None:
    producer, message = produced(stage)
    span = stage.of_one_call(done, message, continue_trace=False)
    assert span.parent is None
    assert span.get_span_context().trace_id != producer.trace_id
    assert [link.context.span_id for link in span.links] == [producer.span_id]


@pytest.mark.parametrize("headers", [[], [("traceparent", b"\xff nonsense")], [("traceparent", None)]])
def test_a_message_without_a_usable_context_begins_a_trace(stage: Stage, headers: Any) -> None:
    span = stage.of_one_call(done, arrived(headers=headers))
    assert span.parent is None
    assert list(span.links) == []


def test_attributes_are_those_of_the_messaging_conventions(stage: Stage) -> None:
    span = stage.of_one_call(done, arrived(b"12345", channel="review", key=b"secret"))
    assert dict(span.attributes or {}) == {
        conventions.MESSAGING_SYSTEM: "kafka",
        conventions.MESSAGING_OPERATION_NAME: "process",
        conventions.MESSAGING_OPERATION_TYPE: "process",
        conventions.MESSAGING_DESTINATION_NAME: "orders-v2",
        conventions.MESSAGING_DESTINATION_PARTITION_ID: "3",
        conventions.MESSAGING_KAFKA_OFFSET: 41,
        conventions.MESSAGING_MESSAGE_BODY_SIZE: 5,
        "ringmain.route": "orders",
        "ringmain.channel": "review",
        "ringmain.attempt": 2,
    }


def test_a_tombstone_is_marked_as_the_conventions_say(stage: Stage) -> None:
    attributes = stage.of_one_call(done, arrived(None)).attributes or {}
    assert attributes[conventions.MESSAGING_KAFKA_MESSAGE_TOMBSTONE] is True
    assert conventions.MESSAGING_MESSAGE_BODY_SIZE not in attributes


@pytest.mark.parametrize("later", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("raised", [False, True], ids=["returned", "raised"])
@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Skip("a test order"), None),
        (To("review"), None),
        (Pause(1, "away"), None),
        (Retry(reason="429"), ("Retry", "429")),
        (Dead("no"), ("Dead", "no")),
    ],
)
def test_an_outcome_is_named_and_what_did_not_go_well_is_an_error(
    stage: Stage, outcome: Any, error: tuple[str, str] | None, raised: bool, later: bool
) -> None:
    def handle(order: dict[str, Any]) -> Outcome:
        if raised:
            raise outcome
        return outcome  # type: ignore[no-any-return]

    async def handle_later(order: dict[str, Any]) -> Outcome:
        return handle(order)

    span = stage.of_one_call(handle_later if later else handle, arrived())
    attributes = span.attributes or {}
    assert attributes["ringmain.outcome"] == type(outcome).__name__.lower()
    found = (attributes.get("error.type"), span.status.description)
    assert found == (error or (None, None))
    assert (span.status.status_code is StatusCode.ERROR) == bool(error)
    assert list(span.events) == []


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize("later", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (ValueError("odd"), "ValueError", "odd"),
        (SystemExit(3), "SystemExit", "3"),
        (Unspeakable(), f"{__name__}.Unspeakable", "<its text cannot be had: __str__ raised ValueError>"),
    ],
)
def test_an_exception_is_in_the_span_and_goes_on(
    stage: Stage, error: BaseException, kind: str, text: str, later: bool
) -> None:
    def handle(order: dict[str, Any]) -> None:
        raise error

    async def handle_later(order: dict[str, Any]) -> None:
        raise error

    call = stage.handling(handle_later if later else handle)
    with pytest.raises(type(error)):
        # Not asyncio.run: it takes a SystemExit out of its loop in its own way.
        call({"id": 1}, arrived()).send(None)
    [span] = stage.exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == kind
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, text)


def test_what_is_no_outcome_is_an_error_that_does_not_quote_it(stage: Stage) -> None:
    def handle(order: dict[str, Any]) -> Any:
        return "card 4111"

    span = stage.of_one_call(handle, arrived())
    assert span.status.description == "the handler returned a value of type str"


@pytest.mark.parametrize("later", [False, True], ids=["sync", "async"])
def test_spans_and_baggage_within_a_call_are_the_messages_and_nothing_is_left_after_it(
    stage: Stage, later: bool
) -> None:
    found: list[object] = []

    def handle(order: dict[str, Any]) -> None:
        with stage.provider.get_tracer("users").start_as_current_span("charge"):
            found.append(baggage.get_baggage("tenant"))

    async def handle_later(order: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        handle(order)

    call = stage.handling(handle_later if later else handle)
    result = call({"id": 1}, arrived(headers=[("baggage", b"tenant=blue")]))
    if later:
        asyncio.run(result)
    inner, outer = stage.exporter.get_finished_spans()
    assert (inner.name, outer.name) == ("charge", "process orders-v2")
    assert inner.parent is not None
    assert inner.parent.span_id == outer.get_span_context().span_id
    assert found == ["blue"]
    assert not trace.get_current_span().get_span_context().is_valid
    assert baggage.get_baggage("tenant") is None


class Post:
    """An outlet that keeps what is sent."""

    name = "audit"

    def __init__(self) -> None:
        self.sent: list[list[tuple[str, Any]]] = []
        self.deliveries: list[Delivery] = []

    def send(self, topic: str, value: Any, key: Any, more: Any) -> Delivery:
        if value == b"refused":
            raise DeliveryFailed("audit", topic, "no room")
        self.sent.append(list((more or {}).get("headers", ())))
        self.deliveries.append(Delivery(self, None, topic))
        self.deliveries[-1].lies(2, 7)
        return self.deliveries[-1]

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None: ...


@pytest.fixture
def post() -> Post:
    return Post()


def traceparent(span: ReadableSpan) -> tuple[str, str]:
    own = span.get_span_context()
    return "traceparent", f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"


def producing(stage: Stage, post: Post) -> tuple[App, Producer]:
    app = App()
    audit = app.producer("audit")
    audit.open_by(lambda _: post)
    tracing(app, stage.provider)
    return app, audit


def test_what_is_sent_is_a_producer_span_within_the_calls_and_its_context_goes_along(
    stage: Stage, post: Post
) -> None:
    app, audit = producing(stage, post)

    def handle(order: dict[str, Any]) -> None:
        audit.send("audit", b"1")
        audit.send("audit", b"2", headers={"a": b"b"})
        audit.send("audit", b"3", headers=[("traceparent", b"mine")])

    app.route("orders")(handle)
    compose(app.handler_of("orders"), app.middlewares).call({}, arrived())
    [call] = stage.exporter.get_finished_spans()
    for delivery in post.deliveries:
        delivery.arrive()
    _, first, second, third = stage.exporter.get_finished_spans()
    assert post.sent == [[traceparent(first)], [("a", b"b"), traceparent(second)], [("traceparent", b"mine")]]
    for span in (first, second, third):
        assert (span.name, span.kind) == ("send audit", SpanKind.PRODUCER)
        assert span.parent is not None
        assert span.parent.span_id == call.get_span_context().span_id
        assert dict(span.attributes or {}) == {
            conventions.MESSAGING_SYSTEM: "kafka",
            conventions.MESSAGING_OPERATION_NAME: "send",
            conventions.MESSAGING_OPERATION_TYPE: "send",
            conventions.MESSAGING_DESTINATION_NAME: "audit",
            conventions.MESSAGING_DESTINATION_PARTITION_ID: "2",
            conventions.MESSAGING_KAFKA_OFFSET: 7,
        }


def test_what_is_sent_outside_of_any_call_begins_a_trace(
    stage: Stage, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    _, audit = producing(stage, post)
    audit.send("audit", b"1")
    post.deliveries[0].arrive()
    post.deliveries[0].arrive()  # two threads may each tell
    assert not caplog.records
    [span] = stage.exporter.get_finished_spans()
    assert span.parent is None
    assert post.sent == [[traceparent(span)]]


def test_what_is_not_delivered_is_an_error_whoever_finds_it_out(stage: Stage, post: Post) -> None:
    _, audit = producing(stage, post)
    audit.send("audit", b"lost")
    post.deliveries[0].fail(DeliveryFailed("audit", "audit", "not in time"))
    with pytest.raises(DeliveryFailed):
        audit.send("audit", b"refused")
    spans = stage.exporter.get_finished_spans()
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR] * 2
    assert [(span.attributes or {})["error.type"] for span in spans] == ["ringmain.DeliveryFailed"] * 2


def of_one_batch(stage: Stage, messages: list[Message], said: Batch | None) -> ReadableSpan:
    """The span of a call with many messages, as a batch route's plan makes it."""
    app = App()
    tracing(app, stage.provider)
    assert app.middlewares[0](lambda: said, messages) is said
    [span] = stage.exporter.get_finished_spans()
    return span


def test_the_span_of_a_batch_is_linked_to_each_of_its_producers(stage: Stage) -> None:
    (first, one), (second, other) = produced(stage), produced(stage)
    span = of_one_batch(stage, [one, arrived(), other], None)
    assert span.name == "process orders-v2"
    assert span.parent is None
    assert [link.context.span_id for link in span.links] == [first.span_id, second.span_id]
    assert dict(span.attributes or {}) == {
        conventions.MESSAGING_SYSTEM: "kafka",
        conventions.MESSAGING_OPERATION_NAME: "process",
        conventions.MESSAGING_OPERATION_TYPE: "process",
        conventions.MESSAGING_DESTINATION_NAME: "orders-v2",
        conventions.MESSAGING_DESTINATION_PARTITION_ID: "3",
        conventions.MESSAGING_BATCH_MESSAGE_COUNT: 3,
        "ringmain.route": "orders",
    }


def test_what_of_a_batch_did_not_go_well_is_counted_and_an_error(stage: Stage) -> None:
    span = of_one_batch(stage, [arrived(), Message(b"", topic="other")], Batch(retry=[0], skip=[1]))
    attributes = span.attributes or {}
    assert span.name == "process"
    assert [attributes[f"ringmain.batch.{name}"] for name in ("retry", "skip", "dead")] == [1, 1, 0]
    assert (attributes["error.type"], span.status.status_code) == ("Retry", StatusCode.ERROR)
