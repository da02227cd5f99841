"""Transactional routes: who reads committed messages sees one output of each input, whatever dies.

The oracle is the sequence: each input has its number, an output repeats it, and an input partition goes to
one output partition. Kills come at random moments; TX_SEED in the environment repeats a run.
"""

import os
import random
import signal
import subprocess
import textwrap
from collections import Counter
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, TopicPartition

from ringmain import control
from support import signals
from support.environment import child_environment
from support.operator import Operator
from support.scenario import RINGMAIN, ROUTE, Daemon, Scenario
from support.topic_contents import contents
from support.waiting import eventually, never

APP = """
    out = app.producer("out")

    @app.route("r")
    def handle(number: int, message: Message):
        {before}
        out.send({topic!r}, number, partition=message.partition, headers={{"from": message.id}})
        {after}
"""
PARTITIONS = 2


def set_up(scenario: Scenario, before: str = "pass", after: str = "pass", **route: object) -> str:
    """The app and its config; the topic that it sends to."""
    output = scenario.kafka.create_topic(partitions=PARTITIONS)
    scenario.app(APP.format(topic=output, before=before, after=after))
    own = {"order": None, "transactional": True, "handlers": 3, "flood": False, **route}
    scenario.config(own, producers={"out": {}}, commit={"interval_s": 0.2})
    scenario.create_topic(PARTITIONS)
    return output


def produce(scenario: Scenario, count: int, first: int = 0) -> None:
    items = ({"value": str(n), "partition": n % PARTITIONS} for n in range(first, first + count))
    scenario.produce(items)


def sequences(scenario: Scenario, output: str) -> dict[int | None, list[int]]:
    found: dict[int | None, list[int]] = {}
    for one in contents(scenario.kafka, output):
        found.setdefault(one.partition(), []).append(int(one.value() or b""))
    return found


def assert_exactly_once(scenario: Scenario, output: str, count: int, without: tuple[int, ...] = ()) -> None:
    found = sequences(scenario, output)
    seen = Counter(number for sequence in found.values() for number in sequence)
    repeated = {number: times for number, times in seen.items() if times > 1}
    missing = set(range(count)) - set(seen) - set(without)
    assert not repeated, f"{len(repeated)} repeated: {repeated}"
    assert not missing, f"{len(missing)} missing: {sorted(missing)}"
    assert not set(without) & set(seen)
    assert all(sequence == sorted(sequence) for sequence in found.values())


def test_every_message_has_its_output_once_and_in_order(scenario: Scenario) -> None:
    output = set_up(scenario)
    produce(scenario, 5000)
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert_exactly_once(scenario, output, 5000)
    daemon.stop()


def luck() -> random.Random:
    seed = int(os.environ.get("TX_SEED", random.getrandbits(32)))
    print(f"TX_SEED={seed}")
    return random.Random(seed)


def go_on(daemon: Daemon, during_s: float) -> None:
    """Whatever happens to its children, it runs."""
    never(lambda: not daemon.running, during_s, "the daemon ended")


def kill(daemon: Daemon, role: str, chance: random.Random) -> None:
    if children := daemon.children(role):
        with suppress(ProcessLookupError):
            signals.send(chance.choice(sorted(children.values())), signal.SIGKILL)


@pytest.mark.parametrize("role", ["handler", "feeder"])
def test_nothing_is_repeated_or_missing_when_children_are_killed(scenario: Scenario, role: str) -> None:
    chance, count = luck(), 6000
    output = set_up(scenario, before="block_for(0.001)", max_crashes=60)
    produce(scenario, count)
    daemon = scenario.start()
    daemon.wait_until_at_work(3)
    for _ in range(8):
        go_on(daemon, chance.uniform(0.1, 0.8))
        kill(daemon, role, chance)
    scenario.wait_for_settled(90.0)
    assert_exactly_once(scenario, output, count)
    assert scenario.dead() == []
    daemon.stop()


def test_nothing_is_repeated_or_missing_when_the_supervisor_is_killed(scenario: Scenario) -> None:
    chance, count = luck(), 6000
    output = set_up(scenario, before="block_for(0.001)", max_crashes=60)
    produce(scenario, count)
    for _ in range(4):
        daemon = scenario.start()
        daemon.wait_until_at_work(3)
        go_on(daemon, chance.uniform(0.0, 1.0))
        daemon.kill()
    last = scenario.start()
    scenario.wait_for_settled(90.0)
    assert_exactly_once(scenario, output, count)
    last.stop()


def test_what_a_failed_call_sent_is_never_seen_and_its_retry_is_in_order(scenario: Scenario) -> None:
    after = 'if number % 40 == 7 and message.attempt < 3: raise ConnectionError("not yet")'
    output = set_up(scenario, after=after, retry={"first_s": 0.05, "max_s": 0.05})
    produce(scenario, 400)
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert_exactly_once(scenario, output, 400)
    assert scenario.dead() == []
    daemon.stop()


