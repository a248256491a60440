import math

import pytest
import torch
from torch.autograd import gradcheck

from haechi.errors import DivergedError
from haechi.methods.reward import Normalisation, bradley_terry, normalisation


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def loss_of(first: float, second: float, **options: float) -> float:
    """The loss of one pair in float64, with each keyword as a tensor of one where the function wants one."""
    tensors = {k: v if k == "centring" else torch.tensor([v], dtype=torch.float64) for k, v in options.items()}
    pair = torch.tensor([[first], [second]], dtype=torch.float64)
    return bradley_terry(pair[0], pair[1], **tensors)[0].item()  # type: ignore[arg-type]


def test_loss_by_hand():
    assert math.isclose(loss_of(1.5, 0.5), softplus(-1.0))
    assert math.isclose(loss_of(0.7, 0.7), math.log(2))
    assert math.isclose(loss_of(1.5, 0.5, margin_P=0.25), softplus(-0.75))
    assert math.isclose(loss_of(1.5, 0.5, preference_P=0.8), 0.8 * softplus(-1.0) + 0.2 * softplus(1.0))
    assert math.isclose(loss_of(1.5, 0.5, weights_P=3.0), 3 * softplus(-1.0))
    assert math.isclose(loss_of(1.5, 0.5, centring=0.01), softplus(-1.0) + 0.01 * (1.5 + 0.5) ** 2)
    assert math.isclose(loss_of(1.5, 0.5, centring=0.01, weights_P=3.0), 3 * (softplus(-1.0) + 0.01 * (1.5 + 0.5) ** 2))


def test_a_margin_is_a_shift_of_the_difference():
    assert math.isclose(loss_of(2.0, 0.5, margin_P=0.6), loss_of(2.0 - 0.6, 0.5))


def test_exchanging_the_answers_with_label_and_margin_changes_nothing():
    assert math.isclose(
        loss_of(1.5, 0.2, preference_P=0.7, margin_P=0.4), loss_of(0.2, 1.5, preference_P=0.3, margin_P=-0.4)
    )


def test_only_differences_count_until_scores_are_centred():
    assert math.isclose(loss_of(1.5, 0.5), loss_of(11.5, 10.5))
    assert loss_of(11.5, 10.5, centring=0.01) > loss_of(1.5, 0.5, centring=0.01)
    assert math.isclose(loss_of(0.5, -0.5, centring=0.01), loss_of(0.5, -0.5))


def test_a_soft_label_is_met_where_the_scores_predict_it():
    first = torch.tensor([math.log(0.8 / 0.2)], dtype=torch.float64, requires_grad=True)
    second = torch.zeros(1, dtype=torch.float64)
    loss, _ = bradley_terry(first, second, preference_P=torch.tensor([0.8], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss.sum(), first)
    assert abs(gradient.item()) < 1e-12


def test_gradients():
    generator = torch.Generator().manual_seed(0)
    first, second, margin = torch.randn(3, 5, dtype=torch.float64, generator=generator)
    preference, weights = torch.rand(2, 5, dtype=torch.float64, generator=generator)
    assert gradcheck(
        lambda a, b: bradley_terry(a, b, preference_P=preference, margin_P=margin, weights_P=weights, centring=0.1)[0],
        (first.requires_grad_(), second.requires_grad_()),
    )
    (gradient,) = torch.autograd.grad(bradley_terry(first, second)[0].sum(), first)
    assert torch.allclose(gradient, torch.sigmoid(first - second) - 1)


def test_metrics():
    first = torch.tensor([2.0, 1.0, 0.0, 1.0], requires_grad=True)
    second = torch.tensor([1.0, 3.0, 0.0, 0.5])
    _, found = bradley_terry(first, second)
    assert found["reward/accuracy"].item() == (1 + 0 + 0.5 + 1) / 4
    assert found["reward/margin"].item() == (1 - 2 + 0 + 0.5) / 4
    assert found["reward/first"].item() == 4 / 4
    assert found["reward/second"].item() == 4.5 / 4
    assert not any(value.requires_grad for value in found.values())
    _, found = bradley_terry(first, second, preference_P=torch.tensor([0.9, 0.1, 0.5, 0.5]))
    assert found["reward/accuracy"].item() == (1 + 1 + 0.5 + 0.5) / 4
    assert found["reward/margin"].item() == (1 + 2 + 0 + 0) / 4


def test_extreme_scores_stay_finite():
    first = torch.tensor([1e4, -1e4], requires_grad=True)
    loss, _ = bradley_terry(first, torch.tensor([-1e4, 1e4]))
    assert loss.tolist() == [0.0, 2e4]
    (gradient,) = torch.autograd.grad(loss.sum(), first)
    assert gradient.tolist() == [0.0, -1.0]


def test_normalised_scores_have_mean_0_and_deviation_1():
    scale = normalisation(torch.tensor([1.0, 3.0, 5.0, 7.0]))
    assert scale == Normalisation(mean=4.0, std=math.sqrt((9 + 1 + 1 + 9) / 4))
    assert torch.allclose(scale.apply(torch.tensor([4.0, 4.0 + math.sqrt(5)])), torch.tensor([0.0, 1.0]))
    scores = torch.tensor([1.0, 3.0, 5.0, 7.0], requires_grad=True)
    assert normalisation(scores).apply(scores).requires_grad


def test_scores_without_a_scale_are_refused():
    for scores in ([2.0, 2.0, 2.0], [5.0], [0.0, 0.0], [1.0, math.inf], [1.0, math.nan]):
        with pytest.raises(DivergedError, match="does not tell answers apart"):
            normalisation(torch.tensor(scores))
