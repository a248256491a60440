"""A 4-bit base on the CPU: exact shared forward, a LoRA that learns, an untouched base, no merge."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch

from haechi.engine.forward import score_trees
from haechi.engine.trees import Tree
from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.models.merge import merged_model
from haechi.models.roles import Role, Trainable, linear_shape

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="module")
def folder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama wide enough for blocks of 64 weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.1,
        tie_word_embeddings=True,
    )
    where = tmp_path_factory.mktemp("wide")
    LlamaForCausalLM(config).save_pretrained(where)
    tokenizer.save_pretrained(where)
    return where


@pytest.fixture(scope="module")
def four_bit(folder: Path) -> SharedBase:
    pytest.importorskip("bitsandbytes")
    return load_base(str(folder), dtype="float32", quantise="nf4", device="cpu")


@pytest.fixture(scope="module")
def unpacked(folder: Path, four_bit: SharedBase) -> SharedBase:
    """The 4-bit weights written out in float32: what the 4-bit base must compute."""
    from bitsandbytes.functional import dequantize_4bit

    plain = load_base(str(folder), dtype="float32", device="cpu")
    with torch.no_grad():
        for name, module in four_bit.model.named_modules():
            if type(module).__name__ == "Linear4bit":
                packed = cast("Any", module.weight)
                target = cast("Any", plain.model.get_submodule(name)).weight
                target.copy_(dequantize_4bit(packed.data, packed.quant_state))
    return plain


def fingerprint(base: SharedBase) -> str:
    whole = hashlib.sha256()
    for name, tensor in sorted(base.model.state_dict().items()):
        whole.update(name.encode() + tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def test_its_linear_layers_are_four_bit_and_the_shared_forward_holds(four_bit: SharedBase) -> None:
    layer = cast("Any", four_bit.layers[0]).mlp.up_proj
    assert type(layer).__name__ == "Linear4bit" and layer.weight.dtype is torch.uint8
    assert linear_shape(layer) == (128, 64)
    assert four_bit.shared_forward


def test_values_and_gradients_are_those_of_the_unpacked_weights(
    four_bit: SharedBase, unpacked: SharedBase, disturb: Callable[..., Role], draw_trees: Callable[..., list[Tree]]
) -> None:
    trees = draw_trees(((6, (4, 3)), (3, (5,))))
    with torch.no_grad():  # must leave nothing behind that the gradients miss
        score_trees(four_bit, None, trees)
    found = []
    for base in (four_bit, unpacked):
        role = disturb(Role(base, Trainable("lora", rank=4, alpha=8.0)))
        logps = score_trees(base, role, trees).logps_N
        found.append((logps.detach(), torch.autograd.grad(logps.sum(), list(role.parameters().values()))))
    (ours, our_gradients), (theirs, their_gradients) = found
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    for mine, other in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)


def test_lora_learns_and_the_base_stays(four_bit: SharedBase, draw_trees: Callable[..., list[Tree]]) -> None:
    before = fingerprint(four_bit)
    role = Role(four_bit, Trainable("lora", rank=4, alpha=8.0))
    assert len(role.lora_a) == 7 * four_bit.num_layers
    trees = draw_trees(((6, (4, 3)), (3, (5,))))
    torch.testing.assert_close(
        score_trees(four_bit, role, trees).logps_N, score_trees(four_bit, None, trees).logps_N, rtol=0, atol=0
    )
    optimizer = torch.optim.AdamW(list(role.parameters().values()), lr=2e-2)
    losses = []
    for _ in range(6):
        loss = -score_trees(four_bit, role, trees).logps_N.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.5, losses
    assert fingerprint(four_bit) == before


def test_what_four_bits_cannot_do_is_explained(four_bit: SharedBase) -> None:
    role = Role(four_bit, Trainable("lora", rank=4))
    with pytest.raises(
        ModelError, match=r"4-bit base cannot take the adapter.*Fix: load the base with base\.quantise: none"
    ):
        merged_model(four_bit, role)
    for kind in ("full", "top_layers"):
        with pytest.raises(ModelError, match=r"quantised weights cannot be trained.*Fix: "):
            Role(four_bit, Trainable(kind))  # type: ignore[arg-type]


def test_without_bitsandbytes_the_remedy_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r"^base\.quantise: nf4 needs bitsandbytes\. Fix: pip install"):
        load_base(str(folder), quantise="nf4", device="cpu")
