"""What a role wears: adapters as peft has them, copies, chains, heads."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from haechi.engine.forward import score_trees
from haechi.engine.trees import Tree
from haechi.errors import ModelError, StageError
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable, linear_shape
from haechi.models.saved import load_role, save_role

LORA, TOP, FULL = Trainable("lora", rank=3, alpha=12.0), Trainable("top_layers", layers=1), Trainable("full")
IDS = torch.tensor([[5, 900, 41, 77, 1203, 8]])


@torch.no_grad()
def logits(base: SharedBase, role: Role | None) -> Tensor:
    with base.wearing(role):
        return base.model(input_ids=IDS, use_cache=False).logits


@torch.no_grad()
def rebuilt(base: SharedBase, chain: list[Role]) -> Tensor:
    """Logits of a copy of the model whose weights are put together by hand, the oldest role first."""
    model = copy.deepcopy(base.model)
    for module in model.modules():
        module._forward_hooks.clear()
    state = model.state_dict()  # holds tied weights under both names
    deltas: list[tuple[str, Tensor]] = []
    for role in chain:
        for name, weight in role.copies.items():
            state[name].copy_(weight)
        for name, a in role.lora_a.items():
            deltas.append((name, role.lora_b[name] @ a * role.trainable.alpha / role.trainable.rank))
    for name, delta in deltas:
        weight = state[f"{name}.weight"]
        weight += (
            delta if weight.shape == delta.shape and type(model.get_submodule(name)).__name__ != "Conv1D" else delta.T
        )
    return model(input_ids=IDS, use_cache=False).logits


CHAINS = {
    "lora": [LORA],
    "top_layers": [TOP],
    "full": [FULL],
    "lora on lora": [LORA, Trainable("lora", rank=5, alpha=2.0)],
    "top_layers on lora": [LORA, TOP],
    "lora on top_layers": [TOP, LORA],
    "lora on full": [FULL, LORA],
    "full on lora": [LORA, FULL],
    "top_layers on full": [FULL, TOP],
    "three": [LORA, TOP, Trainable("lora", rank=1, alpha=1.0)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_starts_at_its_parent_and_computes_as_its_weights_say(
    base: SharedBase, name: str, disturb: Callable[..., Role]
) -> None:
    chain: list[Role] = []
    for seed, trainable in enumerate(CHAINS[name]):
        role = Role(base, trainable, chain[-1] if chain else None, seed=seed)
        torch.testing.assert_close(logits(base, role), logits(base, role.parent), rtol=0, atol=0)
        chain.append(disturb(role, seed=seed))
        assert float((logits(base, role) - logits(base, role.parent)).abs().max()) > 1e-2
    torch.testing.assert_close(logits(base, chain[-1]), rebuilt(base, chain), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits(base, chain[0]), rebuilt(base, chain[:1]), rtol=1e-4, atol=1e-4)


def test_wearing_ends_with_the_block_even_after_an_error(base: SharedBase, disturb: Callable[..., Role]) -> None:
    bare, weights = logits(base, None), {name: weight.clone() for name, weight in base.model.state_dict().items()}
    inner, outer = disturb(Role(base, FULL)), disturb(Role(base, LORA))

    def fails() -> None:
        with base.wearing(outer), base.wearing(inner):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fails()
    torch.testing.assert_close(logits(base, None), bare, rtol=0, atol=0)
    assert all(torch.equal(weight, weights[name]) for name, weight in base.model.state_dict().items())


def test_siblings_do_not_disturb_each_other(base: SharedBase, disturb: Callable[..., Role]) -> None:
    first, second = disturb(Role(base, LORA), 1), disturb(Role(base, LORA), 2)
    alone = logits(base, first)
    logits(base, second)
    with base.wearing(second):
        inside = logits(base, first)
        assert torch.equal(logits(base, second), base.model(input_ids=IDS, use_cache=False).logits)
    torch.testing.assert_close(inside, alone, rtol=0, atol=0)


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # peft asks Transformers by the old name
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_lora_is_pefts_lora(
    architecture: str,
    load_architecture: Callable[[str], SharedBase],
    make_model: Callable[[str], Any],
    disturb: Callable[..., Role],
) -> None:
    from peft import LoraConfig, get_peft_model

    base = load_architecture(architecture)
    role = disturb(Role(base, LORA))
    targets = sorted({name.rpartition(".")[2] for name in role.lora_a})
    config = LoraConfig(
        r=3, lora_alpha=12, target_modules=targets, lora_dropout=0.0, fan_in_fan_out=architecture == "gpt2"
    )
    theirs = get_peft_model(make_model(architecture), config).eval()
    adapters = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, a in role.lora_a.items():
            adapters[f"base_model.model.{name}.lora_A.default.weight"].copy_(a)
            adapters[f"base_model.model.{name}.lora_B.default.weight"].copy_(role.lora_b[name])
        expected = theirs(input_ids=IDS).logits
    assert sum("lora_A" in name for name in adapters) == len(role.lora_a)
    assert role.num_trained == sum(weight.numel() for name, weight in adapters.items() if "lora_" in name)
    torch.testing.assert_close(logits(base, role), expected, rtol=1e-4, atol=1e-4)


def test_lora_takes_all_linear_layers_but_the_output(base: SharedBase) -> None:
    role = Role(base, LORA)
    a_layer = {"llama": 7, "qwen3": 7, "gpt2": 4, "neox": 4}[_architecture(base)]
    assert len(role.lora_a) == a_layer * base.num_layers
    for name, a in role.lora_a.items():
        weight = cast("torch.Tensor", base.model.get_submodule(name).weight)
        outputs, inputs = reversed(weight.shape) if _architecture(base) == "gpt2" else weight.shape
        assert linear_shape(base.model.get_submodule(name)) == (outputs, inputs)
        assert a.shape == (3, inputs) and role.lora_b[name].shape == (outputs, 3)
        assert float(a.detach().abs().max()) <= 1 / math.sqrt(inputs) and not role.lora_b[name].any()


def _architecture(base: SharedBase) -> str:
    return {"LlamaForCausalLM": "llama", "Qwen3ForCausalLM": "qwen3", "GPT2LMHeadModel": "gpt2"}.get(
        type(base.model).__name__, "neox"
    )


def test_targets_of_lora(llama: SharedBase) -> None:
    role = Role(llama, Trainable("lora", rank=2, target="q_proj, v_proj"))
    assert {name.rpartition(".")[2] for name in role.lora_a} == {"q_proj", "v_proj"}
    with pytest.raises(ModelError, match=r"no linear layer ends in “c_attn”.*Fix"):
        Role(llama, Trainable("lora", rank=2, target="c_attn"))


def test_rank_zero_is_full_and_trains_tied_weights_once(llama: SharedBase) -> None:
    assert Trainable("lora", rank=0).effective == "full"
    role = Role(llama, Trainable("lora", rank=0))
    assert role.num_trained == llama.model.num_parameters()
    assert role.first_layer == 0


def test_tied_embeddings_learn_through_both_ends(base: SharedBase, draw_trees: Callable[..., list[Tree]]) -> None:
    """Under a full role the output layer's gradient reaches the embeddings where the two are one weight."""
    role = Role(base, FULL)
    tied = base.model.config.tie_word_embeddings
    embedding = {id(weight): name for name, weight in base.model.named_parameters()}[
        id(base.model.get_input_embeddings().weight)
    ]
    tree = draw_trees(((3, (2,)),))
    gradient = torch.autograd.grad(score_trees(base, role, tree).logps_N.sum(), role.copies[embedding])[0]
    seen = {*tree[0].prompt, *tree[0].answers[0]}
    unseen = [token for token in range(100) if token not in seen]
    assert bool(gradient[unseen].any()) is tied


