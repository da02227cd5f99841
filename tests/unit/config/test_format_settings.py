"""The settings of formats: any name may be a codec of the app's, the rest is checked here."""

from pathlib import Path

import pytest
from smallest_config import SMALLEST, Read, Refuse

from ringmain.config.load import load


def test_what_is_left_out_is_json_and_the_writers_own_schema(read: Read) -> None:
    route = read().routes["orders"]
    assert (route.format, route.key_format, route.schema, route.compressed) == ("json", None, None, False)
    assert route.schema_registry == {}


def test_a_format_may_be_a_codec_of_the_apps_own(read: Read) -> None:
    route = read(overrides=("routes.orders.format=csv", "routes.orders.key_format=integer")).routes["orders"]
    assert (route.format, route.key_format) == ("csv", "integer")


def test_the_schemas_file_is_beside_the_config(tmp_path: Path) -> None:
    path = tmp_path / "ringmain.toml"
    path.write_text(SMALLEST + 'format = "avro"\nschema = "order.avsc"\n')
    assert load(path).routes["orders"].schema == str(tmp_path / "order.avsc")


def test_a_routes_registry_is_over_that_of_all(read: Read) -> None:
    overrides = (
        "schema_registry.url=http://a",
        "schema_registry.timeout=5",
        "routes.orders.schema_registry.url=http://b",
    )
    config = read(overrides=overrides)
    assert config.schema_registry == {"url": "http://a", "timeout": "5"}
    assert config.routes["orders"].schema_registry == {"url": "http://b", "timeout": "5"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("routes.orders.format=My Format", 'a format such as "json" or "avro", or the name of a codec'),
        ("routes.orders.format=7", 'a format such as "json" or "avro", or the name of a codec'),
        ("routes.orders.compressed=yes", "expected true or false"),
        ("routes.orders.schema=order.avsc", "format json has no schema: remove it"),
        ("schema_registry.timeout=5", "is required: the registry's URL"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(refuse: Refuse, setting: str, said: str) -> None:
    [problem] = refuse(overrides=(setting,))
    assert said in problem
