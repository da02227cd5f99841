"""Code that asks for its message's place in the log finds it in a Harness as well."""

import pytest

from ringmain import App
from ringmain.logging import current_message
from ringmain.testing.plugin import MakeHarness


@pytest.mark.parametrize("later", [False, True], ids=["sync", "async"])
def test_a_call_finds_its_message_and_afterwards_there_is_none(harness: MakeHarness, later: bool) -> None:
    app = App()
    found: list[object] = []

    def handle(order: dict[str, int]) -> None:
        message = current_message()
        found.append(message and message.offset)

    async def handle_later(order: dict[str, int]) -> None:
        handle(order)

    app.route("orders")(handle_later if later else handle)
    stage = harness(app)
    stage.send_all("orders", [{"id": 1}, {"id": 2}])
    assert found == [0, 1]
    assert current_message() is None
