"""What should run on this node: posts to fill, and what became of those who filled them.

The loop enters. A post is a wish ("handler 2 of orders"), a child is a process that fills it for a while; a
feeder's post is its seat in the ring, a handler sits wherever a seat is free. Nothing here forks.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ringmain import seat
from ringmain.config.schema import Config
from ringmain.control import Client
from ringmain.lifecycle import Leash
from ringmain.supervise.respawn import History
from ringmain.supervise.watch import Overdue, Progress


@dataclass(frozen=True)
class Post:
    """One wish."""

    role: str
    pool: str = ""
    """The key of the route's or channel's pool; empty when the role is not of one."""
    source: str = ""
    number: int = 0


@dataclass
class Child:
    """A process that fills a post."""

    config: Config
    """What it was born with, and goes by as long as it lives."""
    post: Post
    pid: int
    index: int
    incarnation: int
    row: int
    leash: Leash
    stack_fd: int
    born_s: float
    progress: Progress
    booted: bool = False
    asynchronous: bool = False
    retiring: bool = False
    settled: bool = False
    """A feeder in a stop: its last commit stands."""
    state: str = ""
    detail: str = ""
    partitions: list[tuple[str, int]] = field(default_factory=list)
    client: Client | None = None
    last_words: str = ""
    """Why it gives up, by its own account."""
    ending: Overdue | None = None
    asked_s: float = 0.0
    killed_s: float = math.inf
    """When kill -9 was sent first."""
    deadline_s: float = math.inf

    @property
    def title(self) -> str:
        """As in the process list: `handler orders/3`, `handler orders.express/0`."""
        return seat.title(self.post.role, self.post.pool, self.index)


@dataclass
class Place:
    """A post on the roster: who fills it, and when the next one may."""

    post: Post
    child: Child | None = None
    history: History = field(default_factory=History)
    due_s: float = 0.0
    looping: bool = False
    restarts: int = 0
    """Processes that it has lost."""
    last: str = ""
    """How the last one ended, when that was not its duty."""
    hopeless: bool = False
    """The last one could not boot, or gave its client up."""


class Roster:
    """All posts of the node."""

    def __init__(self) -> None:
        self._places: dict[Post, Place] = {}

    def want(self, post: Post) -> Place:
        """Put a post on the roster."""
        return self._places.setdefault(post, Place(post))

    def drop(self, post: Post) -> None:
        """Take a post off: whoever fills it is not followed by another."""
        self._places.pop(post, None)

    def place(self, post: Post) -> Place | None:
        """The post's place, if it is wanted."""
        return self._places.get(post)

    def empty(self) -> list[Place]:
        """The places that nobody fills."""
        return [place for place in self._places.values() if place.child is None]

    def of(self, role: str, pool: str = "", source: str = "") -> list[Place]:
        """The places of a role, of a pool if given, of a source if given."""
        return [place for place in self._places.values() if _matches(place.post, role, pool, source)]

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())


class Children:
    """All processes that the supervisor has forked and not yet reaped."""

    def __init__(self) -> None:
        self._by_pid: dict[int, Child] = {}

    def add(self, child: Child) -> None:
        """One was born."""
        self._by_pid[child.pid] = child

    def pop(self, pid: int) -> Child | None:
        """One was reaped; None for an orphan that came to a supervisor that is PID 1."""
        return self._by_pid.pop(pid, None)

    def of(self, role: str, pool: str = "", source: str = "") -> list[Child]:
        """The children of a role, of a pool if given, of a source if given."""
        return [child for child in self._by_pid.values() if _matches(child.post, role, pool, source)]

    def in_seat(self, role: str, pool: str, index: int) -> Child | None:
        """Who sits there."""
        return next((child for child in self.of(role, pool) if child.index == index), None)

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_pid.values()))

    def __len__(self) -> int:
        return len(self._by_pid)


class Incarnations:
    """Numbers the processes of each seat: 1 to 255 and round again, never 0."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, int], int] = {}

    def next(self, role: str, pool: str, index: int) -> int:
        """The number of the process that takes this seat now."""
        number = self._last.get((role, pool, index), 0) % 255 + 1
        self._last[role, pool, index] = number
        return number


def rows(children: Iterable[Child]) -> set[int]:
    """The rows of the board that are taken."""
    return {child.row for child in children}


def _matches(post: Post, role: str, pool: str, source: str) -> bool:
    return post.role == role and pool in ("", post.pool) and source in ("", post.source)
