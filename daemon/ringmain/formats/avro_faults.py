"""Which field of an Avro value cannot be read, told once the whole could not be.

The decoder enters with bytes that failed. Fields are read one by one in the writer's order; the first that
fails is gone into. Nothing here is fast, and nothing fails: without a better answer it is the whole value.
"""

from io import BytesIO
from typing import Any

import fastavro

Named = dict[str, Any]


def explain(writer: Any, reader: Any, data: bytes, error: BaseException) -> str:
    """`$.items[2].amount: …`, or what is said of the whole."""
    try:
        fault = _Walk(BytesIO(data), dict(_named(writer))).fault(writer, "$")
    except Exception as broken:  # a schema of a shape that nobody knows
        return f"$: {_words(error)} ({_words(broken)})"
    if fault:
        return fault
    where = _misfit(writer, reader, "$") if reader is not None else ""
    return where or f"$: {_words(error)}"


def _words(error: BaseException) -> str:
    kind = type(error).__name__
    if isinstance(error, EOFError):
        return "the value ends in the middle"
    return f"{error}" if str(error) and not isinstance(error, KeyError | IndexError) else kind


def _named(schema: Any) -> Named:
    known: Named = {}
    if isinstance(schema, dict):
        known.update(schema.get("__named_schemas", {}))
    return known


class _Walk:
    """One look through one value."""

    def __init__(self, stream: BytesIO, named: Named) -> None:
        self._stream, self._named = stream, named

    def fault(self, schema: Any, path: str) -> str:
        """The path and the reason of what cannot be read here; "" = it was read."""
        begin = self._stream.tell()
        try:
            self._read(schema)
            return ""
        except Exception as error:
            self._stream.seek(begin)
            return self._inside(schema, path) or f"{path}: {_words(error)}"

    def _read(self, schema: Any) -> Any:
        return fastavro.schemaless_reader(self._stream, self._parsed(schema), None)

    def _parsed(self, schema: Any) -> Any:
        """A part of a parsed schema is parsed itself; what it names is among the names of the whole."""
        if isinstance(schema, list):
            return [self._parsed(one) for one in schema]
        if isinstance(schema, str):
            schema = self._named.get(schema, schema)
        if isinstance(schema, dict):
            return schema | {"__fastavro_parsed__": True, "__named_schemas": self._named}
        return schema

    def _inside(self, schema: Any, path: str) -> str:
        if isinstance(schema, str):
            schema = self._named.get(schema, schema)
        if isinstance(schema, list):
            return self._branch(schema, path)
        kind = schema.get("type") if isinstance(schema, dict) else schema
        if kind in ("record", "error"):
            fields = (self.fault(one["type"], f"{path}.{one['name']}") for one in schema["fields"])
            return next(filter(None, fields), "")
        if kind == "array":
            return self._items(schema["items"], path, mapped=False)
        if kind == "map":
            return self._items(schema["values"], path, mapped=True)
        return self._inside(kind, path) if isinstance(kind, dict | list) else ""

    def _branch(self, branches: list[Any], path: str) -> str:
        number = self._read("long")
        if not 0 <= number < len(branches):
            return f"{path}: there is no branch {number} in its union of {len(branches)}"
        return self.fault(branches[number], path)

    def _items(self, schema: Any, path: str, mapped: bool) -> str:
        number = 0
        while count := self._read("long"):
            if count < 0:
                self._read("long")  # the block's size in bytes
            for _ in range(abs(count)):
                inner = f"{path}[{number}]"
                if mapped:
                    inner = f"{path}.{self._read('string')}"
                if fault := self.fault(schema, inner):
                    return fault
                number += 1
        return ""


def _misfit(writer: Any, reader: Any, path: str) -> str:
    """Where the reader's schema does not go with the writer's: a field is missing, or of another type."""
    if not (isinstance(writer, dict) and isinstance(reader, dict)) or "fields" not in reader:
        return ""
    written = {one["name"]: one["type"] for one in writer.get("fields", ())}
    for one in reader["fields"]:
        names = [one["name"], *one.get("aliases", ())]
        found = next((written[name] for name in names if name in written), None)
        here = f"{path}.{one['name']}"
        if found is None and "default" not in one:
            return f"{here}: the schema it was written with does not have it, and it has no default"
        if found is not None and (fault := _other_type(found, one["type"], here)):
            return fault
    return ""


_WIDER = {
    "int": {"int", "long", "float", "double"},
    "long": {"long", "float", "double"},
    "float": {"float", "double"},
    "string": {"string", "bytes"},
    "bytes": {"bytes", "string"},
}


def _other_type(written: Any, wanted: Any, path: str) -> str:
    if isinstance(written, str) and isinstance(wanted, str):
        fits = wanted in _WIDER.get(written, {written})
        return "" if fits else f"{path}: it was written as {written}, and is read as {wanted}"
    return _misfit(written, wanted, path)
