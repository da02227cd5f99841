"""The supervisor over its control socket: what it shows of real processes, and why it is unwell."""

import contextlib
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from toy_daemon import Daemon

from ringmain import control
from support import signals
from support.waiting import eventually

Start = Callable[..., Daemon]
CALLS = {"feed": "toys:placing", "handle": "toys:handling"}


def pids(daemon: Daemon, role: str) -> list[int]:
    """Of the children of a role that are there now, as people call it."""
    return [one.pid for one in daemon.look().processes if one.role == role and one.pid]


# -- the picture -------------------------------------------------------------------------------------------


def test_a_daemon_shows_its_processes_and_is_ready_when_all_are_at_work(start: Start) -> None:
    daemon = start()
    assert daemon.is_ready()
    node = daemon.look()
    assert (node.name, node.pid, node.state) == ("toy", daemon.pid, "running")
    shown = {one.pid: one for one in node.processes}
    assert set(shown) <= daemon.children() | {0}
    handlers = [one for one in node.processes if one.role == "handler"]
    assert [one.title for one in handlers] == ["handler orders/0", "handler orders/1"]
    assert all(one.state == "ok" and one.rss_bytes > 1 << 20 and one.age_s >= 0 for one in handlers)
    kafka = next(one for one in node.processes if one.source == "kafka")
    assert kafka.partitions == ["t/0"]
    assert [pool.key for pool in node.pools] == ["orders"]
    assert {ring.feeder for ring in node.rings} == {
        one.title for one in node.processes if one.role == "feeder"
    }
    assert daemon.socket is not None
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o600
    assert daemon.stop() == 0
    assert daemon.socket is None


def test_what_handlers_did_is_counted(start: Start) -> None:
    daemon = start(**CALLS, messages=("ok",) * 20 + ("fail",) * 3)
    outcomes = eventually(lambda: (seen := daemon.look().pools[0].outcomes)["done"] == 20 and seen)
    eventually(lambda: daemon.look().pools[0].outcomes["dead"] == 3, message=f"three are dead: {outcomes}")
    handlers = [one for one in daemon.look().processes if one.role == "handler"]
    assert sum(one.calls for one in handlers) == 23


def test_a_process_that_is_lost_is_counted_by_its_cause(start: Start) -> None:
    daemon = start()
    daemon.is_ready()
    signals.send(pids(daemon, "handler")[0], signal.SIGKILL)
    eventually(lambda: daemon.look().restarts.get("handler orders crashed") == 1)
    assert max(one.restarts for one in daemon.look().processes if one.role == "handler") == 1
    assert daemon.is_ready()


def test_a_socket_that_a_killed_supervisor_left_is_replaced(start: Start) -> None:
    first = start()
    first.is_ready()
    first.process.kill()
    first.wait()
    assert first.socket is not None, "a killed supervisor removes nothing"
    second = start()
    assert second.is_ready()
    assert second.look().pid == second.pid


def test_children_hold_no_connection_of_an_operators(start: Start) -> None:
    """A client of a supervisor that ended must see that it ended, whoever was forked meanwhile."""
    daemon = start()
    daemon.is_ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(daemon.socket))
        before = pids(daemon, "handler")
        signals.send(before[0], signal.SIGKILL)
        eventually(lambda: set(pids(daemon, "handler")) - set(before))
        mine = [one for one in psutil.Process().net_connections("unix") if one.fd == client.fileno()]
        assert mine
        followers = set(pids(daemon, "handler")) - set(before)
        held = [one.laddr for pid in followers for one in psutil.Process(pid).net_connections("unix")]
        assert str(daemon.socket) not in held


# -- acts --------------------------------------------------------------------------------------------------


def test_quiet_is_obeyed_and_shown(start: Start) -> None:
    daemon = start()
    daemon.is_ready()
    assert isinstance(daemon.ask(control.Quiet()), control.Done)
    assert daemon.look().state == "quiet"
    assert daemon.says("quiet", ready=True)
    eventually(lambda: daemon.journal("feed", "Quiet"))


def test_a_stop_is_obeyed_and_a_second_one_is_now(start: Start) -> None:
    daemon = start(handle="toys:stubborn", stop_s=60)
    daemon.is_ready()
    assert isinstance(daemon.ask(control.Stop()), control.Done)
    assert daemon.says("stopping")
    assert isinstance(daemon.ask(control.Stop(now=True)), control.Done)
    assert daemon.wait() == 0


def test_a_quiet_after_a_stop_is_refused(start: Start) -> None:
    daemon = start(handle="toys:stubborn", stop_s=60)
    daemon.is_ready()
    daemon.ask(control.Stop())
    assert isinstance(daemon.ask(control.Quiet()), control.Refused)


# -- unwell ------------------------------------------------------------------------------------------------


def test_a_handler_that_cannot_boot_is_said_with_its_pool(start: Start) -> None:
    daemon = start(handle="toys:without_boot")
    assert daemon.says("it gave up: cannot boot").subject == "handler orders/-"
    assert daemon.says("no handler is alive").route == "orders"


def test_a_child_that_keeps_ending_is_a_crash_loop(start: Start) -> None:
    daemon = start(courier="toys:short_lived")
    reason = daemon.says("crash loop: crashed: exited with code 3")
    assert reason.subject == "courier"
    assert not daemon.look().ready
    assert "crash loop" in {one.state for one in daemon.look().processes if one.role == "courier"}


