"""The methods reach the policy that theory says is best.

With three tokens and at most three of them in an answer, all 15 answers can be listed, expectations are exact sums,
and the maximum of E[r] - beta KL(pi || pi_ref) is known: pi*(y) = pi_ref(y) exp(r(y) / beta) / Z.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from haechi.methods.dpo import Kind, dpo
from haechi.methods.gae import gae
from haechi.methods.kl import k1, k3
from haechi.methods.ppo import PPOSettings, ppo_losses, token_rewards
from haechi.methods.reward import bradley_terry
from haechi.methods.segments import segment_sum
from haechi.methods.sft import negative_log_likelihood, token_mean

END, VOCABULARY, LONGEST = 2, 3, 3
BETA = 0.5
CLOSE = 0.02


@dataclass(frozen=True)
class World:
    """Every answer, laid flat as the engine does: token, answer and prefix (a state of the policy) of each position."""

    tokens_N: Tensor
    segments_N: Tensor
    states_N: Tensor
    num_answers: int
    num_states: int

    def logps(self, logits_SV: Tensor) -> Tensor:
        """Log-probability of each token under a table of logits, one row a prefix."""
        return logits_SV.log_softmax(-1)[self.states_N, self.tokens_N]

    def answers(self, logits_SV: Tensor) -> Tensor:
        """Log-probability of each answer."""
        return segment_sum(self.logps(logits_SV), self.segments_N, self.num_answers)


def enumerate_world() -> World:
    answers = [
        (*start, last)
        for length in range(LONGEST)
        for start in product(range(END), repeat=length)
        for last in (range(VOCABULARY) if length == LONGEST - 1 else (END,))
    ]
    prefixes = sorted({answer[:t] for answer in answers for t in range(len(answer))})
    positions = [
        (answer[t], a, prefixes.index(answer[:t])) for a, answer in enumerate(answers) for t in range(len(answer))
    ]
    tokens, segments, states = torch.tensor(positions).T
    return World(tokens, segments, states, len(answers), len(prefixes))


WORLD = enumerate_world()
GENERATOR = torch.Generator().manual_seed(5)
REFERENCE_SV = torch.randn(WORLD.num_states, VOCABULARY, dtype=torch.float64, generator=GENERATOR)
REWARD_A = torch.randn(WORLD.num_answers, dtype=torch.float64, generator=GENERATOR)
REFERENCE_A = WORLD.answers(REFERENCE_SV)


def tilted(strength_A: Tensor) -> Tensor:
    """The probabilities pi_ref(y) exp(strength(y)) / Z."""
    return (REFERENCE_A + strength_A).softmax(0)


def distance(logits_SV: Tensor, target_A: Tensor) -> float:
    """Total variation between the policy and a distribution over answers."""
    return 0.5 * (WORLD.answers(logits_SV).exp() - target_A).abs().sum().item()


def pairs() -> tuple[Tensor, Tensor, Tensor]:
    """All ordered pairs of different answers, and the chance that a Bradley-Terry annotator prefers the first."""
    first_P, second_P = torch.tensor(
        [pair for pair in product(range(WORLD.num_answers), repeat=2) if pair[0] != pair[1]]
    ).T
    return first_P, second_P, torch.sigmoid(REWARD_A[first_P] - REWARD_A[second_P])


def minimise(loss_of, start: Tensor) -> Tensor:
    """The minimiser of a smooth convex loss, by L-BFGS."""
    parameters = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [parameters], max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = loss_of(parameters)
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[arg-type]
    return parameters.detach()


def train_preferences(kind: Kind) -> Tensor:
    first_P, second_P, better_P = pairs()

    def loss_of(logits_SV: Tensor) -> Tensor:
        policy_A = WORLD.answers(logits_SV)
        losses_P, _ = dpo(
            policy_A[first_P],
            policy_A[second_P],
            REFERENCE_A[first_P],
            REFERENCE_A[second_P],
            beta=BETA,
            kind=kind,
            weights_P=better_P,
        )
        return losses_P.mean()

    return minimise(loss_of, REFERENCE_SV)


def train_ppo(beta: float, *, estimator=k1, iterations: int = 120, epochs: int = 4) -> Tensor:
    """PPO with every answer in the batch, weighted by its probability under the policy that would have drawn it."""
    logits_SV = REFERENCE_SV.clone().requires_grad_()
    values_S = torch.zeros(WORLD.num_states, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([logits_SV, values_S], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=iterations)
    reference_N = WORLD.logps(REFERENCE_SV)
    settings = PPOSettings(value_coefficient=0.5, value_clip=None)
    for _ in range(iterations):
        with torch.no_grad():
            old_N, old_values_N = WORLD.logps(logits_SV), values_S[WORLD.states_N]
            chance_N = WORLD.answers(logits_SV).exp()[WORLD.segments_N]
        rewards_N = token_rewards(REWARD_A, estimator(old_N, reference_N), WORLD.segments_N, beta)
        advantages_N, returns_N = gae(rewards_N, old_values_N, WORLD.segments_N, gamma=1.0, lam=0.95)
        for _ in range(epochs):
            values_N = values_S[WORLD.states_N]
            losses = ppo_losses(
                WORLD.logps(logits_SV), old_N, advantages_N, values_N, old_values_N, returns_N, settings
            )
            optimiser.zero_grad()
            (chance_N * losses.loss_N).sum().backward()
            optimiser.step()
        schedule.step()
    return logits_SV.detach()


def test_the_world_is_complete():
    assert WORLD.num_answers == 15
    assert torch.allclose(REFERENCE_A.exp().sum(), torch.ones((), dtype=torch.float64))
    assert distance(REFERENCE_SV, tilted(REWARD_A / BETA)) > 0.3


def test_ppo_reaches_the_optimum_of_the_regularised_reward():
    assert distance(train_ppo(BETA), tilted(REWARD_A / BETA)) < CLOSE


def test_ppo_follows_its_kl_coefficient():
    looser = train_ppo(2 * BETA)
    assert distance(looser, tilted(REWARD_A / (2 * BETA))) < CLOSE
    assert distance(looser, tilted(REWARD_A / BETA)) > 5 * CLOSE


def test_only_k1_belongs_in_the_reward():
    """k3 has the mean of k1 but punishes the unlikely tokens that k1 encourages: the policy collapses."""
    assert distance(train_ppo(BETA, estimator=k3), tilted(REWARD_A / BETA)) > 10 * CLOSE


def test_dpo_reaches_the_same_optimum_from_comparisons():
    assert distance(train_preferences("sigmoid"), tilted(REWARD_A / BETA)) < CLOSE


def test_ipo_reaches_its_own_optimum():
    """For IPO the reward is the chance of beating a random answer (arXiv 2310.12036: PsiPO with Psi = identity)."""
    chance_to_win_A = torch.sigmoid(REWARD_A[:, None] - REWARD_A[None, :]).mean(1)
    optimum = tilted(chance_to_win_A / BETA)
    logits = train_preferences("ipo")
    assert distance(logits, optimum) < CLOSE
    assert distance(logits, tilted(REWARD_A / BETA)) > 5 * CLOSE


def test_the_reward_model_recovers_the_reward_up_to_a_constant():
    first_P, second_P, better_P = pairs()

    def loss_of(scores_A: Tensor) -> Tensor:
        return bradley_terry(scores_A[first_P], scores_A[second_P], preference_P=better_P)[0].mean()

    scores_A = minimise(loss_of, torch.zeros_like(REWARD_A))
    assert torch.allclose(scores_A - scores_A.mean(), REWARD_A - REWARD_A.mean(), atol=1e-4)


def test_sft_reaches_the_distribution_of_its_data():
    data_A = tilted(REWARD_A)

    def loss_of(logits_SV: Tensor) -> Tensor:
        nll_A = negative_log_likelihood(WORLD.logps(logits_SV), WORLD.segments_N, WORLD.num_answers)
        return token_mean(data_A * nll_A, 1)

    assert distance(minimise(loss_of, REFERENCE_SV), data_A) < CLOSE
