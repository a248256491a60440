"""Merged equals unmerged, for every kind of role and chain, and loads without haechi."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from haechi.engine.forward import token_logps
from haechi.engine.rollout import Sampling, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.models.merge import Agreement, compare, merged_model, save_model
from haechi.models.roles import Role, Trainable

FolderOf = Callable[[str], Path]
SHAPES = ((11, (4, 2)), (5, (3,)))
LORA, TOP, FULL = Trainable("lora", rank=3, alpha=12.0), Trainable("top_layers", layers=1), Trainable("full")
CHAINS = {
    "lora": [LORA],
    "top_layers": [TOP],
    "full": [FULL],
    "chain": [LORA, TOP, Trainable("lora", rank=1)],
    "lora on full": [FULL, LORA],
}


def grown(base: SharedBase, trainables: list[Trainable], disturb: Callable[..., Role]) -> Role:
    role: Role | None = None
    for seed, trainable in enumerate(trainables):
        role = disturb(Role(base, trainable, role, seed=seed), seed)
    assert role is not None
    return role


def agreement(base: SharedBase, role: Role, merged: SharedBase, trees: list[Tree]) -> Agreement:
    groups = micro_batches(trees, 1000)
    greedy = Sampling(temperature=0, max_new_tokens=12)
    prompts = [tree.prompt for tree in trees]
    return compare(
        token_logps(base, role, trees, groups),
        token_logps(merged, None, trees, groups),
        [answers[0].ids for answers in sample(base, role, prompts, greedy)],
        [answers[0].ids for answers in sample(merged, None, prompts, greedy)],
    )


@pytest.mark.parametrize("name", CHAINS)
def test_merged_equals_unmerged(
    base: SharedBase, name: str, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    role = grown(base, CHAINS[name], disturb)
    before = {key: weight.clone() for key, weight in base.model.state_dict().items()}
    model = merged_model(base, role)
    assert all(torch.equal(weight, before[key]) for key, weight in base.model.state_dict().items()), (
        "the base was changed"
    )
    trees = draw_trees(SHAPES)
    found = agreement(base, role, SharedBase(model, base.codec, "merged"), trees)
    assert found.accepted(1e-4), found
    assert found.answers == 2

    save_model(model, base, tmp_path)
    assert not list(tmp_path.glob("*.bin")) and not list(tmp_path.glob("NOTICE*"))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(loaded) is type(base.model)
    ids = torch.tensor([[*trees[0].prompt, *trees[0].answers[0]]])
    with torch.no_grad(), base.wearing(role):
        expected = base.model(input_ids=ids, use_cache=False).logits
    with torch.no_grad():
        torch.testing.assert_close(loaded(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)
    assert AutoTokenizer.from_pretrained(tmp_path).encode("등대는 어디에 있나요?") == base.codec.tokenizer.encode(
        "등대는 어디에 있나요?"
    )


def test_the_terms_of_a_base_go_where_its_weights_go(checkpoint_folder: FolderOf, tmp_path: Path) -> None:
    """From a folder to the base, to what is merged into it, and from there to the next one."""
    shutil.copytree(checkpoint_folder("llama"), tmp_path / "base")
    for name in ("NOTICE.md", "LICENSE", "README.md"):
        (tmp_path / "base" / name).write_text(f"{name} 가", "utf-8")
    for source, target in (("base", "made"), ("made", "made of it")):
        base = load_base(str(tmp_path / source), dtype="float32", device="cpu")
        save_model(base.model, base, tmp_path / target)
    assert (tmp_path / "made of it" / "NOTICE.md").read_text("utf-8") == "NOTICE.md 가"
    assert (tmp_path / "made of it" / "LICENSE").read_text("utf-8") == "LICENSE 가"
    assert not (tmp_path / "made of it" / "README.md").exists(), "it is about another model"


def test_a_merge_of_another_role_is_not_accepted(
    base: SharedBase, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    role, other = (disturb(Role(base, LORA), seed) for seed in (1, 2))
    merged = SharedBase(merged_model(base, other), base.codec, "merged")
    found = agreement(base, role, merged, draw_trees(SHAPES))
    assert found.largest_difference > 0.01
    assert not found.accepted(1e-3)


def test_acceptance_needs_both() -> None:
    near, far = [torch.tensor([0.0, -1.0])], [torch.tensor([0.0, -1.5])]
    assert compare(near, near, [[1, 2]], [[1, 2]]) == Agreement(0.0, 1, 1)
    assert compare(near, far, [[1, 2]], [[1, 2]]) == Agreement(0.5, 1, 1)
    assert compare(near, far, [[1]], [[1]]).accepted(0.5) and not compare(near, far, [[1]], [[1]]).accepted(0.4)
    assert not compare(near, near, [[1, 2]], [[1, 3]]).accepted(1.0)
    nan = [torch.tensor([float("nan"), -1.0])]
    assert not compare(nan, near, [[1]], [[1]]).accepted(1.0)
    assert not compare(near + nan, near + near, [[1]], [[1]]).accepted(1.0), "a NaN after a finite difference"
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        compare(near, [], [], [])