def test_top_layers_copies_the_top_and_the_final_norm_only(base: SharedBase) -> None:
    role = Role(base, Trainable("top_layers", layers=2))
    assert role.first_layer == base.num_layers - 2
    own = {id(weight) for layer in base.layers[-2:] for weight in layer.parameters()}
    copied = {id(dict(base.model.named_parameters())[name]) for name in role.copies}
    assert own < copied
    rest = [name for name in role.copies if id(dict(base.model.named_parameters())[name]) not in own]
    assert all("norm" in name or "ln_f" in name for name in rest) and 1 <= len(rest) <= 2
    for layers in (0, base.num_layers + 1):
        with pytest.raises(ModelError, match=r"Fix: trainable\.layers "):
            Role(base, Trainable("top_layers", layers=layers))


def test_head_starts_small_and_the_same_for_a_seed(llama: SharedBase) -> None:
    first, again, other = (Role(llama, Trainable("head"), seed=seed, head_outputs=200) for seed in (0, 0, 1))
    assert first.head is not None and again.head is not None and other.head is not None
    assert torch.equal(first.head.weight, again.head.weight) and not torch.equal(first.head.weight, other.head.weight)
    assert float(first.head.weight.detach().std()) == pytest.approx(1 / math.sqrt(llama.width + 1), rel=0.05)
    assert not first.head.bias.any()
    assert set(first.parameters()) == {"head.weight", "head.bias"}


def test_a_saved_role_comes_back_frozen(base: SharedBase, tmp_path: Path, disturb: Callable[..., Role]) -> None:
    parent = disturb(Role(base, LORA), 1)
    role = disturb(Role(base, TOP, parent, head_outputs=1), 2)
    save_role(role, base, tmp_path, {"note": 3})
    found, about = load_role(base, tmp_path, parent)
    assert about["note"] == 3
    torch.testing.assert_close(logits(base, found), logits(base, role), rtol=0, atol=0)
    assert found.head is not None and role.head is not None and torch.equal(found.head.weight, role.head.weight)
    assert not any(weight.requires_grad for weight in found.parameters().values())


def test_a_role_of_other_shape_or_base_is_refused(
    llama: SharedBase, load_architecture: Callable[[str], SharedBase], tmp_path: Path
) -> None:
    role = Role(llama, LORA)
    with pytest.raises(ModelError, match=r"x: its weights are not those of this role .*Fix"):
        role.load({"other": torch.zeros(1)}, "x")
    with pytest.raises(ModelError, match=r"x: lora_a\S+ has shape \(4, 32\), expected \(3, 32\)"):
        role.load(
            Role(llama, Trainable("lora", rank=4)).state()
            | role.state()
            | _first(Role(llama, Trainable("lora", rank=4))),
            "x",
        )
    with pytest.raises(StageError, match="holds no trained role"):
        load_role(llama, tmp_path)
    save_role(role, llama, tmp_path)
    with pytest.raises(StageError, match="was trained on another base"):
        load_role(load_architecture("qwen3"), tmp_path)


def _first(role: Role) -> dict[str, Tensor]:
    name = next(iter(role.state()))
    return {name: role.state()[name]}
