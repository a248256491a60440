"""What a stage is handed, and how it tells the world how far it is.

A stage is a module with `run(task: Task) -> dict`. It writes into `task.folder` (the report also beside it), finds
there what an earlier, interrupted attempt left, and returns its metrics: numbers, or plain JSON. Where the stage
trains, the key `trained_parameters` is moved out of the metrics into the result.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from haechi.errors import HaechiError
from haechi.recipe import Recipe


class Progress(Protocol):
    """Where a run tells how far it is."""

    def stage(self, name: str, index: int, total: int) -> None:
        """A stage begins: the `index`-th (from 1) of `total`."""
        ...

    def update(self, step: int, total: int | None, **numbers: float) -> None:
        """The stage has done `step` of `total` steps (None: unknown); `numbers` are two or three worth watching."""
        ...

    def note(self, text: str) -> None:
        """A sentence that the reader should see."""
        ...


class Silent:
    """A progress that shows nothing."""

    def stage(self, name: str, index: int, total: int) -> None:
        """Nothing."""

    def update(self, step: int, total: int | None, **numbers: float) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class StoppedError(HaechiError):
    """The run was asked to stop (SIGINT, SIGTERM) and has saved what it had."""

    def __init__(self, message: str, received: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.received = received
        self.exit_code = 128 + received


def _never() -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Task:
    """One stage's work.

    Attributes:
        recipe: the whole recipe.
        folder: the stage's own folder; it may hold checkpoints of an interrupted attempt at the same work.
        inputs: by name the folders of all finished stages that this one builds on, directly or not.
        progress: where to tell how far the work is.
        seed: the stage's own seed, made from the recipe's.
        threads: CPU threads to compute with.
        stale: names of inputs that are taken as they are although recipe, code or their own inputs have changed since.
        received: the signal that asks for a stop, or None.
    """

    recipe: Recipe
    folder: Path
    inputs: Mapping[str, Path]
    progress: Progress
    seed: int
    threads: int = 1
    stale: tuple[str, ...] = ()
    received: Callable[[], int | None] = _never

    def stopping(self) -> bool:
        """Whether the user asked to stop. A stage that sees True saves a checkpoint and raises `stopped()`."""
        return self.received() is not None

    def stopped(self) -> StoppedError:
        """The exception with which an unfinished stage leaves; returning normally says that it is finished."""
        number = self.received() or signal.SIGINT
        name = signal.Signals(number).name
        return StoppedError(f"{name} came; {self.folder.name} saved its state and stopped", number)


Runner = Callable[[Task], dict[str, Any]]
