"""What handlers send in a test: kept instead of sent, by outlets that take the place of Kafka's.

The harness enters. A call's account (its outbox, what becomes of its message when a delivery fails) is kept
by production's own code; here every delivery is done at once, or has failed at once where a test says so.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ringmain._fastpath import Outbox, Outboxes
from ringmain.app import App
from ringmain.config.pools import key_of
from ringmain.config.schema import Config
from ringmain.errors import DeliveryFailed
from ringmain.formats import Encode, Sources, encoder, schema_text
from ringmain.handle.plan import Plan
from ringmain.handle.sending import enclose, enclose_async, is_good, present_box, with_call
from ringmain.message import Message
from ringmain.outgoing import settings_of
from ringmain.producer import Delivery, Plain, Producer
from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE
from ringmain.testing.results import Produced
from ringmain.testing.values import header_pairs, key_bytes

Note = Callable[[str, Produced], None]
_handled: ContextVar[tuple[str, ...]] = ContextVar("ringmain.testing.handled", default=())
"""Ids of the messages that the present call is about."""


@dataclass
class Tray:
    """Everything that was sent."""

    note: Note
    """Told of each, by the id of every message of its call."""
    produced: list[Produced] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """By topic: why nothing is delivered there."""
    _open: list[tuple[Produced, tuple[str, ...]]] | None = None

    def put(self, produced: Produced) -> int:
        """One more; its offset."""
        before = [each.topic for each in self.produced] + [each.topic for each, _ in self._open or ()]
        if self._open is None:
            self._keep(produced, _handled.get())
        else:
            self._open.append((produced, _handled.get()))
        return before.count(produced.topic)

    def begin(self) -> None:
        """From now on what is sent stands or falls with its call."""
        self._open = []

    def end(self, stands: bool) -> None:
        """The call has ended."""
        sent, self._open = self._open or [], None
        for produced, handled in sent if stands else ():
            self._keep(produced, handled)

    def _keep(self, produced: Produced, handled: tuple[str, ...]) -> None:
        self.produced.append(produced)
        for message_id in handled:
            self.note(message_id, produced)


@dataclass
class TrayOutlet:
    """The outlet of one producer."""

    producer: Producer
    encode: Encode
    tray: Tray
    box: Callable[[], Outbox | None]

    @property
    def name(self) -> str:
        """The producer's."""
        return self.producer.name

    @property
    def plain(self) -> Plain:
        """As all others."""
        return partial(self.send, more=None)

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        """Into the tray."""
        more = more or {}
        produced = Produced(
            producer=self.producer.name,
            topic=topic,
            value=value if value is None or isinstance(value, bytes) else self.encode(value, topic),
            key=key_bytes(key),
            headers=tuple(header_pairs(more.get("headers"))),
            partition=more.get("partition"),
            timestamp_ms=more.get("timestamp_ms"),
        )
        delivery = Delivery(self, self.box(), topic)
        if topic in self.tray.refused:
            delivery.fail(DeliveryFailed(self.producer.name, topic, self.tray.refused[topic]))
        else:
            delivery.lies(produced.partition or 0, self.tray.put(produced))
            delivery.arrive()
        return delivery

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        """Every delivery is done."""


class Workshop:
    """The producers of one app, in one harness."""

    def __init__(self, app: App, config: Config, note: Note) -> None:
        self.tray = Tray(note)
        self.serving = ""
        """The key of the pool whose handler is called now; empty = none is."""
        self._app, self._config = app, config
        self._boxes: dict[str, Outboxes] = {}
        for producer in app.producers.values():
            producer.open_by(self._opened)

    def planned(self, plan: Plan) -> Plan:
        """The plan whose calls answer for what they send, as in production."""
        if not self._app.producers:
            return plan
        plan = attributed(plan)
        if plan.spec.is_async:
            return enclose_async(plan, set())
        boxes = Outboxes(is_good=is_good)  # nobody ever waits: here all is delivered at once
        self._boxes[key_of(plan.spec.name, plan.spec.channel)] = boxes
        plan = enclose(plan, boxes)
        return in_transactions(plan, self.tray) if plan.settings.transactional else plan

    def close(self) -> None:
        """The app's producers send nothing any more."""
        for producer in self._app.producers.values():
            producer.open_by(None)

    def _opened(self, producer: Producer) -> TrayOutlet:
        settings = settings_of(self._config, producer.name)
        assert settings is not None, "the app fits its config"
        sources = Sources(self._app.codecs, schema_text(settings.schema))
        return TrayOutlet(producer, encoder(settings.format, sources), self.tray, self._box)

    def _box(self) -> Outbox | None:
        boxes = self._boxes.get(self.serving)
        found: Outbox | None = boxes.present() if boxes else present_box()
        return found


def in_transactions(plan: Plan, tray: Tray) -> Plan:
    """The plan of which only those calls have sent anything that have ended well."""
    call = plan.spec.call

    def whole(*arguments: Any) -> Any:
        stands = False
        tray.begin()
        try:
            result = call(*arguments)
            stands = is_good(result)
            return result
        except BaseException as error:
            stands = is_good(error)
            raise
        finally:
            tray.end(stands)

    return with_call(plan, whole)


def attributed(plan: Plan) -> Plan:
    """The plan whose calls say which messages they are about: what they send is theirs."""
    spec = plan.spec
    call, only = spec.call, bool(spec.wants & WANTS_ONLY_MESSAGE)
    given = slice(None) if only or spec.wants & WANTS_MESSAGE else slice(-1)

    def about(*arguments: Any) -> Any:
        with _about(arguments[-1]):
            return call(*arguments[given])

    async def about_later(*arguments: Any) -> Any:
        with _about(arguments[-1]):
            return await call(*arguments[given])

    wants = spec.wants if only else spec.wants | WANTS_MESSAGE
    told = replace(spec, call=about_later if spec.is_async else about, wants=wants)
    return replace(plan, spec=told, resolver=replace(plan.resolver, spec=told))


@contextmanager
def _about(messages: Message | list[Message]) -> Iterator[None]:
    several = messages if isinstance(messages, list) else [messages]
    token = _handled.set(tuple(message.id for message in several))
    try:
        yield
    finally:
        _handled.reset(token)