def test_the_dead_and_the_skipped_send_as_they_say_and_the_offset_passes_them(scenario: Scenario) -> None:
    after = """if number == 20: return Dead("sent, and no good")
        if number == 30: return Skip("sent, and fine")"""
    output = set_up(scenario, before='if number == 399: return Dead("at the end")', after=after)
    produce(scenario, 400)
    scenario.produce([{"value": "no number", "partition": 0}, {"value": None, "partition": 0}])
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert_exactly_once(scenario, output, 400, without=(20, 399))
    assert len(scenario.wait_for_dead(3)) == 3
    daemon.stop()


def test_a_message_whose_output_is_too_large_is_dead_alone(scenario: Scenario) -> None:
    before = 'out.send("{}", "x" * 2_000_000) if number == 50 else None'
    output = set_up(scenario, before=before.replace("{}", "elsewhere"), retry={"attempts": 1})
    produce(scenario, 200)
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert "is too large" in entry["error_message"]
    assert_exactly_once(scenario, output, 200, without=(50,))
    daemon.stop()


def test_a_failure_that_the_handler_was_told_of_fails_its_message_all_the_same(scenario: Scenario) -> None:
    before = """sent = out.send({topic!r}, number, partition=99 if number == 51 else message.partition)
        try:
            sent.result(10)
        except DeliveryFailed:
            tell("told", message)
        return"""
    output = set_up(scenario, retry={"attempts": 1})
    app = APP.format(topic=output, before=before.format(topic=output), after="pass")
    app_file = "\n    from ringmain import DeliveryFailed" + app
    scenario.app(app_file)
    produce(scenario, 200)
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert "no such partition" in entry["error_message"]
    assert_exactly_once(scenario, output, 200, without=(51,))
    daemon.stop()


def test_a_call_that_kills_its_process_is_blamed_alone(scenario: Scenario) -> None:
    output = set_up(scenario, after="if number == 101: os.kill(os.getpid(), signal.SIGKILL)")
    produce(scenario, 300)
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["error_class"], entry["offset"], entry["partition"]) == ("HandlerCrash", 50, 1)
    assert_exactly_once(scenario, output, 300, without=(101,))
    assert len([line for line in daemon.log("child ended") if line["cause"] == "crashed"]) == 2
    daemon.stop()


def test_a_call_that_hangs_is_failed_alone(scenario: Scenario) -> None:
    before = 'if number == 101 and message.attempt == 1: tell("hangs", message); block_for(60)'
    output = set_up(scenario, before=before, timeout_s=1.0, retry={"first_s": 0.05})
    produce(scenario, 300)
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert len(scenario.events("hangs")) == 1
    assert_exactly_once(scenario, output, 300)
    daemon.stop()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_nodes_that_come_and_go_repeat_nothing(scenario: Scenario, protocol: str) -> None:
    count = 6000
    output = set_up(scenario, before="block_for(0.001)")
    produce(scenario, count)
    kafka = {"group.protocol": protocol}
    of_route = {"order": None, "transactional": True, "handlers": 2, "flood": False, "kafka": kafka}
    more = {"membership": "dynamic", "producers": {"out": {}}}
    daemons = []
    for node in ("a", "b"):
        place = str(scenario.folder / f"run-{node}")
        scenario.config(of_route, node=node, runtime_dir=place, state_dir=place, **more)
        daemons.append(scenario.start())
        daemons[-1].wait_until_at_work(2)
        go_on(daemons[-1], 1.0)
    daemons[0].stop()
    scenario.wait_for_settled(90.0)
    assert_exactly_once(scenario, output, count)
    daemons[1].stop()


def hold_once(scenario: Scenario) -> None:
    """The first call of number 40 ever waits at the gate `zombie`; calls before it have sent."""
    app = scenario.folder / "shop.py"
    held = 'if number == 40 and first_time("held"): wait_at("zombie", message)'
    app.write_text(app.read_text().replace("pass\n", held + "\n", 1))


def test_a_handler_that_outlives_its_feeder_commits_nothing_of_the_next_ones(scenario: Scenario) -> None:
    output = set_up(scenario)
    hold_once(scenario)
    produce(scenario, 2000)
    daemon = scenario.start()
    [held] = scenario.wait_for("at zombie")
    feeder = daemon.feeder_of(scenario.topic, held.partition)
    signals.send(feeder, signal.SIGKILL)
    daemon.feeder_of(scenario.topic, held.partition, other_than=feeder)
    scenario.open_gate("zombie")
    scenario.wait_for_settled()
    assert_exactly_once(scenario, output, 2000)
    daemon.stop()


