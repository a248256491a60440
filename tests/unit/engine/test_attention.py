"""Blockwise attention is the fused one, in value and gradient, wherever it is used."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from haechi.engine import attention
from haechi.engine.trees import Tree, pack


def mask_of(lengths: list[tuple[int, list[int]]]) -> Tensor:
    trees = [Tree([1] * prompt, [[1] * answer for answer in answers]) for prompt, answers in lengths]
    visible_BTT = pack(trees).visible_BTT
    assert visible_BTT is not None
    return visible_BTT[:, None]


MASKS = {
    "one tree": mask_of([(20, [5, 4, 3])]),
    "trees side by side in a row": mask_of([(9, [3, 2]), (30, [5]), (7, [4])]),
    "rows of different trees": mask_of([(20, [5]), (19, [2, 2]), (21, [9, 1])]),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("heads", [4, 2], ids=["as many keys", "grouped keys"])
def test_it_equals_the_fused_attention(name: str, heads: int) -> None:
    mask = MASKS[name]
    generator = torch.Generator().manual_seed(0)
    rows, length = mask.shape[0], mask.shape[-1]

    def draw(count: int) -> Tensor:
        return torch.randn(rows, count, length, 8, generator=generator, requires_grad=True)

    query, key, value = draw(4), draw(heads), draw(heads)
    weight = torch.randn(rows, length, 4, 8, generator=generator)
    found = attention.attend(torch.nn.Module(), query, key, value, mask, scaling=0.3)[0]
    wanted = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(found, wanted.transpose(1, 2))
    ours = torch.autograd.grad((found * weight).sum(), (query, key, value))
    theirs = torch.autograd.grad((wanted.transpose(1, 2) * weight).sum(), (query, key, value))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_what_it_cannot_do_goes_to_the_fused_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache (fewer queries than keys), a mask that shows later places, or no mask."""
    monkeypatch.setattr(attention, "blockwise", lambda *_: pytest.fail("not for blocks"))
    module = torch.nn.Module()
    query, key = torch.randn(1, 2, 12, 4), torch.randn(1, 2, 30, 4)
    mask = torch.ones(1, 1, 12, 30, dtype=torch.bool)
    module.is_causal = True  # type: ignore[assignment]
    found = attention.attend(module, query, key, key, mask, scaling=0.5)[0]
    torch.testing.assert_close(
        found, F.scaled_dot_product_attention(query, key, key, attn_mask=mask, scale=0.5).transpose(1, 2)
    )
    both_ways = torch.ones(1, 1, 30, 30, dtype=torch.bool).tril()
    both_ways[..., 3, 29] = True  # a single later place, as in a mask that looks both ways
    found = attention.attend(module, key, key, key, both_ways, scaling=0.5)[0]
    wanted = F.scaled_dot_product_attention(key, key, key, attn_mask=both_ways, scale=0.5)
    torch.testing.assert_close(found, wanted.transpose(1, 2))
    found = attention.attend(module, key, key, key, None, scaling=0.5)[0]
    torch.testing.assert_close(
        found, F.scaled_dot_product_attention(key, key, key, is_causal=True, scale=0.5).transpose(1, 2)
    )
