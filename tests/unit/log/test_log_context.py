"""What is logged within a call says which message it is about; elsewhere nothing is added."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from ringmain import log
from ringmain.logging import MessageFilter, Several, add_message, current_message, speak_of
from ringmain.message import Message

MESSAGE = Message(b"secret", topic="orders-v2", partition=3, offset=41, attempt=2, route="orders")
IN_CHANNEL = Message(b"secret", topic="orders-v2", offset=41, route="orders", channel="review")
FIELDS = {"route": "orders", "topic": "orders-v2", "partition": 3, "offset": 41, "attempt": 2}


@pytest.fixture
def within() -> Iterator[Callable[[Message], None]]:
    """within(message): as in a call of it."""
    yield lambda message: speak_of(lambda: message)
    speak_of(lambda: None)


def record(**extra: Any) -> logging.LogRecord:
    return logging.getLogger("users").makeRecord(
        "users", logging.INFO, "orders.py", 7, "charged", (), None, "handle", extra
    )


def as_json(bound: dict[str, object], **extra: Any) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(log.JsonFormatter(bound, full=True).format(record(**extra)))
    return {name: line[name] for name in line.keys() - {"time", "pid", "level", "logger", "event"}}


def test_a_line_of_the_daemons_log_says_the_message(within: Callable[[Message], None]) -> None:
    bound: dict[str, object] = {"role": "handler", "route": "orders"}
    assert as_json(bound) == bound
    within(MESSAGE)
    assert as_json(bound) == bound | FIELDS
    console = log.ConsoleFormatter(bound, full=True).format(record())
    assert console.endswith("charged  topic=orders-v2  partition=3  offset=41  attempt=2")


def test_what_a_line_says_itself_stands(within: Callable[[Message], None]) -> None:
    within(MESSAGE)
    assert as_json({}, offset="mine", amount=3) == FIELDS | {"offset": "mine", "amount": 3}


def test_a_channel_is_said_where_there_is_one(within: Callable[[Message], None]) -> None:
    within(IN_CHANNEL)
    assert as_json({})["channel"] == "review"
    within(MESSAGE)
    assert "channel" not in as_json({})


def test_structlog_says_the_message_by_a_processor(within: Callable[[Message], None]) -> None:
    with structlog.testing.capture_logs(processors=[add_message]) as lines:
        logger = structlog.get_logger()
        logger.info("outside")
        within(MESSAGE)
        logger.info("charged", attempt="mine")
    assert lines == [
        {"event": "outside", "log_level": "info"},
        {"event": "charged", "log_level": "info"} | FIELDS | {"attempt": "mine"},
    ]


def test_a_log_handler_of_the_authors_own_says_it_by_a_filter(
    within: Callable[[Message], None], capsys: pytest.CaptureFixture[str]
) -> None:
    own = logging.StreamHandler()
    own.addFilter(MessageFilter())
    own.setFormatter(logging.Formatter("%(topic)s/%(offset)s %(message)s"))
    within(MESSAGE)
    own.handle(record())
    own.handle(record(topic="mine"))
    assert capsys.readouterr().err == "orders-v2/41 charged\nmine/41 charged\n"


def test_a_batch_says_its_topic_if_it_is_one_and_how_many_messages_it_has(
    within: Callable[[Any], None],
) -> None:
    within(Several("orders", "", "orders-v2", 500))
    assert as_json({}) == {"route": "orders", "topic": "orders-v2", "messages": 500}
    within(Several("orders", "review", "", 2))
    assert as_json({}) == {"route": "orders", "channel": "review", "messages": 2}
    assert current_message() is None


def test_a_record_outside_of_any_call_passes_unchanged() -> None:
    one = record()
    before = dict(vars(one))
    assert MessageFilter().filter(one)
    assert vars(one) == before
    assert current_message() is None
