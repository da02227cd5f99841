"""Every exception class that ringmain raises itself, as one small tree.

Everybody enters. Messages are one sentence: the thing, the place, the remedy. Exceptions of librdkafka, pika
or sqlite3 never leave the room that talks to that system. The outcomes that a handler may raise are values
of its author's language, not errors: they live in outcome.py.
"""

from collections.abc import Iterable

import msgspec


class RingmainError(Exception):
    """The root: anything that ringmain has to say to a person in one or two lines."""

    exit_code = 1


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a config: where it stands, which key, what was expected and found."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(RingmainError):
    """The config file cannot be used; all that is wrong with it at once."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class AppError(RingmainError):
    """The app cannot be imported, or does not fit the config."""

    exit_code = 4


class Undecodable(RingmainError):
    """A message's bytes are not what its route reads; the text begins with the path of the bad field."""


class SchemaRefused(RingmainError):
    """The schema registry does not take a producer's schema: it does not go with those that are there."""


class NoAnswer(RingmainError):
    """No node answers where one was asked: it does not run, hangs, or may not be reached by this user."""

    exit_code = 5

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"nothing answers at {place}: {reason}")


class NodeRefused(RingmainError):
    """The node that was asked does not do it, and says why."""


class FatalKafkaError(RingmainError):
    """The client is beyond repair in this process (fenced, its instance id in use): exit."""


class LookupRefused(RingmainError):
    """Kafka does not answer a question, or not to us."""

    def __init__(self, reason: str, code: int) -> None:
        self.code = code
        super().__init__(reason)


class QueuesAway(RingmainError):
    """The queues cannot be looked at now; what they hold is safe."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the queues are away: {reason}")


class QueuesRefused(QueuesAway):
    """The queues answer, and are not as they should be, or not for us: a person has to act."""

    def __init__(self, reason: str) -> None:
        RingmainError.__init__(self, reason)


class DeadSetBusy(RingmainError):
    """Somebody else acts on the dead set; who, where and since when are told apart for a program."""

    def __init__(self, who: str, host: str, since: str) -> None:
        self.who, self.host, self.since = who, host, since
        super().__init__(
            f"the dead set is in the hands of {who} on {host} since {since}: "
            f"wait, or end that job there (ringmain jobs CONFIG --cancel ID)"
        )


class JobRefused(RingmainError):
    """A bulk job on the dead set cannot begin as it was asked for, or there is no such job."""


class RepublishRefused(RingmainError):
    """Kafka cannot be given anything under this topic or with these properties."""


class DeliveryFailed(RingmainError):
    """A message that was sent is not delivered and never will be.

    `away`: nothing is wrong with the message, Kafka could not be reached in time.
    """

    def __init__(self, producer: str, topic: str, reason: str, *, code: int = 0, away: bool = False) -> None:
        self.producer, self.topic, self.code, self.away = producer, topic, code, away
        where = f" to topic {topic!r}" if topic else ""
        super().__init__(f"producer {producer!r}: not delivered{where}: {reason}")


DeliveryFailed.__module__ = "ringmain"  # where handler authors import it from, and what the dead set shows
