"""Which acks say what is settled: as few as can be, and never one too many."""

from hypothesis import given
from hypothesis import strategies as st

from ringmain.queues.rabbit.tags import Ack, Tags


def taken(count: int) -> tuple[Tags, list[int]]:
    tags = Tags()
    return tags, [tags.tag(number) for number in range(1, count + 1)]


def test_all_from_the_first_on_are_one_ack() -> None:
    tags, held = taken(100)
    assert tags.ack(held) == [Ack(100, True)]


def test_behind_a_gap_each_is_said_alone_and_the_gap_closes_with_its_own_number() -> None:
    tags, held = taken(5)
    assert tags.ack([held[1], held[2]]) == [Ack(2, False), Ack(3, False)]
    # 2 and 3 are not held any more: a multiple ack must name one that is.
    assert tags.ack([held[0]]) == [Ack(1, True)]
    assert tags.ack([held[4], held[3]]) == [Ack(5, True)]


def test_a_tag_twice_of_nobody_or_of_an_earlier_life_is_nothing() -> None:
    tags, held = taken(3)
    assert tags.ack([held[0], held[0]]) == [Ack(1, True)]
    assert tags.ack([held[0], 0, -1, 99]) == []
    tags.new_life()
    assert tags.ack(held) == []
    assert tags.give_back(held) == []
    again = tags.tag(1)
    assert again not in held
    assert tags.ack([again]) == [Ack(1, True)]


def test_what_was_given_back_is_not_acked_with_the_rest() -> None:
    tags, held = taken(4)
    assert tags.give_back([held[1], held[3]]) == [2, 4]
    assert tags.ack(held) == [Ack(3, True)]


@given(st.lists(st.lists(st.integers(0, 60), max_size=20), max_size=20), st.lists(st.integers(0, 60)))
def test_the_broker_would_forget_just_what_was_acked(batches: list[list[int]], back: list[int]) -> None:
    tags, held = taken(50)
    unacked = dict(enumerate(held, 1))  # as the broker keeps them
    acked: set[int] = set()
    for number in tags.give_back([held[one] for one in back if one < 50]):
        del unacked[number]
    returned = set(held) - set(unacked.values())
    for batch in batches:
        meant = [held[one] if one < 50 else 1000 + one for one in batch]
        for number, multiple in tags.ack(meant):
            assert number in unacked, "the broker would close the channel"
            for one in [one for one in unacked if one == number or (multiple and one < number)]:
                acked.add(unacked.pop(one))
        wanted = {held[one] for batch in batches for one in batch if one < 50}
        assert acked <= wanted - returned
    assert acked == {held[one] for batch in batches for one in batch if one < 50} - returned
