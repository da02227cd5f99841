"""Tests dealt to workers: pieces of one number and about one cost, no file on two of them."""

from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from support.dealing import cost_s, dealt

WORKERS = 3


class One(NamedTuple):
    path: Path
    number: int


def given(suite: str, files: int, each: int) -> list[One]:
    return [One(Path("tests", suite, f"test_{f}.py"), number) for f in range(files) for number in range(each)]


def cut(items: list[One]) -> list[list[One]]:
    """As pytest-xdist cuts its list."""
    pieces, left = [], list(items)
    for remaining in range(WORKERS, 0, -1):
        count = len(left) // remaining
        pieces.append(left[:count])
        del left[:count]
    return pieces


def test_each_worker_gets_its_share_of_the_work_first_and_then_what_takes_no_time() -> None:
    every = (
        given("unit", 40, 30) + given("scenario", 20, 7) + given("systemd", 1, 15) + given("contract", 9, 11)
    )
    order = dealt(every, WORKERS)
    assert sorted(order) == sorted(every)
    pieces = cut(order)
    costs = [sum(map(cost_s, piece)) for piece in pieces]
    assert max(costs) < 1.1 * min(costs)
    for piece in pieces:
        heavy = [cost_s(one) > 0 for one in piece]
        assert heavy == sorted(heavy, reverse=True)
        assert len(piece) - sum(heavy) > 100
    heavy_files = [one.path for piece in pieces for one in piece if cost_s(one)]
    assert len([path for path, _ in groupby(heavy_files)]) == len(set(heavy_files)), "a file is cut"


def test_the_tests_of_a_file_keep_their_order() -> None:
    order = dealt(given("process", 5, 10), WORKERS)
    for path, group in groupby(order, lambda one: one.path):
        assert [one.number for one in group] == list(range(10)), path
