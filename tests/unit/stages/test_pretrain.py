"""The stage that makes a base: from nothing, and on from a model that is there."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from haechi.errors import ModelError
from haechi.models.load import load_base
from haechi.pipeline.fingerprint import dependencies
from haechi.pipeline.graph import PRETRAIN
from haechi.pipeline.task import Silent, Task
from haechi.pretrain import mixture
from haechi.pretrain.text import Corpus, PackedText, bits_per_character, language_of, read_corpus
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.world import generate
from haechi.recipe import Recipe
from haechi.stages import pretrain

TINY = {
    "vocabulary_size": 2800,
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


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    """Whatever order Python's sets and hashes have in each."""
    file = write_text(tmp_path / "text.jsonl")
    with file.open("a", encoding="utf-8") as handle:
        handle.write('{"text": "한 번씩 나오는 한자: 天地玄黃宇宙洪荒日月盈昃辰宿列張"}\n')
    for hashes in ("1", "2"):
        settings = with_text(file) | {"steps": 2, "curriculum": with_text(file)["curriculum"][1:]}
        settings["curriculum"][0]["steps"] = 2
        subprocess.run(
            [sys.executable, "-c", _MAKE, str(tmp_path / hashes), json.dumps(TINY | settings)],
            env=os.environ | {"PYTHONHASHSEED": hashes}, check=True,
        )  # fmt: skip
    made = [tmp_path / hashes / "pretrain" / "model" for hashes in ("1", "2")]
    for name in ("tokenizer.json", "model.safetensors", "config.json"):
        assert (made[0] / name).read_bytes() == (made[1] / name).read_bytes(), name


_MAKE = """
import json, sys
from pathlib import Path
from haechi.pipeline.graph import PRETRAIN
from haechi.pipeline.run import run
from haechi.pretrain import tokenizer
from haechi.recipe import Recipe
from haechi.stages import pretrain
pretrain._TOKENIZER_WORLDS, tokenizer._OTHERS = 200, 9  # so few that equally common characters compete
pretrain.validate = lambda *_, **__: {}
run(Recipe.model_validate({"threads": 1, "pretrain": json.loads(sys.argv[2])}), Path(sys.argv[1]), graph=PRETRAIN)
"""


def test_verdicts_have_to_be_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 20)
    monkeypatch.setattr(mixture, "RIGHT", "맞아요")
    with pytest.raises(ModelError, match="verdict '맞아요', and one is needed"):
        pretrain.run(task(tmp_path / "first", steps=1))


def test_other_weights_to_start_from_are_another_stage(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"pretrain": {**TINY, "start": str(tmp_path)}})
    (stage,) = PRETRAIN
    before = dependencies(stage, recipe, {}).fingerprint
    assert dependencies(stage, recipe, {}).fingerprint == before
    (tmp_path / "model.safetensors").write_text("other")
    assert dependencies(stage, recipe, {}).fingerprint != before


def write_text(file: Path) -> Path:
    """Documents of the prose of generated worlds in both languages, of which some of each are held out."""
    texts: list[str] = []
    held: set[str] = set()
    number = 0
    while len(held) < 2 or len(texts) < 40:
        rng = Draw(f"document-{number}")
        made = (generate(rng, passages=2, language="en" if number % 2 else "ko").passages for _ in range(3))
        text = f"{number}\n\n" + " ".join(text for world in made for _, text in world if "\n" not in text)
        out = zlib.crc32(text.encode()) % 50 == 0
        if out or len(texts) < 40:
            texts.append(text)
            held |= {language_of(text)} if out else set()
        number += 1
    rows = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    file.write_text(rows, "utf-8")
    return file


def with_text(file: Path) -> dict[str, Any]:
    curriculum = [
        {"steps": 1, "passages_min": 0, "passages_max": 0},
        {"steps": 5, "passages_min": 1, "passages_max": 2, "span_share": 0.3, "text_share": 0.4, "prose": 0.5},
    ]
    return {
        "text": [str(file)], "english_share": 0.5, "curriculum": curriculum, "steps": 6, "checkpoint_every": 2,
        "tokens_per_batch": 600, "learning_rate": 1e-2,
    }  # fmt: skip


