"""Tests dealt to pytest-xdist's workers so that all of them end together.

tests/conftest.py enters. `--dist worksteal` gives each worker one piece of the list, all of the same number,
and who has done his gets the later half of the longest. So each piece begins with its share of the work, by
whole files, since a file's tests share their servers; and each ends with tests of no time, to be given away.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Protocol, TypeVar

COST_S: Mapping[str, float] = {
    "systemd": 6, "scenario": 3, "release": 5, "browser": 3,
    "process": 1, "contract": 1, "fastpath": 0.3, "house": 0.1,
    "test_alerts.py": 0.1, "test_kubernetes.py": 0.1,
    "test_tools.py": 5, "test_model.py": 5, "test_crashes.py": 5,
    "test_group_takeover.py": 30, "test_group_nodes.py": 25, "test_transactions.py": 6,
    "test_broker_away.py": 20, "test_rabbit_away.py": 15,
    "test_overflow.py": 20, "test_random_faults.py": 60, "test_soak.py": 20, "test_group_idle.py": 12,
    "test_stopping_while_waiting.py": 6, "test_unwell_in_time.py": 10, "test_neighbours_of_a_node.py": 12,
    "test_poison_and_hangs.py": 6, "test_group_partitions.py": 10, "test_group_window.py": 10,
    "test_queues_rabbit_away.py": 8, "test_kafka_source.py": 3, "test_kafka_trouble.py": 3,
}  # fmt: skip
"""What a test takes, roughly, by its suite or its file; what is not here takes nothing."""


class Item(Protocol):
    """What is known of a test."""

    path: Path


T = TypeVar("T", bound=Item)


def cost_s(item: Item) -> float:
    """What one test takes."""
    return next((COST_S[part] for part in reversed(item.path.parts) if part in COST_S), 0.0)


def dealt(items: list[T], workers: int) -> list[T]:
    """All of them in another order: one piece after another, as long as xdist will cut them."""
    files = [list(group) for _, group in groupby(sorted(items, key=_kept_together), _kept_together)]
    heavy = sorted((file for file in files if cost_s(file[0])), key=_cost_of_all, reverse=True)
    light = [item for file in files if not cost_s(file[0]) for item in file]
    pieces: list[list[T]] = [[] for _ in range(workers)]
    for file in heavy:
        min(pieces, key=_cost_of_all).extend(file)
    left = len(items)
    for number, piece in enumerate(pieces):
        lacking = left // (workers - number) - len(piece)
        piece += light[: max(0, lacking)]
        del light[: max(0, lacking)]
        left -= len(piece)
    return [item for piece in pieces for item in piece] + light


def _kept_together(item: Item) -> str:
    """A file; the page's tests all, for they share a Chromium."""
    return str(item.path.parent if "browser" in item.path.parts else item.path)


def _cost_of_all(items: Iterable[Item]) -> float:
    return sum(map(cost_s, items))
