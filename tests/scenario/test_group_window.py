"""The window of done offsets: one slow message neither stops its partition nor makes a crash repeat much."""

import signal

from support import signals
from support.scenario import Scenario

COUNT = 20_000
WINDOW = 500

SLOW_FIRST = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        if message.offset == 0:
            wait_at("slow", message)
        tell("done", message)
"""


def test_one_message_that_takes_long_does_not_stop_its_partition(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(SLOW_FIRST)
    scenario.config({"timeout_s": 600})
    daemon = scenario.start()
    scenario.wait_for("done", COUNT - 1)
    assert 0 not in scenario.offsets(), "all others are done before the slow one"
    assert scenario.kafka.committed(scenario.group, scenario.topic).get(0, 0) == 0
    scenario.open_gate("slow")
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()


def test_the_window_bounds_what_a_killed_feeder_repeats(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT // 4)
    scenario.app(SLOW_FIRST)
    scenario.config({"handlers": 3}, commit={"interval_s": 0.2, "window": WINDOW})
    daemon = scenario.start()
    scenario.wait_for("done", WINDOW - 1)
    held = scenario.wait_for("at slow")[0]
    feeder = daemon.feeder_of(scenario.topic)
    signals.send(feeder, signal.SIGKILL)
    daemon.feeder_of(scenario.topic, other_than=feeder)
    scenario.wait_for("done", 2 * (WINDOW - 1))
    assert held.pid in daemon.children("handler").values(), "the slow call goes on"
    scenario.open_gate("slow")
    scenario.wait_for_settled()
    scenario.assert_all()
    assert sum(scenario.repeats().values()) <= WINDOW
    assert set(scenario.repeats().values()) == {1}
    daemon.stop()
