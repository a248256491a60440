"""The few exceptions a user can meet. Each says what is wrong, where, and how to put it right.

The command line prints the message on one line and exits with `exit_code`; nothing else is printed and nothing is
left half-written. This module imports nothing, so that `haechi --help` stays fast.
"""

from __future__ import annotations

from pathlib import Path


class HaechiError(Exception):
    """Base of every error that is shown to a user without a traceback."""

    exit_code = 2


class RecipeError(HaechiError, ValueError):
    """The recipe or a command-line override is not valid."""


class InputError(HaechiError, ValueError):
    """A file that the user gave cannot be used.

    Args:
        path: the file as the user named it.
        line: 1-based line, where the problem has one.
        problem: what is wrong, without a full stop.
        fix: what to do about it, an imperative sentence without a full stop.
    """

    def __init__(self, path: Path | str, problem: str, fix: str, line: int | None = None) -> None:
        self.path, self.line, self.problem, self.fix = Path(path), line, problem, fix
        where = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {problem}. Fix: {fix}.")


class ModelError(HaechiError, ValueError):
    """A base model, tokenizer or adapter cannot be used as asked."""


class StageError(HaechiError, RuntimeError):
    """A stage cannot start (an input is missing, a folder is locked) or cannot go on."""


class DivergedError(HaechiError, ArithmeticError):
    """Training met numbers that are not finite, or left its limits, and was stopped at the last good step."""

    exit_code = 3
