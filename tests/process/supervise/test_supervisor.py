"""The supervisor over real forks: who is born, who is ended, who follows, what is left."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_daemon import ASIDE, Daemon

from support import signals
from support.leftovers import alive
from support.waiting import eventually

CHILDREN_END_S = 20.0
"""The kernel ends them at once; a machine at its limit takes longer to show it."""
Start = Callable[..., Daemon]
CALLS = {"feed": "toys:placing", "handle": "toys:handling"}


def test_children_are_those_of_the_config_and_a_stop_leaves_nothing(start: Start, tmp_path: Path) -> None:
    daemon = start()
    daemon.at_work(5)
    eventually(lambda: daemon.journal("scout", "born"), message="the scout asks how large messages may be")
    born = sorted((e.role, e.source, e.index) for e in daemon.journal(event="born"))
    assert born == [
        ("courier", "-", 0),
        ("feed", "kafka", 0),
        ("feed", "queue", 15),
        ("handle", "-", 0),
        ("handle", "-", 1),
        ("probe", "-", 0),
        ("scout", "-", 0),
    ]
    assert daemon.stop() == 0
    assert not (tmp_path / "run").exists()


def test_a_channel_has_a_feeder_of_its_queues_and_handlers_of_its_own(start: Start) -> None:
    daemon = start(route={"handlers": 1, "channels": {"express": {"handlers": 2}}})
    daemon.at_work(7)
    born = sorted((e.role, e.pool, e.source, e.index) for e in daemon.journal(event="born"))
    assert [one for one in born if "." in one[1]] == [
        ("feed", "orders.express", "queue", 15),
        ("handle", "orders.express", "-", 0),
        ("handle", "orders.express", "-", 1),
    ]
    titles = {line["child"] for line in daemon.log("child at work")}
    assert {"feeder orders.express/15", "handler orders.express/1", "handler orders/0"} <= titles
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (
            "worker",
            {"courier -", "feed orders", "feed orders.express", "handle orders", "handle orders.express"},
        ),
        ("stream-worker", {"courier -", "feed orders", "handle orders"}),
    ],
)
def test_a_node_bears_what_its_mode_needs(start: Start, mode: str, expected: set[str]) -> None:
    route = {"handlers": 1, "channels": {"express": {"handlers": 1}}}
    daemon = start(modes=[mode], route=route)
    daemon.at_work(len(expected))
    sources = {e.source for e in daemon.journal("feed", "born")}
    assert sources == ({"queue"} if mode == "worker" else {"kafka"})
    if mode == "stream-worker":
        eventually(lambda: daemon.journal("scout", "born"), message="the scout asks how many there are")
    else:
        assert not daemon.journal("scout"), "nobody asks Kafka where nobody reads it"
    born = {f"{e.role} {e.pool}" for e in daemon.journal(event="born") if e.role not in ("probe", "scout")}
    assert born == expected
    assert daemon.stop() == 0


def test_the_order_of_a_stop_is_handlers_feeders_courier(start: Start) -> None:
    daemon = start(handle="toys:slow_to_leave", feed="toys:slow_to_leave")
    daemon.at_work(5)
    assert daemon.stop() == 0
    told = {role: min(e.at_s for e in daemon.journal(role, "Stop")) for role in ("handle", "feed", "courier")}
    left = {role: max(e.at_s for e in daemon.journal(role, "left")) for role in ("handle", "feed")}
    assert told["handle"] < left["handle"] < told["feed"] < left["feed"] < told["courier"]
    phases = [line["phase"] for line in daemon.log("stop phase done")]
    assert phases[:4] == ["settle", "handle", "feed", "courier"]


def test_no_feeder_is_told_to_leave_before_all_have_settled(start: Start) -> None:
    daemon = start(feed="toys:settling_in_turn", route={"handlers": 1, "consumers": 3})
    daemon.at_work(6)
    assert daemon.stop() == 0
    settled = [entry.at_s for entry in daemon.journal("feed", "settled")]
    told = [entry.at_s for entry in daemon.journal("feed", "Stop")]
    assert len(settled) == 3
    assert len(told) == 4, "that of the queue as well"
    assert max(settled) < min(told)
    assert not daemon.log("deadline passed: killing child")


def test_a_feeder_that_dies_or_hangs_in_a_stop_is_not_waited_for_beyond_its_deadline(start: Start) -> None:
    daemon = start(feed="toys:settling_never", route={"handlers": 1, "consumers": 3}, stop_s=5.0)
    daemon.at_work(6)
    assert daemon.stop() == 0
    assert [line["child"] for line in daemon.log("deadline passed: killing child")] == ["feeder orders/1"]
    assert [entry.index for entry in daemon.journal("feed", "Stop", "kafka")] == [2], "it had its turn"
    assert daemon.log("stopped")[0]["seconds"] < 5.0 + 10.0, "it would stay for a minute"


def test_a_child_that_never_leaves_is_killed_at_the_deadline(start: Start) -> None:
    daemon = start(handle="toys:stubborn", stop_s=1.0)
    daemon.at_work(5)
    assert daemon.stop() == 0
    assert len(daemon.log("deadline passed: killing child")) == 2
    assert daemon.journal("feed", "Stop"), "feeders had their turn"
    assert daemon.log("stopped")[0]["seconds"] < 15.0, "they would stay for a minute"


def test_a_second_signal_means_now(start: Start) -> None:
    daemon = start(handle="toys:stubborn", stop_s=60)
    daemon.at_work(5)
    daemon.signal(signal.SIGTERM)
    eventually(lambda: daemon.log("stopping"))
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0
    ended = [line for line in daemon.log("child ended") if line["child"] not in ASIDE]
    assert len(ended) == 5, "nobody follows any more"
    assert {(line["cause"], line["level"]) for line in ended} == {("stopped", "info")}
    assert {line["detail"] for line in ended} == {"killed by the stop: a second signal came"}


def test_the_terminals_signals_to_the_whole_group_reach_the_supervisor_only(start: Start) -> None:
    daemon = start(handle="toys:slow_to_leave")
    daemon.at_work(5)
    for pid in daemon.children():
        signals.send(pid, signal.SIGINT)
        signals.send(pid, signal.SIGTERM)
        signals.send(pid, signal.SIGHUP)
    assert daemon.stop() == 0
    assert len(daemon.journal("handle", "left")) == 2
    assert not daemon.log("child ended") or all(e["cause"] == "ended" for e in daemon.log("child ended"))


def test_children_end_within_a_second_of_a_killed_supervisor_and_the_next_start_goes_on(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    children = daemon.children()
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    eventually(lambda: not any(map(alive, children)), CHILDREN_END_S)
    again = start()
    again.at_work(10)
    assert again.stop() == 0


def test_a_second_supervisor_of_the_same_name_and_node_is_refused(start: Start) -> None:
    first = start()
    first.at_work(5)
    second = start()
    assert second.wait() == 1
    said = (second.directory / "log").read_text()
    assert f"is held by process {first.pid}" in said
    assert first.stop() == 0


def test_another_node_of_the_same_name_is_not_refused(start: Start) -> None:
    first = start(node="a")
    first.at_work(5)
    second = start(node="b")
    second.at_work(10)
    assert first.stop() == 0
    assert second.stop() == 0


@pytest.mark.parametrize("probe", ["unfit", "killed_probe"])
def test_an_app_that_does_not_fit_is_exit_4_and_nothing_else_is_born(start: Start, probe: str) -> None:
    daemon = start(probe=f"toys:{probe}")
    assert daemon.wait() == 4
    assert not daemon.journal()


def test_the_real_probe_says_which_module_is_missing(start: Start) -> None:
    daemon = start(probe="ringmain.supervise.probe:run", app="there_is_no_such_module:app")
    assert daemon.wait() == 4
    assert "there_is_no_such_module" in (daemon.directory / "log").read_text()


def test_a_child_that_dies_is_followed_at_once_in_its_post(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    feeder = daemon.journal("feed", "born", "kafka")[0]
    signals.send(feeder.pid, signal.SIGKILL)
    daemon.at_work(6)
    follower = daemon.journal("feed", "born", "kafka")[1]
    assert (follower.index, follower.incarnation) == (feeder.index, feeder.incarnation + 1)
    (ended,) = daemon.log("child ended")
    assert ended["detail"] == "killed by signal 9 (SIGKILL)"
    assert ended["next_in_s"] == 0
    assert daemon.stop() == 0


def test_a_handler_that_dies_is_followed_in_another_seat(start: Start) -> None:
    daemon = start(**CALLS, messages=("segfault", "ok"))
    eventually(lambda: daemon.journal("feed", "buried"))
    (buried,) = daemon.journal("feed", "buried")
    seat, cause, executing, detail = buried.details
    assert (cause, executing, detail) == ("1", "1", "killed_by_signal_11_(SIGSEGV)")
    eventually(lambda: len(daemon.journal("handle", "born")) == 3)
    assert daemon.journal("handle", "born")[2].index != int(seat)
    assert daemon.stop() == 0
