"""The way of one message through a harness, noted as it goes.

The harness enters with what its pools tell. Nothing is decided here.
"""

from dataclasses import dataclass, field

from ringmain.testing.recorder import Said
from ringmain.testing.results import DeadMessage, Produced, Result, Step


@dataclass
class Track:
    """What is known of one message."""

    id: str
    route: str
    channel: str = ""
    """Where it is now."""
    attempt: int = 1
    """The number of the call that is under way or comes next, as long as nobody said anything."""
    steps: list[Step] = field(default_factory=list)
    produced: list[Produced] = field(default_factory=list)
    dead: DeadMessage | None = None
    settled: bool = False
    silent: bool = True
    """Nothing was said of it since it was placed: if it is settled now, it was done."""

    def placed(self, attempt: int, channel: str) -> None:
        """It is in the ring of its route or of a channel, for this attempt."""
        self.attempt, self.channel, self.silent = attempt, channel, True

    def say(self, said: Said, at_s: float) -> None:
        """A handler, or the decoder before it, had its say."""
        self.silent = False
        self.attempt = said.attempt
        self.steps.append(
            Step(
                self.route,
                self.channel,
                said.attempt,
                said.outcome,
                at_s,
                said.called,
                said.delay_s,
                said.error,
            )
        )

    def settle(self, at_s: float) -> None:
        """The ring is done with it."""
        if self.silent:
            self.steps.append(Step(self.route, self.channel, self.attempt, None, at_s))
        self.settled = True

    def result(self) -> Result:
        """As it stands."""
        return Result(
            id=self.id,
            outcome=self.steps[-1].outcome if self.steps else None,
            attempts=sum(step.called for step in self.steps),
            dead=self.dead,
            produced=tuple(self.produced),
            steps=tuple(self.steps),
            settled=self.settled,
        )
