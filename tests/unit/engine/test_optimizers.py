"""Which optimiser moves which weight, how far, and that its state survives a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest
import torch
from torch import nn

from haechi.engine.optimizers import Optimizers, make_optimizers

RATE = 0.01


def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "embed_tokens.weight": (7, 4),
        "transformer.wpe.weight": (9, 4),
        "layers.0.up.weight": (12, 4),
        "layers.0.norm.weight": (4,),
        "lm_head.weight": (7, 4),
    }
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}


def made(kind: Literal["adamw", "muon"], weights: Mapping[str, nn.Parameter], decay: float = 0.0) -> Optimizers:
    optimizers = make_optimizers(kind, weights, betas=(0.9, 0.95), weight_decay=decay)
    optimizers.set_rate(RATE)
    return optimizers


def step(optimizers: Optimizers, weights: Mapping[str, nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizers.zero_grad()
    assert all(weight.grad is None for weight in weights.values())
    for weight in weights.values():
        weight.grad = torch.randn(weight.shape, generator=generator)
    optimizers.step()


def test_adamw_moves_every_number_by_the_rate_at_first() -> None:
    weights = parameters()
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    step(made("adamw", weights), weights, seed=1)
    for name, weight in weights.items():
        assert weight.grad is not None
        torch.testing.assert_close(weight.detach(), before[name] - RATE * weight.grad.sign())


def test_muon_moves_all_directions_of_a_hidden_matrix_alike() -> None:
    weights = parameters()
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    step(made("muon", weights), weights, seed=1)
    moved = before["layers.0.up.weight"] - weights["layers.0.up.weight"].detach()
    gradient = weights["layers.0.up.weight"].grad
    assert gradient is not None
    # Newton-Schulz leaves singular values of 0.68 to 1.13, times 0.2 √(larger side) for AdamW's size of update.
    values = torch.linalg.svdvals(moved) / (RATE * 0.2 * 12**0.5)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    assert float(torch.linalg.svdvals(gradient).max() / torch.linalg.svdvals(gradient).min()) > 1.5
    for name in ("embed_tokens.weight", "transformer.wpe.weight", "layers.0.norm.weight", "lm_head.weight"):
        other = weights[name].grad
        assert other is not None
        torch.testing.assert_close(weights[name].detach(), before[name] - RATE * other.sign())


def test_muon_keeps_its_momentum() -> None:
    """Nesterov: the direction of step t is that of (1 − μ) g + μ m, m = μ m + (1 − μ) g, with μ = 0.95."""
    weights = {"layers.0.up.weight": nn.Parameter(torch.zeros(3, 3))}
    optimizers = made("muon", weights)
    momentum = torch.zeros(3, 3)
    for seed in range(4):
        step(optimizers, weights, seed)
        gradient = weights["layers.0.up.weight"].grad
        assert gradient is not None
        momentum = 0.95 * momentum + 0.05 * gradient
    torch.testing.assert_close(optimizers.state()["momentum_buffer.layers.0.up.weight"], momentum)


def test_weight_decay_reaches_every_weight() -> None:
    weights = parameters()
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    optimizers = made("muon", weights, decay=0.5)
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    optimizers.step()
    for name, weight in weights.items():
        torch.testing.assert_close(weight.detach(), before[name] * (1 - RATE * 0.5))


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_loaded_state_goes_on_as_if_nothing_had_happened(kind: Literal["adamw", "muon"]) -> None:
    whole = parameters()
    first = made(kind, whole)
    for seed in range(3):
        step(first, whole, seed)
    saved = {name: value.clone() for name, value in first.state().items()}
    buffers = "exp_avg" if kind == "adamw" else "momentum_buffer"
    assert {f"{buffers}.layers.0.up.weight", "exp_avg_sq.embed_tokens.weight"} <= set(saved)

    resumed = {name: nn.Parameter(weight.detach().clone()) for name, weight in whole.items()}
    second = made(kind, resumed)
    second.load_state(saved)
    for seed in range(3, 6):
        step(first, whole, seed)
        step(second, resumed, seed)
    assert all(torch.equal(weight, resumed[name]) for name, weight in whole.items())


def test_loaded_state_is_a_copy() -> None:
    weights = parameters()
    first = made("adamw", weights)
    step(first, weights, 0)
    saved = {name: value.clone() for name, value in first.state().items()}
    second = made("adamw", weights)
    second.load_state(saved)
    kept = {name: value.clone() for name, value in saved.items()}
    step(second, weights, 1)
    assert all(torch.equal(value, kept[name]) for name, value in saved.items())
