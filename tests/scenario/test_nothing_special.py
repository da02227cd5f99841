"""The ordinary course: what comes in is handled once, committed, and a stop leaves nothing behind."""

from support.scenario import Scenario


def test_every_message_is_handled_once_and_committed(scenario: Scenario) -> None:
    scenario.create_topic(partitions=3)
    scenario.produce_numbers(1000)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message, note=number)
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert {one.note for one in scenario.events("done")} == set(range(1000))
    daemon.stop()
