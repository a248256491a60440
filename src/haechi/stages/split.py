"""Questions: read, clean, divide by cluster, and find the passages that each is asked with from now on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from haechi.errors import InputError
from haechi.pipeline.files import write_json
from haechi.pipeline.task import Task
from haechi.records.clean import QuestionLimits, clean_questions
from haechi.records.read import read_questions
from haechi.records.split import split
from haechi.records.types import Question
from haechi.retrieval.contexts import retrieved_contexts, training_contexts
from haechi.retrieval.library import Library
from haechi.stages.cases import Case, save_cases


def run(task: Task) -> dict[str, Any]:
    """Writes `train.jsonl`, `validation.jsonl` and `test.jsonl` with passages, and `cleaning.json`."""
    settings, k = task.recipe.questions, task.recipe.documents.k
    assert settings.path is not None
    path = Path(settings.path)
    questions = read_questions(path)[: settings.limit]
    near = settings.near_duplicate if settings.near_duplicate < 1 else None
    limits = QuestionLimits(shortest=settings.min_chars, longest=settings.max_chars, near_duplicate=near)
    kept, report = clean_questions(questions, limits)
    if not kept:
        raise InputError(path, "holds no question that passes the cleaning", "check questions.min_chars and max_chars")
    write_json(
        task.folder / "cleaning.json",
        {"counts": dict(report.counts), "examples": {reason: list(ids) for reason, ids in report.examples.items()}},
    )
    for reason, count in report.counts.items():
        task.progress.note(f"questions left out: {count} ({reason})")
    unchecked = sum(question.answerable and not question.accepted for question in kept)
    if unchecked:
        task.progress.note(
            f"{unchecked} answerable questions name no `accepted` string: whether an answer to them is correct cannot "
            "be checked, and they do not count in it"
        )
    parts = split(kept, settings.split.model_dump(), task.seed, threshold=settings.near_duplicate)
    with Library.open(task.inputs["ingest"] / "library") as library:
        _check_gold(path, kept, library)
        contexts = {
            "train": training_contexts(parts["train"], library, k, seed=task.seed, drop_gold=settings.drop_gold),
            "validation": retrieved_contexts(parts["validation"], library, k),
            "test": retrieved_contexts(parts["test"], library, k),
        }
    for number, (name, found) in enumerate(contexts.items(), start=1):
        save_cases(task.folder / f"{name}.jsonl", [Case(q, c) for q, c in zip(parts[name], found, strict=True)])
        task.progress.update(number, len(contexts))
    return {
        "left_out": report.read - report.kept,
        **{name: len(questions) for name, questions in parts.items()},
        "answerable": sum(question.answerable for question in kept) / len(kept),
    }


def _check_gold(path: Path, questions: Sequence[Question], library: Library) -> None:
    for question in questions:
        for document in question.gold_documents:
            if document not in library.documents:
                raise InputError(
                    path,
                    f"question {question.id} names the gold document “{document}”, which is not among the documents",
                    "correct gold_documents, or add the document to documents.paths",
                )
