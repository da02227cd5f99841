"""File descriptors are gone: said clearly, what runs goes on, and all is whole again when there are some."""

import resource
import signal
from collections.abc import Iterable

from support import signals
from support.scenario import Daemon, Scenario
from support.waiting import eventually

FEWER_THAN_ARE_OPEN = 3
HANDLERS = 2
COUNT = 50


def limit_descriptors(pids: Iterable[int], soft: int) -> None:
    for pid in pids:
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(soft, hard), hard))


def all_but_handlers(daemon: Daemon) -> list[int]:
    """A handler's descriptors are its author's: the witness opens one in each when it is first called."""
    handlers = set(daemon.children("handler").values())
    return [daemon.pid, *(pid for pid in daemon.children().values() if pid not in handlers)]


def test_without_descriptors_what_runs_goes_on_and_what_died_comes_back_when_there_are_some(
    scenario: Scenario,
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """)
    scenario.config({"handlers": HANDLERS})
    daemon = scenario.start()
    scenario.wait_for("done", COUNT)
    daemon.wait_until_at_work(HANDLERS)
    before, _ = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)

    limit_descriptors(all_but_handlers(daemon), FEWER_THAN_ARE_OPEN)
    victim = next(iter(daemon.children("handler").values()))
    signals.send(victim, signal.SIGKILL)
    eventually(lambda: daemon.log("cannot start a process"))
    daemon.signal(signal.SIGHUP)
    scenario.produce_numbers(COUNT)
    scenario.wait_for("done", 2 * COUNT)
    assert len(daemon.children("handler")) == HANDLERS - 1
    reasons = {line["reason"] for line in daemon.log("cannot start a process")}
    assert all("Too many open files" in reason for reason in reasons)

    limit_descriptors(all_but_handlers(daemon), before)
    eventually(lambda: len(daemon.children("handler")) >= HANDLERS)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()
