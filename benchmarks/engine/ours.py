"""haechi on a row: python -m engine.ours ROW SETTING CHECKPOINT

What is timed is the second step of a process: the first makes the processor's kernels.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine import shape
from engine.floor import matrix_rate, training_operations
from engine.shape import ASK_PREFIX, Row, asked, ids, say, timed
from haechi.engine.forward import answer_scores
from haechi.engine.loop import Hooks, LoopSettings, Method, train
from haechi.engine.rollout import Sampling, sample
from haechi.engine.trees import Tree, micro_batches
from haechi.learners.experience import PPORun
from haechi.learners.pairs import ComparedPrompt, DPOLearner, Pair, RewardLearner
from haechi.learners.ppo import PPOLearner
from haechi.learners.sft import SupervisedLearner
from haechi.methods.kl import FixedKL
from haechi.methods.ppo import PPOSettings
from haechi.models.base import SharedBase
from haechi.models.llama.decoding import Memory
from haechi.models.load import load_base
from haechi.models.roles import Role, Trainable


def main() -> None:
    """Measures, and prints what was found."""
    row, setting, checkpoint = asked()
    torch.set_num_threads(shape.THREADS)
    dtype = "auto" if setting == "user" else setting
    base = load_base(checkpoint, dtype=dtype)  # type: ignore[arg-type]
    base.codec.eos = -1  # no answer ends early
    found = _MEASURE[row.kind](row, base)
    seconds = found.pop("seconds")
    say(seconds, dtype=str(base.dtype).removeprefix("torch."), **found, **_versions())


def _versions() -> dict[str, str]:
    import transformers

    import haechi

    return {"haechi": haechi.__version__, "torch": torch.__version__, "transformers": transformers.__version__}


def _role(row: Row, base: SharedBase, outputs: int) -> Role:
    """What learns, over a frozen role that stands for SFT's."""
    if row.trained == "lora":
        trainable = Trainable("lora", rank=shape.RANK, alpha=shape.ALPHA)
    else:
        trainable = Trainable("top_layers", layers=shape.TOP_LAYERS)
    return Role(base, trainable, Role(base, Trainable("head")), seed=1, head_outputs=outputs)


class _Watch:
    """Times steps of the loop, and within them the time from an update's first loss to its end."""

    def __init__(self, method: Method) -> None:
        self.method, self.stamps = method, [time.perf_counter()]

    def run(self, parameters: Mapping[str, nn.Parameter], steps: int) -> list[float]:
        """Seconds of each step."""
        with tempfile.TemporaryDirectory() as folder:
            hooks = Hooks(progress=lambda *_: self.stamps.append(time.perf_counter()))
            settings = LoopSettings(steps=steps, learning_rate=shape.LEARNING_RATE)
            train(self.method, parameters, settings, Path(folder), hooks)
        return [after - before for before, after in zip(self.stamps, self.stamps[1:], strict=False)]


def _trained(row: Row, seconds: float, training: float) -> dict[str, Any]:
    rate = matrix_rate()
    floor = training_operations(row) / rate
    return {
        "seconds": seconds,
        "training_seconds": round(training, 4),
        "floor_seconds": round(floor, 4),
        "matrix_gflops": round(rate / 1e9, 1),
    }


