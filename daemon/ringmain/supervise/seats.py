"""How many Kafka feeders a route wants on this node, and which seat is next: pure policy.

The loop enters with what the scout saw. A seat's number is part of the member's identity in the group, so
seats are filled from 0 and given up from the top; one at a time, except at the very start.
"""

from collections.abc import Collection
from dataclasses import dataclass

SETTLE_S = 5.0
"""Between two changes of the same route: each is a rebalance for the whole group."""


@dataclass(frozen=True)
class Change:
    """One seat to fill (`grow`) or to give up."""

    seat: int
    grow: bool


def wanted(configured: int | None, partitions: int, nodes: int, room: int) -> int:
    """Seats this node should fill: the configured number, or its share of the partitions, at least one."""
    if configured is not None:
        return min(configured, room)
    share = -(-partitions // max(1, nodes))
    return max(1, min(share, room))


def next_change(filled: Collection[int], target: int) -> Change | None:
    """The one change that brings the route nearer to `target` seats."""
    empty = next((seat for seat in range(target) if seat not in filled), None)
    if empty is not None:
        return Change(empty, grow=True)
    surplus = max(filled, default=-1)
    return Change(surplus, grow=False) if surplus >= target else None


def all_changes(filled: Collection[int], target: int) -> list[Change]:
    """At the start: all missing seats together, so that they join in the group's first rebalance."""
    return [Change(seat, grow=True) for seat in range(target) if seat not in filled]
