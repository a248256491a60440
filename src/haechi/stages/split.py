"""Questions: read, clean, divide by cluster, and find the passages that each is asked with from now on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from haechi.errors import InputError
from haechi.evaluate.significance import FEWEST_TOPICS
from haechi.pipeline.files import write_json
from haechi.pipeline.task import Task
from haechi.recipe.inputs import Questions
from haechi.records.clean import QuestionLimits, clean_questions
from haechi.records.lines import line_of
from haechi.records.read import ReadingLog, read_questions
from haechi.records.split import asking, split
from haechi.records.types import Question
from haechi.retrieval.contexts import retrieved_contexts, training_contexts
from haechi.retrieval.library import Library
from haechi.stages.cases import Case, save_cases

# Fewer training questions are a mistake in the file or in the shares, not an experiment.
_FEWEST = 4


def run(task: Task) -> dict[str, Any]:
    """Writes `train.jsonl`, `validation.jsonl`, `test.jsonl` and `prompts.jsonl` with passages, and `cleaning.json`."""
    settings, k = task.recipe.questions, task.recipe.documents.k
    assert settings.path is not None
    path = Path(settings.path)
    log = ReadingLog()
    kept, report = clean_questions(read_questions(path, log=log)[: settings.limit], _limits(settings))
    for line in log.told():
        task.progress.note(line)
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
    parts["train"], practice = _practice(task, parts["train"])
    if len(parts["train"]) < _FEWEST:
        raise InputError(
            path,
            f"of {len(kept)} questions {len(parts['train'])} would be trained on, too few to learn anything from",
            "add questions: a few dozen run, about a hundred make a verdict",
        )
    prompts = [*practice, *_prompts(task, parts | {"practice": practice})]
    with Library.open(task.inputs["ingest"] / "library") as library:
        _check_gold(path, kept, library)
        contexts = {
            "train": training_contexts(parts["train"], library, k, seed=task.seed, drop_gold=settings.drop_gold),
            "validation": retrieved_contexts(parts["validation"], library, k),
            "test": retrieved_contexts(parts["test"], library, k),
        }
        # With nothing of its own to practise on, PPO is asked the training questions as SFT sees them.
        contexts["prompts"] = retrieved_contexts(prompts, library, k) if prompts else contexts["train"]
    parts["prompts"] = prompts or parts["train"]
    for number, (name, found) in enumerate(contexts.items(), start=1):
        save_cases(task.folder / f"{name}.jsonl", [Case(q, c) for q, c in zip(parts[name], found, strict=True)])
        task.progress.update(number, len(contexts))
    _tell(task, parts)
    return {
        "left_out": report.read - report.kept,
        **{name: len(questions) for name, questions in parts.items()},
        "answerable": sum(question.answerable for question in kept) / len(kept),
    }


def _tell(task: Task, parts: Mapping[str, Sequence[Question]]) -> None:
    """How many questions each part has, and whether what is measured can mean anything."""
    train, validation, test = (len(parts[name]) for name in ("train", "validation", "test"))
    task.progress.note(f"questions: {train} to learn from, {validation} to choose by, {test} to measure on")
    topics = len({question.subject for question in parts["test"]})
    if topics < FEWEST_TOPICS:
        task.progress.note(
            f"only {topics} topics to measure on: no difference between systems can be told with fewer than "
            f"{FEWEST_TOPICS}. Add questions; about a hundred make a verdict"
        )


def _limits(settings: Questions) -> QuestionLimits:
    near = settings.near_duplicate if settings.near_duplicate < 1 else None
    return QuestionLimits(shortest=settings.min_chars, longest=settings.max_chars, near_duplicate=near)


def _practice(task: Task, questions: list[Question]) -> tuple[list[Question], list[Question]]:
    """The training questions that people's answers and judgement are on, and the share that PPO alone is asked.

    Questions on one piece of evidence stay together, for a reward model that was told the answer to one of them knows
    it of the other; of one topic there may be some on both sides.
    """
    settings = task.recipe.questions
    if not settings.practice:
        return questions, []
    if len(questions) < 2:
        return questions, []
    shares = {"train": 1 - settings.practice, "practice": settings.practice}
    facts = [replace(question, topic=question.evidence or "") for question in questions]
    parts = split(facts, shares, task.seed, threshold=settings.near_duplicate)
    by_id = {question.id: question for question in questions}
    learned, practised = ([by_id[question.id] for question in parts[name]] for name in shares)
    return learned, practised


def _prompts(task: Task, parts: Mapping[str, Sequence[Question]]) -> list[Question]:
    """The questions of `questions.prompts` that have no topic and no wording in common with validation or test, and no
    wording with the training questions: a reward model knows those answers by heart, and practice has them already."""
    settings = task.recipe.questions
    if settings.prompts is None:
        return []
    path = Path(settings.prompts)
    kept, report = clean_questions(read_questions(path), _limits(settings))
    for reason, count in report.counts.items():
        task.progress.note(f"prompts left out: {count} ({reason})")
    measured = [*parts["validation"], *parts["test"]]
    topics, ids = {question.topic for question in measured} - {""}, {question.id for question in measured}
    others = [question for part in parts.values() for question in part]
    known = asking([question.text for question in kept], others, settings.near_duplicate)
    free = [q for n, q in enumerate(kept) if q.topic not in topics and q.id not in ids and n not in known]
    if len(free) < len(kept):
        task.progress.note(
            f"prompts left out: {len(kept) - len(free)} (of topics that are measured on, or worded as another question)"
        )
    if not topics & {question.topic for question in kept} and topics and all(question.topic for question in kept):
        task.progress.note(
            f"none of the topics in {path} is one of the questions' topics: are these prompts on the same documents?"
        )
    if not free:
        raise InputError(
            path,
            "holds no prompt that passes the cleaning and is not measured on",
            "add questions on other topics than those of the validation and test questions",
        )
    return free


def _check_gold(path: Path, questions: Sequence[Question], library: Library) -> None:
    for question in questions:
        for document in question.gold_documents:
            if document not in library.documents:
                raise InputError(
                    path,
                    f"question {question.id} names the gold document “{document}”, which is not among the documents",
                    "correct gold_documents, or add the document to documents.paths",
                    line_of(path, question.id),
                )
