"""The link between the supervisor and a child."""

import select
from collections.abc import Iterator

import pytest

from ringmain import lifecycle
from ringmain.lifecycle import (
    Assigned,
    Booted,
    KillHandler,
    Leash,
    Link,
    Probed,
    Quiet,
    Retire,
    Scouted,
    Settle,
    Settled,
    Status,
    Stop,
)


@pytest.fixture
def ends() -> Iterator[tuple[Leash, Link]]:
    leash, link = lifecycle.pair()
    yield leash, link
    leash.close()
    link.close()


REPORTS = [
    Booted(True),
    Settled(),
    Status("ok"),
    Assigned([("t", 1)]),
    KillHandler(3, 6),
    Scouted("r", 4, 2),
    Probed("no", 4),
]


def test_orders_go_down_and_reports_go_up_whole_and_in_order(ends: tuple[Leash, Link]) -> None:
    leash, link = ends
    orders = [Quiet(), Retire(2.5), Settle(1.0), Stop(1.5)]
    assert all(leash.send(order) for order in orders)
    assert all(link.send(report) for report in REPORTS)
    assert link.receive() == orders
    assert leash.receive() == REPORTS


def test_nothing_there_is_nothing_and_never_blocks(ends: tuple[Leash, Link]) -> None:
    assert ends[1].receive() == []
    assert not ends[1].closed


def test_the_other_end_gone_is_seen_after_its_last_words(ends: tuple[Leash, Link]) -> None:
    leash, link = ends
    link.send(Booted())
    link.close()
    assert select.select([leash.fileno()], [], [], 1.0)[0]
    assert leash.receive() == [Booted()]
    assert leash.closed
    assert leash.send(Quiet()) is False


def test_a_full_link_refuses_and_does_not_block(ends: tuple[Leash, Link]) -> None:
    leash, link = ends
    taken = 0
    while link.send(Assigned([("t" * 100, n) for n in range(100)])):
        taken += 1
    assert taken > 0
    assert not link.closed
    assert len(leash.receive()) == taken
    assert link.send(Booted())


def test_a_foreign_packet_is_dropped(ends: tuple[Leash, Link]) -> None:
    leash, link = ends
    link._socket.send(b"\xff\x00nonsense")
    link.send(Booted())
    assert leash.receive() == [Booted()]


def test_an_assignment_of_thousands_of_partitions_fits(ends: tuple[Leash, Link]) -> None:
    leash, link = ends
    many = Assigned([("a.topic.of.usual.length", n) for n in range(4000)])
    assert link.send(many)
    assert leash.receive() == [many]
