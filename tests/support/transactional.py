"""How a handler of a transactional route claims, for tests that are its loop themselves.

Tests of the ring and of its feeder enter. Nothing is called or decoded where claims come together.
"""

from typing import Any

from ringmain.rings import ORDERS, BatchPlan, CallPlan
from ringmain.signature import WANTS_ONLY_MESSAGE


def never(*_: object) -> Any:
    raise AssertionError("nothing is called here")


PLAN = BatchPlan(
    CallPlan(never, None, never, WANTS_ONLY_MESSAGE, True, "orders"),
    lambda *_: (),
    messages=16,
    size_bytes=1 << 20,
    wait_s=0.0,
    attempts=12,
    order=ORDERS["partition"],
)
