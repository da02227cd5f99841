"""What the end of a batch's call means for each of its messages.

Both loops enter for everything but a plain None. A call that fails says nothing about which message it was:
each is tried again by policy, in ever smaller batches, and called alone at once where this was its last
attempt or the exception's class judges a message. Nothing of the ring is known here but the batch.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ringmain.handle import trace
from ringmain.handle.resolve import CALL, Resolver, failure_of, is_counted
from ringmain.outcome import Batch, Dead, OutcomeValue, Pause, Retry, Skip
from ringmain.rings import BatchClaim
from ringmain.verdict import DONE, PAUSE, RETRY, RETURNED, Failure

Verdict = tuple[int, bytes]
ALONE: Verdict = (0, b"")
"""No verdict yet: it is to be called by itself."""
_DONE: Verdict = (DONE, b"")
_RETURNED: Verdict = (RETURNED, b"")
_HOLDS_BACK = (RETRY, PAUSE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchResolver:
    """The rules of one batch route."""

    resolver: Resolver

    def settle(self, batch: BatchClaim, result: object, error: BaseException | None) -> Iterator[BatchClaim]:
        """Leave every message's verdict. What is to be called alone comes out, each after the last ended."""
        try:
            verdicts = self._verdicts(batch, result, error)
        except BaseException as broken:
            verdicts = self._undecided(batch, error, broken)
        return self._leave(batch, verdicts)

    def timed_out(self, batch: BatchClaim, timeout_s: float) -> Iterator[BatchClaim]:
        """The same for a call that passed `timeout_s` and was cancelled."""
        text = f"the call took longer than timeout_s = {timeout_s:g} and was cancelled"
        failure = Failure(error_class="TimeoutError", error_message=text)
        return self._leave(batch, self._failed(batch, failure, TimeoutError(text)))

    # -- one verdict for each ------------------------------------------------------------------------------

    def _verdicts(self, batch: BatchClaim, result: object, error: BaseException | None) -> list[Verdict]:
        end = result if error is None else error
        if isinstance(end, Retry):
            failure = failure_of(end, end.reason, delay_s=end.after_s, counted=end.count)
            return self._failed(batch, failure, end)
        if isinstance(end, Pause):
            return [self.resolver.resolve(batch.message(0), end, None, CALL)] * len(batch)
        if isinstance(end, OutcomeValue):
            return [self.resolver.resolve(one, end, None, CALL) for one in batch.messages]
        if error is not None:
            return self._raised(batch, error)
        if isinstance(result, Batch):
            return self._partial(batch, result)
        text = f"the handler returned a value of type {type(result).__name__}; return None or Batch"
        return self._stray(batch, text)

    def _raised(self, batch: BatchClaim, error: BaseException) -> list[Verdict]:
        if self.resolver.judges(error):
            if len(batch) == 1:
                return [self.resolver.resolve(batch.message(0), None, error, CALL)]
            return [ALONE] * len(batch)
        failure = Failure(
            error_class=trace.class_name(error),
            error_message=trace.message_of(error),
            traceback=trace.text_of(error),
            counted=is_counted(error),
        )
        return self._failed(batch, failure, error)

    def _failed(self, batch: BatchClaim, failure: Failure, error: BaseException) -> list[Verdict]:
        """By policy; nobody knows which one it was, so the last attempt is made alone."""
        if len(batch) == 1:
            return [self.resolver.failed(batch.message(0), failure, error)]
        attempts = self.resolver.route.retry.attempts
        last = [failure.counted and batch.attempt(n) >= attempts for n in range(len(batch))]
        said = {
            "messages": len(batch),
            "first": batch.message(0).id,
            "attempt": batch.attempt(0),
            "error_class": failure.error_class,
        }
        if self.resolver.log_text:
            texts = {"error_message": failure.error_message, "traceback": failure.traceback}
            said |= {name: text for name, text in texts.items() if text}
        again = "each is called alone" if all(last) else "will be tried again"
        _log.info(f"batch failed, {again}", extra=said)
        return [
            ALONE if last[n] else self.resolver.failed(batch.message(n), failure, error, say=False)
            for n in range(len(batch))
        ]

    def _partial(self, batch: BatchClaim, said: Batch) -> list[Verdict]:
        named, strangers = named_in(batch, said)
        if strangers:
            text = f"Batch({strangers[0]}=…) names what is not in the batch; name its items or indexes"
            others = self._stray(batch, text, skip=named)
        else:
            others = [_DONE] * len(batch)
        return [
            self.resolver.resolve(batch.message(n), named[n], None, CALL) if n in named else others[n]
            for n in range(len(batch))
        ]

    def _stray(self, batch: BatchClaim, text: str, skip: Iterable[int] = ()) -> list[Verdict]:
        """Its side effects are done, so repeating it makes it worse."""
        failure = Failure(error_class="TypeError", error_message=text)
        spared = set(skip)
        return [
            _DONE if n in spared else self.resolver.dead(batch.message(n), failure) for n in range(len(batch))
        ]

    def _undecided(
        self, batch: BatchClaim, error: BaseException | None, broken: BaseException
    ) -> list[Verdict]:
        """LOSS: a class of the user's that fails when looked at must not leave its messages undecided."""
        text = f"it cannot be told what it is: looking at it raised {trace.class_name(broken)}"
        if error is None:
            return self._stray(batch, f"the handler's result: {text}")
        return self._failed(batch, Failure(error_class=trace.class_name(error), error_message=text), broken)

    # -- leaving them --------------------------------------------------------------------------------------

    def _leave(self, batch: BatchClaim, verdicts: list[Verdict]) -> Iterator[BatchClaim]:
        """ORDER: behind a message that is tried again its key waits: what was done there comes again."""
        held_back = False
        for n, one in enumerate(verdicts):
            held_back = held_back and batch.follows(n)
            if held_back and one in (ALONE, _DONE):
                one = _RETURNED
            if one is ALONE:
                alone = batch.alone(n)
                yield alone
                held_back = held_back or alone.verdict in _HOLDS_BACK
            else:
                batch.finish(n, *one)
                held_back = held_back or one[0] in _HOLDS_BACK


def named_in(batch: BatchClaim, said: Batch) -> tuple[dict[int, OutcomeValue], list[str]]:
    """What was said of which message, and the lists that name something else. Dead beats retry beats skip."""
    values, messages = batch.values, batch.messages
    places: dict[int, list[int]] = {}
    for n, item in enumerate(values):
        places.setdefault(id(item), []).append(n)
        if messages[n] is not item:
            places.setdefault(id(messages[n]), []).append(n)
    found: dict[int, OutcomeValue] = {}
    strangers = []
    for name, entries in (("skip", said.skip), ("retry", said.retry), ("dead", said.dead)):
        for entry in entries:
            item, reason = (entry, "") if id(entry) in places else _with_reason(entry)
            at = _places(item, places, len(values))
            if not at:
                strangers.append(name)
            found |= dict.fromkeys(at, _outcome(name, reason, said.after_s))
    return found, strangers


def _with_reason(entry: Any) -> tuple[Any, str]:
    if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], str):
        return entry[0], entry[1]
    return entry, ""


def _places(item: Any, places: dict[int, list[int]], count: int) -> list[int]:
    """An int is an index, whatever the items are."""
    if isinstance(item, int) and not isinstance(item, bool):
        return [item % count] if -count <= item < count else []
    return places.get(id(item), [])


def _outcome(name: str, reason: str, after_s: float | None) -> OutcomeValue:
    if name == "skip":
        return Skip(reason)
    return Dead(reason) if name == "dead" else Retry(after_s, reason)
