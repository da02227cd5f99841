"""What every queue backend owes its users; tests/contract/test_queues_*.py holds each of them to it.

The courier holds a Publisher, a queue feeder a Taker, the herald a Control, the admin and the command line a
DeadSet and Depths.
Nothing here blocks on a server: a backend that cannot be reached is a state (`away()`), never an exception,
and never a reason to drop a message. LOSS: only a ticket in `Settled.confirmed` may settle a slot.

    publish -> pump … pump -> settled()            take -> handlers -> ack
    wait on fileno() for at most timeout_s(), then pump()   (both publishers and takers)
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ringmain.queues.entry import Entry
from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.filters import Filter

Ticket = int
"""A published message's number, unique within its publisher."""
Tag = int
"""A delivery's number, unique within its taker; one of a lost connection is ignored by `ack`."""


class Away(msgspec.Struct, frozen=True):
    """The queues cannot be used now: why, in words for an operator, and since when (monotonic clock)."""

    reason: str
    since_s: float
    refused: bool = False
    """The queues are there, and a person has to act: a right is missing, a queue is otherwise."""


class Refused(NamedTuple):
    """A message that this backend will never take as it is (not: not now)."""

    ticket: Ticket
    reason: str


class Settled(NamedTuple):
    """What became known since the last call: each ticket appears once, in one of the three."""

    confirmed: list[Ticket]
    """Safe: on disk, on a majority."""
    lost: list[Ticket]
    """Not known to be safe, since the queues went away: publish again."""
    refused: list[Refused]


class Delivery(NamedTuple):
    """A taken message, this taker's until acked, given back, or the taker's end."""

    tag: Tag
    queue: str
    envelope: Envelope | Packed | Foreign
    """Packed from an overflow queue; Foreign where the bytes are not understood: never kept back or lost."""


class Depth(NamedTuple):
    """How much is in a queue."""

    messages: int
    """Waiting and held; waiting alone where `held` is None."""
    held: int | None
    """Taken and not acked; None where a backend cannot tell."""
    oldest_ms: int | None
    """Wall clock at which the oldest waiting one became ready (a delay queue: was published)."""


class Pumped(Protocol):
    """A connection that its owner's loop drives."""

    def pump(self) -> None:
        """Do what can be done now without waiting: write, read, reconnect when its backoff is over."""

    def fileno(self) -> int | None:
        """Readable when pump() has something to read; None for a backend that needs none."""

    def timeout_s(self) -> float | None:
        """pump() again after this long even if fileno() stays silent; 0 now, None only on fileno()."""

    def away(self) -> Away | None:
        """Why nothing goes through now; None while all is well."""

    def close(self) -> None:
        """Let go at once; what is not confirmed is not safe, what is held goes back."""


class Publisher(Pumped, Protocol):
    """Messages in, confirms out, many in flight."""

    limit_bytes: int
    """The largest value this backend takes; `envelope.withhold` cuts what is above."""

    def room(self) -> int:
        """How many more messages it wants now; 0 while away or with a full window."""

    def publish(self, batch: Sequence[tuple[str, Envelope | Packed]]) -> list[Ticket]:
        """Hand over (queue, envelope) pairs in order; never fails: see settled(). May exceed room().

        A Packed goes to an overflow queue, and nothing else goes there.
        """

    def settled(self) -> Settled:
        """What became of tickets since the last call."""

    def made(self) -> list[str]:
        """Queues that it has seen to be there since the last call, for who counts what is in them."""


