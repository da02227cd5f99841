"""/openapi.json: the table of addresses as programs read it.

The site enters once. Every address, parameter, body and answer is in it; errors have one shape everywhere.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ringmain.admin.bodies import BulkBody, ReplayBody
from ringmain.admin.endpoints import ENDPOINTS, Endpoint, Query
from ringmain.admin.refusals import JSON, Refusal
from ringmain.admin.release import release
from ringmain.types import Mode

_PLACE = re.compile(r"{(\w+)}")
_REF = "#/components/schemas/{name}"
Tree = dict[str, Any]
_BULK = (BulkBody, ReplayBody)


def _encoded(encoding: str, schema: Tree) -> Tree:
    condition = {"required": ["value_encoding"], "properties": {"value_encoding": {"const": encoding}}}
    return {"if": condition, "then": {"properties": {"value": schema}}}


_NOT_ALL: Tree = {"all": {"const": False}}
_WHICH: list[Tree] = [
    {"required": ["ids"], "properties": {**_NOT_ALL, "filter": False}},
    {"required": ["filter"], "properties": {**_NOT_ALL, "filter": {"minProperties": 1}, "ids": False}},
    {"required": ["all"], "properties": {"all": {"const": True}, "ids": False, "filter": False}},
]
"""Of a bulk call: either ids, or a filter that says something, or all."""
_EDIT: list[Tree] = [
    {"if": {"required": ["value"]}, "then": {"required": ["ids"], "properties": {"ids": {"maxItems": 1}}}},
    _encoded("utf-8", {"type": "string"}),
    _encoded("base64", {"type": "string", "pattern": "^([A-Za-z0-9+/]{4})*$"}),
]
"""Of a replay with another value."""


def document(modes: Iterable[Mode], secured: bool) -> Tree:
    """OpenAPI 3.1 of a node with these modes; `secured` = it has tokens."""
    there = [one for one in ENDPOINTS if one.mode is None or one.mode in modes]
    kinds = _kinds(there)
    schemas, components = msgspec.json.schema_components(kinds, schema_hook=_any, ref_template=_REF)
    schema_of = dict(zip(map(id, kinds), schemas, strict=True))
    for kind in _BULK:
        if kind.__name__ in components:
            components[kind.__name__] |= {"oneOf": _WHICH, "allOf": _EDIT if kind is ReplayBody else []}
    paths: dict[str, Tree] = {}
    for one in there:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schema_of)
        if secured and one.token:
            paths[one.path][one.method.lower()]["security"] = [{"token": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": "ringmain admin", "version": release()},
        "paths": paths,
        "components": {
            "schemas": dict(components),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(endpoints: Iterable[Endpoint]) -> list[Any]:
    kinds: list[Any] = [Refusal]
    for one in endpoints:
        kinds += [kind for kind in one.gives.values() if not isinstance(kind, str)]
        kinds += [one.body] if one.body else []
    return list({id(kind): kind for kind in kinds}.values())


def _any(_kind: type) -> Tree:
    """`object`: what a filter says is text, a number or a list of texts."""
    return {"description": "any value"}


def _operation(one: Endpoint, schema_of: Mapping[int, Tree]) -> Tree:
    places = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PLACE.findall(one.path)
    ]
    answers = {str(status): _answer(kind, schema_of) for status, kind in one.gives.items()}
    operation: Tree = {
        "operationId": _name(one),
        "summary": one.summary,
        "parameters": [*places, *map(_parameter, one.query)],
        "responses": {**answers, "default": _answer(Refusal, schema_of, "why there is no other answer")},
        "security": [],
    }
    if one.body is not None:
        required = one.body in _BULK or any(each.required for each in msgspec.structs.fields(one.body))
        operation["requestBody"] = {
            "required": required,
            "content": {JSON: {"schema": schema_of[id(one.body)]}},
        }
    return operation


def _answer(kind: Any, schema_of: Mapping[int, Tree], says: str = "") -> Tree:
    if isinstance(kind, str):
        return {"description": says or "text", "content": {kind: {"schema": {"type": "string"}}}}
    described = says or (getattr(kind, "__doc__", None) or "an object").strip().splitlines()[0]
    return {"description": described, "content": {JSON: {"schema": schema_of[id(kind)]}}}


def _parameter(query: Query) -> Tree:
    parameter: Tree = {"name": query.name, "in": "query", "schema": dict(query.schema)}
    if query.says:
        parameter["description"] = query.says
    if query.schema.get("type") == "array":
        parameter |= {"style": "form", "explode": True}
    return parameter


def _name(one: Endpoint) -> str:
    words = re.findall(r"\w+", one.path.replace("/api/", "/"))
    return "_".join([one.method.lower(), *words])
