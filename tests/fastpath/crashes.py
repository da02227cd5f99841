"""Kill one role before every single shared store it makes, let the next one take over, and look for losses.

Run by test_crashes.py in a process of its own, as it needs the debug build of the extension:
`crashes.py EXTENSION ROLE ORDER SEED`. Feeder, two handlers and the courier play one fixed script. The victim
lives in a forked child that kills itself before its nth store, the others in this process. Exits 1 with the
first trial that lost, stranded or disordered a message.
"""

import importlib.util
import mmap
import os
import pickle
import random
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

_MESSAGES = 26
_KEYS = 4
_NEVER = 1 << 40
_LOG_ENTRIES = 4096


def _steps(text: str) -> list[str]:
    return text.split()


SCRIPT = _steps("""
    feeder.place feeder.settle first.serve feeder.settle second.serve feeder.commit feeder.place
    feeder.divert second.claim first.serve feeder.settle courier.carry feeder.take_back second.finish
    feeder.settle feeder.overflow feeder.place first.serve courier.take feeder.settle feeder.divert
    second.serve feeder.settle
    feeder.reassign feeder.place first.claim courier.ack second.serve feeder.settle first.finish
    feeder.settle feeder.commit courier.carry feeder.settle
""")
DRAIN = _steps("""
    feeder.place feeder.settle first.serve second.serve first.finish second.finish feeder.settle
    courier.carry feeder.settle feeder.commit
""")


def load(extension: str) -> None:
    """Make the debug build the `_fastpath` that everybody imports."""
    spec = importlib.util.spec_from_file_location("ringmain._fastpath", extension)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ringmain._fastpath"] = module
    spec.loader.exec_module(module)


