"""Processes that stand still without dying, calls that nothing can interrupt: seen from outside and ended."""

import signal

import pytest

from support import signals
from support.scenario import Scenario, children_are_gone
from support.waiting import eventually

COUNT = 200
POISON = 100
ALL_BUT_POISON = [each for each in range(COUNT) if each != POISON]


def app_where_poison(deed: str) -> str:
    return f"""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                tell("begun", message)
                {deed}
            tell("done", message)
    """


@pytest.mark.parametrize(
    "deed",
    [
        "exec('while True: __import__(\"ctypes\").PyDLL(None).sleep(600)')",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals)); wait_at('never')",
        "lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "threading.Thread(target=wait_at, args=('never',)).start(); wait_at('never')",
    ],
    ids=["holds the GIL", "stopped by a signal", "deaf to signals", "a deadlock", "with a thread"],
)
def test_a_call_that_nothing_can_interrupt_is_ended_at_its_time(scenario: Scenario, deed: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_poison(deed))
    scenario.config({"timeout_s": 1, "retry": {"attempts": 1}})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"]) == (POISON, "TimeoutError")
    assert sorted(scenario.offsets()) == ALL_BUT_POISON
    daemon.stop()


def test_a_call_that_ends_while_it_is_being_ended_is_done_and_the_next_one_does_not_pay(
    scenario: Scenario,
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        asked = []

        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                __import__("ctypes").PyDLL(None).sleep(600)  # the signal that asks for the stack ends it
                asked.append(number)
            if asked and number == {POISON + 1}:
                block_for(0.6)
            tell("done", message)
    """)
    scenario.config({"handlers": 1, "timeout_s": 1, "retry": {"attempts": 1}})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert scenario.dead() == []
    assert daemon.log("stacks")
    assert not daemon.log("child ended")
    daemon.stop()


def test_a_thread_that_a_call_leaves_behind_does_not_hold_up_a_stop(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_poison("threading.Thread(target=wait_at, args=('never',)).start()"))
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop(15.0)


def test_an_idle_handler_that_stands_still_is_replaced(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_poison("pass"))
    scenario.config({"handlers": 1, "timeout_s": 1})
    daemon = scenario.start()
    scenario.wait_for_settled()
    [idle] = daemon.children("handler").values()
    signals.send(idle, signal.SIGSTOP)
    scenario.produce_numbers(COUNT)
    eventually(children_are_gone([idle]), 60)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()


def test_a_supervisor_that_was_suspended_with_all_its_children_ends_nobody(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            wait_at("gate", message)
            tell("done", message)
    """)
    scenario.config({"timeout_s": 8})
    daemon = scenario.start()
    scenario.wait_for("at gate", 2)
    everybody = [daemon.pid, *daemon.children().values()]
    for pid in everybody:
        signals.send(pid, signal.SIGSTOP)
    for pid in reversed(everybody):
        signals.send(pid, signal.SIGCONT)
    scenario.open_gate("gate")
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert not daemon.log("child ended")
    daemon.stop()
