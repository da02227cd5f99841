"""Children that hang, grow, cannot boot or must go: ended one by one, with the ring told why."""

import os
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from toy_daemon import Daemon

from support import signals
from support.waiting import eventually, never

Start = Callable[..., Daemon]
CALLS: dict[str, Any] = {"feed": "toys:placing", "handle": "toys:handling"}
IDLE_S = 4.0
WAKES_PER_S = 12


def _buried(daemon: Daemon) -> tuple[str, ...]:
    daemon.until(lambda: daemon.journal("feed", "buried"), "a buried handler")
    return daemon.journal("feed", "buried")[0].details


def test_a_call_past_timeout_s_is_ended_with_its_stack_logged(start: Start) -> None:
    daemon = start(**CALLS, messages=("hang",), route={"timeout_s": 0.3, "handlers": 1})
    _, cause, executing, detail = _buried(daemon)
    assert (cause, executing) == ("2", "1")
    assert "timeout_s" in detail
    (stacks,) = daemon.log("stacks")
    assert "_hang" in stacks["stacks"]
    daemon.until(lambda: len(daemon.journal("handle", "born")) == 2, "a follower")
    called_s = daemon.journal("handle", "call")[0].at_s
    assert 0.3 <= daemon.journal("feed", "buried")[0].at_s - called_s < 20.0
    assert daemon.stop() == 0


def test_a_call_that_grows_past_max_rss_bytes_is_ended_within_the_call(start: Start) -> None:
    daemon = start(**CALLS, messages=("grow",), route={"max_rss_bytes": "150MiB", "handlers": 1})
    _, cause, executing, _ = _buried(daemon)
    assert (cause, executing) == ("3", "1")
    assert daemon.stop() == 0


def test_leaving_in_the_middle_of_a_call_is_a_crash_whatever_the_exit_code(start: Start) -> None:
    daemon = start(**CALLS, messages=("leave",), route={"handlers": 1})
    _, cause, executing, detail = _buried(daemon)
    assert (cause, executing, detail) == ("1", "1", "exited_with_code_0")
    assert daemon.stop() == 0


def test_a_feeder_may_ask_for_the_end_of_a_handler(start: Start) -> None:
    daemon = start(**CALLS, messages=("hang",), route={"handlers": 1})
    daemon.until(lambda: daemon.journal("handle", "call"), "a call")
    (daemon.directory / "revoke").touch()
    _, cause, executing, detail = _buried(daemon)
    assert (cause, executing) == ("6", "1")
    assert detail == "feeder_orders/0_gives_its_partition_away"
    assert daemon.stop() == 0


def test_a_handler_without_a_sign_of_life_is_ended_and_its_neighbour_is_not(
    start: Start,
) -> None:
    daemon = start(handle="toys:silent", route={"timeout_s": 0.5})
    eventually(lambda: daemon.log("ending child"), message="an end")
    (ended,) = daemon.log("ending child")
    assert ended["child"] == "handler orders/0"
    assert ended["cause"] == "stuck"
    daemon.until(lambda: len(daemon.journal("handle", "born")) == 3, "a follower")
    assert daemon.stop() == 0


def test_a_child_that_cannot_boot_slows_down_and_never_ends_the_daemon(start: Start) -> None:
    daemon = start(handle="toys:without_boot", route={"handlers": 1})
    daemon.until(lambda: len(daemon.journal("handle", "born")) == 3, "a third try")
    first, second, _ = (entry.at_s for entry in daemon.journal("handle", "born"))
    assert second - first > 0.35
    assert {entry["cause"] for entry in daemon.log("child ended")} == {"cannot boot"}
    assert daemon.stop() == 0


def test_a_role_whose_module_is_missing_cannot_boot(start: Start) -> None:
    daemon = start(courier="there_is_no_such_module:run")
    daemon.until(lambda: daemon.log("child ended"), "an end")
    assert daemon.log("child ended")[0]["cause"] == "cannot boot"
    assert daemon.stop() == 0


def test_failing_calls_pause_the_route_and_a_passing_probe_resumes_it(start: Start) -> None:
    flood = {"messages": 5, "window_s": 10, "probe_s": 0.2, "failed_ratio": 0.5}
    failing = ("fail",) * 20
    daemon = start(**CALLS, messages=(*failing, *("ok",) * 20), route={"flood": flood, "handlers": 1})
    daemon.until(lambda: daemon.log("flood: route paused"), "a pause")
    daemon.until(lambda: daemon.log("flood: route resumed") or not _left(daemon), "all handled or resumed")
    assert "calls failed within 10 s" in daemon.log("flood: route paused")[0]["reason"]
    daemon.until(lambda: not _left(daemon), "the rest is handled")
    assert daemon.stop() == 0


def _left(daemon: Daemon) -> int:
    return 40 - len(daemon.journal("handle", "call"))


