"""Exceptions and output that no logger expects: recorded as far as can be, and their neighbours go on."""

import pytest

from support.scenario import Scenario

COUNT = 100
RAISED = {
    "whose text raises": "raise type('Bad', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "whose class lies": "raise type('Bad', (Exception,), {'__class__': property(lambda self: 1 / 0)})()",
    "with ten megabytes of text": "raise ValueError('x' * 10_000_000)",
    "with half a character": "raise ValueError('\\udcff')",
    "a recursion without end": "f = lambda: f(); f()",
    "a chain of a thousand": "chain(1000)",
    "a group": "raise BaseExceptionGroup('g', [ValueError(1), SystemExit(2)])",
    "out of memory": "raise MemoryError()",
    "StopIteration": "raise StopIteration(1)",
    "its own cause": "error = ValueError('me'); error.__cause__ = error; raise error",
}


@pytest.mark.parametrize("kind", ["", "async "], ids=["sync", "async"])
def test_every_exception_fails_its_own_message_only(scenario: Scenario, kind: str) -> None:
    scenario.produce_numbers(COUNT)
    cases = "\n".join(
        f"    if number == {number}: {deed}" for number, deed in enumerate(RAISED.values(), start=10)
    )
    (scenario.folder / "deeds.py").write_text(f"""\
def chain(depth):
    try:
        if depth:
            chain(depth - 1)
        raise ValueError(depth)
    except ValueError as error:
        raise ValueError(depth) from error

def misbehave(number):
    pass
{cases}
""")
    scenario.app(f"""
        from deeds import misbehave

        @app.route("r")
        {kind}def handle(number: int, message: Message) -> None:
            misbehave(number)
            tell("done", message)
    """)
    scenario.config({"retry": {"attempts": 1}, "flood": False})
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = {entry["offset"]: entry for entry in scenario.dead()}
    assert sorted(dead) == list(range(10, 10 + len(RAISED)))
    assert all(entry["error_class"] for entry in dead.values())
    assert all(len(entry["traceback"]) < 5000 for entry in dead.values())
    assert len(scenario.offsets()) == COUNT - len(RAISED)
    assert not daemon.log("child ended")
    assert "Logging error" not in daemon.log_text()
    daemon.stop()


def test_a_handler_that_closes_and_floods_its_output_goes_on(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        import logging

        @app.route("r")
        def handle(number: int, message: Message) -> None:
            print("x" * 1000)
            logging.getLogger("mine").error("own words %s", number)
            if number == 50:
                sys.stdout.close()
                sys.stderr.close()
            if number == 51:
                os.close(1)
                os.close(2)
            tell("done", message)
    """)
    scenario.config({"handlers": 1, "retry": {"first_s": 1}})
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert len({one.place for one in scenario.events("done")}) + len(scenario.dead()) >= COUNT - 49
    assert not daemon.log("child ended")
    daemon.stop()
