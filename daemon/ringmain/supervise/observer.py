"""Somebody who looks on while the supervisor works.

`run` takes one and the loop calls it on its rounds. It may read the overseers' counters; it must not wait,
start a thread or give orders, and what it raises ends the daemon.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringmain.rings import Overseer

Look = Callable[[Mapping[str, Overseer]], None]


@dataclass(frozen=True)
class Observer:
    """Looks at all routes' overseers at least every `every_s`, and once more at the end."""

    every_s: float
    look: Look


NOBODY = Observer(math.inf, lambda overseers: None)
