"""Roles for tests of the supervisor: small, but they fork, talk, map the rings and die for real.

The daemon under test resolves them by name after its forks. What they do is written into `journal` in the
state directory, one line an event; the toy feeder places what it finds in `messages`, one value a line.
"""

import ctypes
import os
import select
import signal
from pathlib import Path

from ringmain import clock, lifecycle, rings
from ringmain.errors import FatalKafkaError
from ringmain.lifecycle import (
    Assigned,
    Booted,
    KillHandler,
    Probed,
    Retire,
    Scouted,
    Settle,
    Settled,
    Status,
    Stop,
)
from ringmain.seat import Seat

V_DEAD = 4
SLOW_CALL_NS = 10_000_000


def note(seat: Seat, event: str, *details: object) -> None:
    """Append one line to the journal, in one write."""
    where = (
        f"{seat.role} {seat.pool or '-'} {seat.source or '-'} {seat.index} {os.getpid()} {seat.incarnation}"
    )
    line = f"{clock.monotonic_s():.6f} {where} {event} {' '.join(map(str, details))}\n"
    journal = os.open(Path(seat.config.state_dir) / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, line.encode())
    os.close(journal)


def linger(duration_s: float) -> None:
    """Be busy with something that takes this long."""
    select.select([], [], [], duration_s)


def orders(seat: Seat, longest_s: float = 0.1) -> list[lifecycle.Order]:
    """Beat, then wait for orders; there is nothing to settle."""
    received = bare_orders(seat, longest_s)
    if any(isinstance(order, Settle) for order in received):
        seat.link.send(Settled())
    return received


def bare_orders(seat: Seat, longest_s: float = 0.1) -> list[lifecycle.Order]:
    """The same, and a Settle is left to be answered."""
    seat.board.beat(seat.beat)
    select.select([seat.link.fileno()], [], [], longest_s)
    return seat.link.receive()


def steady(seat: Seat) -> int:
    """Comes to work, stays, and leaves when told."""
    note(seat, "born")
    seat.link.send(Booted())
    if seat.role == "feed":
        seat.link.send(Assigned([("t", seat.index)]))
    while True:
        for order in orders(seat):
            note(seat, type(order).__name__)
            if isinstance(order, Stop | Retire):
                return lifecycle.OK


def aside(seat: Seat) -> int:
    """Comes to work and leaves when told, and keeps no journal: for roles that a test is not about."""
    seat.link.send(Booted())
    while not any(isinstance(order, Stop | Retire) for order in orders(seat)):
        pass
    return lifecycle.OK


def slow_to_leave(seat: Seat) -> int:
    """Takes 0.2 s to leave, so that an order of stopping can be seen."""
    steady(seat)
    linger(0.2)
    note(seat, "left")
    return lifecycle.OK


def settling_in_turn(seat: Seat) -> int:
    """A feeder that takes the longer to settle the higher its number is."""
    if seat.source == "queue":
        return steady(seat)
    seat.link.send(Booted())
    while True:
        for order in bare_orders(seat):
            note(seat, type(order).__name__)
            if isinstance(order, Stop):
                return lifecycle.OK
            if isinstance(order, Settle):
                linger(0.2 * seat.index)
                note(seat, "settled")
                seat.link.send(Settled())


def settling_never(seat: Seat) -> int:
    """Told to settle, the first one dies, the second one goes on for ever; the third one is well."""
    if seat.source == "queue" or seat.index == 2:
        return steady(seat)
    seat.link.send(Booted())
    while True:
        told = any(isinstance(order, Settle) for order in bare_orders(seat))
        if told and seat.index == 0:
            return lifecycle.CRASHED


def stubborn(seat: Seat) -> int:
    """Never leaves."""
    note(seat, "born")
    seat.link.send(Booted())
    while True:
        for order in orders(seat):
            note(seat, type(order).__name__)


def leaving_orphans(seat: Seat) -> int:
    """Leaves a grandchild behind, whose parent ends before it does."""
    if os.fork() == 0:
        if os.fork() == 0:
            linger(0.1)
        os._exit(0)
    os.wait()
    note(seat, "orphaned")
    return steady(seat)


def without_boot(seat: Seat) -> int:
    """Cannot boot."""
    note(seat, "born")
    return lifecycle.CANNOT_BOOT


def silent(seat: Seat) -> int:
    """Comes to work and beats no more; the second one is well."""
    if seat.incarnation > 1 or seat.index > 0:
        return steady(seat)
    note(seat, "born")
    seat.link.send(Booted())
    signal.pause()
    return lifecycle.OK


def fit(seat: Seat) -> int:
    """A probe that finds nothing."""
    note(seat, "born")
    seat.link.send(Probed())
    return lifecycle.OK


