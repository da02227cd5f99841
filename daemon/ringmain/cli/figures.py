"""Numbers as people read them: short, with their unit, as wide whatever they are.

The screens of a node enter. Nothing is measured here.
"""

from datetime import UTC, datetime

_LARGE = (("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1_000))
_SPARKS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "?"


def count(number: float) -> str:
    """`12,345`, `123k`, `1.2M`; a number below 0 is not known yet."""
    if number < 0:
        return _UNKNOWN
    if number < 99_999.5:
        return f"{number:,.0f}"
    return _short(number, 999.5)


def rate(per_s: float) -> str:
    """Like `count`, with a decimal where it is small."""
    return f"{per_s:.1f}" if 0 < per_s < 9.95 else count(max(per_s, 0.0))


def size(of_bytes: int) -> str:
    """`12M`, `1.2G`."""
    return _short(of_bytes, 999.5) if of_bytes >= 1_000 else str(of_bytes)


def share(ratio: float) -> str:
    """`12%`."""
    return f"{ratio * 100:.0f}%"


def span(seconds: float | None) -> str:
    """`0.3 ms`, `4.2 s`, `12 min`, `3 h 5 min`, `2 d 4 h`; None = never."""
    if seconds is None:
        return "never"
    if seconds <= 0:
        return "0"
    if seconds < 0.00005:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def moment(wall_ms: int) -> str:
    """`2026-01-31 12:00:00Z`."""
    if wall_ms <= 0:
        return _UNKNOWN
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def many(number: int, one: str, more: str = "") -> str:
    """`1 message`, `2 messages`, `0 processes`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def spark(values: list[float], width: int) -> str:
    """The last values as a line of blocks, from 0 to the largest."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    steps = len(_SPARKS) - 1
    return "".join(_SPARKS[round(value / top * steps) if top > 0 else 0] for value in shown)


def _short(number: float, below: float) -> str:
    for unit, worth in reversed(_LARGE):
        if number < worth * below or unit == "T":
            scaled = number / worth
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return str(number)
