"""The reward model: Bradley-Terry on the comparisons, normalised on the answers of SFT."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from haechi.engine.forward import answer_scores
from haechi.engine.loop import train
from haechi.engine.trees import Tree, micro_batches, split_wide
from haechi.evaluate.reward_model import score_reward_model
from haechi.learners.batches import some, steps_for
from haechi.learners.pairs import RewardLearner
from haechi.methods.reward import Normalisation, normalisation
from haechi.models.base import SharedBase
from haechi.models.roles import Role
from haechi.models.saved import save_role
from haechi.pipeline.files import write_json
from haechi.pipeline.task import Task
from haechi.prompt.citations import without_citations
from haechi.records.write import read_rows
from haechi.stages.cases import load_cases, prompt_of, words_of
from haechi.stages.earned import attempts_earn
from haechi.stages.loop import hooks
from haechi.stages.models import answer_ids, base_of, sft_role, trainable
from haechi.stages.pairs import load_pairs
from haechi.stages.sft import CURVE, loop_settings


def run(task: Task) -> dict[str, Any]:
    """Writes the role with its normalisation, and `accuracy.json`: how it does on held-out pairs."""
    recipe, settings = task.recipe, task.recipe.reward
    base = base_of(task)
    pairs = load_pairs(task, base, settings.token_budget)
    role = Role(base, trainable(settings.trainable), sft_role(task, base), seed=task.seed, head_outputs=1)
    steps = steps_for(len(pairs.training), settings.batch_size, settings.epochs)
    learner = RewardLearner(
        base,
        role,
        pairs.training,
        batch_size=settings.batch_size,
        token_budget=settings.token_budget,
        seed=task.seed,
        use_margin=settings.margin,
        centring=settings.centre,
        validation=some(pairs.held_out, CURVE, task.seed),
        validate_every=max(steps // 4, 1),
    )
    train(
        learner,
        role.parameters(),
        loop_settings(settings, steps),
        task.folder,
        hooks(task, "loss", "accuracy", "validation/accuracy"),
    )
    scale, attempts = _scale(task, base, role, settings.token_budget)
    save_role(role.freeze(), base, task.folder, {"normalisation": asdict(scale), "attempts": attempts})
    scores_P2 = scale.apply(learner.scores(pairs.held_out))
    rows = pairs.held_out_rows
    known = [row["flipped"] for row in rows]
    measured = score_reward_model(
        scores_P2[:, 0].tolist(),
        scores_P2[:, 1].tolist(),
        kinds=[row["kind"] for row in rows],
        chosen_lengths=[len(without_citations(row["chosen"])) for row in rows],
        rejected_lengths=[len(without_citations(row["rejected"])) for row in rows],
        error_rate=recipe.compare.error_rate if recipe.compare.source == "simulated" else None,
        truly_better=None if None in known else [not flipped for flipped in known],
        scale=scale.std,
        topics=[row["case"]["question"].get("topic") or row["case"]["question"]["id"] for row in rows],
        seed=recipe.seed,
    )
    write_json(task.folder / "accuracy.json", measured.as_dict())
    return {
        "trained_parameters": role.num_trained,
        "training_pairs": sum(len(one.pairs) for one in pairs.training),
        "held_out_pairs": len(rows),
        "accuracy": measured.accuracy.as_dict(),
        "ceiling": measured.ceiling,
        "realised_ceiling": measured.realised_ceiling,
        "true_accuracy": measured.true_accuracy.as_dict() if measured.true_accuracy else None,
    }


@torch.no_grad()
def _scale(task: Task, base: SharedBase, role: Role, token_budget: int) -> tuple[Normalisation, dict[str, float]]:
    """What turns scores into rewards with mean 0 and deviation 1 on the answers that SFT gives, so that reward terms
    can be weighed against one another; and what these answers earn by the rules."""
    words = words_of(task.recipe)
    sampled = {row["question_id"]: row["answers"] for row in read_rows(task.inputs["sample"] / "answers.jsonl")}
    cases = load_cases(task, "train")
    trees = []
    for case in cases:
        prompt = prompt_of(case, base.codec, words, task.recipe)
        answers = sampled[case.question.id]
        trees.append(Tree(prompt, [answer_ids(base, prompt, text, case.question.id) for text in answers]))
    trees = split_wide(trees, token_budget)
    scores_A = answer_scores(base, role, trees, micro_batches(trees, token_budget))
    return normalisation(scores_A), attempts_earn(((case, sampled[case.question.id]) for case in cases), words)
