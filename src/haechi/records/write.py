"""Writing records as JSON lines, all or nothing, and reading them back without the checks that foreign files need."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from haechi.errors import InputError, StageError
from haechi.records.lines import read_bytes
from haechi.records.types import Document, Passage, Preference, Question

Record = Document | Question | Preference | Passage
R = TypeVar("R", bound=Record)


def to_row(record: Record) -> dict[str, Any]:
    """A record as an object that JSON can hold; every field is there."""
    row = {}
    for item in fields(record):
        value = getattr(record, item.name)
        row[item.name] = list(value) if isinstance(value, tuple) else value
    return row


def from_row(kind: type[R], row: Mapping[str, Any]) -> R:
    """The record that `to_row` made the row of. Values are trusted.

    Raises:
        TypeError: a field is missing, or is none of the record's.
    """
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return kind(**values)


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes one JSON object a line (gzipped if the name ends in `.gz`) and returns how many.

    The file appears complete or not at all: rows go to a file beside it, which then takes its place.

    Raises:
        StageError: the folder does not exist, or cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    count = 0
    try:
        with beside.open("wb") as raw:
            # No name and no time in the gzip header: the same rows give the same bytes.
            packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else None
            out = raw if packed is None else packed
            for row in rows:
                out.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n")
                count += 1
            if packed is not None:
                packed.close()
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise StageError(
            f"{path}: cannot be written ({error.strerror}). Fix: check the folder and its space."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that `write_jsonl` wrote, as they are.

    Raises:
        InputError: a line is not a JSON object; the file was cut off or is another's.
    """
    rows = []
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            problem = f"is not JSON ({error})"
            raise InputError(path, problem, "run the stage that wrote it again", line=number) from error
        rows.append(row)
    return rows
