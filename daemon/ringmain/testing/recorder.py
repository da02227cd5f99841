"""The resolver of production, remembering what it was told.

A pool enters with the resolver of its plan. What a call's end means is decided by that one alone; here it is
only noted beside the verdict, because a verdict is bytes and a test compares outcomes.
"""

from dataclasses import dataclass, field, fields

from ringmain import verdict
from ringmain.errors import Undecodable
from ringmain.handle.resolve import CALL, Resolver
from ringmain.message import Message
from ringmain.outcome import Dead, Outcome, OutcomeValue, Pause, Retry, Skip, To
from ringmain.verdict import CHANNEL, DEAD, PAUSE, RETRY, SKIP, Failure


@dataclass(frozen=True)
class Said:
    """How one call ended."""

    id: str
    attempt: int
    outcome: Outcome
    called: bool
    delay_s: float | None
    error: BaseException | None


@dataclass(frozen=True)
class Recorder(Resolver):
    """A resolver that keeps what it resolved, oldest first, until somebody takes it."""

    said: list[Said] = field(default_factory=list)

    def resolve(
        self, message: Message, result: object, error: BaseException | None, stage: int
    ) -> tuple[int, bytes]:
        """The verdict's code and its record, as the route's own resolver decides."""
        code, detail = super().resolve(message, result, error, stage)
        self._note(message, code, detail, error if error is not None else result, _called(error, stage))
        return code, detail

    def timed_out(self, message: Message, timeout_s: float) -> tuple[int, bytes]:
        """The same of a call that was cancelled."""
        code, detail = super().timed_out(message, timeout_s)
        self._note(message, code, detail, TimeoutError(f"longer than timeout_s = {timeout_s:g}"), True)
        return code, detail

    def failed(
        self, message: Message, failure: Failure, error: BaseException, *, say: bool = True
    ) -> tuple[int, bytes]:
        """The same of a message whose batch failed."""
        code, detail = super().failed(message, failure, error, say=say)
        self._note(message, code, detail, error, True)
        return code, detail

    def dead(self, message: Message, failure: Failure) -> tuple[int, bytes]:
        """The same of one whose batch said what cannot be understood."""
        code, detail = super().dead(message, failure)
        self._note(message, code, detail, None, True)
        return code, detail

    def take(self) -> list[Said]:
        """All that was said since the last time."""
        taken = self.said[:]
        self.said.clear()
        return taken

    def _note(self, message: Message, code: int, detail: bytes, end: object, called: bool) -> None:
        failure = verdict.decode(detail)
        error = end if isinstance(end, BaseException) and not isinstance(end, OutcomeValue) else None
        delay_s = failure.delay_s if code == RETRY else None
        outcome = outcome_of(code, failure, end)
        self.said.append(Said(message.id, message.attempt, outcome, called, delay_s, error))


def _called(error: BaseException | None, stage: int) -> bool:
    """A key, or what was compressed, is read within the call and before the handler."""
    return stage == CALL and not issubclass(type(error), Undecodable)


def recording(resolver: Resolver) -> Recorder:
    """The same rules, remembered."""
    return Recorder(**{each.name: getattr(resolver, each.name) for each in fields(resolver)})


def outcome_of(code: int, failure: Failure, end: object = None) -> Outcome:
    """A verdict as an outcome: the handler's own word where that is what was done with the message."""
    if isinstance(end, OutcomeValue) and not (code == DEAD and not isinstance(end, Dead)):
        return end  # type: ignore[return-value]
    said = ": ".join(filter(None, [failure.error_class, failure.error_message]))
    if code == DEAD:
        return Dead(said)
    if code == RETRY:
        return Retry(failure.delay_s, said, failure.counted)
    if code == SKIP:
        return Skip(said or (type(end).__name__ if end is not None else ""))
    if code == PAUSE:
        return Pause(failure.delay_s or 0.0, failure.error_message)
    return To(failure.channel) if code == CHANNEL else None
