"""One line per event, whoever reads it or nobody."""

import json
import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ringmain import log


def _run(code: str, *, line_format: str = "json", **how: object) -> subprocess.CompletedProcess[bytes]:
    begin = f"""
        import logging, os, sys
        from ringmain import log
        bound = {{"role": "handler", "route": "orders", "seat": 3}}
        log.configure("info", {line_format!r}, exceptions={how.pop("exceptions", "full")!r}, bound=bound)
        logger = logging.getLogger("room")
    """
    script = textwrap.dedent(begin) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, **how)  # type: ignore[call-overload]


def _lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_json_says_who_and_what_on_one_line() -> None:
    (line,) = _lines(_run("logger.info('two\\nlines', extra={'partition': 7})"))
    assert line.pop("time")
    assert line.pop("pid")
    assert line == {
        "level": "info",
        "event": "two\nlines",
        "logger": "room",
        "role": "handler",
        "route": "orders",
        "seat": 3,
        "partition": 7,
    }


def test_where_the_journal_reads_a_line_begins_with_its_priority() -> None:
    code = """
        for stream in ("", "{0.st_dev}:{0.st_ino}".format(os.fstat(2)), "8:9"):
            os.environ["JOURNAL_STREAM"] = stream
            log.configure(line_format="json")
            logger.info("x")
            logger.error("x")
    """
    heads = [line.partition(b"{")[0] for line in _run(code).stderr.splitlines()]
    assert heads == [b"", b"", b"<6>", b"<3>", b"", b""]


def test_seat_zero_is_a_seat() -> None:
    code = """
        log.configure(line_format="json", bound={"role": "feeder", "seat": 0, "route": ""})
        logger.info("x")
    """
    (line,) = _lines(_run(code))
    assert line["seat"] == 0
    assert "route" not in line


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    (line,) = _lines(_run("logger.info('x', extra={'odd': object, 'nan': float('nan'), 'raw': b'ab'})"))
    assert line["odd"] == "<class 'object'>"


def test_below_the_level_nothing_is_written() -> None:
    assert _lines(_run("logger.debug('x')")) == []


@pytest.mark.parametrize(("exceptions", "told"), [("full", True), ("class", False)])
def test_an_exception_with_its_traceback_or_its_class_only(exceptions: str, told: bool) -> None:
    code = """
        try:
            raise ValueError("the customer's name")
        except ValueError:
            logger.exception("failed")
    """
    (line,) = _lines(_run(code, exceptions=exceptions))
    assert line["error_class"] == "ValueError"
    assert ("the customer's name" in json.dumps(line)) is told


def test_console_says_the_same_to_people() -> None:
    done = _run("logger.warning('two\\nlines', extra={'reason': 'a b', 's': 1.23456})", line_format="console")
    (line,) = done.stderr.decode().splitlines()
    assert "warning  handler orders/3 [" in line
    assert line.endswith("two\\nlines  reason='a b'  s=1.235")


def test_console_names_the_channel_behind_its_route() -> None:
    formatter = log.ConsoleFormatter(
        {"role": "handler", "route": "orders", "channel": "express", "seat": 3}, full=True
    )
    line = formatter.format(logging.makeLogRecord({"msg": "x", "levelname": "INFO"}))
    assert " handler orders.express/3 [" in line


def test_a_reader_that_is_gone_stops_nobody() -> None:
    script = "from ringmain import log; import logging; log.configure(line_format='json')\n"
    script += "for _ in range(1000): logging.getLogger('x').info('y')\nprint('well')"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr
    process.stderr.close()
    assert process.stdout
    assert process.stdout.read() == b"well\n"
    process.stdout.close()
    assert process.wait() == 0


def test_a_closed_stderr_is_not_given_to_the_next_file(tmp_path: Path) -> None:
    code = f"""
        os.close(2)
        log.configure(line_format="json")
        with open({str(tmp_path / "file")!r}, "w") as file:
            logger.info("not for the file")
    """
    assert _run(code).returncode == 0
    assert (tmp_path / "file").read_text() == ""
