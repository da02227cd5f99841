"""Decoding beside its own library in a bare loop: nanoseconds a value, `python bench/formats.py [--quick]`.

Each line is one format: the same bytes through ringmain's decoder and through the library by hand, in
alternating rounds of this process's CPU time, medians. Of framed values the client of the registry is a
second reference. Every value is compared once before anything is timed, and nothing fails because of a time.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "daemon"), str(CHECKOUT / "tests")]

import msgspec  # noqa: E402
import work  # noqa: E402
from messages import message  # noqa: E402

from ringmain import formats  # noqa: E402
from ringmain.formats import Decode, Schema, Sources  # noqa: E402
from ringmain.formats.typed import NATIVE  # noqa: E402
from support.registry_server import framed  # noqa: E402

FLOOR = 1.1
SCHEMA_ID = 7
AVRO = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": name, "type": kind}
        for name, kind in {
            "id": "long", "customer": "string", "amount": "double", "currency": "string", "sent_ns": "long",
            "note": "string",
        }.items()
    ],
}  # fmt: skip
KINDS = {"long": "TYPE_INT64", "string": "TYPE_STRING", "double": "TYPE_DOUBLE"}


class Line(NamedTuple):
    """One comparison: the values, our decoder, the same by hand."""

    name: str
    values: Sequence[bytes]
    ours: Decode
    by_hand: Decode


class OneSchema:
    """A registry that has one schema: it is asked once."""

    def __init__(self, kind: str, text: str) -> None:
        self._schema = Schema(SCHEMA_ID, kind, text)

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        return self._schema

    def register(self, subject: str, kind: str, text: str) -> int:
        return SCHEMA_ID


def plain(number: int) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message(number))
    return found


def decoder(name: str, kind: Any, sources: Sources | None = None) -> Decode:
    found = formats.decoder(name, kind, sources or formats.Sources())
    assert found is not None
    return found


def avro_lines(many: int) -> Iterator[Line]:
    import fastavro

    text, schema = json.dumps(AVRO), fastavro.parse_schema(AVRO)
    read, streams = fastavro.schemaless_reader, [BytesIO() for _ in range(many)]
    for number, stream in enumerate(streams):
        fastavro.schemaless_writer(stream, schema, plain(number))
    bare = [stream.getvalue() for stream in streams]
    with_head = [framed(SCHEMA_ID, value) for value in bare]
    own, registry = Sources(schema=text), Sources(schemas=OneSchema("AVRO", text))

    def by_hand(value: bytes) -> object:
        return read(BytesIO(value), schema, None)

    def by_hand_framed(value: bytes) -> object:
        return read(BytesIO(value[5:]), schema, None)

    def by_hand_typed(value: bytes) -> object:
        return msgspec.convert(read(BytesIO(value[5:]), schema, None), work.Order, builtin_types=NATIVE)

    yield Line("avro, bare, dict", bare, decoder("avro", dict, own), by_hand)
    yield Line("avro, framed, dict", with_head, decoder("avro", dict, registry), by_hand_framed)
    yield Line("avro, framed, Struct", with_head, decoder("avro", work.Order, registry), by_hand_typed)
    if client := confluents_avro(text):
        yield Line("avro, framed, beside Confluent's", with_head, decoder("avro", dict, registry), client)


def confluents_avro(text: str) -> Decode | None:
    """Its deserializer over a registry that answers at once, from its own cache."""
    try:
        from confluent_kafka.schema_registry import Schema as Theirs
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer
    except ImportError:
        return None
    client = SchemaRegistryClient({"url": "http://127.0.0.1:1"})
    client._cache.set_schema(None, SCHEMA_ID, None, Theirs(text, "AVRO"))
    deserialize = AvroDeserializer(client)
    return lambda value: deserialize(value, None)


def protobuf_lines(many: int) -> Iterator[Line]:
    kind, file = generated()
    bare = [kind(**plain(number)).SerializeToString() for number in range(many)]
    with_head = [framed(SCHEMA_ID, b"\0" + value) for value in bare]
    from base64 import b64encode

    registry = Sources(schemas=OneSchema("PROTOBUF", b64encode(file).decode()))
    from_string = kind.FromString

    def by_hand_framed(value: bytes) -> object:
        return from_string(value[6:])

    yield Line("protobuf, bare", bare, decoder("protobuf", kind), from_string)
    yield Line("protobuf, framed", with_head, decoder("protobuf", kind, registry), by_hand_framed)


def generated() -> tuple[Any, bytes]:
    """The order's class, as protoc would have made it, and its file."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto3")
    order = file.message_type.add(name="Order")
    for number, one in enumerate(AVRO["fields"], 1):
        kind = getattr(field, KINDS[one["type"]])  # type: ignore[index]
        name: str = one["name"]  # type: ignore[index]
        order.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Order"))
    return made, file.SerializeToString()


def per_value_ns(decode: Decode, values: Sequence[bytes]) -> float:
    began_ns = time.process_time_ns()
    for value in values:
        decode(value)
    return (time.process_time_ns() - began_ns) / len(values)


def compare(line: Line, rounds: int) -> tuple[float, float]:
    """Ours and the reference, alternating."""
    for value in line.values[:100]:
        if line.ours(value) != line.by_hand(value):
            sys.exit(f"{line.name}: the two do not decode the same")
    taken: list[tuple[float, float]] = [
        (per_value_ns(line.ours, line.values), per_value_ns(line.by_hand, line.values)) for _ in range(rounds)
    ]
    return statistics.median(one for one, _ in taken), statistics.median(one for _, one in taken)


def main() -> None:
    parser = argparse.ArgumentParser(description="decoding beside its library, ns a value")
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement")
    many, rounds = (2_000, 5) if parser.parse_args().quick else (10_000, 41)
    makers: list[Callable[[int], Iterator[Line]]] = [avro_lines, protobuf_lines]
    for maker in makers:
        try:
            lines = list(maker(many))
        except ImportError as missing:
            print(f"left out: {missing}")
            continue
        for line in lines:
            ours, reference = compare(line, rounds)
            goal = f"(floor {FLOOR})" if "Confluent" not in line.name else ""
            print(f"{line.name:36} {ours:8.1f} ns  {ours / reference:5.2f} x by hand {goal}")


if __name__ == "__main__":
    main()
