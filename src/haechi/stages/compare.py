"""Which of two answers is better: said by a simulated annotator, or read from a file of people's preferences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from haechi.errors import InputError, ModelError, StageError
from haechi.feedback.simulated import Asked, Judged, compare, spoil
from haechi.pipeline.task import Task
from haechi.prompt.template import Template
from haechi.recipe.learning import Compare
from haechi.records.clean import PreferenceLimits, clean_preferences
from haechi.records.read import ReadingLog, read_preferences
from haechi.records.split import asking, clusters
from haechi.records.types import Preference, Question
from haechi.records.write import read_rows, write_jsonl
from haechi.retrieval.contexts import Context, retrieved_contexts, training_contexts
from haechi.retrieval.library import Library
from haechi.stages.cases import Case, Part, case_row, load_cases, prompt_of, words_of
from haechi.stages.models import answer_ids, base_of
from haechi.stages.sample import PARTS


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison with the passages that it was made under.

    Attributes:
        held_out: the pair only measures; nothing is trained on it.
        flipped: the annotator is known to have erred; None where nobody knows.
    """

    case: Case
    chosen: str
    rejected: str
    kind: str
    held_out: bool
    flipped: bool | None
    margin: float = 0.0
    weight: float = 1.0


def run(task: Task) -> dict[str, Any]:
    """Writes `pairs.jsonl`, training and held-out pairs together."""
    settings = task.recipe.compare
    pairs = list(_from_file(task) if settings.source == "file" else _simulated(task))
    if not any(not pair.held_out for pair in pairs) or not any(pair.held_out for pair in pairs):
        drawn = "more questions, more sample.samples, or a higher sample.temperature"
        raise StageError(
            f"{len(pairs)} comparisons are too few to train on some and measure on others. "
            f"Fix: {drawn if settings.source == 'simulated' else f'more prompts in {settings.path}'}."
        )
    write_jsonl(task.folder / "pairs.jsonl", [_row(pair) for pair in pairs])
    by_kind: dict[str, int] = {}
    for pair in pairs:
        by_kind[pair.kind or "other"] = by_kind.get(pair.kind or "other", 0) + 1
    return {
        "source": settings.source,
        "error_rate": settings.error_rate if settings.source == "simulated" else None,
        "pairs": len(pairs),
        "held_out": sum(pair.held_out for pair in pairs),
        "by_kind": by_kind,
    }


def _simulated(task: Task) -> Iterator[Compared]:
    """Pairs among each question's sampled answers, and pairs of the written answer against spoilt versions of it."""
    settings, words = task.recipe.compare, words_of(task.recipe)
    sampled = {
        row["question_id"]: [text for text, ended in zip(row["answers"], row["ended"], strict=True) if ended]
        for row in read_rows(task.inputs["sample"] / "answers.jsonl")
    }
    for part in PARTS:
        cases = load_cases(task, part)
        compared: list[tuple[Case, list[str]]] = [(case, sampled[case.question.id]) for case in cases]
        if part == "train":
            compared += [(case, []) for case in _without_gold(task, cases)]
        answered = [case.question for case in cases if case.question.answerable and case.question.answer]
        by_document: dict[str, list[Question]] = {}
        for question in answered:
            for document in question.gold_documents:
                by_document.setdefault(document, []).append(question)
        for number, (case, answers) in enumerate(compared):
            asked = Asked(case.question, case.context.passages, case.context.gold_numbers, case.should_abstain)
            others = _others(case, number, answered, by_document)
            for judged in _judged(asked, case.target(words), answers, others, words, settings):
                yield Compared(
                    case,
                    judged.chosen,
                    judged.rejected,
                    judged.kind,
                    held_out=part == "validation",
                    flipped=judged.flipped,
                    margin=judged.margin,
                )
        task.progress.update(PARTS.index(part) + 1, len(PARTS))


def _without_gold(task: Task, cases: Sequence[Case]) -> list[Case]:
    """Some of the questions with what else the search finds instead of the passages that answer them. There abstaining
    is right, so a reward model that sees both has to read whether the passages bear an answer out."""
    settings = task.recipe.compare
    if not settings.without_gold:
        return []
    questions = [case.question for case in cases if not case.should_abstain]
    with Library.open(task.inputs["ingest"] / "library") as library:
        contexts = training_contexts(
            questions, library, task.recipe.documents.k, seed=settings.seed, drop_gold=settings.without_gold
        )
    return [Case(question, found) for question, found in zip(questions, contexts, strict=True) if found.dropped]


def _others(
    case: Case, number: int, answered: Sequence[Question], by_document: Mapping[str, Sequence[Question]]
) -> list[Question]:
    """Questions whose answers are wrong here: those on the documents of these passages, and two on something else."""
    documents = dict.fromkeys(passage.document_id for passage in case.context.passages)
    near = [question for document in documents for question in by_document.get(document, ())]
    far = [answered[(number + step) % len(answered)] for step in (7, 13)] if answered else []
    return list({question.id: question for question in near + far if question.id != case.question.id}.values())


