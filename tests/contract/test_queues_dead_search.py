"""The contract of looking for one person's messages in all queues, held against every backend."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ringmain.queues import frames, names
from ringmain.queues.contract import Found, Publisher, Queues, Search
from ringmain.queues.envelope import Packed
from ringmain.queues.filters import Filter, Where
from support.dead_messages import died
from support.queue_backends import APP, DEAD, READY, message, offsets, publish, take, take_all
from support.waiting import eventually

DELAYED = names.delay(APP, "orders", 3600)
SLOW = names.ready(APP, "orders", "slow")
OVERFLOW = names.overflow(APP, "orders")
SEVEN = Filter(where=(Where(("id",), "7"),))


@pytest.fixture
def publisher(queues: Queues) -> Iterator[Publisher]:
    with closing(queues.publisher()) as publisher:
        yield publisher


@pytest.fixture
def filled(publisher: Publisher) -> Publisher:
    """Messages 0 to 9 in every kind of queue."""
    for queue in (READY, DELAYED, SLOW):
        publish(publisher, queue, map(message, range(10)))
    publish(publisher, DEAD, map(died, range(10)))
    publish(publisher, OVERFLOW, [frames.pack([message(number) for number in range(10)])])  # type: ignore[list-item]
    return publisher


@pytest.fixture
def search(queues: Queues, filled: Publisher) -> Iterator[Search]:
    with closing(queues.search()) as search:
        yield search


def by_queue(found: list[Found]) -> dict[str, list[int]]:
    seen: dict[str, list[int]] = {}
    for one in found:
        seen.setdefault(one.queue, []).append(one.envelope.offset)
    return seen


def test_one_persons_messages_are_found_in_every_queue_and_stay(queues: Queues, search: Search) -> None:
    found = list(search.find(SEVEN))
    assert by_queue(found) == {queue: [7] for queue in (READY, DELAYED, SLOW, DEAD, OVERFLOW)}
    assert len({(one.queue, one.id) for one in found}) == 5
    assert by_queue(list(search.find(SEVEN))) == by_queue(found)
    with closing(queues.dead_set()) as dead_set:
        [entry] = dead_set.page(Filter(key=b"k7"), 10).entries
    assert entry.id in {one.id for one in found}


def test_what_becomes_due_while_somebody_looks_is_found(queues: Queues, publisher: Publisher) -> None:
    publish(publisher, OVERFLOW, [frames.pack([message(7)])])  # type: ignore[list-item]
    publish(publisher, names.delay(APP, "orders", 1), [message(7, partition=1)])
    with closing(queues.search()) as search:
        found = search.find(SEVEN)
        seen = [next(found)]
        eventually(lambda: READY in queues.depths())
        seen += found
    assert [one.envelope.partition for one in seen] == [0, 1]


def test_what_is_forgotten_is_in_no_queue_and_its_neighbours_are(queues: Queues, search: Search) -> None:
    assert by_queue(list(search.forget(SEVEN))) == {
        queue: [7] for queue in (READY, DELAYED, SLOW, DEAD, OVERFLOW)
    }
    assert list(search.find(SEVEN)) == []
    others = [number for number in range(10) if number != 7]
    everybody = Filter(where=())
    assert {queue: sorted(seen) for queue, seen in by_queue(list(search.find(everybody))).items()} == {
        queue: others for queue in (READY, DELAYED, SLOW, DEAD, OVERFLOW)
    }
    with closing(queues.taker([READY])) as taker:
        assert sorted(offsets(take_all(taker))) == others


def test_a_frame_is_written_anew_without_the_forgotten(queues: Queues, search: Search) -> None:
    list(search.forget(SEVEN))
    with closing(queues.taker([OVERFLOW])) as taker:
        [delivery] = take(taker, 1)
    assert isinstance(delivery.envelope, Packed)
    inside = [envelope.offset for envelope in frames.unpack(delivery.envelope.body)]
    assert inside == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert delivery.envelope.messages == 9


def test_a_frame_of_one_person_goes_as_a_whole(queues: Queues, publisher: Publisher) -> None:
    publish(publisher, OVERFLOW, [frames.pack([message(7), message(7)])])  # type: ignore[list-item]
    with closing(queues.search()) as search:
        assert len(list(search.forget(SEVEN))) == 2
    with closing(queues.taker([OVERFLOW])) as taker:
        assert take_all(taker) == []


def test_another_apps_messages_are_not_touched(queues: Queues, publisher: Publisher, backend: str) -> None:
    if backend != "sqlite":
        pytest.skip("a broker's queues are looked for by their names alone")
    publish(publisher, names.ready("other", "orders"), [message(7)])
    with closing(queues.search()) as search:
        assert list(search.forget(SEVEN)) == []


def test_nothing_is_found_before_there_is_a_queue(queues: Queues) -> None:
    with closing(queues.search()) as search:
        assert list(search.find(SEVEN)) == []
        assert list(search.forget(SEVEN)) == []
