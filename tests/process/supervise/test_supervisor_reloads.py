"""A reload over a real supervisor of toy roles: who is replaced, who is not, and what is refused."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from toy_daemon import Daemon

from ringmain import asking, control
from support.leftovers import alive
from support.scenario import toml

Start = Callable[..., Daemon]
REFUSED = "reload refused: nothing changes"


def rewrite(daemon: Daemon, route: dict[str, Any] | None = None, **over: Any) -> None:
    """The config file with other values; `route` over the values of the one route."""
    tree = json.loads((daemon.directory / "config.json").read_text())
    tree["routes"]["orders"] |= route or {}
    (daemon.directory / "config.toml").write_text(toml(tree | over))


def with_routes(daemon: Daemon, *names: str, **kafka: str) -> None:
    """The config file with these routes and no others."""
    of = {"topics": ["t"], "order": "none", "handlers": 1, "consumers": 1}
    routes = {name: {**of, "kafka": {"group.id": name, **kafka}} for name in names}
    rewrite(daemon, routes=routes)


def ask(daemon: Daemon, **wish: Any) -> control.Reply:
    path = control.socket_path(str(daemon.directory / "run" / "toy"), "toy", os.uname().nodename)
    return asking.ask(path, control.Reload(**wish))


def children(daemon: Daemon, role: str, pool: str = "") -> dict[int, str]:
    """Who lives now, by process id."""
    born = [e for e in daemon.journal(role, "born") if pool in ("", e.pool)]
    return {e.pid: f"{e.pool} {e.source}" for e in born if alive(e.pid)}


def done(daemon: Daemon, times: int = 1) -> None:
    daemon.until(lambda: len(daemon.log("reload done")) >= times, "the end of the reload")


def test_more_and_fewer_handlers_leave_the_others_alone(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    before, rest = children(daemon, "handle"), {**children(daemon, "feed"), **children(daemon, "courier")}
    rewrite(daemon, {"handlers": 4})
    reply = ask(daemon)
    assert isinstance(reply, control.Done)
    assert reply.lines == ["routes.orders.handlers: 2 -> 4 (live: processes are added or retire)"]
    daemon.until(lambda: len(children(daemon, "handle")) == 4, "four handlers")
    assert set(before) <= set(children(daemon, "handle"))
    rewrite(daemon, {"handlers": 1})
    done(daemon)
    ask(daemon)
    daemon.until(lambda: len(children(daemon, "handle")) == 1, "one handler")
    assert set(children(daemon, "handle")) <= set(before)
    assert {**children(daemon, "feed"), **children(daemon, "courier")} == rest
    assert daemon.stop() == 0


def test_a_retry_policy_replaces_who_reads_it_and_nobody_else(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    handlers, feeders = children(daemon, "handle"), children(daemon, "feed")
    couriers = children(daemon, "courier")
    rewrite(daemon, {"retry": {"attempts": 3}})
    assert isinstance(ask(daemon), control.Done)
    done(daemon)
    for role, before in (("handle", handlers), ("feed", feeders), ("courier", couriers)):
        now = children(daemon, role)
        assert sorted(now.values()) == sorted(before.values())
        assert not set(now) & set(before), role
    assert daemon.stop() == 0


def test_a_route_that_is_added_gets_processes_of_its_own(start: Start) -> None:
    daemon = start(routes={"orders": _route("orders")})
    daemon.at_work(4)
    of_orders = children(daemon, "handle") | children(daemon, "feed")
    couriers = children(daemon, "courier")
    with_routes(daemon, "orders", "refunds")
    reply = ask(daemon)
    assert isinstance(reply, control.Done), reply
    assert [line for line in reply.lines if line.startswith("routes.refunds is added")]
    done(daemon)
    daemon.until(lambda: len(children(daemon, "feed", "refunds")) == 2, "feeders of the new route")
    daemon.until(lambda: len(children(daemon, "handle", "refunds")) == 1, "its handler")
    assert children(daemon, "handle", "orders") | children(daemon, "feed", "orders") == of_orders
    assert not set(children(daemon, "courier")) & set(couriers)
    assert daemon.stop() == 0


def test_a_route_that_is_removed_retires_and_its_ring_is_closed(start: Start) -> None:
    daemon = start(routes={name: _route(name) for name in ("orders", "refunds")})
    daemon.at_work(7)
    of_orders = children(daemon, "handle", "orders") | children(daemon, "feed", "orders")
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    with_routes(daemon, "orders")
    assert isinstance(ask(daemon), control.Done)
    done(daemon)
    assert daemon.log("ring closed")[0]["of_route"] == "refunds"
    assert children(daemon, "handle", "refunds") == children(daemon, "feed", "refunds") == {}
    assert [e.pool for e in daemon.journal("feed", "Retire")] == ["refunds", "refunds"]
    assert children(daemon, "handle", "orders") | children(daemon, "feed", "orders") == of_orders
    assert len(os.listdir(f"/proc/{daemon.pid}/fd")) < files - 80
    with_routes(daemon, "orders", "refunds")
    assert isinstance(ask(daemon), control.Done)
    daemon.until(lambda: len(children(daemon, "feed", "refunds")) == 2, "the route is there again")
    assert daemon.stop() == 0


def test_routes_come_and_go_many_times_without_leaving_anything_behind(start: Start) -> None:
    daemon = start(routes={"orders": _route("orders")})
    daemon.at_work(4)
    files = 0
    for round_ in range(3):
        with_routes(daemon, "orders", "refunds")
        assert isinstance(ask(daemon), control.Done)
        done(daemon, 2 * round_ + 1)
        with_routes(daemon, "orders")
        assert isinstance(ask(daemon), control.Done)
        done(daemon, 2 * round_ + 2)
        now = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        assert not files or now <= files + 2
        files = files or now
    assert daemon.stop() == 0


def _route(name: str) -> dict[str, Any]:
    of = {"topics": ["t"], "order": "none", "handlers": 1, "consumers": 1}
    return {**of, "kafka": {"group.id": name}}


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"node": "elsewhere"}, "node: "),
        ({"ring": {"messages": 128, "bytes": "1MiB"}}, "a ring is made once"),
        ({"queues": {"backend": "sqlite", "path": "/elsewhere.db"}}, "would stay behind"),
        ({"kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "other"}}, "other offsets"),
        ({"stop_s": "soon"}, "expected a number"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_what_needs_a_restart_or_is_wrong_changes_nothing(
    start: Start, over: dict[str, Any], said: str
) -> None:
    daemon = start()
    daemon.at_work(5)
    before = children(daemon, "handle")
    rewrite(daemon, {"handlers": 5}, **over)
    reply = ask(daemon)
    assert isinstance(reply, control.Refused)
    assert said in reply.reason
    assert said in daemon.log(REFUSED)[0]["reason"]
    assert children(daemon, "handle") == before
    assert not daemon.log("reload under way")
    assert daemon.stop() == 0


def test_all_reasons_against_a_reload_are_said_at_once(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    rewrite(daemon, {"order": "key", "handlers": 500}, node="elsewhere")
    reply = ask(daemon)
    assert isinstance(reply, control.Refused)
    for said in ("node: ", "routes.orders.order: ", "500 handlers"):
        assert said in reply.reason
    assert daemon.stop() == 0


def test_a_file_that_is_no_toml_changes_nothing(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    (daemon.directory / "config.toml").write_text("app = [")
    reply = ask(daemon)
    assert isinstance(reply, control.Refused)
    assert "not TOML" in reply.reason
    os.unlink(daemon.directory / "config.toml")
    reply = ask(daemon)
    assert isinstance(reply, control.Refused)
    assert "cannot be read" in reply.reason
    assert daemon.stop() == 0


def test_a_probe_that_dies_without_a_word_changes_nothing(start: Start) -> None:
    daemon = start(probe="toys:fit_then_die")
    daemon.at_work(5)
    reply = ask(daemon, code=True)
    assert isinstance(reply, control.Refused)
    assert "ended the process" in reply.reason
    assert len(daemon.journal("handle", "born")) == 2
    assert daemon.stop() == 0


def test_a_dry_run_says_what_would_change_and_changes_nothing(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    rewrite(daemon, {"handlers": 3}, stop_s=7)
    reply = ask(daemon, dry_run=True)
    assert isinstance(reply, control.Done)
    assert [line.partition(":")[0] for line in reply.lines] == ["routes.orders.handlers", "stop_s"]
    assert len(children(daemon, "handle")) == 2
    assert not daemon.log("reload under way")
    assert daemon.stop() == 0


def test_a_reload_of_what_has_not_changed_does_nothing(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    reply = ask(daemon)
    assert reply == control.Done("nothing has changed", [])
    assert len(daemon.journal("handle", "born")) == 2
    assert daemon.stop() == 0


def test_hup_is_a_reload_of_the_file_as_well(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    rewrite(daemon, {"handlers": 3})
    daemon.signal(signal.SIGHUP)
    done(daemon)
    assert daemon.log("reload changes")[0]["change"].startswith("routes.orders.handlers: 2 -> 3")
    assert len(daemon.journal("handle", "born")) == 5
    assert daemon.stop() == 0


def test_a_hup_during_a_reload_is_heard_when_it_is_done(start: Start) -> None:
    daemon = start(handle="toys:slow_to_leave")
    daemon.at_work(5)
    daemon.signal(signal.SIGHUP)
    daemon.until(lambda: daemon.log("reload under way"), "a reload")
    reply = ask(daemon)
    assert isinstance(reply, control.Refused)
    assert "being replaced already" in reply.reason
    daemon.signal(signal.SIGHUP)
    done(daemon, 2)
    assert len(daemon.journal("handle", "born")) == 6
    assert daemon.stop() == 0


def test_a_handlers_number_in_the_file_replaces_the_one_an_operator_gave(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    path = control.socket_path(str(daemon.directory / "run" / "toy"), "toy", os.uname().nodename)
    assert isinstance(asking.ask(path, control.Scale("orders", 4)), control.Done)
    daemon.until(lambda: len(children(daemon, "handle")) == 4, "four handlers")
    rewrite(daemon, stop_s=7)
    assert isinstance(ask(daemon), control.Done)
    done(daemon)
    assert len(children(daemon, "handle")) == 4
    rewrite(daemon, {"handlers": 3}, stop_s=7)
    assert isinstance(ask(daemon), control.Done)
    daemon.until(lambda: len(children(daemon, "handle")) == 3, "as the file says")
    assert daemon.log("reload: the file's number of handlers replaces the scaled one")
    assert daemon.stop() == 0


def test_secrets_are_in_no_log_and_in_no_answer(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    kafka = {"bootstrap.servers": "127.0.0.1:1", "group.id": "toy", "ssl.key.password": "hunter2"}
    rewrite(daemon, kafka=kafka)
    reply = ask(daemon)
    assert isinstance(reply, control.Done), reply
    assert "routes.orders.kafka.ssl.key.password: not set -> ***" in reply.lines[0]
    done(daemon)
    assert "hunter2" not in (daemon.directory / "log").read_text()
    assert daemon.stop() == 0


def test_what_a_node_runs_is_kept_for_its_user_alone_and_goes_with_it(start: Start) -> None:
    daemon = start()
    daemon.at_work(5)
    kept = daemon.directory / "run" / "toy" / f"toy.{os.uname().nodename}.running.toml"
    assert kept.stat().st_mode & 0o777 == 0o600
    before = kept.read_text()
    rewrite(daemon, stop_s=7)
    assert kept.read_text() == before
    assert isinstance(ask(daemon), control.Done)
    assert kept.read_text() != before
    assert daemon.stop() == 0
    assert not kept.exists()