def test_kafka_away_is_said_once_and_the_feeder_keeps_trying(start: Start) -> None:
    daemon = start(feed="toys:troubled", route={"consumers": "per-partition"})
    daemon.until(lambda: daemon.log("cannot ask kafka") and daemon.log("child in trouble"), "words")
    never(lambda: len(daemon.log("cannot ask kafka")) > 1, during_s=0.5)
    assert len(daemon.journal("feed", "born", "kafka")) == 1
    assert daemon.stop() == 0


def test_the_first_word_of_the_scout_fills_all_seats_at_once(start: Start) -> None:
    daemon = _scouted(start, "7 2")
    daemon.until(lambda: len(daemon.journal("feed", "born", "kafka")) == 4, "ceil(7 / 2) feeders")
    assert sorted(entry.index for entry in daemon.journal("feed", "born", "kafka")) == [0, 1, 2, 3]
    assert daemon.stop() == 0


def test_a_second_node_has_the_last_seat_retire_and_give_its_partitions_away(start: Start) -> None:
    daemon = _scouted(start, "4 1")
    daemon.until(lambda: len(daemon.journal("feed", "born", "kafka")) == 4, "4 feeders")
    (daemon.directory / "scouted").write_text("4 2")
    signals.send(
        daemon.journal("feed", "born", "kafka")[0].pid, signal.SIGKILL
    )  # its follower's assignment: look again
    daemon.until(lambda: daemon.journal("feed", "Retire"), "a seat given up")
    assert [entry.index for entry in daemon.journal("feed", "Retire")] == [3]
    assert daemon.stop() == 0


def test_a_group_that_leaves_a_partition_to_nobody_is_visited_and_a_stop_has_the_visitor_leave(
    start: Start,
) -> None:
    daemon = _scouted(start, "2 1 t/1", revoke_s=0.1)
    daemon.until(lambda: daemon.journal("visitor", "born"), "a visitor")
    assert len(daemon.log("nobody owns partitions: the group is asked to divide them anew")) == 1
    assert daemon.stop() == 0
    assert [entry.event for entry in daemon.journal("visitor")] == ["born", "Stop"]


def _scouted(start: Start, seen: str, **given: object) -> Daemon:
    return start(route={"consumers": "per-partition"}, scouted=seen, **given)


def test_quiet_takes_nothing_new_and_only_a_stop_follows(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    daemon.signal(signal.SIGUSR1)
    daemon.until(lambda: len(daemon.journal("feed", "Quiet")) == 2, "quiet feeders")
    daemon.signal(signal.SIGHUP)
    assert daemon.stop() == 0
    assert not daemon.log("reload")


def test_a_reload_replaces_handlers_one_by_one(start: Start) -> None:
    daemon = start(handle="toys:slow_to_leave")
    daemon.at_work(5)
    daemon.signal(signal.SIGHUP)
    daemon.until(lambda: daemon.log("reload done"), "the end of the reload")
    told = [entry.at_s for entry in daemon.journal("handle", "Stop")]
    born = [entry.at_s for entry in daemon.journal("handle", "born")]
    assert born[2] < told[0] < born[3] < told[1]
    daemon.at_work(7)
    assert daemon.stop() == 0


def test_a_reload_of_code_that_cannot_be_imported_changes_nothing(start: Start) -> None:
    daemon = start(probe="toys:fit_once")
    daemon.at_work(5)
    daemon.signal(signal.SIGHUP)
    daemon.until(lambda: daemon.log("reload refused: nothing changes"), "a refusal")
    assert daemon.log("reload refused: nothing changes")[0]["reason"] == "SyntaxError in line 3"
    assert len(daemon.journal("handle", "born")) == 2
    assert daemon.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a process namespace of its own needs root")
def test_as_pid_1_it_reaps_orphans_and_obeys_signals(start: Start) -> None:
    daemon = start(
        handle="toys:leaving_orphans", wrap=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    )
    daemon.at_work(5)
    (supervisor,) = [pid for pid in daemon.children() if _parent(pid) == daemon.pid]
    eventually(lambda: daemon.journal("handle", "orphaned"))
    eventually(lambda: not _zombies(supervisor), message="orphans are reaped")
    signals.send(supervisor, signal.SIGTERM)
    assert daemon.wait() == 0


def _parent(pid: int) -> int:
    return psutil.Process(pid).ppid()


def _zombies(pid: int) -> list[int]:
    below = psutil.Process(pid).children()
    return [child.pid for child in below if child.status() == psutil.STATUS_ZOMBIE]


def test_an_idle_supervisor_wakes_a_few_times_a_second(start: Start) -> None:
    """Wakes, and not their time: what one costs is the machine's own, and its neighbours'."""
    daemon = start()
    daemon.at_work(5)
    eventually(lambda: _wakes(daemon, IDLE_S) <= WAKES_PER_S * IDLE_S, message="idle once the start is over")
    assert daemon.stop() == 0


def _wakes(daemon: Daemon, during_s: float) -> int:
    before = _slept(daemon.pid)
    never(lambda: daemon.process.poll() is not None, during_s=during_s)
    return _slept(daemon.pid) - before


def _slept(pid: int) -> int:
    return psutil.Process(pid).num_ctx_switches().voluntary
