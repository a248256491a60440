"""The stage that makes a base: from nothing, and on from a model that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from haechi.errors import ModelError
from haechi.pipeline.fingerprint import dependencies
from haechi.pipeline.graph import PRETRAIN
from haechi.pipeline.task import Silent, Task
from haechi.pretrain import saessak
from haechi.recipe import Recipe
from haechi.stages import pretrain

TINY = {
    "vocabulary_size": 2750,
    "layers": 2,
    "width": 32,
    "heads": 2,
    "intermediate": 32,
    "tokens_per_batch": 64,
    "dtype": "float32",
    "validate_every": 100,
}


def task(folder: Path, **settings: Any) -> Task:
    recipe = Recipe.model_validate({"threads": 1, "pretrain": {**TINY, **settings}})
    folder.mkdir()
    return Task(recipe=recipe, folder=folder, inputs={}, progress=Silent(), seed=3, threads=1)


def test_it_goes_on_from_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 20)
    monkeypatch.setattr(pretrain, "validate", lambda *_, **__: {})
    first = pretrain.run(task(tmp_path / "first", steps=2))
    assert first["tokens"] >= 2 * 64
    start = tmp_path / "first" / "model"
    born = load_file(start / "model.safetensors")
    assert {weight.dtype for weight in born.values()} == {torch.bfloat16}

    # A rate too small to change a number in bfloat16: what comes out is what went in, tokenizer and shape included.
    settings = {"start": str(start), "optimizer": "muon", "steps": 1, "learning_rate": 1e-12, "weight_decay": 0.0}
    second = pretrain.run(task(tmp_path / "second", **settings | {"layers": 4}))
    assert second["trained_parameters"] == first["trained_parameters"]
    again = load_file(tmp_path / "second" / "model" / "model.safetensors")
    assert again.keys() == born.keys() and all(torch.equal(weight, again[name]) for name, weight in born.items())
    kept = AutoTokenizer.from_pretrained(tmp_path / "second" / "model")
    assert kept.get_vocab() == AutoTokenizer.from_pretrained(start).get_vocab()

    checkpoint = tmp_path / "second" / "checkpoints" / "checkpoint-00000001"
    state = load_file(checkpoint / "optimizer.safetensors")
    assert any(name.startswith("momentum_buffer.model.layers.0") for name in state)
    assert {weight.dtype for weight in load_file(checkpoint / "weights.safetensors").values()} == {torch.float32}

    third = task(tmp_path / "third", **settings | {"learning_rate": 1e-2})
    pretrain.run(third)
    moved = load_file(third.folder / "model" / "model.safetensors")
    assert not torch.equal(moved["model.embed_tokens.weight"], born["model.embed_tokens.weight"])
    assert not (third.folder / "tokenizer").exists()


def test_verdicts_have_to_be_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 20)
    monkeypatch.setattr(saessak, "RIGHT", "맞아요")
    with pytest.raises(ModelError, match="verdict '맞아요', and one is needed"):
        pretrain.run(task(tmp_path / "first", steps=1))


def test_other_weights_to_start_from_are_another_stage(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"pretrain": {**TINY, "start": str(tmp_path)}})
    (stage,) = PRETRAIN
    before = dependencies(stage, recipe, {}).fingerprint
    assert dependencies(stage, recipe, {}).fingerprint == before
    (tmp_path / "model.safetensors").write_text("other")
    assert dependencies(stage, recipe, {}).fingerprint != before
