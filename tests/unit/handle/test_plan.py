"""What a plan says of a route before anything is called."""

from pathlib import Path

import pytest

from ringmain import App
from ringmain.config.load import load
from ringmain.handle import plan

CONFIG = """
app = "app:app"
name = "x"
queues.backend = "sqlite"
[kafka]
bootstrap.servers = "localhost:9092"
group.id = "g"
[routes.r]
topics = ["t"]
order = "none"
"""


@pytest.mark.parametrize(
    ("batch", "settings", "held_after"),
    [
        (False, "", 100),
        (False, "flood.messages = 7", 7),
        (False, "flood = false", 0),
        (True, "", 1000),
        (True, "batch.messages = 20", 100),
        (True, "flood = false", 0),
    ],
)
def test_a_route_rests_after_so_many_failures_in_a_row(
    batch: bool, settings: str, held_after: int, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(CONFIG + settings + "\n")
    app = App()

    def one(value: dict[str, int]) -> None: ...
    def several(values: list[dict[str, int]]) -> None: ...

    if batch:
        app.batch_route("r")(several)
    else:
        app.route("r")(one)
    assert plan.build(app, load(path), "r", "", lambda _: None).hold_after == held_after