def _ppo(row: Row, base: SharedBase) -> dict[str, Any]:
    policy, judge = _role(row, base, 1), Role(base, Trainable("head"), head_outputs=1)
    prompts = [ids(row.prompt_tokens, f"prompt {i}") for i in range(row.prompts)]
    budget = shape.MICRO_BATCH * (row.prompt_tokens + row.answer_tokens)

    def rewards(chosen: Any, answers: Any) -> tuple[Tensor, dict[str, Tensor]]:
        trees = [Tree(prompts[i], [a.ids for a in group]) for i, group in zip(chosen, answers, strict=True)]
        return answer_scores(base, judge, trees, micro_batches(trees, budget)), {}

    run = PPORun(
        losses=PPOSettings(),
        prompts=row.prompts,
        samples=row.answers,
        epochs=shape.PPO_EPOCHS,
        minibatches=1,
        sampling=Sampling(max_new_tokens=row.answer_tokens),
        seed=0,
        token_budget=budget,
    )
    learner = PPOLearner(base, policy, prompts, rewards, run, FixedKL(0.05))
    gathering: list[float] = []
    roll_out = learner.rollouts.roll_out

    def timed_roll_out(step: int, beta: float) -> Any:
        began = time.perf_counter()
        experience = roll_out(step, beta)
        gathering.append(time.perf_counter() - began)
        return experience

    learner.rollouts.roll_out = timed_roll_out  # type: ignore[method-assign]
    seconds = _Watch(learner).run(policy.parameters(), 2)[-1]
    return {**_trained(row, seconds, seconds - gathering[-1]), "gathering_seconds": round(gathering[-1], 4)}


def _pairs(row: Row, base: SharedBase) -> dict[str, Any]:
    batches = 1 if row.steps > 1 else 2
    compared = [
        ComparedPrompt(
            Tree(ids(row.prompt_tokens, f"prompt {i}"), [ids(row.answer_tokens, f"answer {i} {k}") for k in range(2)]),
            [Pair(0, 1)],
        )
        for i in range(row.prompts * batches)
    ]
    budget = shape.MICRO_BATCH * (row.prompt_tokens + row.answer_tokens)
    options = {"batch_size": row.prompts, "token_budget": budget, "seed": 0}
    reference = 0.0
    if row.kind == "dpo":
        role = _role(row, base, 0)
        began = time.perf_counter()
        learner: DPOLearner | RewardLearner = DPOLearner(base, role, compared, beta=0.1, **options)
        reference = (time.perf_counter() - began) / batches
    else:
        role = _role(row, base, 1)
        learner = RewardLearner(base, role, compared, **options)
    seconds = _Watch(learner).run(role.parameters(), max(2, row.steps))
    training = seconds[-1] if row.steps == 1 else sum(seconds) / row.steps
    return _trained(row, reference + training, seconds[-1])


def _sft(row: Row, base: SharedBase) -> dict[str, Any]:
    trees = [
        Tree(ids(row.prompt_tokens, f"prompt {i}"), [ids(row.answer_tokens, f"answer {i} 0")])
        for i in range(2 * row.prompts)
    ]
    role = _role(row, base, 0)
    budget = shape.MICRO_BATCH * (row.prompt_tokens + row.answer_tokens)
    learner = SupervisedLearner(base, role, trees, batch_size=row.prompts, token_budget=budget, seed=0)
    seconds = _Watch(learner).run(role.parameters(), 2)[-1]
    return _trained(row, seconds, seconds)


def _rollout(row: Row, base: SharedBase) -> dict[str, Any]:
    sampling = Sampling(max_new_tokens=row.answer_tokens)

    def batch(number: int) -> float:
        prompts = [ids(row.prompt_tokens, f"prompt {number} {i}") for i in range(row.prompts)]
        return timed(lambda: sample(base, None, prompts, sampling, samples=row.answers, seed=number))

    batch(0)
    seconds = batch(1)
    return {"seconds": seconds, "tokens_per_second": row.prompts * row.answers * row.answer_tokens / seconds}


def _ask(row: Row, base: SharedBase) -> dict[str, Any]:
    """A question whose prompt begins as the last one's did."""
    memory, sampling = Memory(), Sampling(temperature=0, max_new_tokens=row.answer_tokens)
    prefix, seconds = ids(ASK_PREFIX, "prefix"), 0.0
    for number in range(2):
        prompt = prefix + ids(row.prompt_tokens - ASK_PREFIX, f"question {number}")
        seconds = timed(lambda prompt=prompt: sample(base, None, [prompt], sampling, memory=memory))
    return {"seconds": seconds, "tokens_per_second": row.answer_tokens / seconds}


_MEASURE = {"ppo": _ppo, "dpo": _pairs, "reward": _pairs, "sft": _sft, "rollout": _rollout, "ask": _ask}

if __name__ == "__main__":
    main()
