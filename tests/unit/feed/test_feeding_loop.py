"""How a feeder's loop ends: told to settle it stays, told to stop it goes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ringmain import clock, lifecycle
from ringmain.config.schema import Config, Queues, Route
from ringmain.feed.loop import Feeder
from ringmain.lifecycle import Booted, Leash, Link, Order, Report, Retire, Settle, Settled, Stop, pair
from ringmain.rings import Board, FeederTerms, Geometry, Segment, bell
from ringmain.seat import Seat

SOON_S = 0.01


class Scripted:
    """A source at whose every turn the next step of a script is taken; it is settled once that says so."""

    def __init__(self) -> None:
        self.script: Iterator[Callable[[], object]] = iter(())
        self.settled = self.is_quiet = self.closed = self.retired = False
        self.turns = 0

    def take(self) -> bool:
        self.turns += 1
        assert self.turns < 1000, "it does not end"
        next(self.script, lambda: None)()
        return False

    def leave(self, deadline_s: float) -> bool:
        return self.settled or clock.monotonic_s() >= deadline_s

    def quiet(self) -> None:
        self.is_quiet = True

    def retire(self) -> None:
        self.retired = True

    def close(self) -> None:
        self.closed = True

    def commit(self) -> None: ...
    def pause(self, _: Any) -> None: ...
    def seek(self, _: Any) -> Any: ...
    def stalled(self) -> bool:
        return False

    def fds(self) -> list[int]:
        return []

    def timeout_s(self) -> float:
        return SOON_S

    def problem(self) -> str:
        return ""

    def refused(self) -> bool:
        return False


class Rig:
    """One feeder and who tells it what to do."""

    def __init__(self) -> None:
        route = Route(name="orders", topics=("orders",), order="none")
        queues = Queues(backend="sqlite", path="unused.db")
        config = Config(app="a:b", name="shop", queues=queues, routes={"orders": route})
        self.segment, self.board = Segment.create(Geometry(1, 4, 16, 1 << 16), bell()), Board(1)
        self.leash: Leash
        self.link: Link
        self.leash, self.link = pair()
        seat = Seat("feed", config, {"orders": self.segment}, self.board, 0, self.link, "orders")
        side = self.segment.open_feeder(0, 1, FeederTerms(route.order, run_limit=8))
        self.feeder, self.source = Feeder(seat, route, side), Scripted()

    def tell(self, order: Order) -> Callable[[], bool]:
        return lambda: self.leash.send(order)

    def settle(self) -> None:
        self.source.settled = True

    def run(self, *script: Callable[[], object]) -> list[Report]:
        """Its reports, after its end."""
        self.source.script = iter(script)
        assert self.feeder.run(self.source) == lifecycle.OK
        assert self.source.closed
        return self.leash.receive()

    def close(self) -> None:
        for one in (self.leash, self.link, self.segment, self.board):
            one.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def in_s(seconds: float) -> float:
    return clock.monotonic_s() + seconds


def test_told_to_settle_it_says_once_when_it_is_and_stays_until_it_is_told_to_stop(rig: Rig) -> None:
    heard: list[Report] = []

    def listen() -> None:
        heard.extend(rig.leash.receive())

    nothing = (listen,) * 5
    said = rig.run(
        rig.tell(Settle(in_s(60))), *nothing, rig.settle, *nothing, rig.tell(Stop(in_s(60))), *nothing
    )
    assert heard == [Booted(), Settled()]
    assert said == []
    assert rig.source.is_quiet
    assert 12 < rig.source.turns < 16


def test_it_says_that_it_is_settled_as_soon_as_the_link_takes_that(rig: Rig) -> None:
    link, refusals = rig.link, iter([True, True, False])
    send = link.send
    link.send = lambda report: not (isinstance(report, Settled) and next(refusals)) and send(report)  # type: ignore[method-assign]
    rig.settle()
    idle = (lambda: None,) * 4
    assert rig.run(rig.tell(Settle(in_s(60))), *idle, rig.tell(Stop(in_s(60)))) == [Booted(), Settled()]


def test_at_the_deadline_it_says_so_whatever_is_left(rig: Rig) -> None:
    idle = (lambda: None,) * 2
    assert rig.run(rig.tell(Settle(in_s(0))), *idle, rig.tell(Stop(in_s(0)))) == [Booted(), Settled()]


@pytest.mark.parametrize("last", [Stop, Retire])
def test_told_to_leave_at_once_it_does_as_soon_as_it_is_settled(rig: Rig, last: type[Stop | Retire]) -> None:
    assert rig.run(rig.tell(last(in_s(60))), lambda: None, rig.settle) == [Booted()]
    assert rig.source.turns == 3
    assert rig.source.retired is (last is Retire)


def test_one_that_is_leaving_stays_when_all_are_told_to_settle_first(rig: Rig) -> None:
    idle = (lambda: None,) * 3
    told = rig.tell(Retire(in_s(60))), rig.tell(Settle(in_s(60))), rig.settle, *idle
    assert rig.run(*told, rig.tell(Stop(in_s(60)))) == [Booted(), Settled()]
    assert rig.source.turns >= len(told)


def test_whose_supervisor_is_gone_does_not_stay(rig: Rig) -> None:
    rig.run(rig.tell(Settle(in_s(60))), lambda: None, rig.leash.close)
    assert rig.source.turns < 6
