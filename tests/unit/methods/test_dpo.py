import math
from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from haechi.methods.dpo import Kind, dpo

KINDS: tuple[Kind, ...] = ("sigmoid", "hinge", "ipo")
PAIR = torch.tensor([[-1.0], [-2.0], [-1.5], [-1.2]], dtype=torch.float64)
DELTA = (-1.0 + 1.5) - (-2.0 + 1.2)  # 1.3 nats further from the reference on the chosen side


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def loss_of(kind: Kind = "sigmoid", *, beta: float = 0.5, **options) -> float:
    return dpo(*PAIR, beta=beta, kind=kind, **options)[0].item()


def one(number: float) -> Tensor:
    return torch.tensor([number], dtype=torch.float64)


def noise(pairs: int = 5) -> Tensor:
    return torch.randn(4, pairs, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_losses_by_hand():
    z = 0.5 * DELTA
    assert math.isclose(loss_of("sigmoid"), softplus(-z))
    assert math.isclose(loss_of("hinge"), 1 - z)
    assert math.isclose(loss_of("ipo"), (DELTA - 1 / (2 * 0.5)) ** 2)
    assert math.isclose(loss_of("sigmoid", label_smoothing=0.1), 0.9 * softplus(-z) + 0.1 * softplus(z))
    assert math.isclose(loss_of("hinge", beta=2.0), 0.0)
    assert math.isclose(loss_of("ipo", beta=0.1), (DELTA - 5) ** 2)


def test_a_policy_at_its_reference():
    logps = noise()
    same = torch.cat([logps[:2], logps[:2]])
    for kind, expected in zip(KINDS, (math.log(2), 1.0, 1 / (2 * 0.1) ** 2), strict=True):
        losses, metrics = dpo(*same, beta=0.1, kind=kind)
        assert torch.allclose(losses, torch.full_like(losses, expected))
        assert metrics["dpo/margin"].item() == 0.0
        assert metrics["dpo/accuracy"].item() == 0.5


def test_a_margin_is_paid_out_of_the_chosen_reward():
    for kind in KINDS:
        shifted = PAIR.clone()
        shifted[0] -= 0.3 / 0.5
        assert math.isclose(loss_of(kind, margin_P=one(0.3)), dpo(*shifted, beta=0.5, kind=kind)[0].item())


def test_weights_multiply():
    for kind in KINDS:
        assert math.isclose(loss_of(kind, weights_P=one(2.5)), 2.5 * loss_of(kind))


def test_exchanging_answers_mirrors_the_loss():
    chosen, rejected, reference_chosen, reference_rejected = PAIR
    mirrored = dpo(rejected, chosen, reference_rejected, reference_chosen, beta=0.5)[0].item()
    assert math.isclose(mirrored, softplus(0.5 * DELTA))
    smoothed = 0.7 * loss_of() + 0.3 * mirrored
    assert math.isclose(loss_of(label_smoothing=0.3), smoothed)


def test_with_half_the_labels_wrong_there_is_nothing_to_learn():
    logps = PAIR[:2].clone().requires_grad_()
    losses, _ = dpo(logps[0], logps[1], PAIR[0], PAIR[1], label_smoothing=0.5)
    (gradient,) = torch.autograd.grad(losses.sum(), logps)
    assert gradient.abs().max().item() < 1e-12


def test_the_gradient_is_that_of_the_paper():
    """beta sigma(-z) weighs log pi(chosen) up and log pi(rejected) down (arXiv 2305.18290, section 4)."""
    logps = noise().requires_grad_()
    losses, _ = dpo(*logps, beta=0.3)
    z = 0.3 * ((logps[0] - logps[2]) - (logps[1] - logps[3])).detach()
    chosen, rejected, *_ = torch.autograd.grad(losses.sum(), logps)[0]
    assert torch.allclose(chosen, -0.3 * torch.sigmoid(-z))
    assert torch.allclose(rejected, 0.3 * torch.sigmoid(-z))


def test_gradients():
    logps, margins = noise().requires_grad_(), noise()[0].abs()

    def losses(kind: Kind, smoothing: float, pairs: Tensor) -> Tensor:
        return dpo(*pairs, beta=0.3, kind=kind, label_smoothing=smoothing, margin_P=margins, weights_P=margins)[0]

    cases: list[tuple[Kind, float]] = [("sigmoid", 0.0), ("sigmoid", 0.2), ("hinge", 0.0), ("ipo", 0.0)]
    for kind, smoothing in cases:
        assert gradcheck(partial(losses, kind, smoothing), logps)


def test_metrics_by_hand():
    chosen = torch.tensor([1.5, -3.0, -1.0, -2.0], requires_grad=True)
    rejected, reference = torch.tensor([-2.0, -2.0, -2.0, -2.0]), torch.tensor([-2.0, -2.0, -2.0, -2.0])
    _, metrics = dpo(chosen, rejected, reference, reference - 1, beta=0.5, margin_P=torch.full((4,), 9.0))
    assert {name: value.item() for name, value in metrics.items()} == {
        "dpo/reward_chosen": 0.5 * (3.5 - 1 + 1 + 0) / 4,
        "dpo/reward_rejected": 0.5 * 1,
        "dpo/margin": 0.5 * (2.5 - 2 + 0 - 1) / 4,
        "dpo/accuracy": (1 + 0 + 0.5 + 0) / 4,
    }
    assert not any(value.requires_grad for value in metrics.values())


def test_order_of_pairs_does_not_matter():
    logps, order = noise(), torch.tensor([3, 0, 4, 1, 2])
    for kind in KINDS:
        losses, metrics = dpo(*logps, kind=kind)
        moved, moved_metrics = dpo(*logps[:, order], kind=kind)
        assert torch.equal(moved, losses[order])
        assert all(math.isclose(moved_metrics[name].item(), value.item()) for name, value in metrics.items())


def test_extreme_values_stay_finite():
    corners = torch.tensor(list(product([-1e4, 0.0], repeat=4))).T.contiguous().requires_grad_()
    for kind in KINDS:
        losses, metrics = dpo(*corners, beta=0.5, kind=kind)
        (gradient,) = torch.autograd.grad(losses.sum(), corners)
        assert bool(losses.isfinite().all())
        assert bool(gradient.isfinite().all())
        assert all(math.isfinite(value.item()) for value in metrics.values())


def test_options_that_make_no_sense_are_refused():
    for beta in (0.0, -0.1):
        with pytest.raises(ValueError, match="beta"):
            loss_of(beta=beta)
    cases: list[tuple[Kind, float]] = [("sigmoid", -0.1), ("sigmoid", 0.6), ("hinge", 0.1), ("ipo", 0.1)]
    for kind, smoothing in cases:
        with pytest.raises(ValueError, match="label_smoothing"):
            loss_of(kind, label_smoothing=smoothing)
