"""`ringmain check --connect` against a real Kafka."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import Ringmain

from support.kafka_server import KafkaServer


def test_it_says_where_each_partition_would_start(kafka: KafkaServer, call: Ringmain, folder: Path) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [b"1", b"2"], partition=1)
    settings = [f"kafka.bootstrap.servers={kafka.bootstrap}", f'routes.orders.topics=["{topic}"]']
    overrides = [word for setting in settings for word in ("--set", setting)]
    done = call("check", "shop.toml", "--connect", "--json", *overrides)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(p["partition"], p["start"], p["end"]) for p in found["partitions"]] == [(0, 0, 0), (1, 0, 2)]
    table = call("check", "shop.toml", "--connect", *overrides).stdout
    assert table.splitlines()[2].split()[:7] == ["orders", topic, "1", "0", "-", "0", "2"]


@pytest.mark.parametrize("topic", ["nobody-made-this"])
def test_a_topic_that_does_not_exist_is_named(kafka: KafkaServer, call: Ringmain, topic: str) -> None:
    address = f"kafka.bootstrap.servers={kafka.bootstrap}"
    done = call(
        "check", "shop.toml", "--connect", "--set", address, "--set", f'routes.orders.topics=["{topic}"]'
    )
    assert done.returncode == 1
    assert done.stderr == f"ringmain: route orders: topic {topic} does not exist\n"


def test_a_broker_that_is_away_is_one_line_that_names_it(call: Ringmain) -> None:
    done = call("check", "shop.toml", "--connect")
    assert done.returncode == 1
    assert done.stderr.startswith("ringmain: route orders: 127.0.0.1:1: ")
    assert len(done.stderr.splitlines()) == 1


def test_brokers_that_do_not_answer_are_waited_for_at_once_not_one_after_another(
    call: Ringmain, folder: Path
) -> None:
    """Each route's broker takes its connection and is silent: the second is asked while the first waits."""
    with (folder / "orders.py").open("a") as app:
        app.write("\n\n@app.route('refunds')\ndef refund(value: dict) -> None: ...\n")
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        table = "{{topics=['t'],order='none',kafka={{'group.id'='{}','bootstrap.servers'='127.0.0.1:{}'}}}}"
        routes = [
            f"routes.{name}={table.format(name, server.getsockname()[1])}"
            for name, server in {"orders": first, "refunds": second}.items()
        ]
        with ThreadPoolExecutor(1) as pool:
            words = [word for route in routes for word in ("--set", route)]
            done = pool.submit(call, "check", "shop.toml", "--connect", *words)
            for server in (first, second):
                server.settimeout(60)
            lines = [server.accept()[0] for server in (first, second)]
            lines[0].settimeout(60)
            assert lines[0].recv(1000), "the first one is asked"
            lines[0].setblocking(False)
            with pytest.raises(BlockingIOError):
                lines[0].recv(1000)
            for line in lines:
                line.close()
            said = done.result().stderr.splitlines()
    assert [line.split(":")[1] for line in said] == [" route orders", " route refunds"]


def test_a_node_that_takes_the_queues_alone_asks_no_broker(call: Ringmain, folder: Path) -> None:
    done = call("check", "shop.toml", "--connect", "--set", 'modes=["worker"]')
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"queues: sqlite, {folder}/state/queues.db: fine\n"
    done = call("check", "shop.toml", "--connect", "--json", "--set", 'modes=["worker"]')
    assert json.loads(done.stdout)["queues"] == f"sqlite, {folder}/state/queues.db"


@pytest.mark.parametrize("path", ["a-text/queues.db", "a-text"])
def test_queues_that_could_not_be_used_are_a_problem(call: Ringmain, folder: Path, path: str) -> None:
    (folder / "a-text").write_text("no database, only words. " * 200)
    done = call("check", "shop.toml", "--connect", "--set", f"queues.path={path}")
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert said[0].startswith(f"ringmain: the queues are away: the queue file {folder}/{path}: ")
    assert len(said) == 2  # the other is the broker's
