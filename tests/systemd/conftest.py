"""One booted machine for each file that asks, with the guide followed to its end."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from billing import Billing

from support.kafka_server import KafkaServer
from support.machine import Machine, NoMachine, why_not
from support.rabbit_server import RabbitServer


def _no_machine(reason: str) -> None:
    """Skip with the reason; where CI=true it is a failure."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI=true and no machine: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that has just been booted."""
    if reason := why_not():
        _no_machine(reason)
    made = Machine(tmp_path_factory.mktemp("machine"))
    with _alone():
        try:
            made.boot()
        except NoMachine as reason:
            made.close()
            _no_machine(str(reason))
        yield made
        made.close()
    print(made.log_text()[-2000:])


@contextmanager
def _alone() -> Iterator[None]:
    """One machine at a time: two would have their services in the same control groups of the host."""
    with open(Path(tempfile.gettempdir()) / "ringmain-machine.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def billing(machine: Machine, request: pytest.FixtureRequest) -> Billing:
    """The guide's instance, as the guide installs and starts it."""
    # Not as arguments: servers of the session would be started before there is a machine, and for nothing.
    kafka: KafkaServer = request.getfixturevalue("kafka")
    rabbit: RabbitServer = request.getfixturevalue("rabbit")
    made = Billing(machine, kafka, rabbit)
    try:
        made.follow_the_guide()
    except AssertionError:
        made.print_journal()
        raise
    return made
