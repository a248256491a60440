"""Roles on disk: `role.safetensors` and `role.json`, nothing that could run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from haechi.engine.checkpoint import save_tensors
from haechi.errors import StageError
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable

_WEIGHTS, _ABOUT = "role.safetensors", "role.json"


def save_role(role: Role, base: SharedBase, folder: Path, extra: Mapping[str, Any] | None = None) -> None:
    """Writes a role's own weights and what it takes to wear them again."""
    about = {
        "base": base.provenance,
        "trainable": asdict(role.trainable),
        "head_outputs": role.head.out_features if role.head is not None else 0,
        **(extra or {}),
    }
    save_tensors(folder / _WEIGHTS, role.state())
    (folder / _ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")


def load_role(base: SharedBase, folder: Path, parent: Role | None = None) -> tuple[Role, dict[str, Any]]:
    """A frozen role and what was saved beside it.

    Raises:
        StageError: the folder holds no role, or one of another base.
    """
    if not (folder / _WEIGHTS).is_file() or not (folder / _ABOUT).is_file():
        raise StageError(f"{folder}: holds no trained role. Fix: run the stage `{folder.name}` first.")
    about = json.loads((folder / _ABOUT).read_text("utf-8"))
    if _weights_of(about["base"]) != _weights_of(base.provenance):
        raise StageError(
            f"{folder}: was trained on another base ({about['base']}, not {base.provenance}). "
            f"Fix: run the stage `{folder.name}` again."
        )
    role = Role(base, Trainable(**about["trainable"]), parent, head_outputs=about["head_outputs"])
    role.load(load_file(folder / _WEIGHTS), str(folder))
    return role.freeze(), about


def _weights_of(provenance: Mapping[str, str]) -> dict[str, str]:
    """What says which weights they are; the type of their numbers does not."""
    return {name: value for name, value in provenance.items() if name != "dtype"}
