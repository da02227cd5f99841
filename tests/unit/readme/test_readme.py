"""README is true: its code runs, its TOML loads, its commands parse, its tables and links fit the code."""

import asyncio
import inspect
import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
import tables

from ringmain import App, Dead, Message, Pause, Retry, Skip, To
from ringmain.cli.reading import REFUSALS
from ringmain.cli.root import root
from ringmain.config.load import load
from ringmain.config.schema import Config
from ringmain.kafka.properties import rejections
from ringmain.middleware import compose
from support.sources import CHECKOUT

README = CHECKOUT / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\(([^)#]+)\)")
MESSAGE = Message(value=b"{}", topic="orders", partition=0, offset=7)


def blocks(language: str) -> list[str]:
    return [body for found, body in BLOCK.findall(TEXT) if found == language]


def whole(kind: str) -> str:
    """The first app's file of this kind: the one that stands alone."""
    return blocks(kind)[0]


def module(name: str) -> types.ModuleType:
    """The README's file `name`, run."""
    [text] = [one for one in blocks("python") if one.startswith(f"# {name}.py\n")]
    made = types.ModuleType(name)
    exec(compile(text, f"README.md:{name}.py", "exec"), made.__dict__)
    return made


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "ringmain.toml"
    path.write_text(text)
    return load(path, judge=REFUSALS)


def without_table(text: str, part: str) -> str:
    """The first app's file without the table that `part` has instead: queues of another kind."""
    table = part.splitlines()[0]
    return re.sub(rf"^{re.escape(table)}\n.*?^(?=\[)", "", text, flags=re.DOTALL | re.MULTILINE)


def commands() -> Iterator[str]:
    for block in blocks("sh"):
        yield from (line.partition(" #")[0].rstrip() for line in block.splitlines())


def test_every_block_is_of_a_kind_that_is_checked_here() -> None:
    opening = re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)[::2]
    assert opening.count("") == 1  # the drawing of the rooms
    # bash is what a booted machine runs (tests/systemd), yaml is Prometheus's.
    assert {kind for kind, _ in BLOCK.findall(TEXT)} == {"python", "toml", "sh", "bash", "yaml"}
    named = [one.splitlines()[0] for one in blocks("python")]
    assert sorted(named) == [
        "# bills.py", "# charges.py", "# loads.py", "# orders.py", "# outcomes.py", "# payments.py",
        "# prices.py", "# review.py",
        "# test_live.py", "# test_outcomes.py", "# traced.py",
    ]  # fmt: skip


def test_the_first_app_handles_an_order_and_fits_its_config(tmp_path: Path) -> None:
    orders = module("orders")
    config = loaded(tmp_path, whole("toml"))
    assert orders.app.problems(config) == []
    order = msgspec.json.decode(b'{"id":1,"customer":"ada","amount":2.5}', type=orders.Order)
    assert orders.handle(order) is None


def test_the_app_with_hooks_connects_and_books_within_its_middleware(tmp_path: Path) -> None:
    payments = module("payments")
    assert payments.app.problems(loaded(tmp_path, whole("toml"))) == []
    booked: list[tuple[object, ...]] = []

    async def life() -> None:
        await payments.connect()
        payments.app.state.ledger.book = lambda *what: booked.append(what)
        call = compose(payments.app.handler_of("orders"), payments.app.middlewares).call
        assert await call({"amount": 3}, MESSAGE) is None

    asyncio.run(life())
    assert booked == [("orders:0:7", 3)]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("paid", None),
        ("test", Skip("a test order")),
        ("unknown currency", Dead("nobody can book this")),
        ("rate limited", Retry(after_s=30, reason="429", count=False)),
        ("database is away", Pause(10, "the database does not answer")),
    ],
)
def test_the_third_app_gives_each_outcome(state: str, outcome: object, tmp_path: Path) -> None:
    outcomes = module("outcomes")
    assert outcomes.app.problems(loaded(tmp_path, whole("toml"))) == []
    try:
        said = outcomes.handle({"state": state})
    except (Retry, Pause) as raised:
        said = raised
    assert said == outcome


def test_the_fourth_app_sends_large_orders_to_its_channel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    review = module("review")
    [channels] = [block for block in blocks("toml") if "channels.review]" in block]
    config = loaded(tmp_path, f"{whole('toml')}\n{channels}")
    assert review.app.problems(config) == []
    assert review.app.problems(loaded(tmp_path, whole("toml"))), "the channel is missing"
    assert (review.handle({"amount": 3}), review.handle({"amount": 20_000})) == (None, To("review"))
    own = config.routes["orders"].channels["review"]
    assert (own.handlers, own.timeout_s, own.retry.attempts, own.retry.first_s) == (2, 600, 3, 60)
    assert own.retry.max_s == config.routes["orders"].retry.max_s
    review.review({"amount": 20_000}, Message(topic="orders", offset=7, route="orders", channel="review"))
    assert capsys.readouterr().out == "review orders:0:7 orders review\n"


