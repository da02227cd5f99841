"""Saying what happens: one line per event on stderr, the same shape from every process.

Everybody logs through the standard library (`logging.getLogger(__name__).info("assigned", extra={...})`);
`configure` is called once in each process and binds who is speaking. An event is a short constant text, what
varies is in `extra` (any names but LogRecord's own). Payloads never come here, and a log that nobody reads
any more (a closed pipe, a full disk) never stops a process. What is logged within a call says which message
that call is about (logging.py). Where systemd's journal reads, each line begins with its priority, which the
journal takes off again.
"""

import logging
import os
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from ringmain.logging import message_fields

_STDERR = 2
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""As syslog and the journal number them."""
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(
    level: str = "info",
    line_format: str | None = None,
    exceptions: str = "full",
    bound: Mapping[str, object] | None = None,
) -> None:
    """Set up this process's log: `line_format` console or json (None: by terminal), `bound` on every line."""
    _ensure_stderr()
    if line_format is None:
        line_format = "console" if os.isatty(_STDERR) else "json"
    formatter_type = ConsoleFormatter if line_format == "console" else JsonFormatter
    handler = StderrHandler(to_journal=_journal_reads(os.environ.get("JOURNAL_STREAM", "")))
    handler.setFormatter(formatter_type(bound or {}, full=exceptions == "full"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)


class StderrHandler(logging.Handler):
    """Whole lines straight to descriptor 2: no buffer that a fork could duplicate or a crash could lose."""

    def __init__(self, *, to_journal: bool = False) -> None:
        super().__init__()
        self._to_journal = to_journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event; a reader that is gone or a full disk is not worth a process."""
        try:
            head = f"<{_PRIORITIES.get(record.levelno, 6)}>" if self._to_journal else ""
            line = memoryview(f"{head}{self.format(record)}\n".encode("utf-8", "backslashreplace"))
        except Exception:
            self.handleError(record)
            return
        try:
            while line:
                line = line[os.write(_STDERR, line) :]
        except OSError:
            return


class _Formatter(logging.Formatter):
    def __init__(self, bound: Mapping[str, object], *, full: bool) -> None:
        super().__init__()
        self._bound = {name: value for name, value in bound.items() if value not in ("", None)}
        self._full = full

    def _fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Of the message, as far as the process is not bound to it anyway, and of the record, which wins."""
        message = {name: value for name, value in message_fields().items() if name not in self._bound}
        return message | {name: value for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES}

    def _error(self, record: logging.LogRecord) -> dict[str, str]:
        if not record.exc_info or record.exc_info[0] is None:
            return {}
        kind, error, trace = record.exc_info
        named = {"error_class": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")}
        if self._full:
            named["error_message"] = str(error)
            named["traceback"] = "".join(traceback.format_exception(kind, error, trace))
        return named


class JsonFormatter(_Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """`{"time":…,"level":…,"event":…,"logger":…, bound…, fields…, error…}`."""
        second, micros = divmod(round(record.created * 1e6), 1_000_000)
        line: dict[str, object] = {
            "time": f"{_second(second)}.{micros // 1000:03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **self._bound,
            "pid": record.process,
            **self._fields(record),
            **self._error(record),
        }
        try:
            return msgspec.json.encode(line, enc_hook=_as_text).decode()
        except UnicodeEncodeError:  # half a character, e.g. from a file name in an exception's text
            whole = {name: _printable(value) for name, value in line.items()}
            return msgspec.json.encode(whole, enc_hook=_as_text).decode()


class ConsoleFormatter(_Formatter):
    """One line an event for people; only a traceback goes on below it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """`12:30:01.123 info  handler orders/3 [71] event  name=value …`."""
        error = self._error(record)
        trace = error.pop("traceback", "")
        named = {**self._fields(record), **error}
        pairs = "".join(f"  {name}={_shown(value)}" for name, value in named.items())
        clock = _when(record).astimezone().strftime("%H:%M:%S.%f")[:-3]
        head = f"{clock} {record.levelname.lower():<8} {self._speaker()} [{record.process}]"
        line = f"{head} {_one_line(record.getMessage())}{pairs}"
        return line + "".join(f"\n    {row}" for row in trace.splitlines())

    def _speaker(self) -> str:
        role, route, channel, seat = (
            self._bound.get(name, "") for name in ("role", "route", "channel", "seat")
        )
        pool = f"{route}.{channel}" if channel else route
        return f"{role} {pool}/{seat}" if route else str(role or "ringmain")


def _when(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


@lru_cache(maxsize=1)
def _second(epoch_s: int) -> str:
    """PERF: of the same second there are thousands where calls fail."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _printable(value: object) -> object:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _as_text(value: Any) -> str:
    return str(value)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else f"{value:.3f}" if isinstance(value, float) else str(value)
    return repr(text) if not text or any(letter.isspace() or letter == '"' for letter in text) else text


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _journal_reads(stream: str) -> bool:
    """Is descriptor 2 what systemd gave us? `stream` is its device and inode, as systemd says it."""
    found = os.fstat(_STDERR)
    return stream == f"{found.st_dev}:{found.st_ino}"


def _ensure_stderr() -> None:
    """With descriptor 2 closed, the next file opened would get that number and receive our log."""
    try:
        os.fstat(_STDERR)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != _STDERR:
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
