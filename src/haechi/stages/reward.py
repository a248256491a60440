"""The reward model: Bradley-Terry on the comparisons, normalised on the answers of SFT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from haechi.engine.forward import answer_scores, answer_states
from haechi.engine.loop import train
from haechi.engine.trees import Tree, micro_batches, split_wide
from haechi.evaluate.reward_model import RewardModelScores, score_reward_model
from haechi.learners.batches import some, steps_for
from haechi.learners.pairs import ComparedPrompt, RewardLearner, evidence_of, paired
from haechi.methods.probe import Probe, fit_probe
from haechi.methods.reward import Normalisation, normalisation
from haechi.models.base import SharedBase
from haechi.models.roles import Role
from haechi.models.saved import save_role
from haechi.pipeline.files import read_json, write_json
from haechi.pipeline.task import Task
from haechi.prompt.citations import without_citations
from haechi.records.write import read_rows
from haechi.rewards.evidence import NAMES
from haechi.stages.cases import case_of, load_cases, prompt_of, words_of
from haechi.stages.earned import attempts_earn
from haechi.stages.loop import hooks
from haechi.stages.models import answer_ids, base_of, evidence_scores, sft_role, trainable
from haechi.stages.pairs import load_pairs
from haechi.stages.sft import CURVE, loop_settings


def run(task: Task) -> dict[str, Any]:
    """Writes the role with its normalisation, and `accuracy.json`: how it does on held-out pairs."""
    settings = task.recipe.reward
    base = base_of(task)
    pairs = load_pairs(task, base, settings.token_budget, with_evidence=settings.evidence)
    role = Role(base, trainable(settings.trainable), sft_role(task, base), seed=task.seed, head_outputs=1)
    probe = _probe(task, base, role, pairs.training) if settings.probe else None
    worth_F = probe.weight[base.width :] if probe and settings.evidence else None
    worth: dict[str, float] = {} if worth_F is None else dict(zip(NAMES, worth_F.tolist(), strict=True))
    steps = steps_for(len(pairs.training), settings.batch_size, settings.epochs)
    learner = RewardLearner(
        base,
        role,
        pairs.training,
        batch_size=settings.batch_size,
        token_budget=settings.token_budget,
        seed=task.seed,
        worth=worth_F,
        use_margin=settings.margin,
        centring=settings.centre,
        label_smoothing=settings.label_smoothing,
        validation=some(pairs.held_out, CURVE, task.seed),
        validate_every=max(steps // 4, 1),
    )
    first = {name: weight.clone() for name, weight in role.state().items()} if settings.interpolate < 1 else None
    train(
        learner,
        role.parameters(),
        loop_settings(settings, steps),
        task.folder,
        hooks(task, "loss", "accuracy", "validation/accuracy"),
    )
    if first is not None:
        _interpolate(role, first, settings.interpolate)
    scale, attempts = _scale(task, base, role, worth)
    about = {"normalisation": asdict(scale), "attempts": attempts, "worth": worth}
    save_role(role.freeze(), base, task.folder, about)
    measured = _measured(task, pairs.held_out_rows, scale.apply(learner.scores(pairs.held_out)), scale)
    write_json(task.folder / "accuracy.json", measured.as_dict())
    return {
        "trained_parameters": role.num_trained,
        "training_pairs": sum(len(one.pairs) for one in pairs.training),
        "held_out_pairs": len(pairs.held_out_rows),
        "probe_accuracy": probe.accuracy if probe else None,
        "probe_penalty": probe.penalty if probe else None,
        "worth": worth,
        "accuracy": measured.accuracy.as_dict(),
        "ceiling": measured.ceiling,
        "realised_ceiling": measured.realised_ceiling,
        "true_accuracy": measured.true_accuracy.as_dict() if measured.true_accuracy else None,
    }


def _measured(
    task: Task, rows: Sequence[Mapping[str, Any]], scores_P2: Tensor, scale: Normalisation
) -> RewardModelScores:
    """How the normalised scores agree with the held-out comparisons, and with the truth where it is known."""
    compare, known = task.recipe.compare, [row["flipped"] for row in rows]
    return score_reward_model(
        scores_P2[:, 0].tolist(),
        scores_P2[:, 1].tolist(),
        kinds=[row["kind"] for row in rows],
        chosen_lengths=[len(without_citations(row["chosen"])) for row in rows],
        rejected_lengths=[len(without_citations(row["rejected"])) for row in rows],
        error_rate=compare.error_rate if compare.source == "simulated" else None,
        truly_better=None if None in known else [not flipped for flipped in known],
        scale=scale.std,
        topics=[case_of(row["case"]).question.subject for row in rows],
        seed=task.recipe.seed,
    )


def _probe(task: Task, base: SharedBase, role: Role, training: Sequence[ComparedPrompt]) -> Probe:
    """The best linear reward on the states of the untrained role and the evidence; the role's head takes its part.

    It is kept in `probe.json`, where an interrupted attempt finds it again.
    """
    path = task.folder / "probe.json"
    if path.is_file():
        saved = read_json(path)
        found = Probe(torch.tensor(saved["weight"]), saved["accuracy"], saved["penalty"])
    else:
        found = _fit_probe(task, base, role, training)
        write_json(path, asdict(found) | {"weight": found.weight.tolist()})
    assert role.head is not None
    with torch.no_grad():
        role.head.weight.copy_(found.weight[None, : base.width])
    return found


def _fit_probe(task: Task, base: SharedBase, role: Role, training: Sequence[ComparedPrompt]) -> Probe:
    settings = task.recipe.reward
    trees = [one.tree for one in training]
    states_AD = answer_states(base, role, trees, micro_batches(trees, settings.token_budget))
    evidence_AF = evidence_of(training)
    numbers = {topic: number for number, topic in enumerate(dict.fromkeys(one.topic for one in training))}

    def stop_if_asked() -> None:
        if task.stopping():
            raise task.stopped()

    return fit_probe(
        torch.cat([states_AD, evidence_AF], dim=1),
        paired(torch.arange(len(states_AD)), training),
        torch.tensor([numbers[one.topic] for one in training for _ in one.pairs]),
        groups=[base.width, evidence_AF.shape[1]],
        label_smoothing=settings.label_smoothing,
        weights_P=torch.tensor([pair.weight for one in training for pair in one.pairs]),
        on_fold=stop_if_asked,
    )


@torch.no_grad()
def _interpolate(role: Role, first: Mapping[str, Tensor], share: float) -> None:
    """Takes the weights back towards the first ones (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903, eq. 1).

    Of an adapter the product B A goes back: B began as 0, so B alone has to move.
    """
    for name, weight in role.parameters().items():
        if not name.startswith("lora_a."):
            weight.lerp_(first[name], 1 - share)


@torch.no_grad()
def _scale(
    task: Task, base: SharedBase, role: Role, worth: Mapping[str, float]
) -> tuple[Normalisation, dict[str, float]]:
    """What turns scores into rewards with mean 0 and deviation 1 on the answers that SFT gives, so that reward terms
    can be weighed against one another; and what these answers earn by the rules."""
    words, token_budget = words_of(task.recipe), task.recipe.reward.token_budget
    sampled = {row["question_id"]: row["answers"] for row in read_rows(task.inputs["sample"] / "answers.jsonl")}
    cases = load_cases(task, "train")
    trees = []
    for case in cases:
        prompt = prompt_of(case, base.codec, words, task.recipe)
        answers = sampled[case.question.id]
        trees.append(Tree(prompt, [answer_ids(base, prompt, text, case.question.id) for text in answers]))
    trees = split_wide(trees, token_budget)
    scores_A = answer_scores(base, role, trees, micro_batches(trees, token_budget))
    given = [(case, sampled[case.question.id]) for case in cases]
    if worth:
        scores_A += evidence_scores(worth, given, words)
    return normalisation(scores_A), attempts_earn(given, words)
