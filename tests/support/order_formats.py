"""One order in each format: the schemas, a generated class, and bytes made by each format's own library."""

import json
from functools import cache
from io import BytesIO
from typing import Any

import msgspec

AVRO = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "customer", "type": "string"},
            {
                "name": "items",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Item",
                        "fields": [{"name": "name", "type": "string"}, {"name": "amount", "type": "double"}],
                    },
                },
            },
        ],
    }
)
JSON = json.dumps(
    {
        "type": "object",
        "required": ["id", "customer", "items"],
        "properties": {
            "id": {"type": "integer"},
            "customer": {"type": "string"},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"amount": {"type": "number"}}},
            },
        },
    }
)


class Item(msgspec.Struct):
    name: str
    amount: float


class Order(msgspec.Struct):
    id: int
    customer: str
    items: list[Item]


PLAIN: dict[str, Any] = {"id": 7, "customer": "ada", "items": [{"name": "tea", "amount": 2.5}]}
ORDER = Order(7, "ada", [Item("tea", 2.5)])


def avro_bytes(value: dict[str, Any], schema: str = AVRO) -> bytes:
    """By fastavro, without a frame."""
    import fastavro

    stream = BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(json.loads(schema)), value)
    return stream.getvalue()


@cache
def proto_file() -> Any:
    """shop.proto, as protoc would describe it: Other comes first, then Order with an Item inside."""
    from google.protobuf import descriptor_pb2

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    other = file.message_type.add(name="Other")
    other.field.add(name="note", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    order = file.message_type.add(name="Order")
    item = order.nested_type.add(name="Item")
    item.field.add(name="name", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    item.field.add(name="amount", number=2, type=field.TYPE_DOUBLE, label=field.LABEL_OPTIONAL)
    order.field.add(name="id", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    order.field.add(name="customer", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    items = order.field.add(name="items", number=3, type=field.TYPE_MESSAGE, label=field.LABEL_REPEATED)
    items.type_name = ".shop.Order.Item"
    return file


@cache
def _proto_pool() -> Any:
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto_file())
    return pool


@cache
def proto_class(name: str = "shop.Order") -> Any:
    """What protoc would have generated."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_proto_pool().FindMessageTypeByName(name))


def proto_order() -> Any:
    """The order as an object of its class."""
    kind = proto_class()
    order = kind(id=7, customer="ada")
    order.items.add(name="tea", amount=2.5)
    return order
