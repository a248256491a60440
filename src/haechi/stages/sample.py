"""Several answers of the SFT model to every training and validation question."""

from __future__ import annotations

from typing import Any

from haechi.engine.rollout import Sampling, sample
from haechi.pipeline.task import Task
from haechi.records.write import write_jsonl
from haechi.stages.cases import Part, load_cases, prompt_of, words_of
from haechi.stages.models import base_of, sft_role

PARTS: tuple[Part, ...] = ("train", "validation")


def run(task: Task) -> dict[str, Any]:
    """Writes `answers.jsonl`: one row a question with the texts of its answers."""
    recipe, settings = task.recipe, task.recipe.sample
    base, words = base_of(task), words_of(recipe)
    role = sft_role(task, base)
    cases = [(part, case) for part in PARTS for case in load_cases(task, part)]
    answers = sample(
        base,
        role,
        [prompt_of(case, base.codec, words, recipe) for _, case in cases],
        sampling_of(task),
        samples=settings.samples,
        seed=task.seed,
        progress=lambda done, total: task.progress.update(done, total),
    )
    rows = [
        {
            "part": part,
            "question_id": case.question.id,
            "answers": [base.codec.decode(answer.ids) for answer in group],
            "ended": [answer.ended for answer in group],
        }
        for (part, case), group in zip(cases, answers, strict=True)
    ]
    write_jsonl(task.folder / "answers.jsonl", rows)
    distinct = sum(len(set(row["answers"])) for row in rows) / sum(len(row["answers"]) for row in rows)
    return {"questions": len(rows), "answers": len(rows) * settings.samples, "distinct": distinct}


def sampling_of(task: Task) -> Sampling:
    """How the recipe samples answers."""
    settings = task.recipe.sample
    return Sampling(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        max_new_tokens=settings.max_new_tokens or task.recipe.prompt.max_answer_tokens,
    )
