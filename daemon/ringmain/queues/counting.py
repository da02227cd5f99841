"""The summary of dead messages that had to be read one by one: counts by axes, the same for every backend.

Dead sets enter where no index answers. Pure.
"""

from collections.abc import Iterable, Sequence

from ringmain.errors import RingmainError
from ringmain.queues.contract import AXES, Count, Dead
from ringmain.queues.entry import iso
from ringmain.queues.envelope import Envelope


def check_axes(by: Sequence[str]) -> None:
    """Raise for a word that is no axis."""
    unknown = [axis for axis in by if axis not in AXES]
    if unknown:
        raise RingmainError(f"{unknown[0]!r} is not an axis of the summary: {', '.join(AXES)}")


def counted(found: Iterable[Dead], by: Sequence[str]) -> list[Count]:
    """Counts by axes, largest first."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for dead in found:
        group = tuple(_axis_of(axis, dead.route, dead.channel, dead.envelope) for axis in by)
        groups.setdefault(group, []).append(dead.envelope.failed_ms)
    counts = [Count(group, len(times), min(times), max(times)) for group, times in groups.items()]
    return sorted(counts, key=lambda count: -count.messages)


def _axis_of(axis: str, route: str, channel: str, envelope: Envelope) -> str:
    hour = f"{iso(envelope.failed_ms)[:13]}:00Z"
    own = {"route": route, "channel": channel, "hour": hour}
    return {**own, "error": envelope.error_class, "topic": envelope.topic}[axis]
