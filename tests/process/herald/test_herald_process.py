"""The herald over a real queue file, in this process: words through it both ways, counts, and absences."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ringmain import herald, lifecycle
from ringmain.clock import monotonic_s
from ringmain.config.load import loads
from ringmain.config.schema import Config
from ringmain.control import Queue
from ringmain.lifecycle import WORD_BYTES, Announce, Depths, Heard, Leash, Report, Status, Stop
from ringmain.queues import names
from ringmain.queues.contract import Control
from ringmain.queues.sqlite import SqliteQueues
from ringmain.rings import Board
from ringmain.seat import Seat
from support.queue_backends import bring, message
from support.waiting import eventually

CONFIG = """
app = "orders:app"
name = "shop"
node = "n1"
state_dir = "{folder}"
modes = ["management-api"]
[kafka]
bootstrap.servers = "127.0.0.1:1"
[queues]
backend = "sqlite"
path = "{folder}/in/queues.db"
[routes.orders]
topics = ["orders"]
order = "none"
kafka.group.id = "orders"
"""


@dataclass
class Running:
    """A herald under way, and all that it has reported."""

    leash: Leash
    thread: threading.Thread
    codes: list[int]
    reports: list[Report] = field(default_factory=list)

    def heard(self) -> list[bytes]:
        return [report.body for report in self.seen() if isinstance(report, Heard)]

    def seen(self) -> list[Report]:
        self.reports += self.leash.receive()
        return self.reports

    def states(self) -> list[str]:
        return [report.state for report in self.seen() if isinstance(report, Status)]

    def announces(self, body: bytes, other: Control) -> None:
        """Until the other one has heard it."""

        def arrived() -> bool:
            self.leash.send(Announce(body))
            other.pump()
            return body in other.take()

        eventually(arrived)

    def hears(self, body: bytes, other: Control) -> None:
        """Until it has reported what the other one says."""

        def reported() -> bool:
            other.pump()
            other.send(body)
            return body in self.heard()

        eventually(reported)

    def stop(self) -> int:
        self.leash.send(Stop(monotonic_s() + 5))
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.codes[0]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return loads(CONFIG.format(folder=tmp_path), folder=str(tmp_path))


@pytest.fixture
def queues(config: Config) -> SqliteQueues:
    return SqliteQueues("shop", Path(config.queues.path))


@pytest.fixture
def start(config: Config) -> Iterator[Callable[[], Running]]:
    board, started = Board(1), list[Running]()

    def begin() -> Running:
        leash, link = lifecycle.pair()
        seat = Seat(role="herald", config=config, segments={}, board=board, beat=0, link=link)
        codes: list[int] = []

        def live() -> None:
            with closing(link):
                codes.append(herald.run(seat))

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        started.append(Running(leash, thread, codes))
        return started[-1]

    yield begin
    for running in started:
        running.leash.close()
        running.thread.join(10)
    board.close()


def test_words_go_both_ways_and_a_stop_is_obeyed_at_once(
    start: Callable[[], Running], queues: SqliteQueues
) -> None:
    running = start()
    with closing(queues.control()) as other:
        running.announces(b"from here", other)
        running.hears(b"from there", other)
        began_s = monotonic_s()
        assert running.stop() == lifecycle.OK
        assert monotonic_s() - began_s < 15


def test_a_herald_whose_supervisor_is_gone_ends(start: Callable[[], Running]) -> None:
    running = start()
    eventually(running.seen)
    running.leash.close()
    eventually(lambda: not running.thread.is_alive())


def test_a_word_that_is_too_long_is_told_as_an_empty_one(
    start: Callable[[], Running], queues: SqliteQueues
) -> None:
    running = start()
    with closing(queues.control()) as other:
        running.hears(b"short", other)
        other.send(b"x" * (WORD_BYTES + 1))
        eventually(lambda: b"" in running.heard())


def test_what_is_in_the_queues_is_told_with_its_age(
    start: Callable[[], Running], queues: SqliteQueues
) -> None:
    with closing(queues.publisher()) as publisher:
        bring(publisher, names.ready("shop", "orders"), [message(1), message(2)])
    running = start()

    def counted() -> list[Queue]:
        found = [report.queues for report in running.seen() if isinstance(report, Depths)]
        return found[-1] if found else []

    [queue] = eventually(counted)
    assert (queue.pool, queue.queue, queue.messages) == ("orders", "ready", 2)
    assert queue.oldest_s is not None
    assert queue.oldest_s >= 0


def test_queues_that_go_are_said_once_and_it_comes_back_by_itself(
    start: Callable[[], Running], queues: SqliteQueues, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(config.queues.path).parent
    running = start()
    with caplog.at_level(logging.INFO), closing(queues.control()) as other:
        running.hears(b"well", other)
        shutil.rmtree(folder)
        folder.touch()
        eventually(lambda: "unreachable" in running.states(), 60)
        folder.unlink()
        running.hears(b"well again", other)
        eventually(lambda: running.states()[-1] == "ok")
    for event in ("other nodes are not heard", "other nodes are heard again"):
        assert caplog.messages.count(event) == 1
    assert running.codes == []
