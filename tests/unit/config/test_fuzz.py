"""Whatever a file holds, it is a Config or a ConfigError that says what is wrong and where; nothing else.

Hypothesis prints the example and how to reproduce it.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from smallest_config import SMALLEST

from ringmain.config.keys import walk
from ringmain.config.lines import lines_of
from ringmain.config.load import from_tree, load, load_without_environment, loads
from ringmain.config.schema import Config
from ringmain.errors import ConfigError

KNOWN = sorted({path.rpartition(".")[2] for path, _ in walk()})
KEYS = st.sampled_from([*KNOWN, "orders", "dead", "R"]) | st.text(max_size=12)
REFERENCES = ["${X}", "${X:-8}", "${file:x}", "${"]
WORDS = st.sampled_from(
    [*REFERENCES, "sqlite", "none", "per-partition", "16MiB", "a:b", "^(", "amqp://u:p@h"]
)
LEAVES = (
    st.none().map(lambda _: False)
    | st.booleans()
    | st.integers()
    | st.integers(1, 100)
    | st.floats()
    | st.text(max_size=20)
    | WORDS
    | st.dates()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
PATHS = st.sampled_from([path for path, _ in walk()])

fuzz = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(reading: Any, *arguments: Any) -> Config | ConfigError:
    """What came of it, after a look at whether an error is one that a person can use."""
    try:
        found: Config | ConfigError = reading(*arguments)
    except ConfigError as error:
        found = error
    if isinstance(found, Config):
        return found
    assert found.problems
    for problem in found.problems:
        assert problem.where
        assert problem.message
        assert str(problem).isprintable()
    return found


@fuzz
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_tree(tree: dict[str, Any]) -> None:
    outcome(from_tree, tree)


@fuzz
@given(st.lists(st.tuples(PATHS, VALUES), min_size=1, max_size=4))
def test_a_good_tree_with_known_keys_set_to_anything(changes: list[tuple[str, Any]]) -> None:
    tree = tomllib.loads(SMALLEST)
    for path, value in changes:
        *tables, key = [{"R": "orders", "C": "slow", "P": "out"}.get(part, part) for part in path.split(".")]
        place = tree
        for table in tables:
            inner = place.get(table)
            place[table] = place = inner if isinstance(inner, dict) else {}
        place[key] = value
    outcome(from_tree, tree)


@fuzz
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    outcome(loads, text)


@fuzz
@given(
    st.integers(0, len(SMALLEST)), st.integers(0, 20), st.text(alphabet="[]{}.=\"'#\\\n ,abc1$", max_size=12)
)
def test_a_good_text_with_a_piece_replaced(at: int, length: int, piece: str) -> None:
    outcome(loads, SMALLEST[:at] + piece + SMALLEST[at + length :])


@fuzz
@given(PATHS | st.text(max_size=20), LEAVES.map(str) | st.text(max_size=20))
@example("kafka", "{}")
@example("routes", "{}")
@example('"', "1")
def test_any_override(path: str, value: str) -> None:
    outcome(loads, SMALLEST, [f"{path.replace('R', 'orders')}={value}"])


@pytest.mark.parametrize("reading", [load, load_without_environment])
@settings(fuzz, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=100))
def test_any_bytes(tmp_path: Path, reading: Any, content: bytes) -> None:
    file = tmp_path / "ringmain.toml"
    file.write_bytes(content)
    outcome(reading, file)


def spelled(value: Any) -> str:
    """A tree's value in TOML, strings in each of the ways TOML has."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {spelled(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[\n # [ { = ' \"\n" + "".join(f"{spelled(item)},\n" for item in value) + "]"
    if isinstance(value, str) and "\n" in value and "'" not in value:
        return f"'''\n{value}'''"
    return json.dumps(value)


PLAIN = st.text(alphabet="ab [=#{\"'\n.", max_size=8)
TREES = st.lists(
    st.tuples(
        st.text(alphabet="abc", min_size=1, max_size=3),
        st.recursive(PLAIN | st.integers(0, 9), lambda x: st.lists(x, max_size=3), max_leaves=5),
    ),
    max_size=6,
    unique_by=lambda pair: pair[0],
)


@fuzz
@given(TREES, st.lists(st.text(alphabet="xyz", min_size=1, max_size=2), max_size=2, unique=True))
def test_the_line_of_each_key_is_the_one_where_it_stands(
    pairs: list[tuple[str, Any]], tables: list[str]
) -> None:
    text, expected = "", {}
    for table in ["", *tables]:
        if table:
            expected[table] = [text.count("\n") + 1]
            text += f"[ {table} ]  # [not.this]\n"
        for key, value in pairs:
            expected[f"{table}.{key}" if table else key] = [text.count("\n") + 1]
            text += f"{key} = {spelled(value)} # = {key}\n"
    tomllib.loads(text)
    assert lines_of(text) == expected
