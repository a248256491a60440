"""Supervised fine-tuning on written answers, each with its passages and its citation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from haechi.engine.loop import LoopSettings, train
from haechi.engine.rollout import Sampling, sample
from haechi.engine.trees import Tree
from haechi.errors import ModelError, StageError
from haechi.learners.batches import some, steps_for
from haechi.learners.sft import SupervisedLearner
from haechi.models.base import SharedBase
from haechi.models.roles import Role
from haechi.models.saved import save_role
from haechi.pipeline.files import write_json
from haechi.pipeline.task import Task
from haechi.recipe.learning import Training
from haechi.records.lines import line_of
from haechi.records.write import write_jsonl
from haechi.stages.cases import Case, Part, load_cases, prompt_of, words_of
from haechi.stages.loop import hooks
from haechi.stages.models import answer_ids, base_of, trainable

CURVE = 64  # validation questions behind the curve of a training: it warns, and decides nothing
_SHOWN_SAMPLES = 8


def run(task: Task) -> dict[str, Any]:
    """Writes the role, `metrics.jsonl`, and a few answers to validation questions in `samples.jsonl`."""
    recipe, settings = task.recipe, task.recipe.sft
    base = base_of(task)
    _check_prompts(task, base)
    chosen = _chosen(task, load_cases(task, "train"))
    trees = supervised_trees(task, base, chosen)
    if not trees:
        raise StageError(
            "no training question has a written answer, so SFT has nothing to learn. Fix: give questions an `answer`."
        )
    validation_cases = load_cases(task, "validation")
    role = Role(base, trainable(settings.trainable), seed=task.seed)
    steps = steps_for(len(trees), settings.batch_size, settings.epochs)
    learner = SupervisedLearner(
        base,
        role,
        trees,
        batch_size=settings.batch_size,
        token_budget=settings.token_budget,
        seed=task.seed,
        validation=supervised_trees(task, base, some(_taught(task, validation_cases), CURVE, task.seed)),
        validate_every=max(steps // 4, 1),
    )
    train(
        learner, role.parameters(), loop_settings(settings, steps), task.folder, hooks(task, "loss", "validation/loss")
    )
    save_role(role.freeze(), base, task.folder)
    write_json(task.folder / "examples.json", {"ids": [case.question.id for case in chosen]})
    write_samples(task, base, role, validation_cases[:_SHOWN_SAMPLES])
    return {
        "trained_parameters": role.num_trained,
        "examples": len(trees),
        "validation_loss": learner.validation_loss() if learner.validation else None,
        "shared_forward": base.shared_forward,
        "base": base.provenance,
        "max_new_tokens": recipe.prompt.max_answer_tokens,
    }


def _check_prompts(task: Task, base: SharedBase) -> None:
    """Refuses a question that will not fit now, not after the hours of training that come before it is asked."""
    words = words_of(task.recipe)
    for part in get_args(Part):
        for case in load_cases(task, part):
            try:
                prompt_of(case, base.codec, words, task.recipe)
            except ModelError as error:
                raise ModelError(f"{_place(task, part, case)}: {error}") from error


def _place(task: Task, part: Part, case: Case) -> str:
    """The file and line of a question; the file alone where its rows have no ids."""
    files = [Path(file) for file in (task.recipe.questions.path, task.recipe.questions.prompts) if file is not None]
    for file in files:
        line = line_of(file, case.question.id) if file.is_file() else None
        if line is not None:
            return f"{file}:{line}"
    return str(files[-1] if part == "prompts" else files[0])


def supervised_trees(task: Task, base: SharedBase, cases: list[Case]) -> list[Tree]:
    """Prompt and written answer of every case that has one."""
    words = words_of(task.recipe)
    trees = []
    for case in cases:
        target = case.target(words)
        if target is not None:
            prompt = prompt_of(case, base.codec, words, task.recipe)
            trees.append(Tree(prompt, [answer_ids(base, prompt, target, case.question.id)]))
    return trees


def loop_settings(settings: Training, steps: int) -> LoopSettings:
    """The recipe's way to optimise, for so many steps."""
    return LoopSettings(
        steps=steps,
        learning_rate=settings.learning_rate,
        warmup=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        checkpoint_every=settings.checkpoint_every,
    )


def write_samples(task: Task, base: SharedBase, role: Role, cases: list[Case]) -> None:
    """What a role says, greedily, to a few questions."""
    words = words_of(task.recipe)
    prompts = [prompt_of(case, base.codec, words, task.recipe) for case in cases]
    sampling = Sampling(temperature=0, max_new_tokens=task.recipe.prompt.max_answer_tokens)
    answers = sample(base, role, prompts, sampling) if prompts else []
    write_jsonl(
        task.folder / "samples.jsonl",
        [
            {"question": case.question.text, "answer": base.codec.decode(group[0].ids), "gold": case.target(words)}
            for case, group in zip(cases, answers, strict=True)
        ],
    )


def _taught(task: Task, cases: list[Case]) -> list[Case]:
    """The cases with a written answer, or the abstention in its place where the recipe teaches that."""
    words = words_of(task.recipe)
    taught = [case for case in cases if task.recipe.sft.abstentions or not case.should_abstain]
    return [case for case in taught if case.target(words) is not None]


def _chosen(task: Task, cases: list[Case]) -> list[Case]:
    """The recipe's SFT examples, drawn once for all."""
    return some(_taught(task, cases), task.recipe.questions.sft_examples, task.seed)
