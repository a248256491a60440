import math

import pytest
import torch
from torch import Tensor

from haechi.errors import DivergedError
from haechi.methods.kl import AdaptiveKL, FixedKL, bounded_log_ratio, k1, k2, k3, kl_loss

POLICY = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
REFERENCE = torch.tensor([0.25, 0.25, 0.4, 0.1], dtype=torch.float64)
EXACT = sum(p * math.log(p / q) for p, q in zip(POLICY.tolist(), REFERENCE.tolist(), strict=True))


def mean_under_policy(per_token: Tensor) -> float:
    return (POLICY * per_token).sum().item()


def test_estimators_by_hand():
    logps, reference = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.2)])
    ratio = math.log(0.5 / 0.2)
    assert math.isclose(k1(logps, reference).item(), ratio, rel_tol=1e-6)
    assert math.isclose(k2(logps, reference).item(), ratio**2 / 2, rel_tol=1e-6)
    assert math.isclose(k3(logps, reference).item(), 0.2 / 0.5 - 1 + ratio, rel_tol=1e-6)


def test_k1_and_k3_are_unbiased_by_enumeration():
    assert math.isclose(mean_under_policy(k1(POLICY.log(), REFERENCE.log())), EXACT)
    assert math.isclose(mean_under_policy(k3(POLICY.log(), REFERENCE.log())), EXACT)
    assert not math.isclose(mean_under_policy(k2(POLICY.log(), REFERENCE.log())), EXACT, rel_tol=0.01)


def test_k3_is_never_negative_and_keeps_small_divergences():
    logps = torch.linspace(-30, 0, 301)
    assert bool((k3(logps, torch.full_like(logps, -3.0)) >= 0).all())
    step = 2.0**-13
    # float32 would lose this to cancellation if exp(-l) - 1 and l were added naively.
    assert math.isclose(k3(torch.tensor(-1 + step), torch.tensor(-1.0)).item(), step**2 / 2, rel_tol=0.02)


def test_all_are_zero_where_nothing_moved():
    same = torch.tensor([-1.7, -0.3])
    for estimator in (k1, k2, k3, bounded_log_ratio):
        assert estimator(same, same).tolist() == [0.0, 0.0]


def test_the_mean_gradient_of_k2_is_that_of_the_kl_and_that_of_k1_is_nothing():
    logits = POLICY.log().clone().requires_grad_()
    logps = logits.log_softmax(-1)
    (exact,) = torch.autograd.grad((logps.exp() * (logps - REFERENCE.log())).sum(), logits)

    def mean_gradient(estimator) -> Tensor:
        return torch.autograd.grad((POLICY * estimator(logits.log_softmax(-1), REFERENCE.log())).sum(), logits)[0]

    assert torch.allclose(mean_gradient(k2), exact)
    assert torch.allclose(mean_gradient(k1), torch.zeros(4, dtype=torch.float64))
    assert not torch.allclose(mean_gradient(k3), exact)


def test_as_a_loss_on_the_tokens_of_an_earlier_policy_k2_still_has_the_gradient_of_the_kl():
    old = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    logits = POLICY.log().clone().requires_grad_()
    logps = logits.log_softmax(-1)
    (exact,) = torch.autograd.grad((logps.exp() * (logps - REFERENCE.log())).sum(), logits)
    logps = logits.log_softmax(-1)
    loss = kl_loss(k2(logps, REFERENCE.log()), logps, old.log())
    (found,) = torch.autograd.grad((old * loss).sum(), logits)
    assert torch.allclose(found, exact)
    logps = logits.log_softmax(-1)
    (uncorrected,) = torch.autograd.grad((old * k2(logps, REFERENCE.log())).sum(), logits)
    assert not torch.allclose(uncorrected, exact, rtol=0.05)


def test_extreme_values_stay_finite():
    logps = torch.tensor([-1e4, 0.0], requires_grad=True)
    reference = torch.tensor([0.0, -1e4])
    assert bounded_log_ratio(logps, reference).tolist() == [-20.0, 20.0]
    for estimator in (k1, k2, k3):
        (gradient,) = torch.autograd.grad(estimator(logps, reference).sum(), logps)
        assert bool(estimator(logps, reference).isfinite().all())
        assert bool(gradient.isfinite().all())


def test_a_fixed_coefficient_stays():
    assert FixedKL(0.3).update(100.0, 64) == FixedKL(0.3)


def test_an_adaptive_coefficient_by_hand():
    start = AdaptiveKL(beta=0.15, target=6.0, horizon=10000)
    assert math.isclose(start.update(6.6, 500).beta, 0.15 * (1 + (6.6 / 6 - 1) * 500 / 10000))
    assert math.isclose(start.update(60.0, 500).beta, 0.15 * (1 + 0.2 * 500 / 10000))
    assert math.isclose(start.update(-3.0, 500).beta, 0.15 * (1 - 0.2 * 500 / 10000))
    assert start.update(6.0, 500) == start


def test_an_adaptive_coefficient_never_turns_negative():
    assert AdaptiveKL(0.1, target=6.0, horizon=10).update(0.0, 1000).beta == 0.0


def test_an_adaptive_coefficient_settles_on_its_target():
    controller = AdaptiveKL(0.05, target=6.0, horizon=1000)
    for _ in range(400):
        controller = controller.update(3.0 / controller.beta, 64)  # a policy that moves 3 nats a unit of 1 / beta
    assert math.isclose(3.0 / controller.beta, 6.0, rel_tol=1e-3)


def test_bad_controllers_and_observations_are_refused():
    for beta, target, horizon in [(-0.1, 6.0, 10.0), (0.1, 0.0, 10.0), (0.1, 6.0, 0.0), (math.nan, 6.0, 10.0)]:
        with pytest.raises(ValueError, match="must be positive"):
            AdaptiveKL(beta, target=target, horizon=horizon)
    for observed in (math.nan, math.inf):
        with pytest.raises(DivergedError, match="KL"):
            AdaptiveKL(0.1, target=6.0, horizon=10.0).update(observed, 1)