def fit_once(seat: Seat) -> int:
    """A probe that finds nothing the first time, and something each time after."""
    seen = Path(seat.config.state_dir) / "probed"
    seat.link.send(Probed("SyntaxError in line 3", 4) if seen.exists() else Probed())
    seen.touch()
    note(seat, "born")
    return lifecycle.OK


def fit_then_die(seat: Seat) -> int:
    """A probe that finds nothing the first time, and dies without a word each time after."""
    seen = Path(seat.config.state_dir) / "probed"
    if seen.exists():
        os.kill(os.getpid(), signal.SIGKILL)
    seen.touch()
    return fit(seat)


def unfit(seat: Seat) -> int:
    """A probe that finds something."""
    seat.link.send(Probed("no module named orders", 4))
    return 4


def killed_probe(seat: Seat) -> int:
    """A probe whose app's import kills the process."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def scout(seat: Seat) -> int:
    """Says what stands in the file `scouted`: partitions, nodes, which are nobody's; else Kafka is away."""
    note(seat, "born")
    seen = Path(seat.config.state_dir) / "scouted"
    for route in seat.config.routes:
        if seen.exists():
            partitions, nodes, *unowned = seen.read_text().split()
            seat.link.send(Scouted(route, int(partitions), int(nodes), unowned=unowned))
        else:
            seat.link.send(Scouted(route, reason="connection refused"))
    return lifecycle.OK


def troubled(seat: Seat) -> int:
    """A feeder whose Kafka is away."""
    seat.link.send(Status("unreachable", "connection refused"))
    return steady(seat)


def short_lived(seat: Seat) -> int:
    """Comes to work and ends at once with an error."""
    note(seat, "born")
    seat.link.send(Booted())
    return 3


def hopeless(seat: Seat) -> int:
    """One whose client is beyond repair, and says so."""
    if seat.source == "queue":
        return steady(seat)
    note(seat, "born")
    seat.link.send(Booted())
    raise FatalKafkaError("fenced: another member has this instance id")


def standing(seat: Seat) -> int:
    """A feeder that owns a partition in which nothing moves."""
    if seat.source == "queue":
        return steady(seat)
    side = seat.segments[seat.pool].open_feeder(seat.index, seat.incarnation)
    index = side.partition_index("t", 0)
    side.open_partition(index, 0)
    side.tell_partition(index, 0, 10, False)
    return steady(seat)


def placing(seat: Seat) -> int:
    """A feeder that places the lines of `messages`, and notes what becomes of handlers that die."""
    if seat.source == "queue":
        return steady(seat)
    note(seat, "born")
    side = seat.segments[seat.pool].open_feeder(seat.index, seat.incarnation)
    index = side.partition_index("t", 0)
    side.open_partition(index, 0)
    seat.link.send(Booted())
    lines = (Path(seat.config.state_dir) / "messages").read_bytes().split()
    for offset, value in enumerate(lines):
        side.place(index, offset, value)
    side.flush()
    while True:
        for order in orders(seat, 0.01):
            note(seat, type(order).__name__)
            if isinstance(order, Stop):
                return lifecycle.OK
        side.settle()
        side.take_back(SLOW_CALL_NS)
        for dead in side.dead_seats():
            slots, executing, cause, detail = side.resolve(dead)
            note(seat, "buried", dead, cause, executing, detail.decode().replace(" ", "_"))
            for slot in slots:
                side.fail(slot, V_DEAD, b"")
            side.resolved(dead)
        side.flush()
        if (Path(seat.config.state_dir) / "revoke").exists():
            (Path(seat.config.state_dir) / "revoke").unlink()
            for handler in side.executing_seats(index):
                seat.link.send(KillHandler(handler, rings.REVOKED))


def handling(seat: Seat) -> int:
    """A handler of the values that the placing feeder places."""
    note(seat, "born")
    side = seat.segments[seat.pool].open_handler(seat.index, seat.incarnation)

    def call(value: bytes) -> None:
        note(seat, "call", value.decode())
        BEHAVIOUR[value.partition(b":")[0]]()

    plan = rings.CallPlan(call, None, lambda *_: (V_DEAD, b""), 2, False)
    seat.link.send(Booted())
    while True:
        for order in orders(seat, 0.01):
            note(seat, type(order).__name__)
            if isinstance(order, Stop):
                return lifecycle.OK
        side.serve(plan)


def _hang() -> None:
    while True:
        signal.pause()


def _grow() -> None:
    held = bytearray(200 << 20)
    held[::4096] = b"x" * len(held[::4096])
    _hang()


def _segfault() -> None:
    ctypes.string_at(0)


BEHAVIOUR = {
    b"ok": lambda: None,
    b"fail": lambda: 1 / 0,
    b"hang": _hang,
    b"grow": _grow,
    b"segfault": _segfault,
    b"kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"leave": lambda: os._exit(0),
}
