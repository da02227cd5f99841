"""Transactional routes beside a loop by hand, on a real Kafka: `python bench/transactions.py`.

Consume, send one output, commit both in a transaction, over a backlog of 200-byte JSON in four partitions.
The loop is one process: consume up to 500, send, send_offsets_to_transaction, commit. Time is from the first
committed offset to the last one; every run is verified: each input has exactly one committed output.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "daemon")]

from support.environment import child_environment  # noqa: E402
from support.kafka_server import BENCH_JVM, KafkaServer  # noqa: E402
from support.leftovers import Leftovers  # noqa: E402
from support.scenario import Scenario  # noqa: E402
from support.topic_contents import contents  # noqa: E402

PARTITIONS = 4
APP = """
    out = app.producer("out")

    @app.route("r")
    def handle(order: dict, message: Message) -> None:
        out.send({topic!r}, message.value, partition=message.partition)
"""
LOOK_S = 0.02
LONGEST_S = 300.0


def ringmain(scenario: Scenario, output: str, route: dict[str, object]) -> float:
    """One run of a route; messages a second."""
    scenario.app(APP.format(topic=output))
    scenario.config({"order": "partition", "flood": False, **route}, producers={"out": {}})
    daemon = scenario.start()
    try:
        return rate(scenario)
    finally:
        daemon.stop()


def loop(scenario: Scenario, output: str) -> float:
    """One run of the loop by hand."""
    script = CHECKOUT / "bench" / "peers" / "transaction_loop.py"
    arguments = [scenario.kafka.bootstrap, scenario.group, scenario.topic, output]
    process = subprocess.Popen([sys.executable, str(script), *arguments], env=child_environment())
    try:
        return rate(scenario)
    finally:
        process.terminate()
        process.wait()


def rate(scenario: Scenario) -> float:
    """From the first committed offset to the last."""
    total = sum(scenario.kafka.end_offsets(scenario.topic).values())
    began_s = first = 0.0
    end_s = time.monotonic() + LONGEST_S
    while time.monotonic() < end_s:
        done = 0
        with suppress(AssertionError):
            done = sum(scenario.kafka.committed(scenario.group, scenario.topic).values())
        if done and not began_s:
            began_s, first = time.monotonic(), done
        if done >= total:
            return (total - first) / max(time.monotonic() - began_s, 1e-9)
        time.sleep(LOOK_S)
    raise SystemExit(f"not all of {total} were committed in {LONGEST_S:g} s")


def verify(scenario: Scenario, output: str, count: int) -> None:
    seen = Counter(json.loads(one.value() or b"")["id"] for one in contents(scenario.kafka, output))
    if seen != Counter(range(count)):
        raise SystemExit(f"{len(seen)} of {count} have an output, {max(seen.values())} times at most")


def measured(kafka: KafkaServer, who: str, count: int) -> float:
    """A fresh topic and group for each run."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(Path(folder) / "run", kafka, Leftovers())
        output = kafka.create_topic(partitions=PARTITIONS)
        scenario.create_topic(PARTITIONS)
        text = "x" * 150
        scenario.produce(
            {"value": json.dumps({"id": n, "text": text}), "partition": n % PARTITIONS} for n in range(count)
        )
        if who == "loop":
            found = loop(scenario, output)
        else:
            found = ringmain(scenario, output, {"transactional": who == "transactional", "handlers": 4})
        verify(scenario, output, count)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description="transactions beside a loop by hand")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[float]] = {"loop": [], "transactional": [], "order partition": []}
    with tempfile.TemporaryDirectory() as folder:
        kafka = KafkaServer(Path(folder), {}, BENCH_JVM)
        kafka.start()
        try:
            for _ in range(options.rounds):
                for who, rates in found.items():
                    rates.append(measured(kafka, who, options.messages))
                    print(f"{who}: {rates[-1]:,.0f}/s", flush=True)
        finally:
            kafka.stop()
    reference = statistics.median(found["loop"])
    for who, rates in found.items():
        middle = statistics.median(rates)
        spread = f"({min(rates):,.0f}-{max(rates):,.0f})"
        print(f"{who}: {middle:,.0f}/s {spread}, {middle / reference:.2f} of the loop")
    return 0


if __name__ == "__main__":
    sys.exit(main())
