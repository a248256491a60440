"""What the machine has, what a stage took of it, and the signals that ask it to stop."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import signal
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import psutil

from haechi.errors import StageError

_PACKAGES = ("haechi", "torch", "transformers", "tokenizers", "peft", "safetensors", "numpy", "bm25s", "kiwipiepy")
_MEGABYTE = 2**20


def versions() -> dict[str, str]:
    """The versions of Python and of the packages whose change may change a result."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def thread_count(asked: int) -> int:
    """The threads to compute with: as many as asked, or for 0 the physical cores that this process may use."""
    if asked:
        return asked
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or usable, usable))


def require_space(folder: Path, megabytes: int = 200) -> None:
    """Raise StageError if less than this is free on the folder's disk."""
    free = shutil.disk_usage(folder).free // _MEGABYTE
    if free < megabytes:
        raise StageError(f"{folder}: {free} MB free, {megabytes} MB needed. Fix: make room, or use another --folder.")


class Meter:
    """Seconds and peak resident memory of a `with` block.

    The kernel's own peak is of the whole process; it counts where it rose within the block. Otherwise samples do, taken
    every 50 ms.
    """

    _INTERVAL = 0.05

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._stop: float | None = None
        self._peak_before = _peak_of_process()
        self._process = psutil.Process()
        self._sampled = self._process.memory_info().rss
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory meter", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop = time.monotonic()
        self._end.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Seconds from the block's beginning to its end, or until now."""
        return (self._stop or time.monotonic()) - self._start

    @property
    def peak_memory_mb(self) -> float:
        """Peak resident memory, in MiB."""
        peak = _peak_of_process()
        return (peak if peak > self._peak_before else self._sampled) / _MEGABYTE

    def _watch(self) -> None:
        while not self._end.wait(self._INTERVAL):
            self._sampled = max(self._sampled, self._process.memory_info().rss)


def _peak_of_process() -> int:
    # Linux hands ru_maxrss on to what a process starts; the high-water mark of /proc is the process's own.
    status = Path("/proc/self/status")
    if status.is_file():
        marks = [line.split()[1] for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM:")]
        if marks:
            return int(marks[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class StopSignals:
    """Within a `with` block the first SIGINT or SIGTERM only raises a flag; the second interrupts at once.

    Of two blocks, one in the other, both are told: a run within a stage may end before anybody looks at its flag.
    Outside the main thread, where Python allows no handlers, signals keep their meaning.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, signal.Handlers] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, StopSignals) and self.received == number:
                outer.received = number

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
