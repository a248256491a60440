"""Files that are either whole or absent, and logs that a resumed stage can cut back.

A write goes to a temporary neighbour, reaches the disk (fsync), takes its name by one rename, and the folder's entry
reaches the disk too: a kill or a power cut at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from haechi.errors import InputError

Row = dict[str, Any]


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; its folder must exist."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically. Raises ValueError for numbers that are not finite, before anything is written."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def sync_folder(folder: Path) -> None:
    """Make the folder's entries (new names, renames, removals) survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """A fresh neighbour to write a folder's files into (no subfolders); when all are there it takes the folder's name.

    A folder that already has the name is there until then; between its removal and the renaming a kill leaves neither.
    """
    beside = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        for path in beside.iterdir():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        sync_folder(beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def read_json(path: Path) -> Row:
    """Read a JSON object. Raises InputError where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(path, "the file does not exist", "run the stage that writes it") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 at byte {error.start}", "remove the file and run its stage again") from error
    except json.JSONDecodeError as error:
        raise InputError(path, error.msg, "remove the file and run its stage again", line=error.lineno) from error
    if not isinstance(value, dict):
        raise InputError(path, "not a JSON object", "remove the file and run its stage again")
    return value


class JsonLines:
    """A log of JSON rows that is appended to: a `with` block, one `append` a row, each row flushed.

    Args:
        path: the file; made if it does not exist.
        keep: opening cuts the file off before the first row for which this is false. A stage that resumes at step 40
            keeps `lambda row: row["step"] <= 40`, and its log reads as if it had never stopped. A last row that a
            kill left half-written is always cut off.
    """

    def __init__(self, path: Path, keep: Callable[[Row], bool] | None = None) -> None:
        self.path = path
        path.touch()
        length = _length_to_keep(path, keep)
        self._handle = path.open("ab")
        self._handle.truncate(length)

    def append(self, row: Mapping[str, object]) -> None:
        """Add a row. Raises ValueError for numbers that are not finite."""
        line = json.dumps(dict(row), ensure_ascii=False, allow_nan=False)
        self._handle.write(line.encode("utf-8") + b"\n")
        self._handle.flush()

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _length_to_keep(path: Path, keep: Callable[[Row], bool] | None) -> int:
    length = 0
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
            except ValueError as error:
                fix = "remove the stage's folder and run it again"
                raise InputError(path, "not a JSON row", fix, number) from error
            if keep is not None and not keep(row):
                break
            length += len(line)
    return length
