"""What a call's end means: an outcome, an exception or a stray value becomes a verdict and its record.

The loops enter for everything but a plain None. A user's exception, whatever its class, never leaves here:
the process goes on. The payload is not in the record unless the text of the user's own exception has it.
"""

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from ringmain import retry, verdict
from ringmain.config.schema import Route
from ringmain.errors import DeliveryFailed, Undecodable
from ringmain.handle import trace
from ringmain.message import Message
from ringmain.nearest import nearest
from ringmain.outcome import OutcomeValue, Pause, Retry, Skip, To
from ringmain.signature import RouteSpec
from ringmain.verdict import CHANNEL, DEAD, PAUSE, RETRY, SKIP, Failure

TOMBSTONE = 0
"""Stages of a call, the same numbers as in `_fastpath`: it has no value and the handler takes none."""
DECODE = 1
CALL = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resolver:
    """The rules of one route or channel. `pause` closes it for so many seconds."""

    spec: RouteSpec
    route: Route
    pause: Callable[[float], None]
    log_text: bool = True
    """Whether messages and tracebacks of exceptions may be logged; `log.exceptions`."""
    explain: Callable[[bytes, BaseException], str] | None = None
    """What names the bad field of a value, for a decoder that does not."""

    def resolve(
        self, message: Message, result: object, error: BaseException | None, stage: int
    ) -> tuple[int, bytes]:
        """The verdict's code and its encoded record."""
        # Not isinstance(): it asks the error itself, whose class may be an author's that raises.
        stage = DECODE if issubclass(type(error), Undecodable) else stage
        try:
            code, failure = self._decide(message.attempt, result, error, stage)
            if self.explain and stage == DECODE and isinstance(error, Exception) and message.value:
                failure = replace(failure, error_message=self.explain(message.value, error))
        except BaseException as broken:
            code, failure = self._undecided(message.attempt, error, broken)
        if code == SKIP:
            return code, b""
        if code not in (PAUSE, CHANNEL):
            self._say(message, code, failure, quotable=stage != DECODE)
        return code, verdict.encode(failure)

    def timed_out(self, message: Message, timeout_s: float) -> tuple[int, bytes]:
        """A call that passed `timeout_s` and was cancelled is a failed attempt."""
        text = f"the call took longer than timeout_s = {timeout_s:g} and was cancelled"
        return self._tried(message, Failure(error_class="TimeoutError", error_message=text))

    # -- of a batch, see batches.py --------------------------------------------------------------------------

    def judges(self, error: BaseException) -> bool:
        """Whether dead_on or skip_on names the exception's class, or a base class of it."""
        return any(kind in self.spec.dead_on or kind in self.spec.skip_on for kind in type(error).__mro__)

    def failed(
        self, message: Message, failure: Failure, error: BaseException, *, say: bool = True
    ) -> tuple[int, bytes]:
        """A failed attempt of a batch that the message was in, or of it alone. `error`: what it was."""
        return self._tried(message, failure, say=say)

    def dead(self, message: Message, failure: Failure) -> tuple[int, bytes]:
        """Nothing can be tried."""
        self._say(message, DEAD, failure)
        return DEAD, verdict.encode(failure)

    # -- deciding ------------------------------------------------------------------------------------------

    def _tried(self, message: Message, failure: Failure, *, say: bool = True) -> tuple[int, bytes]:
        code, failure = retry.decide(self.route.retry, message.attempt, failure)
        if say:
            self._say(message, code, failure)
        return code, verdict.encode(failure)

    def _decide(
        self, attempt: int, result: object, error: BaseException | None, stage: int
    ) -> tuple[int, Failure]:
        if stage == TOMBSTONE and error is None:
            return self._tombstone()
        if isinstance(error, OutcomeValue):
            return self._outcome(attempt, error)
        if error is not None:
            return self._exception(attempt, error, stage)
        if isinstance(result, OutcomeValue):
            return self._outcome(attempt, result)
        return DEAD, _stray(result)

    def _undecided(
        self, attempt: int, error: BaseException | None, broken: BaseException
    ) -> tuple[int, Failure]:
        """LOSS: a class of the user's that fails when looked at must not leave its message undecided."""
        text = f"it cannot be told what it is: looking at it raised {trace.class_name(broken)}"
        if error is None:
            return DEAD, Failure(error_class="TypeError", error_message=f"the handler's result: {text}")
        failure = Failure(error_class=trace.class_name(error), error_message=text)
        return retry.decide(self.route.retry, attempt, failure)

    def _tombstone(self) -> tuple[int, Failure]:
        text = f"the message has no value and the handler at {self.spec.place} takes none"
        code = DEAD if self.route.on_tombstone == "dead" else SKIP
        return code, Failure(error_class="Tombstone", error_message=text)

    def _outcome(self, attempt: int, outcome: OutcomeValue) -> tuple[int, Failure]:
        if isinstance(outcome, Skip):
            return SKIP, Failure()
        if isinstance(outcome, Retry):
            failure = failure_of(outcome, outcome.reason, delay_s=outcome.after_s, counted=outcome.count)
            return retry.decide(self.route.retry, attempt, failure)
        if isinstance(outcome, Pause):
            _log.info("route paused by its handler", extra={"for_s": outcome.for_s, "reason": outcome.reason})
            self.pause(outcome.for_s)
            return PAUSE, failure_of(outcome, outcome.reason, delay_s=outcome.for_s, counted=False)
        if isinstance(outcome, To):
            return self._to(outcome)
        return DEAD, failure_of(outcome, str(getattr(outcome, "reason", "")))

    def _to(self, outcome: To) -> tuple[int, Failure]:
        """LOSS: nobody takes from the queue of a channel that the config does not know."""
        if outcome.channel in self.route.channels:
            return CHANNEL, verdict.to_channel(outcome.channel)
        near = nearest(str(outcome.channel), self.route.channels)
        hint = f"; did you mean {near!r}?" if near else ""
        text = f"route {self.spec.name!r} has no channel {outcome.channel!r}{hint}"
        return DEAD, Failure(error_class="UnknownChannel", error_message=text)

    def _exception(self, attempt: int, error: BaseException, stage: int) -> tuple[int, Failure]:
        failure = Failure(
            error_class=trace.class_name(error),
            error_message=trace.message_of(error),
            traceback="" if stage == DECODE else trace.text_of(error),
            counted=is_counted(error),
        )
        # A process out of memory, or one that was told to exit, says nothing about the message.
        if stage == DECODE and isinstance(error, Exception) and not isinstance(error, MemoryError):
            return (SKIP if self.route.on_bad == "skip" else DEAD), failure
        # Of several classes that fit, the closest base class decides.
        for kind in type(error).__mro__:
            if kind in self.spec.dead_on:
                return DEAD, failure
            if kind in self.spec.skip_on:
                return SKIP, failure
        return retry.decide(self.route.retry, attempt, failure)

    def _say(self, message: Message, code: int, failure: Failure, quotable: bool = True) -> None:
        level = logging.WARNING if code == DEAD else logging.INFO
        if not _log.isEnabledFor(level):
            return
        said: dict[str, object] = {
            "message_id": message.id,
            "attempt": message.attempt,
            "error_class": failure.error_class,
        }
        if code == RETRY:
            said["delay_s"] = failure.delay_s
        # A decoder's text may quote the payload, so it goes to the dead set alone.
        if self.log_text and quotable:
            texts = {"error_message": failure.error_message, "traceback": failure.traceback}
            said |= {name: text for name, text in texts.items() if text}
        event = "message is dead" if code == DEAD else "call failed, will be tried again"
        # PERF: not _log.log(), which walks the stack for the line of code that says it: always the same.
        _log.handle(_log.makeRecord(_log.name, level, __file__, _SAID_AT, event, (), None, "_say", said))


