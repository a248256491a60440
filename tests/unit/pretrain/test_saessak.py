"""The pretraining method: what is learned, what is measured, exact resume."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from haechi.engine.checkpoint import newest_checkpoint
from haechi.engine.forward import score_trees
from haechi.engine.loop import Hooks, LoopSettings, train
from haechi.engine.trees import Tree, pack
from haechi.errors import StageError
from haechi.models.base import SharedBase
from haechi.pretrain.asking import Asked
from haechi.pretrain.saessak import (
    RIGHT,
    WRONG,
    Phase,
    Pretraining,
    build_model,
    random_string,
    validate,
    world_tree,
)
from haechi.pretrain.worlds import World, generate
from haechi.prompt.template import template
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WORDS = template("ko", instructed=False)
LIGHTHOUSE = World(
    (("등대", "등대지기는 오누리이다."),),
    (Asked("누가 지키나요?", "person", "오누리입니다.", 1), Asked("값은?", "price", None, None)),
    (Asked("누가 지키나요?", "person", "한바라입니다.", 1),),
)
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
    """A verdict follows the end of every reply, where a reward model reads; wrong replies teach nothing else."""
    codec = Codec(tokenizer)
    (right,), (wrong,) = codec.encode(RIGHT), codec.encode(WRONG)
    tree = world_tree(LIGHTHOUSE, codec, WORDS)
    assert tree.prompt[0] == tokenizer.bos_token_id
    assert tokenizer.decode(list(tree.prompt[1:])) == "[1] 등대: 등대지기는 오누리이다. [1]\n"
    expected = [
        ("질문: 누가 지키나요?\n답변:", " 오누리입니다. [1]", right),
        ("질문: 값은?\n답변:", f" {WORDS.abstention}", right),
        ("질문: 누가 지키나요?\n답변:", " 한바라입니다. [1]", wrong),
    ]
    assert len(tree.answers) == len(expected) and right != wrong
    for number, (question, reply, verdict) in enumerate(expected):
        ids, skip = list(tree.answers[number]), tree.skipped(number)
        assert tokenizer.decode(ids[:-2]) == question + reply
        assert ids[-2:] == [codec.eos, verdict]
        assert skip == (len(codec.encode(question)) if verdict == right else len(ids) - 1)
    packed = pack([tree])
    asks_for_verdict = packed.targets_N[-1] == wrong
    assert asks_for_verdict and packed.tokens_BT.flatten()[packed.source_N[-1]] == codec.eos


def test_trees_are_a_function_of_seed_and_step(tokenizer: PreTrainedTokenizerFast) -> None:
    base = fresh(tokenizer)
    method = pretraining(base)
    assert method._trees(5) == pretraining(base)._trees(5)
    assert method._trees(5) != method._trees(6) != pretraining(base, seed=4)._trees(6)
    for step in range(3):
        for tree in method._trees(step):  # a string to repeat, or keys and values to look up
            prompt = ",".join(map(str, tree.prompt))
            assert all(",".join(map(str, answer)) in prompt for answer in tree.answers)
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


@pytest.mark.parametrize(("width", "heads", "gain"), [(256, 8, 4.0), (128, 2, 2.0)])
def test_it_is_born_able_to_copy(tokenizer: PreTrainedTokenizerFast, width: int, heads: int, gain: float) -> None:
    """A token that came before is followed by what followed it then, without a step of training: nats over chance."""
    model = build_model(tokenizer, layers=3, width=width, heads=heads, intermediate=64, seed=0)
    base = SharedBase(model, Codec(tokenizer), "sprout")
    generator = torch.Generator().manual_seed(1)
    strings = [torch.randint(3, len(tokenizer), (30,), generator=generator).tolist() for _ in range(8)]
    with torch.no_grad():
        repeated = score_trees(base, None, [Tree([1, *string], [string]) for string in strings])
        fresh_ones = score_trees(base, None, [Tree([1, *a], [b]) for a, b in pairwise(strings)])
    first_N = torch.tensor([position == 0 for _ in strings for position in range(30)])
    assert float(repeated.logps_N[~first_N].mean()) > math.log(1 / len(tokenizer)) + gain
    assert float(fresh_ones.logps_N.mean()) < math.log(1 / len(tokenizer)) + 0.1  # it copies, it does not guess


def test_the_first_layer_looks_one_place_back(tokenizer: PreTrainedTokenizerFast) -> None:
    model = build_model(tokenizer, layers=2, width=256, heads=8, intermediate=64, seed=0)
    model.set_attn_implementation("eager")
    ids = torch.randint(3, len(tokenizer), (1, 200), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        weights_HTT = model(ids, output_attentions=True).attentions[0][0]
    back = weights_HTT.diagonal(offset=-1, dim1=-2, dim2=-1)  # [H, T-1]
    assert float(back[:2].mean()) > 0.9 and float(back[2:].mean()) < 0.2


@pytest.mark.parametrize(("step", "optimizer"), [(2, "adamw"), (5, "adamw"), (4, "muon")])
def test_it_resumes_exactly(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, step: int, optimizer: Literal["adamw", "muon"]
) -> None:
    settings = LoopSettings(steps=7, learning_rate=1e-2, warmup=2, checkpoint_every=3, optimizer=optimizer)

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

    optimizer = torch.optim.AdamW(base.model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = -score_trees(base, None, trees).logps_N.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    known = iter(worlds * 2)
    after = validate(base, WORDS, 2, seed=0)
    assert after == dict.fromkeys(
        (f"validation/{kind}_{what}" for kind in ("seen", "unseen") for what in ("exact", "abstains", "judges")),
        1.0,
    )


def test_random_strings() -> None:
    rng = random.Random(0)
    assert len(random_string(rng, [5, 6, 7], 50)) == 50 and set(random_string(rng, [5, 6, 7], 50)) == {5, 6, 7}
