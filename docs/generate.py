"""Write the reference part of docs/recipes.md from the recipe's types: `python docs/generate.py`.

What stands above the marker is written by hand; the rest comes from `haechi.recipe`, so that page and code agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from haechi.recipe import Recipe

PAGE = Path(__file__).with_name("recipes.md")
MARKER = "<!-- What follows is written by docs/generate.py. -->\n"

Schema = Mapping[str, Any]

_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}


def page(text: str) -> str:
    """The page with its generated part made anew. Raises ValueError where the marker is missing."""
    by_hand, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"docs/recipes.md has no line {MARKER.strip()}")
    return f"{by_hand}{marker}\n{reference()}"


def reference() -> str:
    """A table for each section of the recipe, in the order of the code; one used in several places stands once."""
    recipe = Recipe.model_json_schema()
    definitions: dict[str, Schema] = recipe["$defs"]
    places: dict[str, list[str]] = {}
    for name, path in _sections(recipe, definitions):
        places.setdefault(name, []).append(path)
    tables = [_table("The recipe itself", "", recipe)]
    for name, paths in places.items():
        title = ", ".join(f"`{path}`" for path in paths)
        tables.append(_table(title, definitions[name]["description"], definitions[name]))
    return "\n".join(table for table in tables if table)


def _sections(schema: Schema, definitions: Mapping[str, Schema], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Definition and path of every section below a schema; a section that is a list's item ends in []."""
    for field, described in schema["properties"].items():
        name = _section(described)
        if name is not None:
            path = f"{prefix}{field}" + ("[]" if "items" in described else "")
            yield name, path
            yield from _sections(definitions[name], definitions, f"{path}.")


def _section(field: Schema) -> str | None:
    for choice in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in choice:
            return choice["$ref"].rpartition("/")[2]
    return None


def _table(title: str, about: str, schema: Schema) -> str:
    rows = [
        f"| `{name}` | {_default(field)} | {_values(field)} | {' '.join(field['description'].split())} |"
        for name, field in schema["properties"].items()
        if _section(field) is None
    ]
    if not rows:
        return ""
    head = ["| field | default | values | meaning |", "|---|---|---|---|"]
    return "\n".join([f"### {title}", "", *([about, ""] if about else []), *head, *rows, ""])


def _default(field: Schema) -> str:
    if "default" not in field:
        return "must be given"
    value = field["default"]
    if isinstance(value, float):
        return f"`{Decimal(str(value)):f}`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _values(field: Schema) -> str:
    if "anyOf" in field:
        return " or ".join("`null`" if choice["type"] == "null" else _values(choice) for choice in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        return f"list of: {_values(field['items'])}"
    kind = "path" if field.get("format") == "path" else _TYPES[field["type"]]
    bounds = [f"{sign} {field[key]}" for key, sign in _BOUNDS.items() if key in field]
    return ", ".join([kind, *bounds])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