@pytest.mark.parametrize("part", blocks("toml")[1:])
def test_each_part_of_a_config_loads_behind_the_first_one(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBIT_PASSWORD", "hunter2")
    config = loaded(tmp_path, f"{without_table(whole('toml'), part)}\n{part}")
    for route in config.routes.values():
        assert rejections(route.kafka) == []


def test_the_defaults_that_are_shown_are_the_defaults(tmp_path: Path) -> None:
    plain = loaded(tmp_path, whole("toml")).routes["orders"]
    shown = loaded(
        tmp_path,
        "\n".join(block for block in blocks("toml") if "refunds" not in block and "amqps" not in block),
    )
    assert shown.routes["orders"].retry == plain.retry
    assert shown.routes["orders"].flood == plain.flood


def test_every_command_is_one_that_exists() -> None:
    lines = list(commands())
    said = [line for line in lines if line.startswith("ringmain ")]
    assert len(said) >= 6
    for line in said:
        parse(root, shlex.split(line)[1:])
    for line in lines:
        if not line.startswith("ringmain "):
            assert line in KNOWN_LINES, line


KNOWN_LINES = {
    "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/ringmain demo --messages 20000":
        "what test_demo runs, in an environment of its own",
    ".venv/bin/pip install '.[dev]'": "what tests/run has done",
    "tests/run": "what runs this",
    "python bench/drain.py": "too long for a test",
    "python bench/queues.py": "too long for a test",
    "python bench/admin.py": "too long for a test",
    "python bench/reload.py": "too long for a test",
    "python bench/formats.py": "a measurement",
    "python bench/ring.py": "a measurement",
}  # fmt: skip


def parse(command: click.Command, arguments: list[str]) -> None:
    """Down to the command that would be called; nothing is called."""
    if isinstance(command, click.Group):
        name, *rest = arguments
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"no command {name}"
        parse(found, rest)
    else:
        command.make_context(command.name, list(arguments))


def test_every_test_that_is_named_is_there() -> None:
    named = [(text, place) for text, place in LINK.findall(TEXT) if place.startswith("tests/")]
    assert len(named) > 50
    for text, place in named:
        if place.endswith(".py") and not text.endswith(".py"):
            assert f"def test_{'_'.join(text.split())}(" in (CHECKOUT / place).read_text(), f"{place}: {text}"


def test_every_link_leads_somewhere() -> None:
    for text, place in LINK.findall(TEXT):
        assert place.startswith("https://") or (CHECKOUT / place).exists(), f"[{text}]({place})"


def test_every_section_that_is_linked_is_there() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    linked = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert linked <= anchors
    assert anchors - {"decisions-and-reasons"} <= linked


def test_the_tables_of_addresses_and_metrics_are_those_of_the_code() -> None:
    for table in (tables.admin_addresses(), tables.metrics()):
        assert table in TEXT, "run: python tests/unit/readme/tables.py"


def test_the_table_of_what_a_reload_does_is_that_of_the_code() -> None:
    assert tables.effects.as_markdown() in TEXT, "run: python tests/unit/readme/tables.py"


def test_the_tables_of_kafka_properties_are_those_of_the_code() -> None:
    for table in (tables.kafka_properties(), tables.producer_tables()):
        assert table in TEXT, "run: python tests/unit/readme/tables.py"


def test_every_line_of_the_log_that_is_explained_is_written_somewhere() -> None:
    section = TEXT.partition("| line | it means |")[2].partition("\n\n")[0]
    rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
    sources = "".join(path.read_text() for path in (CHECKOUT / "daemon").rglob("*.py"))
    sentences = [
        one
        for row in rows
        for one in re.findall(
            r"`([a-z][\w: ,']+)`",
            row[0].partition(", ")[0] if "cause" in row[0] or "state" in row[0] else row[0],
        )
    ]
    assert len(sentences) > 25
    for sentence in sentences:
        assert f'"{sentence}' in sources, sentence


def test_the_map_names_every_room() -> None:
    rooms = {path.parent.name for path in (CHECKOUT / "daemon/ringmain").glob("*/__init__.py")}
    for room in rooms:
        assert f"| `{room}/`" in TEXT, room


NOT_FOR_AUTHORS = ("check", "problems", "handler_of", "unhandled")


def test_every_word_for_an_app_is_in_the_readme() -> None:
    for name, _ in inspect.getmembers(App, callable):
        if not name.startswith("_") and name not in NOT_FOR_AUTHORS:
            assert any(word in TEXT for word in (f"`{name}`", f"`app.{name}`", f"@app.{name}")), name
