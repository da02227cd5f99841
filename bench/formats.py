"""Decoding beside its own library in a bare loop: nanoseconds a value, `python bench/formats.py [--quick]`.

Each line is one format: the same bytes through ringmain's decoder and through the library by hand, in
alternating rounds of this process's CPU time, medians. By hand is the shortest that reads these very bytes,
written out in its loop without a function around it. Of framed values it cuts the head off unseen, as a loop
may that knows its topic; ringmain looks at each which schema and which message it says. The deserializer of
the registry's own client, which looks as well, is a second reference. Some values of each line are compared
before anything is timed, and nothing fails because of a time.
"""

import argparse
import json
import statistics
import sys
import time
from base64 import b64encode
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

Loop = Callable[[Sequence[bytes]], None]
FLOOR = 1.1
SCHEMA_ID = 7
BESIDE = "beside Confluent's"
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
    by_hand: "Written"


class Written(NamedTuple):
    """How values are decoded: one of them, and all in a loop."""

    decode: Decode
    loop: Loop


def written_out(expression: str, **names: Any) -> Written:
    """The expression of a `value`, in a loop with nothing around it, as timeit would have it."""
    locals_of_loop = "".join(f", {name}={name}" for name in names)
    text = f"def loop(values{locals_of_loop}):\n    for value in values:\n        {expression}\n"
    exec(text, names)
    return Written(eval(f"lambda value: {expression}", names), names["loop"])


class OneSchema:
    """A registry that has one schema, whatever its id, and is asked once for each."""

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
    streams = [BytesIO() for _ in range(many)]
    for number, stream in enumerate(streams):
        fastavro.schemaless_writer(stream, schema, plain(number))
    bare = [stream.getvalue() for stream in streams]
    with_head = [framed(SCHEMA_ID, value) for value in bare]
    own, registry = Sources(schema=text), Sources(schemas=OneSchema("AVRO", text))
    names = {"read": fastavro.schemaless_reader, "BytesIO": BytesIO, "schema": schema}
    framed_by_hand = written_out("read(BytesIO(value[5:]), schema, None)", **names)
    typed_by_hand = written_out(
        "convert(read(BytesIO(value[5:]), schema, None), Order, builtin_types=native)",
        **names, convert=msgspec.convert, Order=work.Order, native=NATIVE,
    )  # fmt: skip
    bare_by_hand = written_out("read(BytesIO(value), schema, None)", **names)

    yield Line("avro, bare, dict", bare, decoder("avro", dict, own), bare_by_hand)
    yield Line("avro, framed, dict", with_head, decoder("avro", dict, registry), framed_by_hand)
    yield Line("avro, framed, Struct", with_head, decoder("avro", work.Order, registry), typed_by_hand)
    if theirs := confluents_avro(text):
        yield Line(f"avro, framed, {BESIDE}", with_head, decoder("avro", dict, registry), theirs)


def confluents_avro(text: str) -> Written | None:
    try:
        from confluent_kafka.schema_registry.avro import AvroDeserializer
    except ImportError:
        return None
    deserialize = AvroDeserializer(confluents_client("AVRO", text))
    return written_out("deserialize(value, None)", deserialize=deserialize)


def confluents_client(kind: str, text: str) -> Any:
    """Of a registry that answers at once, from its own cache."""
    from confluent_kafka.schema_registry import Schema as Theirs
    from confluent_kafka.schema_registry import SchemaRegistryClient

    client = SchemaRegistryClient({"url": "http://127.0.0.1:1"})
    client._cache.set_schema(None, SCHEMA_ID, None, Theirs(text, kind))
    return client


def protobuf_lines(many: int) -> Iterator[Line]:
    kind, file = generated()
    bare = [kind(**plain(number)).SerializeToString() for number in range(many)]
    with_head = [framed(SCHEMA_ID, b"\0" + value) for value in bare]
    with_heads = [framed(SCHEMA_ID + number % 2, b"\0" + value) for number, value in enumerate(bare)]
    text = b64encode(file).decode()
    ours = decoder("protobuf", kind, Sources(schemas=OneSchema("PROTOBUF", text)))
    from_string = kind.FromString
    cut_by_hand = written_out("from_string(value[6:])", from_string=from_string)

    bare_by_hand = written_out("from_string(value)", from_string=from_string)
    yield Line("protobuf, bare", bare, decoder("protobuf", kind), bare_by_hand)
    yield Line("protobuf, framed", with_head, ours, cut_by_hand)
    yield Line("protobuf, framed, two schemas in turn", with_heads, ours, cut_by_hand)
    if theirs := confluents_protobuf(kind, text):
        yield Line(f"protobuf, framed, {BESIDE}", with_head, ours, theirs)


def confluents_protobuf(kind: Any, text: str) -> Written | None:
    try:
        from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
    except ImportError:  # it needs more than its client: googleapis-common-protos
        return None
    deserialize = ProtobufDeserializer(kind, {}, confluents_client("PROTOBUF", text))
    return written_out("deserialize(value, None)", deserialize=deserialize)


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


def per_value_ns(loop: Loop, values: Sequence[bytes]) -> float:
    began_ns = time.process_time_ns()
    loop(values)
    return (time.process_time_ns() - began_ns) / len(values)


def compare(line: Line, rounds: int) -> tuple[float, float]:
    """Ours in nanoseconds a value, and its ratio to the reference."""
    for value in line.values[:100]:
        if line.ours(value) != line.by_hand.decode(value):
            sys.exit(f"{line.name}: the two do not decode the same")
    ours, theirs = written_out("decode(value)", decode=line.ours).loop, line.by_hand.loop
    taken: list[tuple[float, float]] = [
        (per_value_ns(ours, line.values), per_value_ns(theirs, line.values)) for _ in range(rounds)
    ]
    # The two of a round are neighbours in time: what slows the machine down slows both.
    return statistics.median(one for one, _ in taken), statistics.median(one / other for one, other in taken)


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
            ours_ns, ratio = compare(line, rounds)
            goal = f"(floor {FLOOR})" if BESIDE not in line.name else ""
            print(f"{line.name:38} {ours_ns:8.1f} ns  {ratio:5.2f} x by hand {goal}")


if __name__ == "__main__":
    main()
