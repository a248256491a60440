"""PPO against the learned reward and the rules, on the prompts that will be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from haechi.engine.forward import token_logps
from haechi.engine.loop import LoopSettings, train
from haechi.engine.rollout import Sampling, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.evaluate.score import headline, score_answer
from haechi.learners.batches import some
from haechi.learners.experience import PPORun
from haechi.learners.ppo import PPOLearner, Validation
from haechi.methods.kl import AdaptiveKL, FixedKL
from haechi.methods.ppo import PPOSettings
from haechi.models.base import SharedBase
from haechi.models.roles import Role
from haechi.models.saved import save_role
from haechi.pipeline.files import read_json
from haechi.pipeline.task import Task
from haechi.recipe.learning import Ppo
from haechi.stages.cases import Case, load_cases, prompt_of, words_of
from haechi.stages.earned import Earned
from haechi.stages.loop import hooks
from haechi.stages.models import RewardModel, base_of, sft_role, trainable
from haechi.stages.sft import supervised_trees, write_samples

# Validation prompts that the KL is estimated on, one answer each: it bounds which weights may be kept, and is drawn.
_KL_PROMPTS = 32


def run(task: Task) -> dict[str, Any]:
    """Writes the best policy by held-out reward at bounded KL, `metrics.jsonl` and `samples.jsonl`."""
    recipe, settings = task.recipe, task.recipe.ppo
    base, words = base_of(task), words_of(recipe)
    learned = RewardModel(task, base, settings.token_budget)
    policy = Role(base, trainable(settings.trainable), sft_role(task, base), seed=task.seed, head_outputs=1)
    _start_values_at_zero(policy)
    cases = load_cases(task, "prompts")
    prompts = [prompt_of(case, base.codec, words, recipe) for case in cases]
    learner = PPOLearner(
        base,
        policy,
        prompts,
        Earned(base, cases, prompts, learned, settings, words),
        _ppo_run(task),
        _controller(settings),
        supervised=supervised_trees(task, base, _learned_by_sft(task)) if settings.ptx_coefficient else (),
        validate=_validation(task, base, learned, load_cases(task, "validation")),
    )
    task.progress.note(
        f"ppo: before round 1 come SFT's answers to the validation questions and {settings.critic_warmup} rounds of "
        "answers for the critic"
    )
    train(
        learner,
        policy.parameters(),
        LoopSettings(
            steps=settings.iterations,
            learning_rate=settings.learning_rate,
            warmup=round(settings.warmup * settings.iterations),
            final_rate=0.1,
            max_grad_norm=settings.max_grad_norm,
            checkpoint_every=settings.checkpoint_every,
        ),
        task.folder,
        hooks(task, "reward/total", "kl", "validation/correct", "validation/f1"),
    )
    policy.load(learner.best, str(task.folder))
    save_role(policy.freeze(), base, task.folder)
    if learner.best_iteration == 0:
        task.progress.note(
            "ppo: no weights earned more on the validation questions than SFT's at a KL within max_kl; SFT's are kept"
        )
    write_samples(task, base, policy, load_cases(task, "validation")[:8])
    return {
        "trained_parameters": policy.num_trained,
        "best_validation_reward": learner.best_reward,
        "best_iteration": learner.best_iteration,
        "sft_validation_reward": learner.start_reward,
        "iterations": settings.iterations,
        "answers": settings.samples
        * min(settings.prompts, len(prompts))
        * (settings.iterations + settings.critic_warmup),
    }


def _learned_by_sft(task: Task) -> list[Case]:
    """The cases that SFT learned from: PPO may repeat those, and sees no other written answer."""
    ids = set(read_json(task.inputs["sft"] / "examples.json")["ids"])
    return [case for case in load_cases(task, "train") if case.question.id in ids]


def _start_values_at_zero(policy: Role) -> None:
    """A value head that says 0 everywhere, as long as nothing is fitted: about what SFT's answers earn on average from
    the learned reward, which is normalised on its answers to the training questions."""
    assert policy.head is not None
    with torch.no_grad():
        policy.head.weight.zero_()


def _ppo_run(task: Task) -> PPORun:
    settings = task.recipe.ppo
    return PPORun(
        losses=PPOSettings(
            clip=settings.clip,
            dual_clip=settings.dual_clip,
            value_clip=settings.value_clip,
            value_coefficient=settings.value_coefficient,
            entropy_coefficient=settings.entropy_coefficient,
        ),
        prompts=settings.prompts,
        samples=settings.samples,
        epochs=settings.epochs,
        minibatches=settings.minibatches,
        sampling=Sampling(temperature=settings.temperature, max_new_tokens=task.recipe.prompt.max_answer_tokens),
        seed=task.seed,
        token_budget=settings.token_budget,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        estimator=settings.kl_estimator,
        whiten_rewards=settings.whiten_rewards,
        whiten_advantages=settings.whiten_advantages,
        ptx_coefficient=settings.ptx_coefficient,
        ptx_examples=settings.ptx_examples,
        target_kl=settings.target_kl,
        critic_warmup=settings.critic_warmup,
        max_kl=settings.max_kl,
        iterations=settings.iterations,
        evaluate_every=settings.evaluate_every,
    )


def _controller(settings: Ppo) -> FixedKL | AdaptiveKL:
    if settings.adaptive.enabled:
        return AdaptiveKL(settings.kl_coefficient, settings.adaptive.target, settings.adaptive.horizon)
    return FixedKL(settings.kl_coefficient)


def _validation(task: Task, base: SharedBase, learned: RewardModel, cases: list[Case]) -> Validation:
    """Greedy answers to the validation questions: what they earn and whether they are right; and the KL to SFT, of one
    sampled answer to each of at most `_KL_PROMPTS` of them."""
    recipe, words = task.recipe, words_of(task.recipe)
    prompts = [prompt_of(case, base.codec, words, recipe) for case in cases]
    earned = Earned(base, cases, prompts, learned, recipe.ppo, words)
    sampling = Sampling(temperature=0, max_new_tokens=recipe.prompt.max_answer_tokens)
    apart = some(prompts, _KL_PROMPTS, task.seed)

    def measure(policy: Role) -> Mapping[str, float]:
        answers = sample(base, policy, prompts, sampling)
        total, _ = earned(range(len(cases)), answers)
        scores = [
            score_answer(
                case.question, case.context.passages, case.context.gold_numbers, base.codec.decode(group[0].ids), words
            )
            for case, group in zip(cases, answers, strict=True)
        ]
        return {
            "reward": float(total.mean()),
            "kl": divergence(
                base,
                policy,
                apart,
                recipe.prompt.max_answer_tokens,
                seed=task.seed,
                token_budget=recipe.ppo.token_budget,
            ),
            **headline([case.question for case in cases], scores),
        }

    return measure


def divergence(
    base: SharedBase, policy: Role, prompts: list[list[int]], max_new_tokens: int, *, seed: int, token_budget: int
) -> float:
    """KL of a policy to its parent in nats an answer, averaged over prompts."""
    values = divergences(base, policy, policy.parent, prompts, max_new_tokens, seed=seed, token_budget=token_budget)
    return sum(values) / len(values)


def divergences(
    base: SharedBase,
    role: Role | None,
    reference: Role | None,
    prompts: list[list[int]],
    max_new_tokens: int,
    *,
    seed: int,
    token_budget: int,
) -> list[float]:
    """The k1 estimate of the KL to a reference from one sampled answer for each prompt; None is the base."""
    answers = sample(base, role, prompts, Sampling(temperature=1.0, max_new_tokens=max_new_tokens), seed=seed)
    trees = [Tree(prompt, [group[0].ids]) for prompt, group in zip(prompts, answers, strict=True)]
    groups = micro_batches(trees, token_budget)
    # Both by one path: in bfloat16 the rollout rounds otherwise, and a policy that has not moved would have a KL.
    ours, theirs = (token_logps(base, one, trees, groups) for one in (role, reference))
    return [float(logps.sum() - others.sum()) for logps, others in zip(ours, theirs, strict=True)]
