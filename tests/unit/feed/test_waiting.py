"""Slots that wait in place come out when due, earliest first, and only once."""

from ringmain.feed.waiting import Waiter, Waiting


def test_those_that_are_due_come_earliest_first_and_once() -> None:
    waiting = Waiting()
    for due_s, slot in ((3.0, 1), (1.0, 2), (2.0, 3)):
        waiting.add(Waiter(due_s, slot, token=slot, counted=True))
    assert waiting.next_s == 1.0
    assert [one.slot for one in waiting.due(2.0)] == [2, 3]
    assert waiting.due(2.0) == []
    assert (len(waiting), waiting.next_s) == (1, 3.0)


def test_nobody_waits_at_first() -> None:
    assert Waiting().next_s is None
    assert Waiting().due(1e9) == []
