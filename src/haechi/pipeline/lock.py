"""One run at a time in a folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from haechi.errors import StageError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel lets go of it when the process ends, however it ends.

    Raises StageError, naming process, host and start, if somebody else holds it, or if the folder cannot be written.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Opened without truncating: the file still tells who holds the lock.
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="utf-8")
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise StageError(f"{folder}: {problem}. Fix: choose another folder with --folder.") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StageError(f"{folder}: {_holder(handle.read())}. Fix: wait for it, or stop it.") from error
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "start": _now()}
        handle.truncate(0)
        handle.write(json.dumps(holder))
        handle.flush()
        yield


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"in use by process {holder['pid']} on {holder['host']} since {holder['start']}"
    except (ValueError, KeyError, TypeError):
        return "in use by another process"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
