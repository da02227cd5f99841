"""The schema as data: which keys a table has, and how each is described.

The loader, the reference and the hints enter. Nothing is read from a file here.
"""

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from ringmain.config.schema import Config, Table


class Key(msgspec.Struct, frozen=True):
    """One key of one table."""

    name: str
    type: Any  # without None and Annotated
    description: str
    reads: str
    default_text: str
    limits: dict[str, float]
    required: bool
    default: Any

    @property
    def table(self) -> type[Table] | None:
        """The table that this key holds, or None if it holds a value or many tables."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, Table) else None

    @property
    def entries(self) -> type[Table] | None:
        """The table of each entry, for a key that holds tables by name."""
        args = get_args(self.type)
        return args[1] if get_origin(self.type) is dict and args[1] is not str else None

    @property
    def words(self) -> tuple[str, ...]:
        """The words it may be, for a key with a closed vocabulary."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()


@cache
def keys_of(table: type[Table]) -> dict[str, Key]:
    """The keys that a file may set in `table`, by name, in the schema's order."""
    found = {field.name: _key(field) for field in msgspec.structs.fields(table)}
    return {name: key for name, key in found.items() if key.reads != "derived"}


def _key(field: msgspec.structs.FieldInfo) -> Key:
    kind, meta = get_args(field.type) if get_origin(field.type) is Annotated else (field.type, None)
    assert isinstance(meta, msgspec.Meta), field.name
    extra = meta.extra or {}
    choices = [arg for arg in get_args(kind) if arg is not type(None)]
    union = get_origin(kind) in (Union, types.UnionType)
    return Key(
        name=field.name,
        type=choices[0] if union else kind,
        description=meta.description or "",
        reads=extra["reads"],
        default_text=extra.get("default", ""),
        limits=extra.get("limits", {}),
        required=field.required,
        default=_default(field),
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def walk(table: type[Table] = Config, path: str = "") -> Iterator[tuple[str, Key]]:
    """Every key with its dotted path; the name of an entry is shown as a capital letter."""
    for key in keys_of(table).values():
        here = f"{path}.{key.name}" if path else key.name
        yield here, key
        if key.table:
            yield from walk(key.table, here)
        elif key.entries:
            yield from walk(key.entries, f"{here}.{key.name[0].upper()}")
