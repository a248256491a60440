"""A tiny run of one learner, for `test_resume_after_kill.py`: `python learning_to_be_killed.py <learner> <folder>`.

Tells each step on standard output and runs at most `AHEAD` steps beyond what was acknowledged by a line on standard
input, so that whoever reads it can kill it in good time, but not at a point of its choice.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from haechi.engine.loop import Hooks, LoopSettings, train
from haechi.engine.rollout import Sampling
from haechi.engine.trees import Tree
from haechi.learners.experience import PPORun
from haechi.learners.pairs import ComparedPrompt, Pair, RewardLearner
from haechi.learners.ppo import PPOLearner
from haechi.learners.sft import SupervisedLearner
from haechi.methods.kl import AdaptiveKL
from haechi.methods.ppo import PPOSettings
from haechi.models.base import SharedBase
from haechi.models.roles import Role, Trainable

STEPS = 16
AHEAD = 2
VOCABULARY = 40


def learn(name: str, folder: Path, hooks: Hooks) -> Role:
    """Trains the role of a learner, from its last checkpoint if there is one."""
    torch.set_num_threads(1)
    base = _base()
    method, role = _method(name, base)
    folder.mkdir(exist_ok=True)
    settings = LoopSettings(
        steps=STEPS, learning_rate=1e-2, warmup=3, weight_decay=0.01, checkpoint_every=1 if name == "sft" else 2
    )
    train(method, role.parameters(), settings, folder, hooks)
    return role


def _base() -> SharedBase:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    codec: Any = SimpleNamespace(eos=2)
    return SharedBase(LlamaForCausalLM(config), codec, "tiny")


def _method(name: str, base: SharedBase) -> tuple[Any, Role]:
    rng = random.Random(0)

    def ids(low: int, high: int) -> list[int]:
        return [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(low, high))]

    def pair() -> Tree:
        return Tree(ids(2, 6), [ids(1, 5), ids(1, 5)])

    if name == "sft":
        trees = [Tree(ids(2, 6), [ids(1, 5)]) for _ in range(10)]
        role = Role(base, Trainable("top_layers", layers=1))
        return SupervisedLearner(
            base, role, trees, batch_size=3, token_budget=20, seed=1, validation=trees[:2], validate_every=3
        ), role
    if name == "reward":
        pairs = [ComparedPrompt(pair(), [Pair(0, 1, margin=0.1)]) for _ in range(10)]
        role = Role(base, Trainable("lora", rank=2), head_outputs=1)
        return RewardLearner(
            base, role, pairs, batch_size=3, token_budget=20, seed=1, validation=pairs[:3], validate_every=3
        ), role
    policy = Role(
        base, Trainable("lora", rank=2), Role(base, Trainable("lora", rank=2)).freeze(), seed=1, head_outputs=1
    )
    run = PPORun(
        losses=PPOSettings(),
        prompts=3,
        samples=2,
        epochs=2,
        minibatches=2,
        sampling=Sampling(max_new_tokens=5),
        seed=1,
        token_budget=30,
        critic_warmup=2,
        evaluate_every=3,
        ptx_coefficient=0.1,
        ptx_examples=2,
    )

    def rewards(chosen: Any, answers: Any) -> Any:
        # By the prompt, so that there is something in the states to fit values to.
        totals = torch.tensor(
            [
                4.0 * prompt + sum(token > 20 for token in answer.ids)
                for prompt, group in zip(chosen, answers, strict=True)
                for answer in group
            ]
        )
        return totals, {"high": totals}

    def validate(role: Role) -> dict[str, float]:
        return {"reward": float(sum(weight.sum() for weight in role.state().values())), "kl": 0.0}

    supervised = [Tree(ids(2, 4), [ids(1, 4)]) for _ in range(5)]
    learner = PPOLearner(
        base,
        policy,
        [ids(2, 6) for _ in range(5)],
        rewards,
        run,
        AdaptiveKL(0.05, 1.0, 20.0),
        supervised=supervised,
        validate=validate,
    )
    return learner, policy


def _tell(step: int, total: int, numbers: object) -> None:
    del total, numbers
    print(step, flush=True)
    if step > AHEAD:
        sys.stdin.readline()


if __name__ == "__main__":
    learn(sys.argv[1], Path(sys.argv[2]), Hooks(progress=_tell))
