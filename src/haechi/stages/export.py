"""A finished run's model, or a model folder, as one file for other programs."""

from __future__ import annotations

import os
from pathlib import Path

from haechi.errors import StageError
from haechi.models.gguf import write_gguf
from haechi.pipeline.files import sync_folder
from haechi.recipe.fields import asset
from haechi.recipe.inputs import EMBEDDED_BASE


def export(source: str, file: Path) -> None:
    """Writes the model that a run made, a model folder, or the embedded base as GGUF; whole or not at all.

    Raises:
        StageError: the run has no merged model, or the file's name ends otherwise.
        ModelError: the model cannot be written so.
    """
    if file.suffix != ".gguf":
        raise StageError(f"{file}: the file's name says what is written. Fix: let it end in .gguf.")
    temporary = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        write_gguf(_folder(source), temporary, Path(source).absolute().name)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(file.absolute().parent)


def _folder(source: str) -> Path:
    if source == EMBEDDED_BASE:
        return asset(EMBEDDED_BASE)
    folder = Path(source)
    if (folder / "pretrain" / "model").is_dir():
        return folder / "pretrain" / "model"
    if (folder / "recipe.json").is_file():
        if not (folder / "merge" / "result.json").is_file():
            raise StageError(f"{folder}: has no merged model yet. Fix: haechi merge {folder}.")
        return folder / "merge" / "model"
    return folder
