"""The demo's look at the queues, over a real queue file."""

from pathlib import Path

from ringmain.demo.observer import QueueObserver, waiting_and_dead
from ringmain.demo.snapshot import Queued
from ringmain.queues.contract import Depth
from ringmain.queues.sqlite import SqliteQueues


def test_before_the_daemon_has_made_its_queues_they_are_empty(tmp_path: Path) -> None:
    assert QueueObserver(SqliteQueues("demo", tmp_path / "queues.db")).queued() == Queued()


def test_all_but_the_dead_wait_for_another_attempt() -> None:
    depths = {
        "demo.orders.ready": Depth(3, 1, None),
        "demo.orders.delay.1": Depth(4, 0, None),
        "demo.orders.dead": Depth(5, 0, None),
    }
    assert waiting_and_dead(depths) == (7, 5)
