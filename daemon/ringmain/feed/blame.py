"""Who is to blame when a handler process is gone: a verdict for each message that it was executing.

A feeder enters. Pure: causes and counts in, a sentence out.
"""

from typing import NamedTuple

from ringmain import retry, verdict
from ringmain.rings import CRASH, REVOKED, TIMEOUT
from ringmain.verdict import DEAD, Failure

AGAIN = "again"
ALONE = "alone"
FAIL = "fail"


class Sentence(NamedTuple):
    """What becomes of one message: again, again but alone in a process, or failed with a verdict."""

    act: str
    event: str = ""
    """What the log says of it; empty = nothing."""
    code: int = 0
    detail: bytes = b""


class Death(NamedTuple):
    """How a handler ended: a cause of rings/, words for people, and how many calls were under way in it."""

    cause: int
    detail: str
    executing: int


def of_one(death: Death, was_called: bool) -> Death:
    """A transaction is called message by message: it is known which one was under way."""
    return Death(death.cause if was_called else REVOKED, death.detail, 1)


def innocent(death: Death) -> bool:
    """The handler was killed for reasons that have nothing to do with what it was executing."""
    return death.cause == REVOKED


def suspected(death: Death) -> bool:
    """Several calls were under way, so nobody knows which one did it."""
    return death.executing > 1 and death.cause != TIMEOUT


def shared_last(policy: retry.Policy, attempt: int, death: Death) -> bool:
    """A batch passed its time at a message's last attempt: it has a call for itself before it is given up."""
    return death.cause == TIMEOUT and death.executing > 1 and attempt >= policy.attempts


def for_innocent() -> Sentence:
    """Nothing is counted."""
    return Sentence(AGAIN)


def for_suspect() -> Sentence:
    """Only one that kills its process alone is counted."""
    return Sentence(ALONE, "one of several calls when its process died: runs again alone")


def for_timeout(policy: retry.Policy, attempt: int, detail: str) -> Sentence:
    """The call passed its time and its process was killed: the message failed once."""
    failure = Failure(error_class="TimeoutError", error_message=first_line(detail), traceback=detail)
    code, decided = retry.decide(policy, attempt, failure)
    event = "message is dead" if code == DEAD else "call failed, will be tried again"
    return Sentence(FAIL, event, code, verdict.encode(decided))


def for_crash(crashes: int, max_crashes: int, detail: str) -> Sentence:
    """The message killed its process for the `crashes`-th time."""
    if crashes < max_crashes:
        return Sentence(ALONE, "a call killed its process: runs again alone")
    times = "once" if crashes == 1 else f"{crashes} times"
    message = f"its handler process died while executing it, {times}; the last time: {first_line(detail)}"
    failure = Failure(error_class="HandlerCrash", error_message=message)
    return Sentence(FAIL, "a call killed its process: message is dead", DEAD, verdict.encode(failure))


def words(cause: int, detail: str) -> str:
    """The detail, or what the cause says when there is none."""
    return detail or ("the process died" if cause == CRASH else "the process was killed")


def first_line(detail: str) -> str:
    """The detail without the stacks that may be below it."""
    return detail.strip().split("\n", 1)[0]
