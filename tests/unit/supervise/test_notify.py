"""What systemd hears, over a real datagram socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringmain.control import Node, Partition, Pool, Unwell
from ringmain.supervise.notify import Notify, hangs, summary

NODE = Node("shop", "n1", "0.1.0", 1, [], 0, 1.0, "running", True, [], [], [], [], [], [], [])


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(5)
    yield made
    made.close()


def notify(ear: socket.socket, **more: str) -> Notify:
    return Notify({"NOTIFY_SOCKET": str(ear.getsockname()), **more})


def heard(ear: socket.socket) -> list[str]:
    return ear.recv(4096).decode().splitlines()


def test_what_systemd_has_put_into_the_environment_is_taken_out(ear: socket.socket) -> None:
    environment = {
        "NOTIFY_SOCKET": str(ear.getsockname()),
        "WATCHDOG_USEC": "10",
        "WATCHDOG_PID": "1",
        "A": "b",
    }
    Notify(environment).close()
    assert environment == {"A": "b"}


def test_a_reload_says_since_when(ear: socket.socket) -> None:
    one = notify(ear)
    one.reloading()
    reloading, since = heard(ear)
    assert reloading == "RELOADING=1"
    assert int(since.removeprefix("MONOTONIC_USEC=")) > 0
    one.reloaded()
    assert heard(ear) == ["READY=1"]
    one.close()


def test_a_stop_says_how_long_it_may_take(ear: socket.socket) -> None:
    one = notify(ear)
    one.stopping(25.0)
    assert heard(ear) == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=30000000"]
    one.close()


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0ringmain-test-notify")
        ear.settimeout(5)
        one = Notify({"NOTIFY_SOCKET": "@ringmain-test-notify"})
        one.reloaded()
        assert heard(ear) == ["READY=1"]
        one.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nobody/listens/here"])
def test_where_nobody_listens_nothing_is_raised(address: str) -> None:
    one = Notify({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "nonsense"})
    one.reloading()
    one.stopping(1.0)
    one.close()


def test_one_that_outlives_kill_9_hangs() -> None:
    assert not hangs(float("inf"), 1000.0)
    assert not hangs(995.0, 1000.0)
    assert hangs(980.0, 1000.0)


def test_the_status_has_the_rate_the_lag_and_what_is_wrong() -> None:
    pool = Pool("r", "r", "", "none", 1, 1, 0, {}, {"done": 1200.4, "retry": 3.0}, 0.0)
    partition = Partition("r", "t", 0, "feeder r/0", 1, 1, 8, 7, 0.0, 0.0, None, "running")
    wrong = [Unwell("the queues are away: refused", subject="courier"), Unwell("more")]
    well = replace(NODE, pools=[pool], partitions=[partition])
    assert summary(well) == "running: 1203 messages/s, 7 behind, 1 partitions"
    said = summary(replace(well, reasons=[*wrong, Unwell("spare", ready=True)]))
    assert said.endswith("; NOT READY: courier: the queues are away: refused (and 1 more)")
