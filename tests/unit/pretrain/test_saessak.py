"""The pretraining method: what is learned, what is measured, exact resume."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from haechi.engine.checkpoint import newest_checkpoint
from haechi.engine.loop import Hooks, LoopSettings, train
from haechi.errors import StageError
from haechi.models.base import SharedBase
from haechi.pretrain.saessak import Phase, Pretraining, build_model, validate, world_tree
from haechi.pretrain.worlds import Asked, World, generate
from haechi.prompt.template import template
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WORDS = template("ko", instructed=False)
PHASES = (Phase(3, (0, 0)), Phase(20, (1, 2), copies=0.3))


def fresh(tokenizer: PreTrainedTokenizerFast) -> SharedBase:
    model = build_model(tokenizer, layers=2, width=32, heads=2, intermediate=48, seed=0)
    base = SharedBase(model, Codec(tokenizer), "sprout")
    model.requires_grad_(True)
    return base


def pretraining(base: SharedBase, **changes: Any) -> Pretraining:
    given: dict[str, Any] = {
        "tokens_a_step": 150,
        "token_budget": 400,
        "seed": 3,
        "validate_every": 0,
        "dtype": torch.float32,
    }
    return Pretraining(base, PHASES, **(given | changes))


def test_a_world_as_a_tree(tokenizer: PreTrainedTokenizerFast) -> None:
    codec = Codec(tokenizer)
    world = World(
        (("등대", "등대지기는 오누리이다."),), (Asked("누가 지키나요?", "오누리입니다.", 1), Asked("값은?", None, None))
    )
    tree = world_tree(world, codec, WORDS)
    assert tree.prompt[0] == tokenizer.bos_token_id
    assert tokenizer.decode(list(tree.prompt[1:])) == "[1] 등대: 등대지기는 오누리이다. [1]\n"
    for number, (asked, said) in enumerate(
        (("질문: 누가 지키나요?\n답변:", " 오누리입니다. [1]"), ("질문: 값은?\n답변:", f" {WORDS.abstention}"))
    ):
        ids, skip = list(tree.answers[number]), tree.skipped(number)
        assert tokenizer.decode(ids[:skip]) == asked
        assert tokenizer.decode(ids[skip:-1]) == said
        assert ids[-1] == tokenizer.eos_token_id


def test_trees_are_a_function_of_seed_and_step(tokenizer: PreTrainedTokenizerFast) -> None:
    base = fresh(tokenizer)
    method = pretraining(base)
    assert method._trees(5) == pretraining(base)._trees(5)
    assert method._trees(5) != method._trees(6) != pretraining(base, seed=4)._trees(6)
    for tree in method._trees(0):  # strings to repeat
        assert list(tree.prompt[1:]) == list(tree.answers[0])
    assert sum(tree.num_tokens for tree in method._trees(5)) >= 150
    assert any(tree.skip for tree in method._trees(5)), "no world in the second phase"


def test_questions_are_read_and_not_learned(tokenizer: PreTrainedTokenizerFast) -> None:
    """The update's loss is the mean over answer tokens alone, however it is cut."""
    base = fresh(tokenizer)
    losses = []
    for budget in (1, 10_000):
        method = pretraining(base, token_budget=budget)
        (micros,) = method.updates(5)
        losses.append(sum(float(method.loss(micro)[0].detach()) for micro in micros))
    total, count = 0.0, 0
    for tree in method._trees(5):
        for number, answer in enumerate(tree.answers):
            ids = torch.tensor([[*tree.prompt, *answer]])
            start = len(tree.prompt) + tree.skipped(number)
            with torch.no_grad():
                logps = base.model(input_ids=ids).logits[0].log_softmax(-1)
            total -= float(sum(logps[at - 1, ids[0, at]] for at in range(start, ids.shape[1])))
            count += ids.shape[1] - start
    assert losses == pytest.approx([total / count] * 2, rel=1e-4)


def test_strings_grow_once_mastered(tokenizer: PreTrainedTokenizerFast) -> None:
    method = pretraining(fresh(tokenizer))
    assert method.after(0, {"loss": 5.0})["longest_string"] == 10
    assert method.after(1, {"loss": 0.5})["longest_string"] == 12
    assert method.after(10, {"loss": 0.5})["longest_string"] == 12  # no longer the phase of strings
    for _ in range(30):
        method.after(0, {"loss": 0.1})
    assert method.state()["longest_string"] == 96


@pytest.mark.parametrize("step", [2, 5])
def test_it_resumes_exactly(tokenizer: PreTrainedTokenizerFast, tmp_path: Path, step: int) -> None:
    settings = LoopSettings(steps=7, learning_rate=1e-2, warmup=2, checkpoint_every=3)

    def go(folder: Path, stop_after: int | None = None) -> None:
        folder.mkdir(exist_ok=True)
        base, steps = fresh(tokenizer), []
        method = pretraining(base, validate_every=4, validation_worlds=2)
        hooks = Hooks(progress=lambda done, *_: steps.append(done), stopping=lambda: steps[-1] == stop_after)
        train(method, dict(base.model.named_parameters()), settings, folder, hooks)

    go(tmp_path / "whole")
    with pytest.raises(StageError):
        go(tmp_path / "stopped", step)
    go(tmp_path / "stopped")
    ends, rows = [], []
    for name in ("whole", "stopped"):
        found, _ = newest_checkpoint(tmp_path / name / "checkpoints")
        assert found is not None
        ends.append(found)
        lines = (tmp_path / name / "metrics.jsonl").read_text("utf-8").splitlines()
        rows.append([{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines])
    assert ends[0].state == ends[1].state
    assert all(
        torch.equal(weight, ends[1].tensors["weights"][key]) for key, weight in ends[0].tensors["weights"].items()
    )
    assert rows[0] == rows[1]
    assert "validation/seen_exact" in rows[0][3]


def test_validation_is_what_greedy_decoding_would_say(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that knows the worlds by heart is right everywhere; the same model is right nowhere else."""
    base = fresh(tokenizer)
    worlds = [generate(random.Random(0), passages=1, questions=2, unanswerable=share) for share in (0.0, 1.0)]
    trees = [world_tree(world, base.codec, WORDS) for world in worlds]
    known = iter(worlds * 2)
    monkeypatch.setattr("haechi.pretrain.saessak.generate", lambda *_, **__: next(known))
    before = validate(base, WORDS, 2, seed=0)
    assert set(before.values()) == {0.0}

    from haechi.engine.forward import score_trees

    optimizer = torch.optim.AdamW(base.model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = -score_trees(base, None, trees).logps_N.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    known = iter(worlds * 2)
    after = validate(base, WORDS, 2, seed=0)
    assert after == dict.fromkeys(
        ("validation/seen_exact", "validation/seen_abstains", "validation/unseen_exact", "validation/unseen_abstains"),
        1.0,
    )
