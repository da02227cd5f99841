"""Code that asks for its message's place in the log finds it in a Harness as well."""

from ringmain import App
from ringmain.logging import current_message
from ringmain.testing.plugin import MakeHarness


def test_an_async_call_finds_its_message_and_afterwards_there_is_none(harness: MakeHarness) -> None:
    app = App()
    found: list[object] = []

    @app.route("orders")
    async def handle(order: dict[str, int]) -> None:
        message = current_message()
        found.append(message and message.offset)

    stage = harness(app)
    stage.send_all("orders", [{"id": 1}, {"id": 2}])
    assert found == [0, 1]
    assert current_message() is None
