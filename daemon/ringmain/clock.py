"""What time it is, in one place.

Everybody enters; no other module imports `time`. Inside ringmain time is float seconds on the monotonic
clock; wall-clock time exists only to be shown to people and to travel in messages.
"""

import time


def monotonic_s() -> float:
    """Seconds on the monotonic clock: for deadlines, delays and ages."""
    return time.monotonic()


def monotonic_ns() -> int:
    """Nanoseconds on the monotonic clock: comparable between processes of one machine."""
    return time.monotonic_ns()


def wall_s() -> float:
    """Seconds since the Unix epoch: for what is stored or shown, never for a deadline."""
    return time.time()


def wall_ms() -> int:
    """Milliseconds since the Unix epoch, Kafka's unit."""
    return time.time_ns() // 1_000_000


def sleep_s(duration_s: float) -> None:
    """Sleep; only where there is nothing to wait on."""
    time.sleep(duration_s)
