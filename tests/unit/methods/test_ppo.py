import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from haechi.methods.ppo import (
    PPOLosses,
    PPOSettings,
    policy_loss,
    ppo_losses,
    token_rewards,
    total_loss,
    value_loss,
)

SEGMENTS = torch.tensor([0, 0, 0, 1, 2, 2])


def f64(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def noise(rows: int, columns: int = 6) -> Tensor:
    return torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def losses_of(minibatch: Tensor, settings: PPOSettings) -> PPOLosses:
    logps, old_logps, advantages, values, old_values, returns = minibatch
    return ppo_losses(logps, old_logps, advantages, values, old_values, returns, settings)


def policy_by_hand(ratio: float, advantage: float, clip: float = 0.2, dual_clip: float | None = None) -> float:
    """The clipped loss of one token, written with cases instead of min and max."""
    if advantage >= 0:
        return -advantage * (1 + clip if ratio > 1 + clip else ratio)
    bounded = 1 - clip if ratio < 1 - clip else ratio
    return -advantage * (dual_clip if dual_clip is not None and bounded > dual_clip else bounded)


def value_by_hand(value: float, old: float, target: float, clip: float | None) -> float:
    errors = [(value - target) ** 2]
    if clip is not None:
        errors.append((max(old - clip, min(old + clip, value)) - target) ** 2)
    return max(errors) / 2


def test_the_score_arrives_once_at_the_last_token_and_every_token_pays_its_kl():
    rewards = token_rewards(f64(2.0, -1.0), f64(0.1, 0.2, 0.3), torch.tensor([0, 0, 1]), beta=0.5)
    assert torch.allclose(rewards, f64(-0.5 * 0.1, -0.5 * 0.2 + 2.0, -0.5 * 0.3 - 1.0))


def test_rewards_of_an_answer_add_up_to_score_minus_beta_kl():
    kl, scores = noise(2)
    rewards = token_rewards(scores[:3], kl, SEGMENTS, beta=0.3)
    for answer in range(3):
        mine = answer == SEGMENTS
        assert math.isclose(rewards[mine].sum().item(), (scores[answer] - 0.3 * kl[mine].sum()).item())


def test_rewards_do_not_depend_on_the_order_of_answers_and_carry_no_gradient():
    kl, scores = noise(2)
    order = torch.tensor([4, 5, 0, 1, 2, 3])
    rewards = token_rewards(scores[:3].requires_grad_(), kl.requires_grad_(), SEGMENTS, beta=0.3)
    assert torch.equal(token_rewards(scores[:3], kl[order], SEGMENTS[order], beta=0.3), rewards[order])
    assert not rewards.requires_grad


def test_policy_loss_by_hand():
    cases = [  # ratio, advantage, dual clip, loss
        (1.1, 2.0, None, -1.1 * 2),  # inside the clip
        (1.5, 2.0, None, -1.2 * 2),  # a good token has moved far enough
        (0.5, 2.0, None, -0.5 * 2),  # a good token became unlikely: not clipped
        (0.5, -2.0, None, 0.8 * 2),  # a bad token has moved far enough
        (1.5, -2.0, None, 1.5 * 2),  # a bad token became likely: not clipped
        (5.0, -2.0, 3.0, 3.0 * 2),  # ... until the dual clip
        (1.5, -2.0, 3.0, 1.5 * 2),  # which is idle below its bound
        (5.0, 2.0, 3.0, -1.2 * 2),  # and for good tokens
    ]
    for ratio, advantage, dual_clip, expected in cases:
        found, _ = policy_loss(f64(math.log(ratio) - 1), f64(-1.0), f64(advantage), clip=0.2, dual_clip=dual_clip)
        assert math.isclose(found.item(), expected)
        assert math.isclose(policy_by_hand(ratio, advantage, 0.2, dual_clip), expected)


def test_equal_log_probabilities_give_a_ratio_of_exactly_1():
    logps, advantages = noise(2).float()
    losses, metrics = policy_loss(logps, logps.clone(), advantages)
    assert torch.equal(losses, -advantages)
    assert {name: value.item() for name, value in metrics.items()} == {
        "ppo/clip_fraction": 0.0,
        "ppo/approx_kl": 0.0,
        "ppo/ratio_mean": 1.0,
        "ppo/ratio_max": 1.0,
    }


def test_at_ratio_1_the_gradient_is_the_policy_gradient():
    logits = noise(6, 4).requires_grad_()
    tokens, advantages = torch.tensor([0, 1, 2, 3, 0, 1]), noise(2)[1]
    logps = logits.log_softmax(-1)[torch.arange(6), tokens]
    (ppo,) = torch.autograd.grad(policy_loss(logps, logps.detach(), advantages)[0].sum(), logits, retain_graph=True)
    (reinforce,) = torch.autograd.grad(-(advantages * logps).sum(), logits)
    assert torch.allclose(ppo, reinforce)
    assert ppo.abs().max() > 0.1


def test_a_clipped_token_no_longer_teaches():
    logps = f64(math.log(1.5), math.log(0.5), math.log(5.0)).requires_grad_()
    losses, metrics = policy_loss(logps, f64(0.0, 0.0, 0.0), f64(1.0, -1.0, -1.0), dual_clip=3.0)
    (gradient,) = torch.autograd.grad(losses.sum(), logps)
    assert gradient.tolist() == [0.0, 0.0, 0.0]
    assert metrics["ppo/clip_fraction"].item() == 1.0


def test_policy_metrics_by_hand():
    ratios = [1.1, 1.5, 0.5, 1.5]
    logps = f64(*map(math.log, ratios)).requires_grad_()
    _, metrics = policy_loss(logps, torch.zeros(4, dtype=torch.float64), f64(1.0, 1.0, 1.0, -1.0))
    assert metrics["ppo/clip_fraction"].item() == 1 / 4  # only the second is decided by the clip
    assert math.isclose(metrics["ppo/ratio_mean"].item(), sum(ratios) / 4)
    assert math.isclose(metrics["ppo/ratio_max"].item(), 1.5)
    assert math.isclose(metrics["ppo/approx_kl"].item(), sum(r - 1 - math.log(r) for r in ratios) / 4)
    assert not any(value.requires_grad for value in metrics.values())


def test_value_loss_by_hand():
    cases = [  # value, old value, return, clip, twice the loss
        (1.0, 0.0, 2.0, None, (1.0 - 2.0) ** 2),
        (1.0, 0.0, 2.0, 0.2, (0.2 - 2.0) ** 2),  # moved too far towards the return: held back
        (-1.0, 0.0, 2.0, 0.2, (-1.0 - 2.0) ** 2),  # moved away: the full error stands
        (0.1, 0.0, 2.0, 0.2, (0.1 - 2.0) ** 2),  # moved little
    ]
    for value, old, target, clip, expected in cases:
        found, _ = value_loss(f64(value), f64(old), f64(target), clip=clip)
        assert math.isclose(found.item(), expected / 2)
        assert math.isclose(value_by_hand(value, old, target, clip), expected / 2)


def test_value_metrics_by_hand():
    values, returns = f64(1.0, 2.0, 2.0).requires_grad_(), f64(1.0, 2.0, 3.0)
    _, metrics = value_loss(values, f64(1.0, 1.0, 1.0), returns, clip=0.2)
    assert metrics["ppo/value_clip_fraction"].item() == 2 / 3
    assert math.isclose(metrics["ppo/value_mean"].item(), 5 / 3)
    residual_variance = (0**2 + 0**2 + 1**2) / 3 - (1 / 3) ** 2
    assert math.isclose(metrics["ppo/explained_variance"].item(), 1 - residual_variance / (2 / 3))
    assert not any(value.requires_grad for value in metrics.values())


def test_a_whole_minibatch_equals_a_plain_loop():
    logps, old_logps, advantages, values, old_values, returns, entropy = noise(7)
    for settings in (
        PPOSettings(),
        PPOSettings(clip=0.1, dual_clip=1.5, value_clip=None, value_coefficient=0.5, entropy_coefficient=0.01),
        PPOSettings(clip=0.3, value_clip=0.5, entropy_coefficient=0.2),
    ):
        losses = ppo_losses(logps, old_logps, advantages, values, old_values, returns, settings, entropy_N=entropy)
        policies = [
            policy_by_hand(math.exp(logps[t] - old_logps[t]), advantages[t].item(), settings.clip, settings.dual_clip)
            for t in range(6)
        ]
        errors = [
            value_by_hand(values[t].item(), old_values[t].item(), returns[t].item(), settings.value_clip)
            for t in range(6)
        ]
        totals = [
            policies[t] + settings.value_coefficient * errors[t] - settings.entropy_coefficient * entropy[t].item()
            for t in range(6)
        ]
        assert torch.allclose(losses.policy_N, f64(*policies))
        assert torch.allclose(losses.value_N, f64(*errors))
        assert torch.allclose(losses.loss_N, f64(*totals))
        assert math.isclose(losses.metrics["ppo/policy_loss"].item(), sum(policies) / 6)
        assert math.isclose(losses.metrics["ppo/value_loss"].item(), sum(errors) / 6)
        assert math.isclose(losses.metrics["ppo/entropy"].item(), entropy.mean().item())


def test_order_of_tokens_does_not_matter():
    inputs = noise(6)
    order = torch.tensor([4, 5, 3, 0, 1, 2])
    losses = losses_of(inputs, PPOSettings())
    moved = losses_of(inputs[:, order], PPOSettings())
    assert torch.equal(moved.loss_N, losses.loss_N[order])
    for name, value in losses.metrics.items():
        assert math.isclose(moved.metrics[name].item(), value.item(), rel_tol=1e-12), name


def test_gradients():
    logps, old_logps, advantages, values, old_values, returns = noise(6)
    entropy = noise(7)[6]
    settings = PPOSettings(dual_clip=2.0, entropy_coefficient=0.1)
    assert gradcheck(
        lambda p, v, e: ppo_losses(p, old_logps, advantages, v, old_values, returns, settings, entropy_N=e).loss_N,
        (logps.requires_grad_(), values.requires_grad_(), entropy.requires_grad_()),
    )


def test_total_loss_is_the_mean_over_the_tokens_of_the_whole_step():
    losses = losses_of(noise(6), PPOSettings())
    summed = losses.loss_N.sum().item()
    assert math.isclose(total_loss(losses, 6).item(), summed / 6)
    assert math.isclose(total_loss(losses, 24).item(), summed / 24)  # a quarter of an accumulated step


def test_extreme_values_stay_finite():
    far = torch.tensor([-1e4, 0.0, -1e4, 0.0])
    logps, values = far.clone().requires_grad_(), torch.tensor([1e4, -1e4, 0.0, 0.0], requires_grad=True)
    losses = ppo_losses(
        logps, far.flip(0), torch.tensor([1.0, -1.0, -1.0, 1.0]), values, far, far.flip(0), PPOSettings()
    )
    gradients = torch.autograd.grad(total_loss(losses, 4), (logps, values))
    assert bool(losses.loss_N.isfinite().all())
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert all(math.isfinite(value.item()) for value in losses.metrics.values())


def test_constant_returns_leave_the_explained_variance_finite():
    same = torch.ones(3)
    _, metrics = value_loss(same, same, same)
    assert metrics["ppo/explained_variance"].item() == 1.0


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="dual_clip"):
        PPOSettings(dual_clip=1.0)
    with pytest.raises(ValueError, match="entropy_N"):
        losses_of(noise(6), PPOSettings(entropy_coefficient=0.01))
