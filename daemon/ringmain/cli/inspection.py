"""Looks in a child process at what could hurt this one: the user's app, and Kafka's client library.

reading.py and check.py enter in the parent; `python -m ringmain.cli.inspection` is the child. One question on
its stdin, one answer on what was its stdout; what the app prints while it is imported goes to stderr.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from ringmain.config.schema import Config
from ringmain.errors import AppError, RingmainError

LONGEST_IMPORT_S = 120.0

Words = list[tuple[str, str]]


class Question(msgspec.Struct, frozen=True):
    """`config` = does its app fit; the others = what is wrong with each of these properties."""

    config: Config | None = None
    properties: Sequence[dict[str, str]] = ()
    producing: Sequence[dict[str, str]] = ()


class Answer(msgspec.Struct, frozen=True):
    """`app` empty = it fits."""

    app: str = ""
    properties: list[Words] = []
    producing: list[Words] = []


def inspect_properties(
    properties: Sequence[dict[str, str]], producing: Sequence[dict[str, str]]
) -> tuple[list[Words], list[Words]]:
    """What librdkafka says of each consumer's and producer's: (property, words) pairs; "" = of the whole."""
    answer = _ask(Question(properties=properties, producing=producing))
    return answer.properties, answer.producing


def inspect_app(config: Config) -> None:
    """Raise AppError if the app cannot be imported or does not fit."""
    problem = _ask(Question(config=config)).app
    if problem:
        raise AppError(problem)


def _ask(question: Question) -> Answer:
    # -P: the child finds modules where this process would, not in the current directory.
    command = [sys.executable, "-P", "-m", "ringmain.cli.inspection"]
    try:
        done = subprocess.run(
            command,
            input=msgspec.msgpack.encode(question),
            stdout=subprocess.PIPE,
            timeout=LONGEST_IMPORT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AppError(f"the app was not imported within {LONGEST_IMPORT_S:g} s; does it block?") from None
    if done.returncode or not done.stdout:
        raise _broken(question, done.returncode)
    return msgspec.msgpack.decode(done.stdout, type=Answer)


def _broken(question: Question, code: int) -> RingmainError:
    end = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    if question.config:
        return AppError(f"importing {question.config.app} ended the process {end}")
    return RingmainError(f"the process that asks librdkafka ended {end}")


def main() -> int:
    """The child."""
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    answer = Answer(
        app=_misfit(question.config),
        properties=[_words(each) for each in question.properties],
        producing=[_words_of_producer(each) for each in question.producing],
    )
    with os.fdopen(answer_fd, "wb") as out:
        out.write(msgspec.msgpack.encode(answer))
    sys.stderr.flush()
    os._exit(0)  # threads and exit handlers of the app have no say in it


def _misfit(config: Config | None) -> str:
    if config is None:
        return ""
    from ringmain import formats
    from ringmain.kafka import registry
    from ringmain.loading import load_app

    try:
        formats.check(load_app(config), config)
        registry.check(config)
    except AppError as error:
        return str(error)
    return ""


def _words(properties: dict[str, str]) -> Words:
    from ringmain.kafka.properties import misfits, rejections

    known = {name: value for name, value in properties.items() if "${" not in value}
    said = rejections(known)
    if said or known != properties:
        return said
    whole = misfits(known)
    return [("", whole)] if whole else []


def _words_of_producer(properties: dict[str, str]) -> Words:
    from ringmain.kafka.producer_properties import rejections

    return rejections({name: value for name, value in properties.items() if "${" not in value})


if __name__ == "__main__":
    main()