def test_it_learns_from_text_and_is_measured_on_what_is_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids of the text lie in the stage's folder; a run that was killed goes on to the same weights with them."""
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 20)
    monkeypatch.setattr(pretrain, "validate", lambda *_, **__: {})
    file = write_text(tmp_path / "text.jsonl")
    whole = task(tmp_path / "whole", **with_text(file))
    result = pretrain.run(whole)

    corpus = read_corpus([file], 10**6)
    base = load_base(str(whole.folder / "model"), dtype="float32", device="cpu")
    for language, texts in corpus.held_out.items():
        # The stage measures the bfloat16 model that it has written.
        assert result[f"bits_per_character/{language}"] == pytest.approx(bits_per_character(base, texts), rel=0.02)
    ids = [token for text in corpus.training for token in (*base.codec.encode(text), base.codec.eos)]
    packed = PackedText(whole.folder / "text" / "ids.safetensors")
    assert packed.row(Draw("1"), base.codec, len(ids)).answers == [ids]

    # Killed after its fourth step: what came later is gone.
    killed = task(tmp_path / "killed", **with_text(file))
    shutil.copytree(whole.folder, killed.folder, dirs_exist_ok=True)
    shutil.rmtree(killed.folder / "model")
    later = [one for one in (killed.folder / "checkpoints").iterdir() if not one.name.endswith("4")]
    assert len(later) < len(list((killed.folder / "checkpoints").iterdir())), "the fourth step was kept"
    for folder in later:
        shutil.rmtree(folder)
    stamp = (killed.folder / "text" / "ids.safetensors").stat().st_mtime_ns
    assert pretrain.run(killed) == result
    assert (killed.folder / "text" / "ids.safetensors").stat().st_mtime_ns == stamp, "packed once"
    weights = [load_file(one.folder / "model" / "model.safetensors") for one in (whole, killed)]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_a_phase_of_the_recipe_is_a_phase_of_the_mixture(tmp_path: Path) -> None:
    """Field by field, with another number in each."""
    phase = {
        "steps": 7, "passages_min": 2, "passages_max": 3, "copy_share": 0.11, "span_share": 0.12, "text_share": 0.13,
        "prose": 0.14, "unanswerable": 0.15, "mistakes": 6,
    }  # fmt: skip
    made = task(tmp_path / "run", steps=7, curriculum=[phase], tokens_per_batch=99, english_share=0.3)
    settings = made.recipe.pretrain
    assert settings is not None
    rows = pretrain.rows_of(settings, load_base("saessak", device="cpu"), 5, ("글",))
    expected = mixture.Phase(
        7, (2, 3), copies=0.11, spans=0.12, texts=0.13, prose=0.14, unanswerable=0.15, mistakes=6
    )
    assert rows._phases == [expected]
    assert (rows._seed, rows._tokens_a_step, rows._english, rows._texts) == (5, 99, 0.3, ("글",))


def test_the_rate_rises_and_falls_to_a_twentieth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 20)
    monkeypatch.setattr(pretrain, "validate", lambda *_, **__: {})
    made = task(tmp_path / "run", steps=8, curriculum=[], warmup=0.25, learning_rate=1e-3, tokens_per_batch=64)
    pretrain.run(made)
    rows = (made.folder / "metrics.jsonl").read_text("utf-8").splitlines()
    rates = [json.loads(row)["learning_rate"] for row in rows]
    assert rates[:3] == pytest.approx([5e-4, 1e-3, 1e-3])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(1e-3 * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * 5 / 6))))


def test_text_that_is_never_read_running_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 20)
    monkeypatch.setattr(pretrain, "validate", lambda *_, **__: {})
    settings = with_text(write_text(tmp_path / "text.jsonl"))
    settings["curriculum"][1]["text_share"] = 0.0
    gaps = task(tmp_path / "gaps", **settings)
    pretrain.run(gaps)
    assert not (gaps.folder / "text").exists()


def test_the_tokenizer_reads_worlds_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each document in part, in random order, so many characters of them; and worlds in both languages."""
    monkeypatch.setattr(pretrain, "_TOKENIZER_WORLDS", 40)
    monkeypatch.setattr(pretrain, "_TOKENIZER_CHARACTERS", 10_000)
    documents = tuple(f"{number}" * 7000 for number in range(9))
    corpus = Corpus(documents, {"ko": (), "en": ()})
    texts = list(pretrain.tokenizer_texts(1, 0.5, corpus))
    assert texts == list(pretrain.tokenizer_texts(1, 0.5, corpus)) != list(pretrain.tokenizer_texts(2, 0.5, corpus))
    worlds, pages = texts[:-2], texts[-2:]
    assert all(len(page) == 5000 and set(page) <= set("012345678") for page in pages) and pages[0] != pages[1]
    assert any("질문: " in text for text in worlds) and any("Question: " in text for text in worlds)
    contexts = [text for text in worlds if text.startswith("[1] ")]
    assert len(contexts) == 40
