"""The pretraining method: what is learned, what is measured, exact resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from haechi.engine.checkpoint import newest_checkpoint
from haechi.engine.forward import score_trees
from haechi.engine.loop import Hooks, LoopSettings, train
from haechi.engine.trees import Tree
from haechi.errors import StageError
from haechi.models.base import SharedBase
from haechi.pretrain.mixture import Mixture, Phase, world_tree
from haechi.pretrain.model import build_model
from haechi.pretrain.pretraining import Pretraining, learned, validate
from haechi.pretrain.text import PackedText, pack_text
from haechi.pretrain.worlds.draw import Draw, held_out
from haechi.pretrain.worlds.facts import Asked
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PHASES = (Phase(3, (0, 0)), Phase(20, (1, 2), copies=0.3))
MIXED = (Phase(3, (0, 0)), Phase(20, (1, 2), copies=0.1, spans=0.3, texts=0.3))
TEXTS = tuple(
    f"{number}쪽\n\n"
    + " ".join(
        text for i in range(8) for _, text in generate(Draw(f"{number}-{i}"), passages=1).passages if "\n" not in text
    )
    for number in range(6)
)


def fresh(tokenizer: PreTrainedTokenizerFast) -> SharedBase:
    model = build_model(tokenizer, layers=2, width=32, heads=2, intermediate=48, seed=0)
    base = SharedBase(model, Codec(tokenizer), "sprout")
    model.requires_grad_(True)
    return base


def pretraining(base: SharedBase, text: Path | None = None, **changes: Any) -> Pretraining:
    """The method on rows without text, or with it: then `text` is where its ids are kept."""
    if text and not text.exists():
        pack_text(TEXTS, base.codec, text)
    mixture = Mixture(
        base,
        MIXED if text else PHASES,
        tokens_a_step=900,
        seed=3,
        english=0.3 if text else 0.0,
        texts=TEXTS if text else (),
        packed=PackedText(text) if text else None,
    )
    given: dict[str, Any] = {"token_budget": 400, "seed": 3, "validate_every": 0, "dtype": torch.float32}
    return Pretraining(base, mixture, **(given | changes))


@pytest.mark.parametrize("with_text", [False, True])
def test_the_loss_is_the_weighted_mean_over_learned_tokens(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, with_text: bool
) -> None:
    """Questions are read and not learned, a token of running text counts a fifth, however the update is cut."""
    base = fresh(tokenizer)
    text = tmp_path / "ids.safetensors" if with_text else None
    losses = []
    for budget in (1, 10_000):
        method = pretraining(base, text, token_budget=budget)
        (micros,) = method.updates(5)
        assert (len(micros) > 1) == (budget == 1)
        losses.append(sum(float(method.loss(micro)[0].detach()) for micro in micros))
    total = count = 0.0
    rows = pretraining(base, text).mixture.rows(5)
    assert {row.weight for row in rows} == ({0.2, 1.0} if with_text else {1.0})
    for tree, weight in rows:
        for number, answer in enumerate(tree.answers):
            ids = torch.tensor([[*tree.prompt, *answer]])
            start = len(tree.prompt) + tree.skipped(number)
            with torch.no_grad():
                logps = base.model(input_ids=ids).logits[0].log_softmax(-1)
            total -= weight * float(sum(logps[at - 1, ids[0, at]] for at in range(start, ids.shape[1])))
            count += weight * (ids.shape[1] - start)
    assert losses == pytest.approx([total / count] * 2, rel=1e-4)


def test_learned_tokens_are_those_that_are_not_skipped() -> None:
    assert learned(Tree([1, 2], [[3, 4, 5], [6]], [1, 0])) == 3
    assert learned(Tree([1], [[2, 3]])) == 2


@pytest.mark.parametrize(("step", "optimizer"), [(2, "adamw"), (5, "adamw"), (4, "muon")])
def test_it_resumes_exactly(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, step: int, optimizer: Literal["adamw", "muon"]
) -> None:
    settings = LoopSettings(steps=7, learning_rate=1e-2, warmup=2, checkpoint_every=3, optimizer=optimizer)

    def go(folder: Path, stop_after: int | None = None) -> None:
        folder.mkdir(exist_ok=True)
        base, steps = fresh(tokenizer), []
        method = pretraining(base, tmp_path / "ids.safetensors", validate_every=4, validation_worlds=2)
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
    worlds = [generate(Draw("0"), passages=1, questions=2, unanswerable=share) for share in (0.0, 1.0)]
    trees = [world_tree(world, base.codec) for world in worlds]
    known = iter(worlds * 2)
    monkeypatch.setattr("haechi.pretrain.pretraining.generate", lambda *_, **__: next(known))
    before = validate(base, 2, seed=0)
    losses = [before.pop(f"validation/{kind}_loss") for kind in ("seen", "unseen")]
    assert set(before.values()) == {0.0}
    nats, count = 0.0, 0  # by plain forwards, a question and its reply at a time
    for tree in trees:
        for number, answer in enumerate(tree.answers):
            ids, first = torch.tensor([[*tree.prompt, *answer]]), len(tree.prompt) + tree.skipped(number)
            with torch.no_grad():
                logps = base.model(input_ids=ids).logits[0].log_softmax(-1)
            nats -= float(sum(logps[at - 1, ids[0, at]] for at in range(first, ids.shape[1])))
            count += ids.shape[1] - first
    assert losses == pytest.approx([nats / count] * 2, rel=1e-5)

    optimizer = torch.optim.AdamW(base.model.parameters(), lr=1e-2)
    for _ in range(120):
        loss = -score_trees(base, None, trees).logps_N.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    known = iter(worlds * 2)
    after = validate(base, 2, seed=0)
    assert max(after.pop(f"validation/{kind}_loss") for kind in ("seen", "unseen")) < 0.5
    assert after == dict.fromkeys(
        (f"validation/{kind}_{what}" for kind in ("seen", "unseen") for what in ("exact", "abstains", "judges")),
        1.0,
    )


def test_validation_by_hand(tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two questions have an answer, and one of them is met; both others are refused. Of the six verdicts, the last of
    each reply and the only learned token of a wrong one, three are right."""
    told = [Asked(f"{number}?", "thing", "답.", 1) for number in range(2)]
    asked = [*told, *(Asked(f"{number}?", "thing", None, None) for number in range(2))]
    world = World((("가", "답이다."),), tuple(asked), (asked[0], asked[0]))
    chosen = [[True, True, False], [True, False, True], [True, False], [True, True], [False], [True]]
    monkeypatch.setattr("haechi.pretrain.pretraining.generate", lambda *_, **__: world)
    monkeypatch.setattr("haechi.pretrain.pretraining._likeliest", lambda *_: (chosen, 1.25))
    found = validate(fresh(tokenizer), 1, seed=0)
    assert {name: value for name, value in found.items() if "unseen" not in name} == {
        "validation/seen_exact": 1 / 2,
        "validation/seen_abstains": 1.0,
        "validation/seen_judges": 3 / 6,
        "validation/seen_loss": 1.25,
    }


@pytest.mark.parametrize("language", ["ko", "en"])
def test_validation_is_of_names_that_training_never_sees(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch, language: Literal["ko", "en"]
) -> None:
    drawn: list[World] = []
    unseen: list[bool] = []

    def noted(rng: Draw, **settings: Any) -> World:
        unseen.append(settings["unseen_templates"])
        drawn.append(generate(rng, **settings))
        return drawn[-1]

    monkeypatch.setattr("haechi.pretrain.pretraining.generate", noted)
    found = validate(fresh(tokenizer), 2, seed=0, passages=2, language=language, prose=0.5)
    assert len(found) == 8 and all(0 <= share <= 1 for name, share in found.items() if not name.endswith("loss"))
    assert len(drawn) == 4 and {world.language for world in drawn} == {language}
    assert unseen == [False, False, True, True]
    titles = {title for world in drawn for title, text in world.passages if " | " not in text}
    assert titles and all(held_out(title) for title in titles)
