"""When a child that ended is followed by the next one: pure policy, one History for each post.

The loop enters with every death and asks how long to wait. Nothing here forks, sleeps or reads a clock. A
child that came to work once is replaced at once and slows down only while it keeps dying; one that cannot
boot slows down to 30 s and is tried for as long as the daemon lives.
"""

from dataclasses import dataclass, field
from enum import Enum
from signal import Signals

from ringmain import lifecycle

STABLE_S = 10.0
FIRST_S = 0.05
LONGEST_S = 5.0
FIRST_BOOT_S = 0.5
LONGEST_BOOT_S = 30.0
LOOP_DEATHS = 5
LOOP_WITHIN_S = 60.0
JITTER = 0.2


class Cause(Enum):
    """Why a child ended, in the words of logs and metrics."""

    ENDED = "ended"
    RECYCLED = "recycled"
    CRASHED = "crashed"
    CANNOT_BOOT = "cannot boot"
    FATAL = "fatal"
    TIMEOUT = "timeout"
    RSS = "rss"
    STUCK = "stuck"
    UNSURE = "unsure"
    REVOKED = "revoked"
    DEADLINE = "deadline"
    STOPPED = "stopped"


CALM = frozenset({Cause.ENDED, Cause.RECYCLED, Cause.REVOKED, Cause.DEADLINE, Cause.STOPPED})
"""Not the child's fault, so that nothing has to slow down."""

_CAUSE_OF_CODE = {
    lifecycle.OK: Cause.ENDED,
    lifecycle.RECYCLE: Cause.RECYCLED,
    lifecycle.CANNOT_BOOT: Cause.CANNOT_BOOT,
    lifecycle.FATAL: Cause.FATAL,
    lifecycle.STUCK: Cause.STUCK,
    lifecycle.UNSURE: Cause.UNSURE,
}


def cause_of(code: int) -> Cause:
    """The cause that an exit code tells; a signal's number is negative, as in os.waitstatus_to_exitcode."""
    return _CAUSE_OF_CODE.get(code, Cause.CRASHED)


def detail_of(code: int) -> str:
    """How it ended, for people: `killed by signal 11 (SIGSEGV)`, `exited with code 3`."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by signal {-code} ({Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"


@dataclass
class History:
    """The deaths of one post, as far as they still matter."""

    streak: int = 0
    recent_s: list[float] = field(default_factory=list)

    def died(self, cause: Cause, booted: bool, lived_s: float, now_s: float) -> None:
        """Note one death."""
        if cause in CALM:
            self.streak = 0
            return
        self.recent_s = [at_s for at_s in self.recent_s if now_s - at_s < LOOP_WITHIN_S] + [now_s]
        self.streak = 1 if booted and lived_s >= STABLE_S else self.streak + 1

    def delay_s(self, booted: bool, chance: float) -> float:
        """How long the next one waits; `chance` in 0..1 spreads those that died together."""
        if booted:
            doublings, first_s, longest_s = self.streak - 2, FIRST_S, LONGEST_S
        else:
            doublings, first_s, longest_s = self.streak - 1, FIRST_BOOT_S, LONGEST_BOOT_S
        if doublings < 0:
            return 0.0
        base_s = float(min(longest_s, first_s * 2 ** min(doublings, 20)))
        return base_s * (1 - JITTER * chance)

    def loops(self, now_s: float) -> bool:
        """Whether this post is in a crash loop: not ready, and worth a word."""
        return sum(now_s - at_s < LOOP_WITHIN_S for at_s in self.recent_s) >= LOOP_DEATHS
