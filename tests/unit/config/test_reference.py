"""The reference says what the schema says, and a shown config hides what is secret."""

import re
from pathlib import Path

import pytest
from smallest_config import SMALLEST, Read

from ringmain.config.keys import keys_of
from ringmain.config.reference import BEGIN, END, as_markdown, as_table, rows
from ringmain.config.render import render
from ringmain.config.report import is_secret
from ringmain.config.schema import Config

README = Path(__file__).parents[3] / "README.md"


def test_every_key_has_a_meaning_and_a_default_or_is_required() -> None:
    assert all(row.meaning and row.type for row in rows())
    assert [row.key for row in rows() if row.default == "required"] == [
        "app", "name", "queues.backend", "routes.R.topics", "routes.R.order", "http.bind",
    ]  # fmt: skip


def test_defaults_are_shown_as_a_file_would_spell_them() -> None:
    default = {row.key: row.default for row in rows()}
    assert default["ring.bytes"] == '"16MiB"'
    assert default["routes.R.timeout_s"] == "30"
    assert default["routes.R.consumers"] == '"per-partition"'
    assert default["routes.R.format"] == '"json"'
    assert default["routes.R.max_rss_bytes"] == "off"


def test_derived_fields_are_no_keys() -> None:
    assert {"path", "folder"}.isdisjoint(keys_of(Config))


def test_the_table_lines_up() -> None:
    lines = as_table().splitlines()
    column = lines[0].index("MEANING")
    assert len({line[column - 2 : column] for line in lines}) == 1


def test_readme_has_the_reference_of_this_schema() -> None:
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    copy = re.search(rf"{re.escape(BEGIN)}\s*(.*?)\s*{re.escape(END)}", text, re.DOTALL)
    if copy is None or not copy[1]:
        pytest.skip("README has no copy yet")
    assert f"{BEGIN}\n{copy[1]}\n{END}" == as_markdown(), "run: ringmain settings --markdown"


def test_secrets_are_masked_where_a_config_is_shown(read: Read) -> None:
    text = SMALLEST.replace("[queues]", 'sasl.password = "hunter2"\nsasl.username = "me"\n[queues]')
    shown = render(read(text=text))
    assert shown["kafka"]["sasl.password"] == "***"
    assert shown["routes"]["orders"]["kafka"]["sasl.password"] == "***"
    assert shown["kafka"]["sasl.username"] == "me"
    assert "hunter2" not in str(shown)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("queues.password", True),
        ("admin.read_token", True),
        ("kafka.ssl.key.password", True),
        ("kafka.ssl.key.pem", True),
        ("kafka.sasl.oauthbearer.client.secret", True),
        ("schema_registry.basic.auth.user.info", True),
        ("kafka.ssl.key.location", False),
        ("kafka.sasl.oauthbearer.token.endpoint.url", False),
        ("routes.token-refresh.topics", False),
        ("routes.password.channels.secret.handlers", False),
        ("routes.x.kafka.sasl.password", True),
    ],
)
def test_which_keys_are_secret(path: str, secret: bool) -> None:
    assert is_secret(path) is secret