class Ledger:
    """What really happened, in memory that survives any of the processes."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * (_LOG_ENTRIES + 1))

    def note(self, offset: int, finished: bool, packed: bool = False) -> None:
        (n,) = struct.unpack_from("<Q", self._memory, 0)
        struct.pack_into("<Q", self._memory, 8 * (n + 1), offset << 2 | packed << 1 | finished)
        struct.pack_into("<Q", self._memory, 0, n + 1)

    def entries(self) -> list[tuple[int, bool]]:
        """What handlers and letters did: (offset, finished)."""
        return [(e >> 2, bool(e & 1)) for e in self._noted() if not e & 2]

    def packed(self) -> set[int]:
        """What went in frames."""
        return {e >> 2 for e in self._noted() if e & 2}

    def finished(self) -> set[int]:
        return {e >> 2 for e in self._noted() if e & 1}

    def _noted(self) -> list[int]:
        (n,) = struct.unpack_from("<Q", self._memory, 0)
        return [e for (e,) in struct.iter_unpack("<Q", self._memory[8 : 8 * (n + 1)])]


class Feeder:
    def __init__(self, ring: Any, ledger: Ledger, order: str, committed: int) -> None:
        self.side, self.order = ring.feeder(order=order, run_limit=8, courier_share=order == "none"), order
        self.index = self.side.partition_index("t", 0)
        self.side.open_partition(self.index, committed)

    def place(self, verdict: int = 0, most: int = 9) -> None:
        for _ in range(most):
            offset = self.side.position(self.index)
            if offset >= _MESSAGES or not self.side.place(
                self.index, offset, b"%d" % offset * 30, key=b"k%d" % (offset % _KEYS), verdict=verdict
            ):
                break
        self.side.flush()

    def overflow(self) -> None:
        """The next ones go straight for the courier. Order is refused together with overflow."""
        if self.order == "none":
            self.place(8, 3)

    def divert(self) -> None:
        if self.order == "none":
            self.side.divert(1, 4, 1 << 20)

    def settle(self) -> None:
        from ringmain.verdict import DEAD

        self.side.greet_courier()
        self.side.settle()
        for seat in self.side.dead_seats():
            executing, everywhere, _, _ = self.side.resolve(seat)
            for slot in executing:
                if everywhere == 1 and self.side.blame(slot) > 1:
                    self.side.fail(slot, DEAD, b"killed its handlers")
                else:
                    self.side.isolate(slot)
            self.side.resolved(seat)
        for slot, _, _, _ in self.side.take_events():
            self.side.resume(slot, self.side.token(slot))
        self.side.flush()

    def take_back(self) -> None:
        self.side.take_back(0)

    def reassign(self) -> None:
        """Give the partition away and back, as a rebalance does. Not without order: repeats are counted."""
        if self.order == "none":
            return
        self.side.withdraw(self.index, spare=True)
        self.side.withdraw(self.index)
        low, _ = self.side.close_partition(self.index)
        self.side.open_partition(self.index, low)

    def commit(self) -> int:
        return int(self.side.low_water(self.index))

    def leftovers(self) -> tuple[int, float]:
        return self.side.busy, self.side.used_ratio


class Handler:
    """Offsets divisible by 7 go to the dead set, those by 5 are tried again once, others are done."""

    def __init__(self, ring: Any, ledger: Ledger, order: str, committed: int) -> None:
        self.side, self.ledger = ring.handler(), ledger
        self.claims: list[Any] = []

    def _verdict(self, offset: int, attempt: int) -> int:
        from ringmain.verdict import DEAD, DONE, RETRY

        if offset % 7 == 0:
            return DEAD
        return RETRY if offset % 5 == 0 and attempt == 1 else DONE

    def _resolve(self, message: Any, *_: object) -> tuple[int, bytes]:
        verdict = self._verdict(message.offset, message.attempt)
        self.ledger.note(message.offset, verdict == 1)
        return verdict, b"because"

    def serve(self) -> None:
        from ringmain._fastpath import CallPlan

        self.side.serve(CallPlan(lambda value: 1, None, self._resolve, 2, True))

    def claim(self) -> None:
        self.claims += self.side.claim(2)

    def finish(self) -> None:
        for claim in self.claims:
            self.side.finish(claim, *self._resolve(claim.message("r")))
        self.claims.clear()
        self.side.flush()


class Courier:
    def __init__(self, ring: Any, ledger: Ledger, order: str, committed: int) -> None:
        self.side, self.ledger, self.parcels = ring.courier(), ledger, list[Any]()

    def take(self) -> None:
        for _ in range(4):  # what is to go in frames and what is not stand in one row
            parcels = self.side.take(8)
            for parcel in parcels:
                assert parcel.value == b"%d" % parcel.offset * 30
                assert parcel.detail in (b"because", b"killed its handlers")
                self.ledger.note(parcel.offset, True)
            self.parcels += parcels
            self._take_frame()

    def _take_frame(self) -> None:
        from ringmain.queues.frames import unpack

        frame = self.side.take_frame(3)
        if frame is not None:
            messages = unpack(frame.body)
            assert len(messages) == frame.messages
            for message in messages:
                assert message.value == b"%d" % message.offset * 30
                self.ledger.note(message.offset, True, packed=True)
            self.parcels.append(frame)

    def ack(self) -> None:
        self.side.ack(self.parcels)
        self.parcels = []

    def carry(self) -> None:
        self.take()
        self.ack()


KINDS: dict[str, Callable[..., Any]] = {
    "feeder": Feeder,
    "first": Handler,
    "second": Handler,
    "courier": Courier,
}


class Died(Exception):
    pass


class Remote:
    """A role in a child that kills itself before its nth store; method calls go through a socket."""

    def __init__(self, make: Callable[[], Any], crash_before: int) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.seat = -1
        self.pid = os.fork()
        if self.pid == 0:
            self._socket.close()
            _serve_calls(make, crash_before, theirs)
        theirs.close()
        self._reply()

    def _reply(self) -> Any:
        raw = self._socket.recv(1 << 16)
        if not raw:
            _, status = os.waitpid(self.pid, 0)
            self._socket.close()
            assert os.WIFSIGNALED(status), f"the victim failed instead of being killed: {status}"
            assert os.WTERMSIG(status) == signal.SIGKILL
            raise Died
        return pickle.loads(raw)

    def call(self, method: str) -> Any:
        self._socket.send(method.encode())
        return self._reply()

    def end(self) -> int:
        """Stores that were left until its death."""
        left = self.call("end")
        os.waitpid(self.pid, 0)
        self._socket.close()
        return int(left)


def _serve_calls(make: Callable[[], Any], crash_before: int, calls: socket.socket) -> None:
    from ringmain._fastpath import crash_before_store

    try:
        crash_before_store(crash_before)
        role = make()
        calls.send(pickle.dumps(None))
        while method := calls.recv(100).decode():
            if method == "end":
                calls.send(pickle.dumps(crash_before_store(0)))
                break
            calls.send(pickle.dumps(getattr(role, method)()))
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


class Trial:
    """One play of the script with one list of deaths for the victim."""

    def __init__(self, ring: Any, victim: str, order: str, deaths: list[int]) -> None:
        self.ring, self.victim, self.order, self.deaths = ring, victim, order, list(deaths)
        self.ledger, self.committed, self.stores = Ledger(), 0, 0
        self.roles: dict[str, Any] = {}
        self.seats: dict[str, int] = {}

    def play(self) -> None:
        for step in SCRIPT:
            self.step(step)
        self.drain()
        while "feeder" not in self.roles:  # the last death came with the last step
            self.drain()
        self.end()
        self.judge()

    def drain(self) -> None:
        for _ in range(40):
            for step in DRAIN:
                self.step(step)

    def step(self, step: str) -> Any:
        name, method = step.split(".")
        try:
            role = self.role(name)
            found = role.call(method) if isinstance(role, Remote) else getattr(role, method)()
        except Died:
            self.bury(name)
            return None
        if method == "commit":
            assert found >= self.committed, f"the low water fell from {self.committed} to {found}"
            missing = set(range(found)) - self.ledger.finished()
            assert not missing, f"committed {found} past {sorted(missing)}"
            self.committed = found
        return found

    def role(self, name: str) -> Any:
        if name not in self.roles:
            if KINDS[name] is Handler:
                self.seats[name] = self.ring.overseer.free_seat()

            def make() -> Any:
                return KINDS[name](self.ring, self.ledger, self.order, self.committed)

            mortal = name == self.victim and self.deaths
            self.roles[name] = Remote(make, self.deaths.pop(0)) if mortal else make()
        return self.roles[name]

    def bury(self, name: str) -> None:
        self.roles.pop(name, None)
        if name == "feeder":
            self.ring.overseer.bury_feeder(0)
        elif name != "courier":
            self.ring.overseer.bury(self.seats[name], 1)
        self.ring.count_incarnations(name)

    def end(self) -> None:
        role = self.roles.get(self.victim)
        if isinstance(role, Remote):
            self.busy = role.call("leftovers") if self.victim == "feeder" else None
            self.stores = _NEVER - role.end()
        if not isinstance(self.roles["feeder"], Remote):
            self.busy = self.roles["feeder"].leftovers()

    def judge(self) -> None:
        assert self.committed == _MESSAGES, f"stuck at {self.committed}: {self.ring.states()}"
        assert self.busy == (0, 0.0), f"slots or blocks leaked: {self.busy} {self.ring.states()}"
        entries = self.ledger.entries()
        assert len(entries) < _LOG_ENTRIES
        if self.order == "key":
            for key in range(_KEYS):
                first = list(dict.fromkeys(o for o, _ in entries if o % _KEYS == key))
                assert first == sorted(first), f"key {key} out of order: {first}"
        if self.victim != "feeder" and self.order == "none":
            again = [o for o in range(_MESSAGES) if o % 7 and o % 5 and entries.count((o, True)) > 1]
            assert len(again) <= 4, f"done twice without need: {again}"
            both = self.ledger.packed() & {offset for offset, _ in entries}
            assert not both, f"handled here and sent away: {both}"


def trial(victim: str, order: str, deaths: list[int]) -> int:
    """Play; returns the victim's stores when it never died."""
    from rig import Rig

    from ringmain.rings import Geometry

    class Numbered(Rig):
        def count_incarnations(self, name: str) -> None:
            # The child's number died with it: the next one must differ.
            if name == "courier":
                self._courier_incarnation += 1

    ring = Numbered(Geometry(1, 6, 16, 1 << 13, 64))
    play = Trial(ring, victim, order, deaths)
    try:
        play.play()
        # Early deaths may leave nothing to divert; without one there is always something.
        assert deaths != [_NEVER] or play.ledger.packed() or order == "key", "nothing was ever diverted"
    except BaseException as failure:
        print(f"FAILED victim={victim} order={order} deaths={deaths}: {failure!r}", flush=True)
        raise
    finally:
        ring.close()
    return play.stores


def main() -> int:
    extension, victim, order, seed = sys.argv[1:5]
    load(extension)
    chance = random.Random(int(seed))
    stores = trial(victim, order, [_NEVER])
    assert stores > 20, f"only {stores} stores: is this the debug build?"
    for n in range(1, stores + 1):
        trial(victim, order, [n])
    for _ in range(60):
        trial(victim, order, [chance.randint(1, stores), chance.randint(1, 80), chance.randint(1, 80)])
    print(f"{stores} stores of the {victim}, order {order}: a death before each of them, seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
