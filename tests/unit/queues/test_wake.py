"""A taker that cannot hear still looks, and one that hears sleeps."""

from contextlib import closing
from pathlib import Path

import pytest

from ringmain.queues.sqlite import SqliteQueues, taker
from ringmain.queues.sqlite.locks import LockFile
from support.queue_backends import APP, READY, message, offsets, publish, take_all
from support.waiting import eventually


def test_a_lock_is_seen_by_others_and_goes_with_its_descriptor(tmp_path: Path) -> None:
    one, other = LockFile(tmp_path / "takers"), LockFile(tmp_path / "takers")
    assert one.try_hold(5)
    assert other.is_held_by_another(5)
    assert not other.is_held_by_another(6)
    assert not one.is_held_by_another(5)
    assert not other.try_hold(5)
    one.close()
    assert not other.is_held_by_another(5)
    other.close()


def test_a_taker_without_inotify_looks_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queues = SqliteQueues(APP, tmp_path / "queues.db")

    class Deaf(taker.Watch):
        def __init__(self, *_: object) -> None:
            self._descriptor = -1
            self._lock_watch = -1
            self.is_deaf, self.is_broken = True, False

    monkeypatch.setattr(taker, "Watch", Deaf)
    with closing(queues.taker([READY])) as deaf, closing(queues.publisher()) as publisher:
        take_all(deaf)
        assert deaf.fileno() is None
        timeout_s = deaf.timeout_s()
        assert timeout_s is not None
        assert timeout_s <= 0.05
        publish(publisher, READY, [message(1)])
        held: list[int] = []

        def heard() -> bool:
            deaf.pump()
            held.extend(offsets(deaf.take(1)))
            return held == [1]

        eventually(heard, 1.0)


def test_an_idle_taker_sleeps_for_a_second_or_more(tmp_path: Path) -> None:
    with closing(SqliteQueues(APP, tmp_path / "queues.db").taker([READY])) as idle:
        take_all(idle)

        def asleep() -> bool:
            idle.pump()
            assert idle.take(10) == []
            return (idle.timeout_s() or 0.0) > 1.0

        eventually(asleep)
        assert not idle.ready()