def _judged(
    asked: Asked,
    written: str | None,
    answers: Sequence[str],
    others: Sequence[Question],
    words: Template,
    settings: Compare,
) -> list[Judged]:
    """At most `settings.pairs` comparisons of a question: the written answer against its spoilt versions, as far as the
    recipe's share of these goes, then every two of the sampled answers, in an order of chance."""

    def chance(couple: tuple[str, str]) -> bytes:
        return hashlib.sha256("\0".join((str(settings.seed), asked.question.id, *couple)).encode()).digest()

    def judged(couples: Iterable[tuple[str, str]]) -> Iterator[Judged]:
        said = (compare(asked, a, b, words, error_rate=settings.error_rate, seed=settings.seed) for a, b in couples)
        return filter(None, said)

    found: list[Judged] = []
    if written is not None:
        spoilt = judged((written, worse) for worse in spoil(asked, written, words, others, settings.seed))
        found += islice(spoilt, round(settings.pairs * settings.constructed))
    if settings.constructed < 1:
        known = {frozenset((one.chosen, one.rejected)) for one in found}
        couples = sorted(combinations(sorted(set(answers)), 2), key=chance)
        drawn = judged(couple for couple in couples if frozenset(couple) not in known)
        found += islice(drawn, settings.pairs - len(found))
    return found


def _from_file(task: Task) -> Iterator[Compared]:
    """Pairs of a file; each prompt is asked with the passages that the search finds for it."""
    settings = task.recipe.compare
    assert settings.path is not None
    path = Path(settings.path)
    log = ReadingLog()
    kept, report = clean_preferences(read_preferences(path, log=log), PreferenceLimits())
    for line in log.told():
        task.progress.note(line)
    for reason, count in report.counts.items():
        task.progress.note(f"preferences left out: {count} ({reason})")
    kept = _without_test_questions(task, kept)
    if not kept:
        raise InputError(path, "holds no preference that passes the cleaning", "check the file")
    questions = [Question(id=preference.id, text=preference.prompt) for preference in kept]
    found = clusters(questions, min(task.recipe.questions.near_duplicate, 0.999))
    topics = {question.id: min(one.text for one in cluster) for cluster in found for question in cluster}
    questions = [replace(question, topic=topics[question.id]) for question in questions]
    with Library.open(task.inputs["ingest"] / "library") as library:
        contexts: list[Context] = retrieved_contexts(questions, library, task.recipe.documents.k)
    on_validation = _asking(task, "validation", kept)
    too_long = 0
    for number, (question, context, preference) in enumerate(zip(questions, contexts, kept, strict=True)):
        case = Case(question, context)
        if not _fits(task, case, preference):
            too_long += 1
            continue
        yield Compared(
            case,
            preference.chosen,
            preference.rejected,
            preference.kind,
            held_out=number in on_validation or _is_held_out(question.topic, task.recipe.reward.held_out),
            flipped=None,
            margin=preference.margin,
            weight=preference.weight,
        )
    if too_long:
        task.progress.note(
            f"preferences left out: {too_long} (with their passages longer than prompt.max_prompt_tokens, or than the "
            "base reads)"
        )


def _fits(task: Task, case: Case, preference: Preference) -> bool:
    base = base_of(task)
    try:
        prompt = prompt_of(case, base.codec, words_of(task.recipe), task.recipe)
        for text in (preference.chosen, preference.rejected):
            answer_ids(base, prompt, text, case.question.id)
    except ModelError:
        return False
    return True


def _without_test_questions(task: Task, preferences: list[Preference]) -> list[Preference]:
    """Leaves out preferences on test questions: nothing but the evaluation sees those."""
    on_test = _asking(task, "test", preferences)
    if on_test:
        task.progress.note(f"preferences left out: {len(on_test)} (their prompts are test questions)")
    return [preference for number, preference in enumerate(preferences) if number not in on_test]


def _asking(task: Task, part: Part, preferences: Sequence[Preference]) -> set[int]:
    """Which preferences are on questions of a part: by the question's id, or a user's turn that is nearly one."""
    questions = [case.question for case in load_cases(task, part)]
    ids = {question.id for question in questions}
    found = asking([one.prompt for one in preferences], questions, task.recipe.questions.near_duplicate)
    return found | {number for number, one in enumerate(preferences) if one.question_id in ids}


def _is_held_out(topic: str, share: float) -> bool:
    """By topic, so that no prompt, however worded, stands on both sides."""
    return int.from_bytes(hashlib.sha256(topic.encode()).digest()[:4], "big") / 2**32 < share


def _row(pair: Compared) -> dict[str, Any]:
    return {
        "case": case_row(pair.case),
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "kind": pair.kind,
        "held_out": pair.held_out,
        "flipped": pair.flipped,
        "margin": pair.margin,
        "weight": pair.weight,
    }
