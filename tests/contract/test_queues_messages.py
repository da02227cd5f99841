"""The contract of publishing and taking, held against every backend."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from ringmain.clock import monotonic_s
from ringmain.queues import names
from ringmain.queues.contract import Queues
from support.queue_backends import (
    APP,
    DEAD,
    READY,
    message,
    offsets,
    publish,
    settle,
    take,
    take_all,
)
from support.queue_victim import MESSAGES
from support.waiting import eventually

Killed = Callable[[str, str], None]

PUBLISHER_POINTS = ["published", "confirmed"]
TAKER_POINTS = ["taken", "half acked"]
SQLITE_PUBLISHER_POINTS = ["BEGIN", "UPDATE counter", "INSERT INTO body", "INSERT INTO message", "COMMIT"]
SQLITE_TAKER_POINTS = ["BEGIN", "INSERT INTO taker", "UPDATE message", "COMMIT", "DELETE FROM message"]


@pytest.fixture
def killed(backend: str, address: str) -> Killed:
    """Runs the victim to a point and kills it there."""

    def kill_at(act: str, point: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-m", "support.queue_victim", backend, address, act, point]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        ) as victim:
            assert victim.stdout is not None
            reached = victim.stdout.readline().strip()
            victim.send_signal(signal.SIGKILL)
        assert reached == point

    return kill_at


def test_a_message_comes_out_as_it_went_in(queues: Queues) -> None:
    sent = message(
        7,
        value=b"\x00\xff",
        key=None,
        headers=[("h", b"1"), ("h", b""), ("h", None)],
        attempt=3,
        crashes=1,
        first_failed_ms=5,
        failed_ms=6,
        error_class="shop.Declined",
        error_message="no",
        traceback="trace\n",
        node="n1",
        replayed=True,
    )
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [sent, message(8, value=None), message(9, value=b"")])
        held = take(taker, 3)
    assert held[0].envelope == sent
    assert [delivery.envelope.value for delivery in held[1:]] == [None, b""]
    assert {delivery.queue for delivery in held} == {READY}


def test_every_ticket_is_confirmed_once(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher:
        first = publish(publisher, READY, map(message, range(100)))
        second = publish(publisher, READY, map(message, range(100)))
    assert len(set(first.confirmed) | set(second.confirmed)) == 200
    assert [first.lost, first.refused, second.lost, second.refused] == [[]] * 4


def test_a_message_is_gone_once_it_is_acked_and_not_before(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(10)))
    with closing(queues.taker([READY])) as taker:
        settle(taker, take(taker, 10)[:4])
    with closing(queues.taker([READY])) as taker:
        assert offsets(take(taker, 6)) == [4, 5, 6, 7, 8, 9]
        assert take_all(taker) == []


def test_what_is_given_back_goes_to_another_taker(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(3)))
    with closing(queues.taker([READY])) as one, closing(queues.taker([READY])) as other:
        held = take(one, 3)
        one.give_back([held[1].tag])
        one.pump()
        # A broker that pushes may choose the one that had it.
        back: list[int] = []

        def came_back() -> bool:
            for taker in (other, one):
                taker.pump()
                back.extend(offsets(taker.take(10)))
            return bool(back)

        eventually(came_back)
        assert back == [1]


def test_two_takers_never_share_a_message(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(500)))
    with closing(queues.taker([READY])) as one, closing(queues.taker([READY])) as other:
        held: list[int] = []

        def taken_by_turns() -> bool:
            for taker in (one, other):
                taker.pump()
                held.extend(offsets(taker.take(7)))
            return len(held) >= 500

        eventually(taken_by_turns)
        assert sorted(held) == list(range(500))


def test_a_delayed_message_comes_when_due_and_the_earlier_due_first(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        start_s = monotonic_s()
        publish(publisher, names.delay(APP, "orders", 2), [message(2)])
        publish(publisher, names.delay(APP, "orders", 1), [message(1)])
        publish(publisher, READY, [message(0)])
        seen: list[tuple[int, float]] = []

        def all_three() -> bool:
            taker.pump()
            seen.extend((number, monotonic_s() - start_s) for number in offsets(taker.take(10)))
            return len(seen) == 3

        eventually(all_three)
    assert [number for number, _ in seen] == [0, 1, 2]
    for number, after_s in seen:
        assert number <= after_s + 0.01


def test_a_sleeping_taker_wakes_within_50_ms_of_a_due_time(queues: Queues) -> None:
    late_s: list[float] = []
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        take_all(taker)
        while len(late_s) < 3 and (not late_s or late_s[-1] > 0.05):  # a neighbour's load is not ours
            publish(publisher, names.delay(APP, "orders", 1), [message(1)])
            published_s, held = monotonic_s(), taker.take(10)
            while not held and monotonic_s() < published_s + 5:
                _sleep(taker)
                held = taker.take(10)
            late_s.append(monotonic_s() - published_s - 1)
            assert offsets(held) == [1]
            settle(taker, held)
    assert min(late_s) < 0.05


def test_a_sleeping_taker_is_woken_by_a_publish(queues: Queues) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        take_all(taker)
        while (taker.timeout_s() or 1) == 0:
            taker.pump()
        publish(publisher, READY, [message(1)])
        descriptor = taker.fileno()
        assert descriptor is not None
        assert select.select([descriptor], [], [], 15.0)[0]
        assert offsets(take(taker, 1)) == [1]


def test_channels_and_routes_do_not_mix(queues: Queues) -> None:
    other = names.ready(APP, "orders", "slow")
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, [message(1)])
        publish(publisher, other, [message(2)])
        publish(publisher, names.ready(APP, "refunds"), [message(3)])
        publish(publisher, DEAD, [message(4)])
    with closing(queues.taker([READY, other])) as taker:
        held = take(taker, 2)
        assert {(delivery.queue, delivery.envelope.offset) for delivery in held} == {(READY, 1), (other, 2)}
        assert take_all(taker) == []


def test_depths_count_what_waits(queues: Queues) -> None:
    assert queues.depths() == {}
    delayed = names.delay(APP, "orders", 60)
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(5)))
        publish(publisher, delayed, map(message, range(3)))
        publish(publisher, names.dead(APP, "orders", "slow"), map(message, range(2)))
        depths = eventually(lambda: (now := queues.depths()) and len(now) == 3 and now)
    assert {queue: depth.messages for queue, depth in depths.items()} == {
        READY: 5, delayed: 3, names.dead(APP, "orders", "slow"): 2,
    }  # fmt: skip


def test_sqlite_depths_tell_what_is_held(queues: Queues, backend: str) -> None:
    if backend != "sqlite":
        pytest.skip("AMQP does not tell what others hold")
    delayed = names.delay(APP, "orders", 60)
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, map(message, range(5)))
        publish(publisher, delayed, map(message, range(3)))
        publish(publisher, DEAD, map(message, range(2)))
        take(taker, 4)
        depths = queues.depths()
    assert {queue: (depth.messages, depth.held) for queue, depth in depths.items()} == {
        READY: (5, 4), delayed: (3, 0), DEAD: (2, 0),
    }  # fmt: skip


@pytest.mark.parametrize("point", PUBLISHER_POINTS)
def test_a_killed_publisher_leaves_all_of_a_batch_or_nothing_confirmed(
    point: str, queues: Queues, killed: Killed
) -> None:
    killed("publish", point)
    with closing(queues.taker([READY])) as taker:
        held = take_all(taker)
    assert len(held) == (MESSAGES if point == "confirmed" else 0)


@pytest.mark.parametrize("point", TAKER_POINTS)
def test_a_killed_takers_messages_come_back_at_once(point: str, queues: Queues, killed: Killed) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as survivor:
        publish(publisher, READY, map(message, range(MESSAGES)))
        killed("take", point)
        left = MESSAGES if point == "taken" else MESSAGES // 2
        held = take(survivor, left, deadline_s=15.0)
        assert sorted(offsets(held)) == list(range(MESSAGES))[-left:]
        assert take_all(survivor) == []


def test_a_taker_that_starts_after_the_crash_gets_them_too(queues: Queues, killed: Killed) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(MESSAGES)))
    killed("take", "taken")
    with closing(queues.taker([READY])) as late:
        assert len(take(late, MESSAGES, deadline_s=15.0)) == MESSAGES


@pytest.mark.parametrize("statement", SQLITE_PUBLISHER_POINTS)
def test_sqlite_a_publisher_killed_inside_its_transaction_leaves_nothing(
    statement: str, queues: Queues, backend: str, killed: Killed
) -> None:
    if backend != "sqlite":
        pytest.skip("statements are SQLite's")
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, [message(1000)])
    killed("publish", f"sql:{statement}")
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        assert offsets(take_all(taker)) == [1000]
        assert publish(publisher, READY, [message(1001)]).lost == []


@pytest.mark.parametrize("statement", SQLITE_TAKER_POINTS)
def test_sqlite_a_taker_killed_inside_its_transaction_loses_nothing(
    statement: str, queues: Queues, backend: str, killed: Killed
) -> None:
    if backend != "sqlite":
        pytest.skip("statements are SQLite's")
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(MESSAGES)))
    killed("take", f"sql:{statement}")
    with closing(queues.taker([READY])) as taker:
        assert offsets(take(taker, MESSAGES, deadline_s=15.0)) == list(range(MESSAGES))


def _sleep(taker: object) -> None:
    """As a queue feeder sleeps: until something is heard or the timeout."""
    descriptor, timeout_s = taker.fileno(), taker.timeout_s()  # type: ignore[attr-defined]
    select.select([descriptor] if descriptor is not None else [], [], [], timeout_s)
    taker.pump()  # type: ignore[attr-defined]
