"""Which message a line of the log is about.

Handler authors enter, for structlog and for log handlers of their own; ringmain's own log (log.py) says it
by itself. A handler process says once how its present message is found (`speak_of`); that is asked when
something is logged, and at no other time. The value, the key and the headers never come here.
"""

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from ringmain.message import Message

__all__ = ["MessageFilter", "add_message", "current_message"]

Present = Callable[[], Message | None]


def current_message() -> Message | None:
    """The message of the call that this line stands in, however deep; None outside of any call."""
    return _present()


def message_fields() -> dict[str, object]:
    """What is bound to a line within a call: route, channel if any, topic, partition, offset, attempt."""
    message = _present()
    if message is None:
        return {}
    channel = {"channel": message.channel} if message.channel else {}
    return {
        "route": message.route,
        **channel,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "attempt": message.attempt,
    }


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


def _nothing() -> Message | None:
    return None


_present: Present = _nothing
