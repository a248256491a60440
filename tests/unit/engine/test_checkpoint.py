"""Checkpoints are whole or absent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from haechi.engine import checkpoint as module
from haechi.engine.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint, save_tensors


def made(step: int) -> Checkpoint:
    return Checkpoint(
        step, {"weights": {"w": torch.full((3,), float(step))}, "method": {}}, {"note": f"after {step}", "nan": None}
    )


def steps_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, made(7))
    assert path.name == "checkpoint-00000007"
    found, damaged = newest_checkpoint(tmp_path)
    assert found is not None and damaged == []
    assert (found.step, found.state) == (7, {"note": "after 7", "nan": None})
    assert torch.equal(found.tensors["weights"]["w"], torch.full((3,), 7.0)) and found.tensors["method"] == {}
    assert newest_checkpoint(tmp_path / "none") == (None, [])


def test_the_newest_two_stay(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9_999_999):
        save_checkpoint(tmp_path, made(step))
    assert steps_in(tmp_path) == ["checkpoint-00000010", "checkpoint-09999999"]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "flipped": flip,
    "deleted": Path.unlink,
}


@pytest.mark.parametrize("file", ["weights.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_newest_one_is_skipped_and_named(tmp_path: Path, file: str, how: str) -> None:
    save_checkpoint(tmp_path, made(1))
    DAMAGE[how](save_checkpoint(tmp_path, made(2)) / file)
    found, damaged = newest_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    assert damaged == ["checkpoint-00000002"]


def test_going_on_after_two_damaged_ones_keeps_the_good_one(tmp_path: Path) -> None:
    for step in (6, 8, 10):
        save_checkpoint(tmp_path, made(step), keep=3)
    for step in (8, 10):
        flip(tmp_path / f"checkpoint-{step:08d}" / "weights.safetensors")
    assert newest_checkpoint(tmp_path)[1] == ["checkpoint-00000010", "checkpoint-00000008"]
    save_checkpoint(tmp_path, made(7))
    assert steps_in(tmp_path) == ["checkpoint-00000006", "checkpoint-00000007"]
    found, damaged = newest_checkpoint(tmp_path)
    assert found is not None and found.step == 7 and damaged == []


@pytest.mark.parametrize("call", ["_flush", "replace"])
def test_a_failure_before_the_rename_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whatever write, flush or rename fails, the older checkpoint is read; the next attempt succeeds."""
    save_checkpoint(tmp_path, made(1))
    owner: Any = module if call == "_flush" else os
    original, calls, failing = getattr(owner, call), 0, 0

    for failing in range(20):
        calls = 0

        def fail(*args: Any, failing: int = failing) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing + 1:
                raise OSError("no space left on device")
            return original(*args)

        monkeypatch.setattr(owner, call, fail)
        try:
            save_checkpoint(tmp_path, made(2))
        except OSError:
            found, damaged = newest_checkpoint(tmp_path)
            assert (
                found is not None
                and found.step in ((1,) if call == "replace" or failing < 6 else (1, 2))
                and damaged == []
            )
        else:
            break
        finally:
            monkeypatch.setattr(owner, call, original)
    assert failing > 1, "nothing failed"
    found, _ = newest_checkpoint(tmp_path)
    assert found is not None and found.step == 2
    assert steps_in(tmp_path) == ["checkpoint-00000001", "checkpoint-00000002"]


def test_tensors_that_share_memory_are_saved_apart(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    whole = torch.arange(6.0)
    save_tensors(tmp_path / "t.safetensors", {"a": whole.view(2, 3).T, "b": torch.ones(2, requires_grad=True)})
    assert torch.equal(load_file(tmp_path / "t.safetensors")["a"], whole.view(2, 3).T)
    assert steps_in(tmp_path) == ["t.safetensors"]
