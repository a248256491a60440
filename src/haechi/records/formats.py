"""Which published format a row is in, told by the names of its fields."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from haechi.errors import InputError
from haechi.records.lines import ReadingLog, Row, read_rows

T = TypeVar("T")
F = TypeVar("F", bound=StrEnum)


def matching(fields: Iterable[str], shapes: Mapping[F, str]) -> F | None:
    """The first format whose shape the fields have, or None.

    A shape is written like `"prompt !chosen | Q A"`: either prompt but not chosen, or both Q and A.
    """
    present = set(fields)
    for name, shape in shapes.items():
        for option in shape.split("|"):
            if all((word[1:] not in present) if word[0] == "!" else (word in present) for word in option.split()):
                return name
    return None


def read_as(
    path: Path,
    shapes: Mapping[F, str],
    parsers: Mapping[F, Callable[[Row, ReadingLog], list[T]]],
    *,
    skip_bad: bool,
    log: ReadingLog | None,
) -> list[T]:
    """The records of a file, all in the format of its first row that is in a known one.

    Raises:
        InputError: no row is in a known format, or a row is bad and `skip_bad` is off.
    """
    log = ReadingLog() if log is None else log
    settled: F | None = None

    def parse(row: Row) -> list[T]:
        nonlocal settled
        found = matching(row.fields, shapes)
        if settled is None:
            if found is None:
                raise _unknown(row, shapes)
            settled = found
            log.formats[path] = found.value
        # Parsing comes first: that a field is missing says more than that the row looks like another format.
        records = parsers[settled](row, log)
        if found is not settled:
            looks = f"of the format {found.value!r}" if found else "of no known format"
            raise row.fault(
                f"the file began in the format {settled.value!r}, but this row is {looks}",
                "give every row the same fields, or split the file by format",
            )
        return records

    return read_rows(path, parse, skip_bad=skip_bad, log=log)


def content_id(prefix: str, *parts: str) -> str:
    """An id that depends on the parts only: prefix, dash, 12 hex digits of SHA-256."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{prefix}-{digest[:12]}"


class IdRegister:
    """Hands out ids of which no two are equal."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def claim(self, row: Row, given: str | None, fallback: str) -> str:
        """The id a row gives itself, else `fallback`, numbered from its second use on.

        Raises:
            InputError: the row's own id has been used by an earlier row.
        """
        name = fallback if given is None else given
        if given is not None and name in self._taken:
            raise row.fault(
                f"the id {name!r} was used in line {self._taken[name]} already", "give every row its own id"
            )
        number, unique = 1, name
        while unique in self._taken:
            number += 1
            unique = f"{name}-{number}"
        self._taken[unique] = row.line
        return unique


def _unknown(row: Row, shapes: Mapping[F, str]) -> InputError:
    found = ", ".join(sorted(row.fields)) or "none"
    known = []
    for name, shape in shapes.items():
        wanted = [word for word in shape.split("|")[0].split() if word[0] != "!"]
        known.append(f"{name.value} ({', '.join(wanted)})")
    return row.fault(f"the fields {found} fit no known format", f"use one of: {'; '.join(known)}")
