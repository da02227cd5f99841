"""A handler process dies: what it had claimed goes to others, and only what it was executing is blamed."""

import signal

import pytest

from support import signals
from support.scenario import Scenario, children_are_gone
from support.waiting import eventually

COUNT = 300
POISON = 100
OTHERS = COUNT - 1

# Each kills the process that runs it, in the middle of a call.
DEADLY = {
    "kill -9": "os.kill(os.getpid(), signal.SIGKILL)",
    "a segmentation fault": "__import__('ctypes').string_at(0)",
    "abort": "os.abort()",
    "os._exit(3)": "os._exit(3)",
    "os._exit(0)": "os._exit(0)",
    "os._exit(72), the code of a recycled handler": "os._exit(72)",
    "an exit from another thread": "threading.Thread(target=os._exit, args=(1,)).start(); time.sleep(9)",
}

FORK_A_PROCESS = (
    "import multiprocessing; "
    "p = multiprocessing.get_context('fork').Process(target=tell, args=('in child',)); "
    "p.start(); p.join(); assert p.exitcode == 0"
)


def app_with(deed: str) -> str:
    return f"""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                tell("poison", message)
                {deed}
            tell("done", message)
    """


def test_killed_twice_in_the_same_call_the_message_is_dead_and_its_neighbours_are_done(
    scenario: Scenario,
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_with("wait_at('never')"))
    daemon = scenario.start()
    for times in (1, 2):
        signals.send(scenario.wait_for("poison", times)[-1].pid, signal.SIGKILL)
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert entry["offset"] == POISON
    assert entry["error_class"] == "HandlerCrash"
    assert "2 times" in entry["error_message"]
    assert "SIGKILL" in entry["error_message"]
    assert entry["value"] == POISON
    assert sorted(scenario.offsets()) == [each for each in range(COUNT) if each != POISON]
    assert len(scenario.events("poison")) == 2
    message_id = f"{scenario.topic}:0:{POISON}"
    blamed = [line for line in daemon.log() if line["event"].startswith("a call killed its process")]
    assert [(line["message_id"], line["crashes"]) for line in blamed] == [(message_id, 1), (message_id, 2)]
    assert [line["event"].partition(": ")[2] for line in blamed] == ["runs again alone", "message is dead"]
    daemon.stop()


@pytest.mark.parametrize("deed", DEADLY.values(), ids=DEADLY)
def test_a_call_that_ends_its_process_is_blamed_alone(scenario: Scenario, deed: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_with(deed))
    scenario.config({"max_crashes": 1})
    daemon = scenario.start()
    scenario.wait_for_settled()
    [entry] = scenario.wait_for_dead(1)
    assert (entry["offset"], entry["error_class"]) == (POISON, "HandlerCrash")
    assert sorted(scenario.offsets()) == [each for each in range(COUNT) if each != POISON]
    assert len(scenario.events("poison")) == 1
    daemon.stop()


def test_what_a_killed_process_had_claimed_behind_a_blocking_call_goes_to_others_at_once(
    scenario: Scenario,
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("begun", message)
            if first_time("call"):
                wait_at("never", message)
            tell("done", message)
    """)
    scenario.config({"handlers": 2})
    daemon = scenario.start()
    [blocked] = scenario.wait_for("at never")
    scenario.wait_for("done", OTHERS)  # the other process does all but the one that blocks
    signals.send(blocked.pid, signal.SIGKILL)
    scenario.wait_for("done", COUNT)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert [place for place, _ in scenario.repeats("begun").items()] == [blocked.place]
    assert scenario.dead() == []
    daemon.stop()


def test_one_handler_alone_is_replaced_and_does_the_rest(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_with("first_time('death') and os.kill(os.getpid(), signal.SIGKILL)"))
    scenario.config({"handlers": 1})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert scenario.dead() == []
    daemon.stop()


def test_an_exit_that_is_raised_is_a_failed_call_and_the_process_goes_on(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        EXITS = {100: SystemExit(1), 110: KeyboardInterrupt(), 120: GeneratorExit()}

        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number in EXITS:
                raise EXITS[number]
            tell("done", message)
    """)
    scenario.config({"retry": {"attempts": 1}})
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = {entry["offset"]: entry["error_class"] for entry in scenario.wait_for_dead(3)}
    assert dead == {100: "SystemExit", 110: "KeyboardInterrupt", 120: "GeneratorExit"}
    assert len(scenario.offsets()) == COUNT - 3
    assert not daemon.log("child ended")
    daemon.stop()


@pytest.mark.parametrize(
    "deed",
    [
        "child = os.fork(); child and os.waitpid(child, 0); tell('returns')",
        "import subprocess; subprocess.run(['true'], check=True)",
        FORK_A_PROCESS,
    ],
    ids=["fork", "subprocess", "multiprocessing"],
)
def test_a_call_that_forks_is_done_once_and_its_child_handles_nothing(scenario: Scenario, deed: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                tell("poison", message)
                {deed}
            tell("call of", message, note=os.getppid())
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    by_handlers = [one.offset for one in scenario.events("call of") if one.note == daemon.pid]
    assert sorted(by_handlers) == list(range(COUNT))
    by_strangers = [one.offset for one in scenario.events("call of") if one.note != daemon.pid]
    assert by_strangers in ([], [POISON])  # the child of a bare fork ends the call it was made in, no other
    assert scenario.dead() == []
    daemon.stop()


def test_a_call_that_closes_every_descriptor_costs_its_process_and_no_message(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_with("os.closerange(3, 4096)"))
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    culprit = scenario.events("poison")[0].pid
    eventually(children_are_gone([culprit]))
    eventually(lambda: len(daemon.children("handler")) == 2)
    scenario.produce_numbers(COUNT)
    scenario.wait_for_settled()
    assert scenario.dead() == []
    daemon.stop()


def test_a_call_that_takes_over_all_signals_does_not_hold_up_a_stop(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            for each in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
                signal.signal(each, lambda *_: tell("signalled"))
            signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
            tell("done", message)
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()
    assert not scenario.events("signalled")


def test_a_call_that_eats_memory_is_killed_within_the_call_and_blamed(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_with("eaten = b'x' * (400 << 20); wait_at('never')"))
    scenario.config({"max_rss_bytes": "200MiB", "timeout_s": 60})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"]) == (POISON, "HandlerCrash")
    assert "max_rss_bytes" in entry["error_message"]
    assert sorted(scenario.offsets()) == [each for each in range(COUNT) if each != POISON]
    assert {line["cause"] for line in daemon.log("child ended")} == {"rss"}
    daemon.stop()
