"""The counters of the demo's daemon: whole lines, and no reader is waited for."""

import os
import subprocess
import sys

import msgspec

from ringmain.demo.daemon import Teller
from ringmain.demo.snapshot import Counted
from ringmain.rings import Geometry, Overseer, Segment, bell
from support.environment import child_environment


def overseer() -> tuple[Segment, Overseer, int]:
    courier_bell = bell()
    segment = Segment.create(Geometry.for_pool(1, 1, 16, 1 << 16), courier_bell)
    return segment, segment.overseer(), courier_bell


def test_what_is_counted_is_told_as_one_line_of_json() -> None:
    segment, one, courier_bell = overseer()
    read, write = os.pipe()
    with os.fdopen(read, "rb") as told, os.fdopen(write, "wb"):
        Teller(write).tell({"orders": one, "invoices": one})
        counted = msgspec.json.decode(told.readline(), type=Counted)
    assert (counted.done, counted.skip, counted.retry) == (0, 0, 0)
    assert counted.at_s > 0
    segment.close()
    os.close(courier_bell)


def test_a_reader_that_is_slow_or_gone_holds_nobody_up() -> None:
    segment, one, courier_bell = overseer()
    read, write = os.pipe()
    with os.fdopen(write, "wb"):
        teller = Teller(write)
        for _ in range(5000):
            teller.tell({"orders": one})
        os.close(read)
        teller.tell({"orders": one})
    segment.close()
    os.close(courier_bell)


def test_what_is_printed_is_in_the_log_at_once_and_no_counter() -> None:
    program = (
        "import os; from ringmain.demo.daemon import own_stdout\n"
        "own_stdout(); print('billed 1'); os._exit(0)  # as one that is killed: nothing is flushed at its end"
    )
    environment = {**child_environment(), "PYTHONUNBUFFERED": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"billed 1\n")
