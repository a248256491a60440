"""Files that are either whole or absent.

A write goes to a temporary neighbour, reaches the disk (fsync), takes its name by one rename, and the folder's entry
reaches the disk too: a kill or a power cut at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

    A folder that already has the name is there until then. A kill between the two renamings leaves it under another
    name, and the next call gives it its own back.
    """
    beside, replaced = (folder.with_name(f".{folder.name}.{state}") for state in ("building", "replaced"))
    shutil.rmtree(beside, ignore_errors=True)
    if replaced.exists() and not folder.exists():
        replaced.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        for path in beside.iterdir():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        sync_folder(beside)
        if folder.exists():
            folder.rename(replaced)
        beside.rename(folder)
        sync_folder(folder.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
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
