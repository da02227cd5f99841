"""The contract of looking at the dead set, held against every backend."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ringmain.clock import monotonic_s
from ringmain.queues import names
from ringmain.queues.contract import DeadSet, Publisher, Queues
from ringmain.queues.entry import Entry
from ringmain.queues.envelope import Envelope
from ringmain.queues.filters import Filter, Where
from support.queue_backends import APP, BACKENDS, DEAD, message, publish

MANY = 100_000


@pytest.fixture(params=sorted(BACKENDS))
def queues(request: pytest.FixtureRequest, tmp_path: Path) -> Queues:
    return BACKENDS[request.param](str(tmp_path))


@pytest.fixture
def publisher(queues: Queues) -> Iterator[Publisher]:
    with closing(queues.publisher()) as publisher:
        yield publisher


@pytest.fixture
def dead_set(queues: Queues) -> Iterator[DeadSet]:
    with closing(queues.dead_set()) as dead_set:
        yield dead_set


def died(number: int, **fields: object) -> Envelope:
    """A dead message: every tenth failed otherwise."""
    known = {
        "attempt": 12, "first_failed_ms": 1_000_000, "failed_ms": 2_000_000 + number, "node": "n1",
        "error_class": "shop.Declined" if number % 10 else "KeyError", "error_message": f"no {number}",
        "traceback": "Traceback\n  line\n",
    }  # fmt: skip
    return message(number, **{**known, **fields})


def offsets(dead_set: DeadSet, **conditions: object) -> list[int]:
    return [entry.offset for entry in dead_set.page(Filter(**conditions), 1000).entries]  # type: ignore[arg-type]


def test_an_entry_has_all_that_is_known_of_its_message(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, names.dead(APP, "orders", "slow"), [died(3)])
    [entry] = dead_set.page(Filter(), 10).entries
    assert entry == Entry(
        id=entry.id, message_id="orders:0:3", route="orders", channel="slow", topic="orders", partition=0,
        offset=3, key="k3", headers=[("a", "1"), ("a", None)], timestamp_ms=1_700_000_000_000, attempt=12,
        error_class="shop.Declined", error_message="no 3", traceback="Traceback\n  line\n",
        first_failed_at="1970-01-01T00:16:40.000Z", dead_at="1970-01-01T00:33:20.003Z", node="n1",
        value=msgspec.Raw(b'{"id":3}'), value_encoding="json",
    )  # fmt: skip
    assert dead_set.get(entry.id) == entry
    assert entry.id.replace("-", "").replace("_", "").isalnum()


def test_an_id_of_nothing_gives_nothing(publisher: Publisher, dead_set: DeadSet) -> None:
    assert dead_set.get("anything") is None
    publish(publisher, DEAD, [died(1)])
    assert dead_set.get("anything") is None
    assert dead_set.get("") is None


def test_pages_go_through_everything_once_in_order(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, DEAD, map(died, range(25)))
    seen: list[int] = []
    cursor = None
    for _ in range(4):
        page = dead_set.page(Filter(error="Declined"), 7, cursor)
        seen += [entry.offset for entry in page.entries]
        publish(publisher, DEAD, [died(1000, error_class="Other")])
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [number for number in range(25) if number % 10]


def test_each_filter_narrows(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, DEAD, map(died, range(5)))
    publish(publisher, names.dead(APP, "refunds"), [died(7, topic="refunds", partition=3)])
    publish(
        publisher, names.dead(APP, "orders", "slow"), [died(8, value=b'{"a":[{"b":"x"}],"n":null,"t":true}')]
    )
    assert offsets(dead_set, route="refunds") == [7]
    assert offsets(dead_set, route="orders", channel="") == [0, 1, 2, 3, 4]
    assert offsets(dead_set, channel="slow") == [8]
    assert offsets(dead_set, topic="refunds", partition=3) == [7]
    assert offsets(dead_set, error="KeyError") == [0]
    assert (
        offsets(dead_set, error="shop.Declined") == offsets(dead_set, error="Declined") == [1, 2, 3, 4, 7, 8]
    )
    assert offsets(dead_set, error="eclined") == []
    assert offsets(dead_set, key=b"k2") == [2]
    assert offsets(dead_set, text="no 3") == [3]
    assert offsets(dead_set, since_ms=2_000_003, until_ms=2_000_008) == [3, 4, 7]
    for path, value in ((("a", "0", "b"), "x"), (("n",), "null"), (("t",), "true")):
        assert offsets(dead_set, where=(Where(path, value),)) == [8]
    first, second = dead_set.page(Filter(), 2).entries
    assert offsets(dead_set, ids=(second.id, first.id, "unknown")) == [0, 1]
    assert offsets(dead_set, ids=("unknown",)) == []


@pytest.mark.parametrize("content", [{}, {"text": "Traceback"}])
def test_a_summary_counts_the_same_from_indexes_and_from_content(
    publisher: Publisher, dead_set: DeadSet, content: dict[str, str]
) -> None:
    publish(publisher, DEAD, map(died, range(20)))
    counts = dead_set.summary(Filter(**content), ["error", "route", "hour"])  # type: ignore[arg-type]
    assert [(count.group, count.messages, count.oldest_ms, count.newest_ms) for count in counts] == [
        (("shop.Declined", "orders", "1970-01-01T00:00Z"), 18, 2_000_001, 2_000_019),
        (("KeyError", "orders", "1970-01-01T00:00Z"), 2, 2_000_000, 2_000_010),
    ]
    assert dead_set.summary(Filter(route="none", **content), []) == []  # type: ignore[arg-type]


def test_what_a_job_picks_is_what_was_dead_when_it_began(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, DEAD, map(died, range(1200)))
    mark = dead_set.mark()
    publish(publisher, DEAD, map(died, range(1200, 1300)))
    picked = [entry_id for piece in dead_set.pick(Filter(error="Declined"), mark) for entry_id in piece]
    assert len(picked) == 1080
    last = dead_set.get(picked[-1])
    assert last is not None
    assert last.offset == 1199


def test_the_dead_of_another_app_are_not_seen(publisher: Publisher, dead_set: DeadSet) -> None:
    publish(publisher, names.dead("other", "orders"), [died(1)])
    assert offsets(dead_set) == []
    assert dead_set.summary(Filter(), ["error"]) == []


def test_of_100_000_the_first_page_comes_within_a_second(publisher: Publisher, dead_set: DeadSet) -> None:
    for first in range(0, MANY, 4000):
        publish(publisher, DEAD, map(died, range(first, first + 4000)))
    for chosen in (
        Filter(),
        Filter(route="orders", error="KeyError"),
        Filter(key=b"k99999"),
        Filter(topic="orders", partition=0, since_ms=2_000_000 + MANY - 10),
        Filter(text="no 99999"),
        Filter(where=(Where(("id",), "99999"),)),
    ):
        start_s = monotonic_s()
        page = dead_set.page(chosen, 100)
        assert page.entries
        assert monotonic_s() - start_s < 1.0, chosen
    start_s = monotonic_s()
    assert sum(count.messages for count in dead_set.summary(Filter(), ["error", "hour"])) == MANY
    assert monotonic_s() - start_s < 1.0
