"""Direct preference optimisation: the comparisons without a reward model."""

from __future__ import annotations

from typing import Any

from haechi.engine.loop import train
from haechi.learners.batches import steps_for
from haechi.learners.pairs import DPOLearner
from haechi.models.roles import Role
from haechi.models.saved import save_role
from haechi.pipeline.task import Task
from haechi.stages.cases import load_cases
from haechi.stages.loop import hooks
from haechi.stages.models import base_of, sft_role, trainable
from haechi.stages.pairs import load_pairs
from haechi.stages.sft import loop_settings, write_samples


def run(task: Task) -> dict[str, Any]:
    """Writes the role, `metrics.jsonl` and `samples.jsonl`."""
    settings = task.recipe.dpo
    base = base_of(task)
    compared = load_pairs(task, base, settings.token_budget).training
    role = Role(base, trainable(settings.trainable), sft_role(task, base), seed=task.seed)
    steps = steps_for(len(compared), settings.batch_size, settings.epochs)
    learner = DPOLearner(
        base,
        role,
        compared,
        batch_size=settings.batch_size,
        token_budget=settings.token_budget,
        seed=task.seed,
        beta=settings.beta,
        kind=settings.loss,
        label_smoothing=settings.label_smoothing,
    )
    train(
        learner,
        role.parameters(),
        loop_settings(settings, steps),
        task.folder,
        hooks(task, "loss", "accuracy", "margin"),
    )
    save_role(role.freeze(), base, task.folder)
    write_samples(task, base, role, load_cases(task, "validation")[:8])
    return {"trained_parameters": role.num_trained, "pairs": sum(len(one.pairs) for one in compared)}