def test_a_handler_whose_feeder_was_evicted_is_refused(scenario: Scenario) -> None:
    output = set_up(scenario)
    hold_once(scenario)
    produce(scenario, 2000)
    kafka = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    of_route = {"order": None, "transactional": True, "handlers": 2, "flood": False, "kafka": kafka}
    more = {"membership": "dynamic", "producers": {"out": {}}}
    scenario.config(of_route, node="a", **more)
    first = scenario.start()
    scenario.wait_for("at zombie")
    frozen = [first.pid, *first.children("feeder").values()]
    for pid in frozen:
        signals.send(pid, signal.SIGSTOP)
    place = str(scenario.folder / "run-b")
    scenario.config(of_route, node="b", runtime_dir=place, state_dir=place, **more)
    second = scenario.start()
    scenario.wait_for_settled()
    scenario.open_gate("zombie")
    eventually(lambda: first.log("a transaction has trouble"), message="the zombie is refused")
    for pid in reversed(frozen):
        signals.send(pid, signal.SIGCONT)
    assert_exactly_once(scenario, output, 2000)
    second.stop()
    first.stop()


DEADLY = """
    from ringmain.kafka.transacting import Transaction
    commit, sent = Transaction.commit, []

    def deadly(self):
        sent.append(1)
        dies = len(sent) == 3 and first_time("death")
        if dies and {before}: os.kill(os.getpid(), signal.SIGKILL)
        step = commit(self)
        if dies: os.kill(os.getpid(), signal.SIGKILL)
        return step

    Transaction.commit = deadly
"""


@pytest.mark.parametrize("before", [True, False], ids=["before-its-commit", "after-its-commit"])
def test_a_handler_that_dies_at_its_commit_is_believed_what_kafka_says(
    scenario: Scenario, before: bool
) -> None:
    output = set_up(scenario, before="block_for(0.001)")
    app = scenario.folder / "shop.py"
    app.write_text(app.read_text() + textwrap.dedent(DEADLY.format(before=before)))
    produce(scenario, 2000)
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert daemon.log("asked what a dead handler has committed")
    assert_exactly_once(scenario, output, 2000)
    daemon.stop()


def test_one_that_is_replayed_from_the_dead_set_sends_in_a_transaction_of_its_own(
    scenario: Scenario,
) -> None:
    output = set_up(scenario, before='if number == 7 and first_time("dead"): return Dead("not yet")')
    produce(scenario, 20)
    daemon = scenario.start()
    scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert_exactly_once(scenario, output, 20, without=(7,))
    command = [*RINGMAIN, "dead", "replay", str(scenario.folder / "ringmain.toml"), "--all", "--yes"]
    subprocess.run(command, env=child_environment(), capture_output=True, check=True, timeout=60)

    def replayed() -> bool:
        return 7 in [number for sequence in sequences(scenario, output).values() for number in sequence]

    eventually(replayed, message="the replayed one has its output")
    assert scenario.dead() == []
    scenario.wait_for_settled()
    daemon.stop()


def test_an_operator_may_send_a_partition_back_and_all_behind_is_sent_again_once(scenario: Scenario) -> None:
    output = set_up(scenario)
    produce(scenario, 400)
    daemon = scenario.start()
    scenario.wait_for_settled()
    Operator(scenario).done(control.Seek(ROUTE, 1, "150"))
    scenario.wait_for_settled()

    def again() -> bool:
        assert len(sequences(scenario, output)[1]) == 250
        return True

    eventually(again, message="the last 50 are there twice")
    daemon.stop()


def commit_beyond(scenario: Scenario, offset: int) -> None:
    """As after a restored backup or an unclean election: the group is further than the log."""
    consumer = Consumer({"bootstrap.servers": scenario.kafka.bootstrap, "group.id": scenario.group})
    places = [TopicPartition(scenario.topic, number, offset) for number in range(PARTITIONS)]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def test_a_handler_that_dies_where_the_group_is_further_than_the_log_loses_nothing(
    scenario: Scenario,
) -> None:
    dies = 'if number in (20, 21) and first_time(f"death{number}"): os.kill(os.getpid(), signal.SIGKILL)'
    output = set_up(scenario, before="block_for(0.001)", after=dies, max_crashes=10)
    produce(scenario, 400)
    commit_beyond(scenario, 5000)
    daemon = scenario.start()
    eventually(lambda: sum(map(len, sequences(scenario, output).values())) >= 400)
    daemon.stop()
    assert_exactly_once(scenario, output, 400)


def test_a_stop_waits_for_the_call_that_is_under_way_and_not_for_all_of_its_claim(scenario: Scenario) -> None:
    output = set_up(scenario, before="block_for(0.7 if number > 400 else 0)", handlers=2)
    produce(scenario, 800)
    daemon = scenario.start()
    eventually(lambda: sum(map(len, sequences(scenario, output).values())) > 401)
    daemon.stop()
    ended = [line for line in daemon.log("child ended") if "handler" in line["child"]]
    assert [line["cause"] for line in ended] == ["ended"] * len(ended), ended
