"""Which message, or which batch, a line of the log is about.

Handler authors enter, for structlog and for log handlers of their own; ringmain's own log (log.py) says it
by itself. A handler process says once how its present message is found (`speak_of`); that is asked when
something is logged, and at no other time. The value, the key and the headers never come here.
"""

import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from ringmain.message import Message

__all__ = ["MessageFilter", "add_message", "current_message"]


class Several(NamedTuple):
    """A batch that is called; `topic` empty = nobody knows that it is only one."""

    route: str
    channel: str
    topic: str
    messages: int


Present = Callable[[], Message | Several | None]


def current_message() -> Message | None:
    """The message of the call that this line stands in, however deep; None outside of any, or in a batch."""
    present = _present()
    return present if isinstance(present, Message) else None


def message_fields() -> dict[str, object]:
    """What is bound to a line within a call: route, channel if any, topic, partition, offset, attempt.

    Of a batch route, the topic where it is only one, and how many messages the call has.
    """
    about = _present()
    if about is None:
        return {}
    fields: dict[str, object] = {"route": about.route}
    if about.channel:
        fields["channel"] = about.channel
    if about.topic:
        fields["topic"] = about.topic
    if isinstance(about, Several):
        return fields | {"messages": about.messages}
    return fields | {"partition": about.partition, "offset": about.offset, "attempt": about.attempt}


def add_message(logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> Any:
    """A structlog processor: the message's fields, as far as the event does not have them itself."""
    for name, value in message_fields().items():
        event_dict.setdefault(name, value)
    return event_dict


class MessageFilter(logging.Filter):
    """The same for a stdlib log handler of your own: `%(topic)s` in its format, `record.offset` in its code.

    It lets every record pass. On a handler it sees the records of all loggers, on a logger that one's only.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Give the record the message's fields, as far as its `extra` has not."""
        for name, value in message_fields().items():
            record.__dict__.setdefault(name, value)
        return True


def speak_of(present: Present) -> None:
    """From now on the message of this process's log is what `present` finds. It must not raise."""
    global _present
    _present = present


@contextmanager
def spoken(present: Present) -> Iterator[None]:
    """The same for a while."""
    before = _present
    speak_of(present)
    try:
        yield
    finally:
        speak_of(before)


def _nothing() -> Message | None:
    return None


_present: Present = _nothing
