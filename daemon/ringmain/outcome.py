"""What a handler may say about its message, returned or raised.

Handler authors enter; the handler process reads them. They are values: equal by content, hashable,
unchanging. That they are exceptions too lets a helper deep inside a call settle the matter; none of them is
an error, which is why they live here and not in errors.py. Nothing here acts on an outcome.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any


class OutcomeValue(Exception):
    """What the outcomes share; not for use by itself."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Raising and contextlib write __traceback__ and the like, which a frozen dataclass would refuse.
        if not name.startswith("__") and name in self.__dict__:
            kind = type(self).__name__
            raise AttributeError(f"{kind}.{name} cannot change; make a new {kind}")
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return str(getattr(self, "reason", "")) or repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]


@dataclass(unsafe_hash=True)
class Retry(OutcomeValue):
    """Try again: after `after_s` or by the route's policy; `count=False` uses up no attempt (a 429)."""

    after_s: float | None = None
    reason: str = ""
    count: bool = True

    def __post_init__(self) -> None:
        if self.after_s is not None:
            _check_seconds("Retry(after_s)", self.after_s)


@dataclass(unsafe_hash=True)
class Skip(OutcomeValue):
    """Settled without being done; counted apart."""

    reason: str


@dataclass(unsafe_hash=True)
class Dead(OutcomeValue):
    """To the dead set at once."""

    reason: str


@dataclass(unsafe_hash=True)
class To(OutcomeValue):
    """On to a channel of the same route."""

    channel: str


@dataclass(unsafe_hash=True)
class Pause(OutcomeValue):
    """This message waits in place, uncounted, and its route takes nothing new for `for_s` seconds."""

    for_s: float
    reason: str

    def __post_init__(self) -> None:
        _check_seconds("Pause(for_s)", self.for_s)


Outcome = None | Retry | Skip | Dead | To | Pause


@dataclass(frozen=True)
class Batch:
    """What became of some messages of a batch; all that is not named is done.

    Entries are items of the batch (by identity), indexes or `(item, "reason")`. `after_s` is for `retry`.
    """

    retry: Iterable[Any] = ()
    skip: Iterable[Any] = ()
    dead: Iterable[Any] = ()
    after_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("retry", "skip", "dead"):
            entries = getattr(self, name)
            if isinstance(entries, str | bytes) or not isinstance(entries, Iterable):
                raise TypeError(f"Batch({name}) is a list of items or indexes, not {type(entries).__name__}")
            object.__setattr__(self, name, tuple(entries))
        if self.after_s is not None:
            _check_seconds("Batch(after_s)", self.after_s)


BatchOutcome = Outcome | Batch
"""What a batch route's handler gives; an outcome is about each of its messages."""


def _check_seconds(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is a number of seconds from 0 up, not {value!r}")
