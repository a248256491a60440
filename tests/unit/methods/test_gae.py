import math

import torch

from haechi.methods.gae import gae, whiten

LENGTHS = [3, 1, 7, 2, 16]
SEGMENTS = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
REWARDS, VALUES = torch.randn(2, len(SEGMENTS), dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def gae_by_loop(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """Advantages of one answer, by the recursion A_t = delta_t + gamma lambda A_{t+1}."""
    advantages = [0.0] * len(rewards)
    following_advantage = following_value = 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * following_value - values[t]
        advantages[t] = following_advantage = delta + gamma * lam * following_advantage
        following_value = values[t]
    return advantages


def answers_of(flat: torch.Tensor) -> list[list[float]]:
    return [part.tolist() for part in flat.split(LENGTHS)]


def test_by_hand():
    rewards, values = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 1.5, 2.5])
    advantages, returns = gae(rewards, values, torch.tensor([0, 0, 0]), gamma=0.9, lam=0.5)
    d0, d1, d2 = 1 + 0.9 * 1.5 - 0.5, 2 + 0.9 * 2.5 - 1.5, 3 - 2.5
    expected = torch.tensor([d0 + 0.45 * d1 + 0.45**2 * d2, d1 + 0.45 * d2, d2])
    assert torch.allclose(advantages, expected)
    assert torch.allclose(returns, expected + values)


def test_equals_a_plain_loop_over_answers_of_many_lengths():
    for gamma, lam in [(1.0, 0.95), (0.9, 0.5), (0.99, 1.0), (1.0, 0.0), (0.0, 0.95)]:
        advantages, returns = gae(REWARDS, VALUES, SEGMENTS, gamma=gamma, lam=lam)
        loops = [gae_by_loop(r, v, gamma, lam) for r, v in zip(answers_of(REWARDS), answers_of(VALUES), strict=True)]
        expected = torch.tensor([advantage for loop in loops for advantage in loop], dtype=torch.float64)
        assert torch.allclose(advantages, expected, rtol=0, atol=1e-12)
        assert torch.allclose(returns, expected + VALUES, rtol=0, atol=1e-12)


def test_the_defaults_are_gamma_1_and_lambda_095():
    assert torch.equal(gae(REWARDS, VALUES, SEGMENTS)[0], gae(REWARDS, VALUES, SEGMENTS, gamma=1.0, lam=0.95)[0])


def test_lambda_1_is_the_monte_carlo_return_minus_the_value():
    advantages, returns = gae(REWARDS, VALUES, SEGMENTS, gamma=0.9, lam=1.0)
    monte_carlo = [
        sum(0.9**k * reward for k, reward in enumerate(answer[t:]))
        for answer in answers_of(REWARDS)
        for t in range(len(answer))
    ]
    assert torch.allclose(returns, torch.tensor(monte_carlo, dtype=torch.float64))
    assert torch.allclose(advantages, torch.tensor(monte_carlo, dtype=torch.float64) - VALUES)


def test_lambda_0_is_the_td_residual():
    residuals = [
        reward[t] + 0.9 * (value[t + 1] if t + 1 < len(value) else 0.0) - value[t]
        for reward, value in zip(answers_of(REWARDS), answers_of(VALUES), strict=True)
        for t in range(len(value))
    ]
    advantages, _ = gae(REWARDS, VALUES, SEGMENTS, gamma=0.9, lam=0.0)
    assert torch.allclose(advantages, torch.tensor(residuals, dtype=torch.float64))


def test_perfect_values_leave_no_advantage():
    to_go = [sum(answer[t:]) for answer in answers_of(REWARDS) for t in range(len(answer))]
    advantages, _ = gae(REWARDS, torch.tensor(to_go, dtype=torch.float64), SEGMENTS)
    assert torch.allclose(advantages, torch.zeros_like(advantages), atol=1e-12)


def test_answers_do_not_touch_each_other_in_whatever_order_they_come():
    order = torch.cat(torch.arange(len(SEGMENTS)).split(LENGTHS)[::-1])
    advantages, _ = gae(REWARDS, VALUES, SEGMENTS)
    moved, _ = gae(REWARDS[order], VALUES[order], SEGMENTS[order])
    assert torch.allclose(moved, advantages[order], rtol=0, atol=1e-12)
    others = torch.where(SEGMENTS == 2, VALUES, VALUES + 1e6)
    changed, _ = gae(REWARDS, others, SEGMENTS)
    assert torch.equal(changed[SEGMENTS == 2], advantages[SEGMENTS == 2])


def test_targets_carry_no_gradient():
    advantages, returns = gae(REWARDS, VALUES.clone().requires_grad_(), SEGMENTS)
    assert not advantages.requires_grad
    assert not returns.requires_grad


def test_one_token_and_none():
    assert [x.tolist() for x in gae(torch.tensor([2.0]), torch.tensor([0.5]), torch.tensor([0]))] == [[1.5], [2.0]]
    assert gae(torch.zeros(0), torch.zeros(0), torch.zeros(0, dtype=torch.long))[0].tolist() == []


def test_whitening_by_hand():
    values = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    biased_std = math.sqrt((4 + 1 + 0 + 9) / 4)
    centred = torch.tensor([-2.0, -1.0, 0.0, 3.0], dtype=torch.float64)
    assert torch.allclose(whiten(values), centred / biased_std)
    assert torch.allclose(whiten(values, shift_mean=False), centred / biased_std + 3)


def test_whitening_keeps_or_removes_the_mean():
    assert abs(whiten(REWARDS + 5).mean().item()) < 1e-12
    assert math.isclose(whiten(REWARDS + 5, shift_mean=False).mean().item(), (REWARDS + 5).mean().item())
    assert math.isclose(whiten(REWARDS * 9).var(correction=0).item(), 1.0, rel_tol=1e-6)


def test_whitening_equal_values_is_finite():
    assert whiten(torch.full((5,), 3.0)).tolist() == [0.0] * 5
    assert whiten(torch.tensor([3.0])).tolist() == [0.0]
