"""First weights: a model that is born able to copy."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch

from haechi.engine.forward import score_trees
from haechi.engine.trees import Tree
from haechi.models.base import SharedBase
from haechi.pretrain.model import build_model
from haechi.prompt.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


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


def test_a_model_is_a_function_of_its_seed(tokenizer: PreTrainedTokenizerFast) -> None:
    one, same, other = (
        build_model(tokenizer, layers=2, width=32, heads=2, intermediate=32, seed=seed).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(weight, same[name]) for name, weight in one.items())
    assert not torch.equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
