"""What a stage's result depends on, and a hash of it: as long as that stands, the stage is not run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from haechi.pipeline.graph import Stage, setting
from haechi.pipeline.sources import code_hash
from haechi.recipe import Recipe, portable
from haechi.recipe.fields import asset
from haechi.recipe.inputs import EMBEDDED_BASE

# How often a stage saves itself changes when it can resume, not what it computes.
_WITHOUT_EFFECT = frozenset({"checkpoint_every"})
_LARGE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything a stage's result depends on.

    Attributes:
        settings: its part of the recipe, by dotted field.
        files: by dotted field, or name of the package's data, the hash of what the files hold.
        needs: by stage the fingerprint of what it builds on.
        code: the hash of the source that it runs.
    """

    settings: Mapping[str, Any]
    files: Mapping[str, str]
    needs: Mapping[str, str]
    code: str

    @property
    def fingerprint(self) -> str:
        """Hash of all of it, in hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]

    def changes(self, recorded: Mapping[str, Any]) -> str:
        """What differs from the dependencies that an earlier result recorded, in words."""
        words = []
        for name, kind in (("settings", ""), ("files", "the files of "), ("needs", "the result of ")):
            now, then = by_field(asdict(self)[name]), by_field(recorded.get(name, {}))
            words += [kind + key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)]
        if self.code != recorded.get("code"):
            words.append("the code")
        return ", ".join(words)


def dependencies(stage: Stage, recipe: Recipe, fingerprints: Mapping[str, str]) -> Dependencies:
    """What the stage's result will depend on; `fingerprints` holds those of the enabled stages before it."""
    return Dependencies(
        settings={name: _settings(setting(recipe, name)) for name in stage.settings},
        files={name: _contents(name, setting(recipe, name)) for name in stage.files}
        | {name: hash_files([asset(name)]) for name in stage.assets},
        needs={name: fingerprints[name] for name in stage.needs if name in fingerprints},
        code=" ".join(code_hash(module) for module in (stage.module, *stage.runs)),
    )


def hash_files(paths: Iterable[Path]) -> str:
    """A hash of the names and contents of files and of all files in folders; a missing one counts as missing.

    Of a file above 64 MiB (the weights of a base) size and time of change stand for the contents.
    """
    digest = hashlib.sha256()
    for path in paths:
        members = sorted(member for member in path.rglob("*") if member.is_file()) if path.is_dir() else [path]
        for member in members:
            digest.update(f"{member.relative_to(path.parent)}\0{_file_hash(member)}\0".encode())
    return digest.hexdigest()


def _file_hash(path: Path) -> str:
    if not path.is_file():
        return "missing"
    status = path.stat()
    if status.st_size > _LARGE:
        return f"{status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _settings(value: Any) -> Any:
    dumped = value.model_dump() if isinstance(value, BaseModel) else value
    return _effective(portable(dumped))


def _effective(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _effective(item) for key, item in value.items() if key not in _WITHOUT_EFFECT}
    return [_effective(item) for item in value] if isinstance(value, list) else value


def _contents(field: str, value: Any) -> str:
    if value is None:
        return "none"
    if field in ("base.name_or_path", "pretrain.start"):
        folder = asset(EMBEDDED_BASE) if value == EMBEDDED_BASE else Path(value).expanduser()
        return hash_files([folder.absolute()]) if folder.is_dir() else "by name"
    return hash_files(value if isinstance(value, tuple) else (value,))


def by_field(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted field."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= by_field(item, f"{prefix}{key}.")
        else:
            flat[prefix + key] = item
    return flat
