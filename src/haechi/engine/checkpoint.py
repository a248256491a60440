"""Checkpoints that are either whole or absent.

A checkpoint is a folder of safetensors and JSON with a manifest of sha256 sums. It is written beside its final name,
flushed to disk and renamed; a reader takes the newest one whose manifest holds. There is no pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

_MANIFEST = "manifest.json"
_PREFIX = "checkpoint-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What training needs to go on: named tensor files, and a JSON state."""

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int = 2) -> Path:
    """Writes `folder/checkpoint-<step>` atomically; it and the `keep` - 1 before it stay, all others are removed.

    Later ones can only be damaged ones that a resumed run skipped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{_PREFIX}{checkpoint.step:08d}"
    building = folder / f".{final.name}.building"
    if building.exists():
        shutil.rmtree(building)
    building.mkdir()
    for name, tensors in checkpoint.tensors.items():
        save_tensors(building / f"{name}.safetensors", tensors)
    (building / "state.json").write_text(json.dumps({"step": checkpoint.step, **checkpoint.state}), "utf-8")
    sums = {path.name: _sha256(path) for path in sorted(building.iterdir())}
    (building / _MANIFEST).write_text(json.dumps(sums, indent=1), "utf-8")
    for path in building.iterdir():
        _flush(path)
    _flush(building)
    if final.exists():
        shutil.rmtree(final)
    os.replace(building, final)
    _flush(folder)
    up_to_this = [path for path in _numbered(folder) if path.name <= final.name]
    for other in set(_numbered(folder)) - set(up_to_this[-keep:]):
        shutil.rmtree(other)
    return final


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and the names of newer ones that were damaged and skipped."""
    damaged: list[str] = []
    for path in reversed(_numbered(folder)):
        if _is_whole(path):
            state = json.loads((path / "state.json").read_text("utf-8"))
            tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
            return Checkpoint(state.pop("step"), tensors, state), damaged
        damaged.append(path.name)
    return None, damaged


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """One safetensors file, written beside its name and renamed."""
    building = path.with_name(f".{path.name}.building")
    save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, building)
    _flush(building)
    os.replace(building, path)


def _numbered(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()) if folder.exists() else []


def _is_whole(path: Path) -> bool:
    try:
        sums = json.loads((path / _MANIFEST).read_text("utf-8"))
        return all(_sha256(path / name) == expected for name, expected in sums.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
