"""What a value is of, and what a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Kind = Literal["person", "thing", "place", "year", "length", "count", "days", "colour", "season", "price", "act"]
KINDS: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}

# What has a name, beside a person.
ENTITIES = ("place", "group", "event", "beast", "thing")