_SAID_AT = Resolver._say.__code__.co_firstlineno


def is_counted(error: BaseException) -> bool:
    """LOSS: where Kafka is away, no message is at fault: none runs out of attempts for that."""
    return not (issubclass(type(error), DeliveryFailed) and getattr(error, "away", False))


def failure_of(
    outcome: OutcomeValue, text: str, delay_s: float | None = None, counted: bool = True
) -> Failure:
    """What the record says of an outcome, with what it was raised from."""
    cause = outcome.__cause__ or outcome.__context__
    return Failure(
        delay_s=delay_s,
        error_class=type(outcome).__name__,
        error_message=text,
        traceback=trace.text_of(cause) if cause else "",
        counted=counted,
    )


def _stray(result: object) -> Failure:
    """A value that is no outcome: its class is named, what it holds may be the payload."""
    kind = type(result).__name__
    if inspect.iscoroutine(result):
        result.close()
        text = "the handler returned a coroutine, nothing was awaited; a decorator hides its `async def`"
    elif isinstance(result, type):
        text = f"the handler returned the class {result.__name__}; return {result.__name__}(…)"
    else:
        text = f"the handler returned a value of type {kind}; return None, Retry, Skip, Dead, To or Pause"
    return Failure(error_class="TypeError", error_message=text)
