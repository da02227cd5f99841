"""The registry's client against HTTP on a socket: what it says is obeyed, what it does not is waited for."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from ringmain import formats
from ringmain.errors import AppError, SchemaRefused, Undecodable
from ringmain.formats import Decode, Sources
from ringmain.kafka import registry as registries
from ringmain.kafka.registry import Registry
from ringmain.outcome import Pause
from support import order_formats as orders
from support.registry_server import RegistryServer, framed, in_base64, running

pytest.importorskip("fastavro")
pytest.importorskip("authlib")
VALUE = orders.avro_bytes(orders.PLAIN)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with running() as found:
        yield found


@pytest.fixture
def sources(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """A registry that is asked again at once, where production waits."""
    monkeypatch.setattr(registries, "WAIT_S", 0.0)
    return Sources(schemas=Registry({"url": server.url}, 30.0))


def decoder(sources: Sources, name: str = "avro", kind: object = dict) -> Decode:
    found = formats.decoder(name, kind, sources)
    assert found is not None
    return found


def test_each_kind_of_schema_is_fetched_once(server: RegistryServer, sources: Sources) -> None:
    pytest.importorskip("google.protobuf")
    avro = server.register("a-value", "AVRO", orders.AVRO)
    json = server.register("j-value", "JSON", orders.JSON)
    proto = server.register("p-value", "PROTOBUF", in_base64(orders.proto_file().SerializeToString()))
    read_avro, read_json = decoder(sources, "avro", orders.Order), decoder(sources, "json-schema")
    read_proto = decoder(sources, "protobuf", orders.proto_class())
    encoded = formats.encoder("json")(orders.PLAIN, "t")
    for _ in range(3):
        assert read_avro(framed(avro, VALUE)) == orders.ORDER
        assert read_json(framed(json, encoded)) == orders.PLAIN
        payload = b"\x02\x02" + orders.proto_order().SerializeToString()
        assert read_proto(framed(proto, payload)) == orders.proto_order()
    assert len(server.asked) == 3


def test_an_id_that_is_not_there_is_said_and_asked_for_once(server: RegistryServer, sources: Sources) -> None:
    read = decoder(sources)
    for _ in range(5):
        with pytest.raises(Undecodable, match=f"{server.url[7:]} has no schema 12"):
            read(framed(12, VALUE))
    assert len(server.asked) == 1


def test_a_schema_of_another_kind_is_said(server: RegistryServer, sources: Sources) -> None:
    found = server.register("x-value", "JSON", orders.JSON)
    with pytest.raises(Undecodable, match=f"schema {found} is of type JSON, .* needs AVRO"):
        decoder(sources)(framed(found, VALUE))


def test_a_reader_that_does_not_go_with_the_writer_is_said_by_field(
    server: RegistryServer, sources: Sources
) -> None:
    found = server.register("x-value", "AVRO", orders.AVRO)
    own = orders.AVRO.replace('"customer"', '"client"')
    with pytest.raises(Undecodable, match=r"\$\.client: .* no default"):
        decoder(Sources(schema=own, schemas=sources.schemas))(framed(found, VALUE))


def test_while_the_registry_is_away_a_message_waits_and_then_is_read(
    server: RegistryServer, sources: Sources
) -> None:
    found, read = server.register("x-value", "AVRO", orders.AVRO), decoder(sources)
    server.stop()
    with pytest.raises(Pause, match=f"the schema registry at {server.url[7:]} is away"):
        read(framed(found, VALUE))
    server.start()
    assert read(framed(found, VALUE)) == orders.PLAIN
    server.stop()
    assert read(framed(found, VALUE)) == orders.PLAIN  # what it said once is known


def test_one_asks_and_the_others_hear_what_it_heard(server: RegistryServer) -> None:
    read = decoder(Sources(schemas=Registry({"url": server.url}, 30.0)))
    server.says = (503, b"")
    for number in range(20):
        with pytest.raises(Pause, match="is away: HTTP 503") as waits:
            read(framed(number, VALUE))
        assert 0 < waits.value.for_s <= registries.WAIT_S
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>sign in</html>"), "answers rubbish"),
        ((200, b"{}"), "answers rubbish: its schema 1 has no text"),
        ((200, b"[]"), "answers rubbish"),
        ((200, b""), "answers rubbish"),
        ((200, b'{"schema": 7}'), "answers rubbish"),
        ((200, b'{"schema": "{nonsense"}'), "which is no AVRO"),
        ((404, b"<html>not here</html>"), "answers rubbish: HTTP 404"),
        ((404, b'{"error_code":404,"message":"HTTP 404 Not Found"}'), "answers rubbish: HTTP 404"),
        ((401, b'{"error_code":401,"message":"no"}'), r"refuses us with HTTP 401, 'no': see .*basic\.auth"),
        ((500, b"oops"), "is away: HTTP 500"),
        ((302, b""), "answers rubbish: HTTP 302"),
        ((422, b'{"error_code":42201,"message":"odd"}'), "answers rubbish: HTTP 422"),
        ((409, b'{"error_code":409,"message":"odd"}'), "answers rubbish: HTTP 409"),
        ((404, b"[]"), "answers rubbish: HTTP 404"),
        ((200, b'{"schema": "\\"string\\"", "references": "rubbish"}'), "answers rubbish"),
        ((200, b'{"schema": "\\"string\\"", "schemaType": 7}'), "answers rubbish"),
    ],
)
def test_an_answer_that_says_nothing_of_the_message_lets_it_wait(
    server: RegistryServer, sources: Sources, answer: tuple[int, bytes], said: str
) -> None:
    found, read = server.register("x-value", "AVRO", orders.AVRO), decoder(sources)
    server.says = answer
    with pytest.raises(Pause, match=said):
        read(framed(found, VALUE))
    server.says = None
    assert read(framed(found, VALUE)) == orders.PLAIN


def test_a_registry_that_says_nothing_is_waited_for_only_so_long(server: RegistryServer) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:  # it takes connections and never answers
        port = silent.getsockname()[1]
        url = f"http://127.0.0.1:{port},http://127.0.0.1:{port}"
        read, begun_s = decoder(Sources(schemas=Registry({"url": url}, 2.0))), time.monotonic()
        with pytest.raises(Pause, match="is away"):
            read(framed(1, VALUE))
        assert time.monotonic() - begun_s < 1.0  # half of what a call may take


def test_numbers_that_somebody_makes_up_do_not_fill_the_memory(
    server: RegistryServer, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "MOST_UNKNOWN", 10)
    read = decoder(sources)
    for number in range(100, 125):
        with pytest.raises(Undecodable, match=f"has no schema {number}"):
            read(framed(number, VALUE))
    assert isinstance(sources.schemas, Registry)
    assert len(sources.schemas._unknown) <= 10


def test_references_are_fetched_with_what_they_need(server: RegistryServer, sources: Sources) -> None:
    server.register("unit", "AVRO", '{"type":"enum","name":"shop.Unit","symbols":["kg"]}')
    unit = {"name": "shop.Unit", "subject": "unit", "version": 1}
    item = '{"type":"record","name":"shop.Item","fields":[{"name":"unit","type":"shop.Unit"}]}'
    server.register("item", "AVRO", item, [unit])
    cart = '{"type":"record","name":"shop.Cart","fields":[{"name":"first","type":"shop.Item"}]}'
    found = server.register("cart", "AVRO", cart, [{"name": "shop.Item", "subject": "item", "version": 1}])
    assert decoder(sources)(framed(found, b"\0")) == {"first": {"unit": "kg"}}


def test_what_two_references_need_is_read_once(server: RegistryServer, sources: Sources) -> None:
    server.register("unit", "AVRO", '{"type":"enum","name":"shop.Unit","symbols":["kg"]}')
    unit = {"name": "shop.Unit", "subject": "unit", "version": 1}
    both = []
    for name in ("Item", "Box"):
        fields = '[{"name":"unit","type":"shop.Unit"}]'
        server.register(name, "AVRO", f'{{"type":"record","name":"shop.{name}","fields":{fields}}}', [unit])
        both.append({"name": f"shop.{name}", "subject": name, "version": 1})
    cart = (
        '{"type":"record","name":"shop.Cart","fields":'
        '[{"name":"item","type":"shop.Item"},{"name":"box","type":"shop.Box"}]}'
    )
    found = server.register("cart", "AVRO", cart, both)
    assert decoder(sources)(framed(found, b"\0\0")) == {"item": {"unit": "kg"}, "box": {"unit": "kg"}}
    assert len(server.asked) == 4


def test_a_reference_that_is_not_there_or_refers_to_itself_is_the_registrys_fault(
    server: RegistryServer, sources: Sources
) -> None:
    read, item = decoder(sources), {"name": "shop.Item", "subject": "item", "version": 1}
    found = server.register("cart", "AVRO", '"shop.Item"', [item])
    with pytest.raises(Pause, match="answers rubbish: it has no item 1"):
        read(framed(found, b"\0"))
    server.register("item", "AVRO", '"shop.Item"', [item])
    with pytest.raises(Pause, match=r"answers rubbish: shop\.Item refers to itself"):
        read(framed(found, b"\0"))


def test_what_is_sent_is_registered_under_its_topic_once(server: RegistryServer, sources: Sources) -> None:
    encode = formats.encoder("avro", Sources(schema=orders.AVRO, schemas=sources.schemas))
    sent = [encode(orders.ORDER, "orders") for _ in range(3)]
    assert server.subjects == {"orders-value": [1]}
    assert sent == [framed(1, VALUE)] * 3
    assert [one.split("?")[0] for one in server.asked] == [
        "POST /subjects/orders-value",
        "POST /subjects/orders-value/versions",
    ]


def test_who_may_only_read_the_registry_sends_what_is_registered(
    server: RegistryServer, sources: Sources
) -> None:
    server.takes_no_new_ones = True
    encode = formats.encoder("avro", Sources(schema=orders.AVRO, schemas=sources.schemas))
    with pytest.raises(Pause, match="refuses us with HTTP 403, 'User is denied operation Write': see"):
        encode(orders.ORDER, "orders")
    found = server.register("orders-value", "AVRO", orders.AVRO)
    assert encode(orders.ORDER, "orders") == framed(found, VALUE)


def test_a_schema_that_the_registry_does_not_take_is_said(server: RegistryServer, sources: Sources) -> None:
    encode = formats.encoder("avro", Sources(schema=orders.AVRO, schemas=sources.schemas))
    server.says = (409, b'{"error_code":409,"message":"incompatible with an earlier schema"}')
    with pytest.raises(SchemaRefused, match="orders-value is refused by the registry: incompatible"):
        encode(orders.ORDER, "orders")


def test_no_password_is_in_what_is_said(server: RegistryServer) -> None:
    url = server.url.replace("//", "//someone:secret@")
    read = decoder(Sources(schemas=Registry({"url": url}, 30.0)))
    server.stop()
    with pytest.raises(Pause) as waits:
        read(framed(1, VALUE))
    assert "secret" not in waits.value.reason


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"url": "ftp://x"}, "Invalid url"),
        ({"url": "http://x", "time.out": "5"}, "Unrecognized properties: time.out"),
        ({"url": "http://x", "timeout": "soon"}, r"schema_registry\.timeout: expected a number"),
        ({"url": "https://x", "ssl.ca.location": "/nowhere.pem"}, "schema_registry: "),
    ],
)
def test_properties_that_the_client_does_not_take_are_refused(properties: dict[str, str], said: str) -> None:
    def config(value: str, key: str | None = None, sent: str = "json") -> Any:
        own = SimpleNamespace(format=value, key_format=key, schema_registry=properties, producer=None)
        out = SimpleNamespace(format=sent)
        return SimpleNamespace(routes={"r": own}, producers={"p": out}, schema_registry=properties)

    for needed in (config("avro"), config("json", "avro"), config("json", None, "json-schema")):
        with pytest.raises(AppError, match=said):
            registries.check(needed)
    registries.check(config("json"))


def test_confluents_own_serializers_and_ours_read_each_other(
    server: RegistryServer, sources: Sources
) -> None:
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    context = SerializationContext("orders", MessageField.VALUE)
    client = SchemaRegistryClient({"url": server.url})
    theirs = AvroSerializer(client, orders.AVRO)(orders.PLAIN, context)
    assert decoder(sources, "avro", orders.Order)(theirs) == orders.ORDER
    own = Sources(schema=orders.AVRO, schemas=sources.schemas)
    ours = formats.encoder("avro", own)(orders.ORDER, "orders")
    assert AvroDeserializer(client)(ours, context) == orders.PLAIN
