"""Everything that can fail does, at random and for as long as told: nothing is lost, and it ends by itself.

FAULTS_S in the environment says how long (default 15 s), FAULTS_SEED repeats the choices:
`FAULTS_S=600 tests/run -s tests/scenario/test_random_faults.py`.
"""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import signals
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.nodes import start_node
from support.rabbit_server import RabbitServer
from support.scenario import Daemon, Scenario
from support.waiting import eventually

PARTITIONS = 3
LONGEST_S = 3.0
WORK_S = 1.0
PATIENT_S = 300.0
DRAIN_S = 240.0
STOPPED_S = 60.0
"""stop_s is 25: a node whose queues have just gone waits so long for them."""
SIDE = "side"
APP = """
    @app.route("r")
    def handle(number: int, message: Message):
        tell("begun", message)
        block_for(0.0005)
        if number % 101 == 0 and message.attempt == 1:
            raise ConnectionError("not yet")
        if number % 211 == 0:
            tell("settled", message)
            return Dead("so it is")
        if number % 53 == 0:
            return To("side")
        tell("settled", message)

    @app.channel("r", "side")
    def side(number: int, message: Message) -> None:
        tell("settled", message)
"""


def faults_s() -> float:
    return float(os.environ.get("FAULTS_S", "15"))


@dataclass
class Faults:
    """Chooses what fails next, makes it fail, and makes it well again."""

    scenario: Scenario
    kafka: KafkaServer
    rabbit: RabbitServer
    luck: random.Random
    daemon: Daemon = field(init=False)
    neighbour: Daemon | None = None
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.daemon = start_node(self.scenario, "first")
        self.daemon.wait_until_at_work()

    def strike(self) -> None:
        kinds: list[tuple[int, Callable[[], None]]] = [
            (8, self.a_child_is_killed),
            (2, self.a_child_stands_still),
            (1, self.the_supervisor_is_killed),
            (2, self.rabbitmq_stops),
            # Its quorum queues may refuse everything for minutes after: time that a short run does not have.
            (1 if faults_s() >= PATIENT_S else 0, self.rabbitmq_is_killed),
            (2, self.rabbitmq_has_an_alarm),
            (2, self.kafka_stands_still),
            (2, self.a_neighbour_comes_or_goes),
        ]
        weights = [weight for weight, _ in kinds]
        (_, fault) = self.luck.choices(kinds, weights)[0]
        self.done[fault.__name__.replace("_", " ")] += 1
        fault()

    def a_child_is_killed(self) -> None:
        self._signal_a_child(signal.SIGKILL)

    def a_child_stands_still(self) -> None:
        pid = self._signal_a_child(signal.SIGSTOP)
        self._work_on()
        if pid:
            with suppress(ProcessLookupError):
                signals.send(pid, signal.SIGCONT)

    def the_supervisor_is_killed(self) -> None:
        self.daemon.kill()
        self.daemon = start_node(self.scenario, "first")

    def rabbitmq_stops(self) -> None:
        self.rabbit.stop_app()
        self._work_on()
        self.rabbit.start_app()

    def rabbitmq_is_killed(self) -> None:
        self.rabbit.kill()
        self._work_on()
        self.rabbit.start()

    def rabbitmq_has_an_alarm(self) -> None:
        self.rabbit.raise_alarm()
        self._work_on()
        self.rabbit.clear_alarm()

    def kafka_stands_still(self) -> None:
        self.kafka.freeze()
        self._work_on()
        self.kafka.thaw()

    def a_neighbour_comes_or_goes(self) -> None:
        if self.neighbour is None:
            self.neighbour = start_node(self.scenario, "second")
        else:
            self.neighbour.stop(STOPPED_S)
            self.neighbour = None

    def _signal_a_child(self, number: int) -> int:
        children = self.daemon.children()
        if not children:
            return 0
        pid = children[self.luck.choice(sorted(children))]
        with suppress(ProcessLookupError):
            signals.send(pid, number)
        return pid

    def _work_on(self) -> None:
        """As far as the fault lets anything be done: its length is the fault."""
        begun = len(self.scenario.events("settled"))
        with suppress(AssertionError):
            eventually(
                lambda: len(self.scenario.events("settled")) > begun + 5000, self.luck.uniform(0.5, LONGEST_S)
            )


@pytest.fixture
def scenario(
    leftovers: Leftovers, own_kafka: KafkaServer, own_rabbit: RabbitServer, tmp_path: Path
) -> Iterator[Scenario]:
    """On servers of its own, each of which may fail."""
    made = Scenario(tmp_path / "scenario", own_kafka, leftovers)
    yield made
    own_kafka.thaw()
    own_rabbit.start()
    for server in (own_kafka, own_rabbit):
        leftovers.allow_process(server.pid)
    # A killed supervisor leaves its runtime directory, and the next one removes only what it made itself.
    shutil.rmtree(made.folder / "run", ignore_errors=True)
    leftovers.allow_process(own_rabbit.epmd_pid)
    made.close()


def test_nothing_is_lost_whatever_fails_at_any_time(
    scenario: Scenario, own_kafka: KafkaServer, own_rabbit: RabbitServer
) -> None:
    seed = int(os.environ.get("FAULTS_SEED", random.getrandbits(32)))
    luck = random.Random(seed)
    print(f"FAULTS_SEED={seed}")
    scenario.create_topic(partitions=PARTITIONS)
    scenario.app(APP)
    route = {"handlers": 2, "flood": False, "max_crashes": 60, "channels": {SIDE: {"handlers": 1}}}
    route |= {"retry": {"first_s": 1, "max_s": 1, "attempts": 1000}, "overflow": {"lag": 2000}}
    scenario.config(
        route,
        log={"exceptions": "class"},
        queues={"backend": "rabbitmq", "url": own_rabbit.url},
        kafka={"session.timeout.ms": "6000"},
    )
    faults = Faults(scenario, own_kafka, own_rabbit, luck)
    produced, end_s = 0, time.monotonic() + faults_s()
    while time.monotonic() < end_s:
        batch = luck.randrange(50, 1500)
        scenario.produce((None, str(number)) for number in range(produced, produced + batch))
        produced += batch
        faults.strike()
        settled = len(scenario.events("settled"))
        with suppress(AssertionError):  # at the pace of the work, and of no clock
            eventually(lambda settled=settled: len(scenario.events("settled")) > settled + 200, WORK_S)
    eventually(lambda: not scenario.missing("settled"), DRAIN_S, f"all is settled (seed {seed})")
    scenario.wait_for_settled(DRAIN_S)
    repeats = sum(scenario.repeats("settled").values())
    print(f"{produced} messages, {dict(faults.done)}, {repeats} repeated")
    assert faults.daemon.running
    for node in (faults.neighbour, faults.daemon):
        if node is not None:
            node.stop(STOPPED_S)
