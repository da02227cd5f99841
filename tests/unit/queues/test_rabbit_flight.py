"""What is under way between publish and confirm."""

from ringmain.queues.rabbit.flight import Flight, Sent


def flying(count: int, queue: str = "q") -> Flight:
    flight = Flight()
    for ticket in range(100, 100 + count):
        flight.add(Sent(ticket, queue, 1, 10))
    return flight


def tickets(sent: list[Sent]) -> list[int]:
    return [one.ticket for one in sent]


def test_a_multiple_confirm_speaks_of_all_up_to_it_that_are_open() -> None:
    flight = flying(5)
    assert tickets(flight.confirm(2, False)[0]) == [101]
    assert tickets(flight.confirm(4, True)[0]) == [100, 102, 103]
    assert tickets(flight.confirm(4, True)[0]) == []
    assert tickets(flight.confirm(5, True)[0]) == [104]
    assert len(flight) == flight.size_bytes == 0


def test_a_confirm_of_what_was_never_sent_speaks_of_nothing_more() -> None:
    flight = flying(2)
    assert tickets(flight.confirm(1 << 60, True)[0]) == [100, 101]


def test_what_came_back_is_never_safe() -> None:
    flight = flying(2, "gone")
    flight.add(Sent(1, "there", 1, 10))
    flight.doom("gone")
    flight.add(Sent(2, "gone", 1, 10))
    safe, lost = flight.confirm(4, True)
    assert tickets(safe) == [1, 2]
    assert tickets(lost) == [100, 101]


def test_with_the_channel_all_that_is_open_comes_down_and_counting_begins_anew() -> None:
    flight = flying(3)
    flight.confirm(1, False)
    assert tickets(flight.land()) == [101, 102]
    flight.add(Sent(7, "q", 1, 10))
    assert tickets(flight.confirm(1, False)[0]) == [7]
