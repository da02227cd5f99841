"""Where children come from and where their remains go: fork with all that belongs to it, reap, clean up.

The loop enters. Who should be born and what a death means is decided elsewhere.
"""

import contextlib
import os
import select
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringmain import clock
from ringmain.config.pools import place_of
from ringmain.config.schema import Config
from ringmain.lifecycle import Leash, Link, Order, pair
from ringmain.seat import Seat
from ringmain.supervise import fork
from ringmain.supervise.memory import Memory
from ringmain.supervise.posts import Child, Children, Post, rows
from ringmain.supervise.watch import Progress

OWN_ROW = 0
"""The supervisor's own row on the board."""
_STACK_BYTES = 1 << 16


@dataclass(frozen=True)
class Remains:
    """A child that has ended and how: the exit code, a signal's number negative."""

    child: Child
    code: int


class Nursery:
    """Owns the children's processes and the supervisor's ends of what ties them to it."""

    def __init__(self, memory: Memory, table: Mapping[str, str], let_go: Callable[[], None]) -> None:
        self.children = Children()
        self.unhandled: frozenset[str] = frozenset()
        """Routes that `through` leads past the app and that it has no function for: the first probe knows."""
        self.mounted = False
        """Whether the app has HTTP routes of its own."""
        self.code = ""
        """Which code the probe saw last."""
        self._memory = memory
        self._table = table
        self._let_go = let_go
        self._ears = select.epoll()
        self.ready: dict[int, int] = {}
        """What the last `wait` ended for: descriptor -> epoll's events."""
        self.partings: list[Callable[[], None]] = []
        """Each is called in every child: to close what is the supervisor's alone."""

    def bear(
        self, post: Post, index: int = 0, incarnation: int = 1, *, config: Config | None = None
    ) -> Child:
        """Fork a child for the post, into the seat `index`. Raises OSError when the system has no room.

        `config` is another than the one that all go by: to try it.
        """
        leash, link = pair()
        stack_fd, child_stack_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        seat = self._seat(post, (index, incarnation), link, config or self._memory.config)
        birth = fork.Birth(self._table, child_stack_fd, lambda: self._part(seat, leash, stack_fd))
        try:
            pid = fork.fork(seat, birth)
        except BaseException:
            leash.close()
            os.close(stack_fd)
            raise
        finally:
            link.close()
            os.close(child_stack_fd)
        now_s = clock.monotonic_s()
        child = Child(
            seat.config, post, pid, index, incarnation, seat.beat, leash, stack_fd, now_s, Progress(now_s)
        )
        self.children.add(child)
        self._ears.register(leash.fileno(), select.EPOLLIN)
        return child

    def _seat(self, post: Post, place: tuple[int, int], link: Link, config: Config) -> Seat:
        index, incarnation = place
        taken = rows(self.children)
        row = next(row for row in range(OWN_ROW + 1, self._memory.board.rows) if row not in taken)
        self._memory.board.beat(row)
        route, channel = place_of(post.pool)
        return Seat(
            role=post.role,
            config=config,
            segments=self._memory.segments_of(post.role, post.pool),
            board=self._memory.board,
            beat=row,
            link=link,
            route=route,
            channel=channel,
            handled=post.pool not in self.unhandled,
            mounted=self.mounted,
            source=post.source,
            index=index,
            incarnation=incarnation,
        )

    def _part(self, seat: Seat, leash: Leash, stack_fd: int) -> None:
        """In the child: close what is the supervisor's or a sibling's."""
        self._let_go()
        for part in self.partings:
            part()
        self._ears.close()
        leash.close()
        os.close(stack_fd)
        for sibling in self.children:
            sibling.leash.close()
            os.close(sibling.stack_fd)
        self._memory.part(seat.segments)

    def heed(self, number: int, events: int = select.EPOLLIN) -> None:
        """Let `wait` end for this descriptor, too: when it is readable, or for other events of epoll."""
        self._ears.register(number, events)

    def heed_for(self, number: int, events: int) -> None:
        """From now on for these events."""
        self._ears.modify(number, events)

    def ignore(self, number: int) -> None:
        """No more."""
        with contextlib.suppress(OSError, ValueError):
            self._ears.unregister(number)

    def wait(self, longest_s: float) -> None:
        """Until a child or a heeded descriptor has something to say, or time is up."""
        self.ready = dict(self._ears.poll(max(0.0, longest_s)))

    def speaking(self) -> list[Child]:
        """The children that had something to say when the last `wait` ended."""
        return [child for child in self.children if child.leash.fileno() in self.ready]

    def mute(self, child: Child) -> None:
        """Listen no more to a child that has closed its end."""
        self.ignore(child.leash.fileno())

    def tell(self, child: Child, order: Order) -> None:
        """Give an order; a child that cannot take it is dead or will meet its deadline."""
        child.leash.send(order)

    def kill(self, child: Child) -> None:
        """kill -9."""
        child.killed_s = min(child.killed_s, clock.monotonic_s())
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    def ask_for_stacks(self, child: Child) -> None:
        """Have the child write its stacks; `stacks` reads them a little later."""
        self.stacks(child)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, fork.STACK_SIGNAL)

    def stacks(self, child: Child) -> str:
        """What the child has written of its stacks."""
        try:
            return os.read(child.stack_fd, _STACK_BYTES).decode("utf-8", "replace")
        except BlockingIOError:
            return ""

    def reap(self) -> list[Remains]:
        """All that have ended, with their last words still on the leash; orphans are only buried."""
        found: list[Remains] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            child = self.children.pop(pid)
            if child is not None:
                found.append(Remains(child, os.waitstatus_to_exitcode(status)))

    def clean(self, child: Child) -> None:
        """Free what tied the child to us."""
        self.mute(child)
        child.leash.close()
        os.close(child.stack_fd)

    def close(self) -> None:
        """The end: whoever is left is killed and reaped."""
        for child in self.children:
            self.kill(child)
            os.waitpid(child.pid, 0)
            self.children.pop(child.pid)
            self.clean(child)
        self._ears.close()
