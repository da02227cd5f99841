"""The daemon as the demo runs it: `ringmain run CONFIG`, and its counters on stdout a few times a second.

processes.py starts it as `python -m ringmain.demo.daemon CONFIG KEY=VALUE…`. The counters are the daemon's
own, read from its shared memory by its supervisor; nothing here touches a message.
"""

import contextlib
import io
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from ringmain import clock
from ringmain.config.load import load
from ringmain.demo.snapshot import Counted
from ringmain.errors import RingmainError
from ringmain.supervise import Observer, run

if TYPE_CHECKING:
    from ringmain.rings import Overseer

EVERY_S = 0.1


class Teller:
    """Writes what the overseers have counted, as lines of JSON."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        os.set_blocking(pipe, False)

    def tell(self, overseers: "Mapping[str, Overseer]") -> None:
        """One line; nothing when nobody reads: the next one says it all again."""
        totals = [overseer.totals() for overseer in overseers.values()]
        done, skip, retry, _, _ = (sum(each) for each in zip(*totals, strict=True))
        counted = Counted(clock.monotonic_s(), done, skip, retry)
        with contextlib.suppress(OSError):
            os.write(self._pipe, msgspec.json.encode(counted) + b"\n")


def main(argv: list[str]) -> int:
    """The daemon until it is told to stop."""
    teller = Teller(own_stdout())
    try:
        return run(load(argv[0], argv[1:]), observer=Observer(EVERY_S, teller.tell))
    except RingmainError as error:
        print(f"ringmain: {error}", file=sys.stderr)
        return error.exit_code


def own_stdout() -> int:
    """Keep stdout for the counters: what a handler prints goes to the log from here on, line by line."""
    ours = os.dup(1)
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return ours


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