class Taker(Pumped, Protocol):
    """Messages out, each to one taker at a time; a taker that dies gives back what it held."""

    def ready(self) -> bool:
        """Would take() find something? Then who has room does not sleep; timeout_s() leaves it out."""

    def take(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages that are ready, oldest due first in each queue; [] when there are none."""

    def hold(self, deliveries: int) -> None:
        """From now on hold at most so many at once, prefetched ones included; held already may be more."""

    def ack(self, tags: Sequence[Tag]) -> None:
        """These are settled and may be forgotten: said now, by a pump() a moment later, or by close().

        Kept and said again by pump() while away.
        """

    def give_back(self, tags: Sequence[Tag]) -> None:
        """These were not begun: others may take them at once."""


class Control(Pumped, Protocol):
    """What one node of an app tells all others, and how much is in the app's queues.

    Words are for who listens now: what cannot be said now is not said later, and nobody hears what was said
    before it came. Nothing of it is safe, and anybody who may use the queues can say anything.
    """

    def send(self, body: bytes) -> bool:
        """Tell all who listen, ourselves included; False when it cannot be said now."""

    def take(self) -> list[bytes]:
        """What was said since the last call, ours included."""

    def unheard(self) -> Away | None:
        """Why nobody hears us although the queues are there: a right is missing, say."""

    def expect(self, queues: Sequence[str]) -> None:
        """Somebody has used these queues: they are there by now, whatever an earlier count saw."""

    def count(self) -> None:
        """Begin to count what is in every queue of the app; nothing while a count is under way."""

    def counted(self) -> dict[str, Depth] | None:
        """What the last count found, said once: every queue that holds something. None = nothing new."""


class Page(NamedTuple):
    """Some entries, oldest first, and where to go on: None when there are no more."""

    entries: list[Entry]
    cursor: str | None


class Count(NamedTuple):
    """One row of a summary: the values of its axes (by "route", "channel", "error", "hour", "topic")."""

    group: tuple[str, ...]
    messages: int
    oldest_ms: int
    newest_ms: int


AXES = ("error", "route", "channel", "topic", "hour")


class Dead(NamedTuple):
    """A dead message as a job holds it."""

    id: str
    route: str
    channel: str
    envelope: Envelope


class Acted(NamedTuple):
    """What became of a batch: ids that are done, and those that stay dead, each with the reason."""

    done: list[str]
    refused: list[tuple[str, str]]


class Holder(msgspec.Struct, frozen=True):
    """Who has the dead set in hand: the person or process, where, and since when (wall clock)."""

    who: str
    host: str
    since_ms: int


class Hold(Protocol):
    """The dead set in one pair of hands on all nodes: only a holder changes it; however it ends, it is free.

    LOSS: replay puts a message into its ready queue, sees that confirmed, and only then removes it here. A
    holder that is killed in between leaves it dead, or ready, or both; never in neither. QueuesAway when the
    queues go: what was not said to be done may or may not be.
    """

    def pick(self, chosen: Filter, before: str | None = None, at_once: int = 500) -> Iterator[list[Dead]]:
        """What passes the filter, oldest first, up to the mark `before`; act on a batch before the next."""

    def replay(self, batch: Sequence[Dead]) -> Acted:
        """To the ready queue of its route or channel as attempt 1, marked as replayed; then no longer dead.

        The envelopes are taken as they are in `batch`: an edited value goes out edited.
        """

    def remove(self, ids: Sequence[str]) -> None:
        """These, of the batch that was picked last, are no longer dead."""

    def arrivals(self) -> list[Dead]:
        """What became dead since the hold began, each said once."""

    def rest(self, for_s: float) -> None:
        """Wait without standing in the way of those who look."""

    def close(self) -> None:
        """Others may hold it."""


class DeadSet(Protocol):
    """The dead messages of one app, to look at or to hold. QueuesAway when they cannot be read."""

    def missing(self) -> str:
        """Why nothing can be dead (there is no queue yet), in words; "" when there could be something."""

    def summary(self, chosen: Filter, by: Sequence[str]) -> list[Count]:
        """Counts by axes of AXES, largest first."""

    def page(self, chosen: Filter, limit: int, cursor: str | None = None) -> Page:
        """A page of entries that pass the filter; pages of a standing filter neither overlap nor skip."""

    def get(self, entry_id: str) -> Entry | None:
        """One entry; None when there is none (any more) of this id."""

    def read(self, chosen: Filter, limit: int) -> list[Dead]:
        """The first that pass, with their bytes as they are."""

    def mark(self) -> str:
        """The dead set's end as of now: what comes later is not touched by a job that began here."""

    def hold(self, who: str) -> Hold:
        """Take it in hand; DeadSetBusy, naming the holder, when somebody has it."""

    def close(self) -> None:
        """Let go."""


class Found(NamedTuple):
    """A message in whatever queue; `held` = a running daemon has it in its ring as well."""

    queue: str
    id: str
    envelope: Envelope
    held: bool = False


class Search(Protocol):
    """Looks through every queue of the app: ready, delayed, overflow with its frames, dead."""

    def find(self, chosen: Filter) -> Iterator[Found]:
        """Messages that pass the filter, queue by queue."""

    def forget(self, chosen: Filter) -> Iterator[Found]:
        """The same, each gone for good when it is said; the caller holds the dead set."""

    def close(self) -> None:
        """Let go."""


class Queues(Protocol):
    """A backend for one app, made before the work begins; each call opens a connection of its own."""

    def publisher(self) -> Publisher:
        """For a courier. FORK: only after the fork."""

    def taker(self, queues: Sequence[str]) -> Taker:
        """For a queue feeder over ready, channel and overflow queues. FORK: only after the fork."""

    def control(self) -> Control:
        """For a herald. FORK: only after the fork."""

    def dead_set(self) -> DeadSet:
        """For whoever looks at the dead set, or acts on it."""

    def search(self) -> Search:
        """For whoever looks for one person's messages in all queues."""

    def try_out(self) -> None:
        """QueuesAway when they could not be used now; nothing is made that stays, and nothing changed."""

    def depths(self) -> dict[str, Depth]:
        """Every queue of the app that holds something; QueuesAway when they cannot be read."""