def test_a_client_beyond_repair_is_said_in_its_own_words(start: Start) -> None:
    daemon = start(feed="toys:hopeless")
    reason = daemon.says("fenced: another member has this instance id")
    assert reason.subject == "feeder orders/0"


def test_kafka_that_cannot_be_reached_is_said_by_its_feeder(start: Start) -> None:
    daemon = start(feed="toys:troubled")
    reason = daemon.says("connection refused")
    assert (reason.route, reason.subject.startswith("feeder orders/")) == ("orders", True)


def test_queues_that_are_away_are_said_by_the_courier(start: Start) -> None:
    daemon = start(courier="toys:troubled")
    assert daemon.says("the queues are away: connection refused").subject == "courier"
    assert daemon.look().queues_away == "connection refused"


def test_a_pool_that_hangs_is_frozen_while_something_waits(start: Start) -> None:
    daemon = start(**CALLS, messages=("hang",) * 2 + ("ok",) * 10, route={"timeout_s": 60})
    reason = daemon.says("frozen: no call has ended")
    assert (reason.route, "2 of 2 handlers are in a call" in reason.reason) == ("orders", True)


def test_handlers_that_are_suspended_are_frozen_and_well_again_when_they_go_on(start: Start) -> None:
    daemon = start()
    daemon.is_ready()
    suspended = pids(daemon, "handler")
    for pid in suspended:
        signals.send(pid, signal.SIGSTOP)
    try:
        assert daemon.says("all 2 handlers are suspended").route == "orders"
        assert "suspended" in {one.state for one in daemon.look().processes}
    finally:
        for pid in suspended:
            signals.send(pid, signal.SIGCONT)
    assert daemon.is_ready()


def test_a_feeder_that_is_suspended_gives_no_sign_of_life(start: Start) -> None:
    daemon = start()
    daemon.is_ready()
    feeder = next(one.pid for one in daemon.look().processes if one.source == "kafka")
    signals.send(feeder, signal.SIGSTOP)
    try:
        assert daemon.says("no sign of life").subject == "feeder orders/0"
    finally:
        signals.send(feeder, signal.SIGCONT)
    assert daemon.is_ready()


def test_a_partition_in_which_nothing_moves_stands_still(start: Start) -> None:
    daemon = start(feed="toys:standing")
    assert daemon.says("stands still").subject == "t/0"
    partition = daemon.look().partitions[0]
    assert (partition.topic, partition.end, partition.lag, partition.state) == ("t", 10, 10, "standing")
    assert partition.eta_s is None


def test_a_flood_pauses_the_route_which_is_ready_and_says_why(start: Start) -> None:
    flood = {"messages": 10, "window_s": 10, "probe_s": 60}
    daemon = start(**CALLS, messages=("fail",) * 12 + ("ok",) * 10, route={"flood": flood})
    reason = daemon.says("by the flood breaker", ready=True)
    assert "calls failed within 10 s" in reason.reason
    node = daemon.look()
    assert node.ready, node.reasons
    assert [one.cause for one in node.pools[0].paused] == ["flood"]


# -- systemd -----------------------------------------------------------------------------------------------


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of sd_notify."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(20)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield made
    made.close()


def heard_until(ear: socket.socket, word: str) -> list[str]:
    """All that is said up to and with this word."""
    heard: list[str] = []
    while word not in heard:
        heard += ear.recv(4096).decode().splitlines()
    return heard


def test_systemd_hears_of_a_start_and_of_a_stop(start: Start, ear: socket.socket) -> None:
    daemon = start()
    heard_until(ear, "READY=1")
    assert daemon.look().state == "running"
    daemon.signal(signal.SIGTERM)
    assert any(one.startswith("EXTEND_TIMEOUT_USEC=") for one in heard_until(ear, "STOPPING=1") + _next(ear))
    assert daemon.wait() == 0


def _heard_till_silence(ear: socket.socket) -> list[str]:
    heard: list[str] = []
    with contextlib.suppress(TimeoutError):
        while True:
            heard += ear.recv(4096).decode().splitlines()
    return heard


def _next(ear: socket.socket) -> list[str]:
    ear.settimeout(0.5)
    try:
        return ear.recv(4096).decode().splitlines()
    except TimeoutError:
        return []


def test_systemd_hears_the_state_with_its_reason(start: Start, ear: socket.socket) -> None:
    start(courier="toys:troubled")
    heard: list[str] = []
    while not any("NOT READY: courier: the queues are away" in one for one in heard):
        heard += ear.recv(4096).decode().splitlines()
    assert all(one.startswith(("STATUS=", "READY=1")) for one in heard), heard


def test_the_watchdog_is_fed_while_the_loop_goes_round_and_no_longer(
    start: Start, ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    daemon = start()
    for _ in range(3):
        heard_until(ear, "WATCHDOG=1")
    daemon.signal(signal.SIGSTOP)
    try:
        ear.settimeout(4)
        assert "WATCHDOG=1" not in _heard_till_silence(ear)[1:], "one may have been on its way"
    finally:
        daemon.signal(signal.SIGCONT)
    ear.settimeout(20)
    heard_until(ear, "WATCHDOG=1")
