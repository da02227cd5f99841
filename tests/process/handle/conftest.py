"""A route's real ring with a feeder's side in the test, and the handler role in a child process."""

import contextlib
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import msgspec
import pytest

from ringmain import clock, lifecycle
from ringmain.config.schema import Config, Queues, Route
from ringmain.lifecycle import Booted, Leash, Stop
from ringmain.rings import Board, FeederTerms, Geometry, Segment, bell
from ringmain.seat import Seat
from support import signals
from support.forking import fork
from support.waiting import PATIENCE_S, eventually

APP = """
import asyncio, contextvars, os, signal, sys, time
import msgspec
from ringmain.app import App
from ringmain.message import Message
from ringmain.outcome import Dead, Pause, Retry, Skip, To

class Order(msgspec.Struct):
    id: int

app = App()
"""


class Handler:
    """One handler process on its own ring; what it leaves is read from the feeder's events and counters."""

    def __init__(self, folder: Path, body: str, **route: Any) -> None:
        (folder / "userapp.py").write_text(APP + body)
        fields: dict[str, Any] = {"name": "orders", "topics": ("orders",), "order": "key", **route}
        self.config = Config(
            app="userapp:app",
            name="test",
            queues=Queues(backend="sqlite"),
            routes={"orders": Route(**fields)},
            folder=str(folder),
        )
        self.segment = Segment.create(Geometry(2, 8, 64, 1 << 20), bell())
        self.overseer = self.segment.overseer()
        self.feeder = self.segment.open_feeder(0, 1, FeederTerms(order="key"))
        self.partition = self.feeder.partition_index("orders", 0)
        self.feeder.open_partition(self.partition, 0)
        self.board = Board(2)
        self.offset = 0
        self.pid = 0
        self.leash: Leash | None = None
        self.log = folder / "log"

    def start(self) -> Self:
        """Fork the process and wait until it is at work."""
        self.boot()
        leash = self.leash
        assert leash is not None
        reports: list[object] = []

        def booted_or_gone() -> bool:
            reports.extend(leash.receive())
            return Booted() in reports or leash.closed

        eventually(booted_or_gone, PATIENCE_S, "the handler is at work")
        if Booted() not in reports:
            pytest.fail(f"the handler ended with {self.exit_code()} before it was at work:\n{self.said()}")
        return self

    def boot(self) -> None:
        """Fork the process."""
        index = self.overseer.free_seat()
        incarnation = self.overseer.admit(index)
        self.leash, link = lifecycle.pair()
        seat = Seat(
            role="handle",
            config=self.config,
            segments={"orders": self.segment},
            board=self.board,
            beat=0,
            link=link,
            route="orders",
            index=index,
            incarnation=incarnation,
        )
        self.index = index
        self.pid = fork()
        if self.pid == 0:
            self._live(seat)
        link.close()

    def _live(self, seat: Seat) -> None:
        code = 99
        try:
            os.dup2(os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
            faulthandler.enable(2)  # pytest's own writes to the terminal
            assert self.leash is not None
            self.leash.close()
            from ringmain import log
            from ringmain.handle import run

            log.configure("debug", "json")
            code = run(seat)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)

    def place(self, *values: object, key: bytes | None = None) -> None:
        """Put messages into the ring: bytes as they are, None as tombstones, anything else as JSON."""
        for value in values:
            raw = value if value is None or isinstance(value, bytes) else msgspec.json.encode(value)
            assert self.feeder.place(self.partition, self.offset, raw, key=key)
            self.offset += 1
        self.feeder.flush()

    def counters(self) -> SimpleNamespace:
        """How many calls ended in what, after a turn of the feeder, which shows what hung behind them."""
        self.feeder.settle()
        self.feeder.flush()
        return SimpleNamespace(**self.overseer.handler_counters(self.index))

    def wait(self, deadline_s: float = PATIENCE_S, **wanted: int) -> None:
        """Until the counters are these."""

        def seen() -> bool:
            have = vars(self.counters())
            assert {name: have[name] for name in wanted} == wanted, self.said()
            return True

        eventually(seen, deadline_s, f"{wanted}")

    def stop(self) -> int:
        """Order a stop and wait for the exit code."""
        assert self.leash is not None
        self.leash.send(Stop(clock.monotonic_s() + 5))
        return self.exit_code()

    def exit_code(self, deadline_s: float = PATIENCE_S) -> int:
        """The code it exits with; minus the signal's number if killed."""

        def gone() -> tuple[int, int] | None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (pid, status) if pid else None

        _, status = eventually(gone, deadline_s, "the handler ends")
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def said(self) -> str:
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    def close(self) -> None:
        """Nothing stays."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                signals.send(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.leash is not None:
            self.leash.close()
        del self.feeder, self.overseer
        self.segment.close()
        self.board.close()


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[Callable[..., Handler]]:
    """handler(body, **route): the process of an app whose module ends in `body`."""
    made: list[Handler] = []

    def make(body: str, **route: Any) -> Handler:
        made.append(Handler(tmp_path, body, **route))
        return made[-1]

    yield make
    for one in made:
        one.close()
    sys.modules.pop("userapp", None)
