"""JSON with a schema: the schema judges, then the value becomes the handler's type."""

import msgspec
import pytest

from ringmain import formats
from ringmain.errors import AppError, Undecodable
from ringmain.formats import Schema, Sources
from ringmain.outcome import Pause
from support import order_formats as orders
from support.registry_server import framed

pytest.importorskip("jsonschema_rs")
VALUE = msgspec.json.encode(orders.PLAIN)


class Known:
    """A registry with one schema."""

    def __init__(self, text: str = orders.JSON, *references: tuple[str, str]) -> None:
        self.text, self.references = text, references

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        return Schema(schema_id, "JSON", self.text, self.references)

    def register(self, subject: str, kind: str, text: str) -> int:
        return 5


def decode(value: bytes, sources: Sources, kind: object = orders.Order) -> object:
    found = formats.decoder("json-schema", kind, sources)
    assert found is not None
    return found(value)


def test_a_value_is_judged_and_becomes_the_handlers_type() -> None:
    assert decode(VALUE, Sources(schema=orders.JSON)) == orders.ORDER
    assert decode(framed(1, VALUE), Sources(schemas=Known())) == orders.ORDER
    assert decode(framed(1, VALUE), Sources(schemas=Known()), dict) == orders.PLAIN


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b'{"id":7,"customer":"ada","items":[{"amount":1},{"amount":"x"}]}', r"\$\.items\[1\]\.amount: "),
        (b'{"id":7,"customer":"ada"}', r"\$: .*items"),
    ],
)
def test_the_bad_field_is_named_by_its_path(value: bytes, said: str) -> None:
    for sources in (Sources(schema=orders.JSON), Sources(schemas=Known())):
        with pytest.raises(Undecodable, match=said):
            decode(value if sources.schema else framed(1, value), sources)


def test_the_routes_own_schema_judges_before_the_writers() -> None:
    sources = Sources(schema='{"required":["currency"]}', schemas=Known())
    with pytest.raises(Undecodable, match="currency"):
        decode(framed(1, VALUE), sources)


@pytest.mark.parametrize(
    ("value", "said"), [(b"nothing", "malformed"), (b"{", "truncated"), (b"", "truncated")]
)
def test_what_is_no_json_at_all_is_said(value: bytes, said: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=said):
        decode(value, Sources(schema=orders.JSON))


def test_a_schema_refers_to_what_the_registry_brings_and_to_nothing_else() -> None:
    text = '{"properties":{"items":{"items":{"$ref":"item.json"}}}}'
    known = Known(text, ("item.json", '{"required":["weight"]}'))
    with pytest.raises(Undecodable, match=r"\$\.items\[0\]: .*weight"):
        decode(framed(1, VALUE), Sources(schemas=known))
    with pytest.raises(Pause, match="which is no JSON"):
        decode(framed(1, VALUE), Sources(schemas=Known(text)))


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(AppError, match="no JSON Schema"):
        formats.decoder("json-schema", dict, Sources(schema='{"type": 7}'))
    with pytest.raises(AppError, match="needs the file of its schema"):
        formats.decoder("json-schema", dict)


def test_a_producer_sends_only_what_its_schema_takes() -> None:
    encode = formats.encoder("json-schema", Sources(schema=orders.JSON, schemas=Known()))
    assert decode(encode(orders.ORDER, "orders"), Sources(schemas=Known())) == orders.ORDER
    assert encode(orders.ORDER, "orders")[:5] == b"\0\0\0\0\x05"
    with pytest.raises(Undecodable, match=r"\$\.id: "):
        encode(orders.PLAIN | {"id": "seven"}, "orders")
