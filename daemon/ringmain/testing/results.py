"""What a Harness tells of a message: each step that it took, and where it ended.

Authors of tests read these values; the harness makes them. Nothing here acts.
"""

from dataclasses import dataclass

from ringmain.message import Message
from ringmain.outcome import Outcome


@dataclass(frozen=True)
class Step:
    """One look that a handler (or the decoder, before it) had at a message."""

    route: str
    channel: str
    """Empty = the route's own handler."""
    attempt: int
    """`Message.attempt` of this step."""
    outcome: Outcome
    """As the handler said it; of an exception, what the route's policy made of it."""
    at_s: float
    """When, on the harness's clock."""
    called: bool = True
    """Whether the handler was called: not with what cannot be decoded, nor a tombstone it does not take."""
    delay_s: float | None = None
    """How long the message was to wait for its next attempt, before it is rounded up to the ladder."""
    error: BaseException | None = None
    """What the handler (or the decoder) raised, where it was no outcome."""


@dataclass(frozen=True)
class DeadMessage:
    """An entry of the dead set."""

    route: str
    channel: str
    message: Message
    error_class: str
    error_message: str
    traceback: str


@dataclass(frozen=True)
class Produced:
    """A message that a handler sent."""

    producer: str
    """The producer's name in the app."""
    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None
    timestamp_ms: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of one message, as far as it is known now."""

    id: str
    """`Message.id`."""
    outcome: Outcome
    """The last step's: None = done."""
    attempts: int
    """Calls of handlers that it took, those that were not counted included."""
    dead: DeadMessage | None
    """Its entry in the dead set, if it ended there."""
    produced: tuple[Produced, ...]
    """What was sent while this message was handled, in order."""
    steps: tuple[Step, ...]
    """All of it, step by step."""
    settled: bool
    """False = it waits for another attempt."""
