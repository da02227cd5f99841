"""The contract of acting on the dead set, held against every backend: one at a time, nothing in between."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from msgspec.structs import replace

from ringmain.errors import DeadSetBusy
from ringmain.queues import names
from ringmain.queues.contract import DeadSet, Hold, Publisher, Queues
from ringmain.queues.envelope import Envelope
from ringmain.queues.filters import Filter
from ringmain.queues.replay import anew
from support.dead_messages import died
from support.dead_victim import REPLAYED
from support.queue_backends import APP, DEAD, READY, offsets, publish, take, take_all
from support.waiting import eventually

MESSAGES = 50
POINTS = ["held", "picked", "replayed"]
SQLITE_POINTS = ["sql:DELETE FROM dead", "sql:UPDATE body", "sql:INSERT INTO message", "sql:COMMIT"]
RABBIT_POINTS = ["before publish", "after confirm", "before give back"]


@pytest.fixture
def publisher(queues: Queues) -> Iterator[Publisher]:
    with closing(queues.publisher()) as publisher:
        yield publisher


@pytest.fixture
def dead_set(queues: Queues) -> Iterator[DeadSet]:
    with closing(queues.dead_set()) as dead_set:
        yield dead_set


def dead_offsets(dead_set: DeadSet, **conditions: object) -> list[int]:
    return [entry.offset for entry in dead_set.page(Filter(**conditions), 5000).entries]  # type: ignore[arg-type]


def test_what_is_replayed_is_ready_as_if_it_had_never_failed(
    queues: Queues, publisher: Publisher, dead_set: DeadSet
) -> None:
    publish(publisher, DEAD, [died(1, crashes=1), died(2)])
    with closing(dead_set.hold("ada")) as hold:
        batch = next(hold.pick(Filter(key=b"k1")))
        acted = hold.replay(batch)
    assert (acted.done, acted.refused) == ([batch[0].id], [])
    assert dead_offsets(dead_set) == [2]
    with closing(queues.taker([READY])) as taker:
        [delivery] = take(taker, 1)
    assert delivery.envelope == anew(died(1))
    assert isinstance(delivery.envelope, Envelope)
    assert (delivery.envelope.attempt, delivery.envelope.replayed) == (1, True)
    assert delivery.envelope.error_class == delivery.envelope.traceback == ""


def test_the_dead_of_a_channel_go_back_to_the_channel(
    queues: Queues, publisher: Publisher, dead_set: DeadSet
) -> None:
    publish(publisher, names.dead(APP, "orders", "slow"), [died(3)])
    with closing(dead_set.hold("ada")) as hold:
        for batch in hold.pick(Filter()):
            hold.replay(batch)
    with closing(queues.taker([names.ready(APP, "orders", "slow")])) as taker:
        assert offsets(take(taker, 1)) == [3]


def test_what_is_removed_is_gone_for_good(queues: Queues, publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, DEAD, map(died, range(10)))
    with closing(dead_set.hold("ada")) as hold:
        for batch in hold.pick(Filter(), at_once=4):
            hold.remove([dead.id for dead in batch[:3]])
    assert dead_offsets(dead_set) == [3, 7]
    with closing(queues.taker([READY])) as taker:
        assert take_all(taker) == []


def test_what_is_left_keeps_its_place(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, DEAD, map(died, range(3000)))
    with closing(dead_set.hold("ada")) as hold:
        for batch in hold.pick(Filter(error="KeyError"), at_once=7):
            hold.replay(batch)
    assert dead_offsets(dead_set) == [number for number in range(3000) if number % 10]


def test_an_edited_value_goes_out_edited_and_with_all_else_as_it_was(
    queues: Queues, publisher: Publisher, dead_set: DeadSet
) -> None:
    publish(publisher, DEAD, [died(1)])
    with closing(dead_set.hold("ada")) as hold:
        [dead] = next(hold.pick(Filter()))
        hold.replay([dead._replace(envelope=replace(dead.envelope, value=b"mended"))])
    with closing(queues.taker([READY])) as taker:
        assert take(taker, 1)[0].envelope == replace(anew(died(1)), value=b"mended")


def test_what_was_kept_without_its_value_is_refused_and_stays(
    publisher: Publisher, dead_set: DeadSet
) -> None:
    publish(publisher, DEAD, [died(1, value=None, withheld_bytes=1 << 30), died(2)])
    with closing(dead_set.hold("ada")) as hold:
        batch = next(hold.pick(Filter()))
        acted = hold.replay(batch)
    assert acted.done == [batch[1].id]
    [(refused_id, reason)] = acted.refused
    assert refused_id == batch[0].id
    assert "was not kept" in reason
    assert dead_offsets(dead_set) == [1]


def test_a_second_holder_is_told_who_has_it_and_looking_goes_on(
    queues: Queues, publisher: Publisher, dead_set: DeadSet
) -> None:
    publish(publisher, DEAD, [died(1)])
    with closing(dead_set.hold("ada (job 7)")), closing(queues.dead_set()) as another:
        with pytest.raises(DeadSetBusy) as refused:
            another.hold("bob")
        assert refused.value.who == "ada (job 7)"
        assert os.uname().nodename in refused.value.host
        assert refused.value.since.endswith("Z")
        assert dead_offsets(another) == [1]
    with closing(dead_set.hold("bob")):
        pass


def test_what_a_job_picks_is_what_was_dead_at_the_mark(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, DEAD, map(died, range(1200)))
    mark = dead_set.mark()
    publish(publisher, DEAD, map(died, range(1200, 1300)))
    with closing(dead_set.hold("ada")) as hold:
        picked = [
            dead.envelope.offset for batch in hold.pick(Filter(error="Declined"), mark) for dead in batch
        ]
    assert picked == [number for number in range(1200) if number % 10]


def test_what_dies_while_a_job_works_is_said_once_and_not_picked(
    publisher: Publisher, dead_set: DeadSet
) -> None:
    publish(publisher, DEAD, map(died, range(6)))
    mark = dead_set.mark()
    with closing(dead_set.hold("ada")) as hold:
        picked, heard = [], []
        for batch in hold.pick(Filter(), mark, at_once=2):
            picked += [dead.envelope.offset for dead in batch]
            hold.replay(batch)
            if len(picked) == 2:
                publish(publisher, DEAD, [replace(died(0), replayed=True)])
                heard += eventually(hold.arrivals)
        assert [dead.envelope.offset for dead in heard] == [0]
        assert hold.arrivals() == []
    assert picked == [0, 1, 2, 3, 4, 5]
    assert dead_offsets(dead_set) == [0]


def test_a_rest_lets_others_look_and_the_job_goes_on_where_it_was(
    queues: Queues, publisher: Publisher, dead_set: DeadSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringmain.queues.rabbit.hold.IN_HAND_S", 0.0)
    publish(publisher, DEAD, map(died, range(10)))
    with closing(dead_set.hold("ada")) as hold, closing(queues.dead_set()) as another:
        left = list(range(10))
        for batch in hold.pick(Filter(), at_once=3):
            hold.remove([dead.id for dead in batch[:2]])
            left = [number for number in left if number not in [d.envelope.offset for d in batch[:2]]]
            hold.rest(0.01)
            assert dead_offsets(another) == left
    assert left == [2, 5, 8]


def killed_at(point: str, backend: str, address: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "support.dead_victim", backend, address, point]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as victim:
        assert victim.stdout is not None
        reached = victim.stdout.readline().strip()
        victim.send_signal(signal.SIGKILL)
    assert reached == point.removeprefix("sql:") or reached == point


@pytest.mark.parametrize("point", [*POINTS, *SQLITE_POINTS, *RABBIT_POINTS])
def test_a_holder_that_is_killed_leaves_each_message_dead_or_ready_or_both(
    point: str, queues: Queues, publisher: Publisher, dead_set: DeadSet, backend: str, address: str
) -> None:
    others = RABBIT_POINTS if backend == "sqlite" else SQLITE_POINTS
    if point in others:
        pytest.skip("a point of another backend")
    publish(publisher, DEAD, map(died, range(MESSAGES)))
    killed_at(point, backend, address)
    with closing(eventually(lambda: _held(dead_set))) as hold:
        dead = {one.envelope.offset for batch in hold.pick(Filter()) for one in batch}
    with closing(queues.taker([READY])) as taker:
        ready = set(offsets(take_all(taker)))
    assert dead | ready == set(range(MESSAGES))
    replayed = point in ("replayed", "after confirm", "before give back")
    assert ready == (set(range(REPLAYED)) if replayed else set())
    if point in ("replayed", "before give back") and backend == "sqlite":
        assert not dead & ready


def _held(dead_set: DeadSet) -> Hold | None:
    """The broker frees the lock of a dead connection when it hears of its end."""
    try:
        return dead_set.hold("a survivor")
    except DeadSetBusy:
        return None
