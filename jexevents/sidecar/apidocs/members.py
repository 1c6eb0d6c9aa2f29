"""A JSON Schema as the rows of a table: its members, those of members too. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEEPEST = 4
_MOST_WORDS = 40
_BOUNDS = (
    ("minimum", "{} or more"),
    ("maximum", "{} or less"),
    ("minLength", "{} characters or more"),
    ("maxLength", "{} characters or less"),
    ("minItems", "{} entries or more"),
    ("maxItems", "{} entries or less"),
    ("pattern", "like {}"),
)
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One row: where the member stands (``jobs[].id``), what it takes, what it means."""

    name: str
    kind: str
    required: bool
    bounds: str
    description: str


def members(schema: Schema) -> list[Member]:
    """Give the members of a schema, those of objects within it behind them."""
    return list(_members(schema, "", 0))


def kind_of(schema: Any) -> str:
    """Say in a few words what a schema takes."""
    if not isinstance(schema, Mapping) or not schema:
        return "anything"
    if "enum" in schema or "const" in schema:
        words = list(schema.get("enum", [schema.get("const")]))
        more = [] if len(words) <= _MOST_WORDS else ["..."]
        return " | ".join([*map(_word, words[:_MOST_WORDS]), *more])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(map(kind_of, schema[choice])))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return _typed(schema)


def bounds_of(schema: Any) -> str:
    """Say within what bounds a schema keeps."""
    if not isinstance(schema, Mapping):
        return ""
    said = [text.format(schema[name]) for name, text in _BOUNDS if name in schema]
    if "default" in schema:
        said.append(f"{_word(schema['default'])} where it is missing")
    return "; ".join(said)


def _typed(schema: Schema) -> str:
    found = schema.get("type", "anything")
    kinds = list(found) if isinstance(found, list) else [found]
    if "array" in kinds and isinstance(schema.get("items"), Mapping):
        kinds[kinds.index("array")] = f"array of {kind_of(schema['items'])}"
    if "string" in kinds and "format" in schema:
        kinds[kinds.index("string")] = str(schema["format"])
    return " or ".join(map(str, kinds))


def _members(schema: Any, place: str, depth: int) -> Iterator[Member]:
    if not isinstance(schema, Mapping) or depth >= _DEEPEST:
        return
    required = schema.get("required", ())
    for name, one in _properties(schema).items():
        path = f"{place}.{name}" if place else name
        described = one.get("description", "") if isinstance(one, Mapping) else ""
        yield Member(path, kind_of(one), name in required, bounds_of(one), str(described))
        yield from _members(one, path, depth + 1)
    if isinstance(items := schema.get("items"), Mapping):
        yield from _members(items, f"{place}[]", depth + 1)


def _properties(schema: Schema) -> Schema:
    found = schema.get("properties", {})
    return found if isinstance(found, Mapping) else {}


def _word(value: Any) -> str:
    return "null" if value is None else str(value)
