"""The scores of one answer to one question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from haechi.evaluate.answers import character_f1, is_correct
from haechi.prompt.citations import abstains, citations, without_citations
from haechi.prompt.template import Template
from haechi.records.types import Passage, Question
from haechi.rewards.cited import citation_precision_recall
from haechi.rewards.grounded import grounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of one answer, from 0 to 1 unless said; None where one does not apply and leaves the mean.

    Attributes:
        correct: 1 if right (`answers.is_correct`); abstaining is right where the question is unanswerable. None where
            nobody can say: the question is answerable and has no accepted strings.
        abstained: whether the answer is the abstention.
        citations: passage numbers cited, in order of first mention.
        citation_precision: over attempted answers to answerable questions; 0 for one that cites nothing.
        citation_recall: over all answerable questions whose answer the passages hold; 0 for an abstention, so that
            abstaining does not pass for citing well (ALCE scores refusals so too).
        grounded: support of the claims by what they cite; over all answers that are not abstentions.
        f1: character F1 with the gold answer or an accepted string, the better; 0 for an abstention, whose letters
            agree with a gold answer by chance only; None for unanswerable questions and where no gold is known.
        length: characters, citation marks aside.
    """

    correct: float | None
    abstained: bool
    citations: tuple[int, ...]
    citation_precision: float | None
    citation_recall: float | None
    grounded: float | None
    f1: float | None
    length: int


def score_answer(
    question: Question,
    passages: Sequence[Passage],
    gold_numbers: Sequence[int] | None,
    answer: str,
    template: Template,
) -> Scores:
    """Score an answer to a question.

    Args:
        passages: what the model read, in the order in which it was numbered from 1.
        gold_numbers: numbers of the passages that hold the answer; empty if it is known that none does, None if
            unknown. Citations are compared with these where known, else with what the passages lexically support.
    """
    abstained = abstains(answer, template)
    texts = [f"{passage.title}: {passage.text}" for passage in passages]
    precision, recall = (
        _citation_scores(answer, texts, gold_numbers, abstained) if question.answerable else (None, None)
    )
    text = without_citations(answer)
    return Scores(
        correct=_correct(question, answer, template),
        abstained=abstained,
        citations=citations(answer),
        citation_precision=precision,
        citation_recall=recall,
        grounded=None if abstained else grounded(answer, texts) or 0.0,
        f1=_f1(question, text, abstained),
        length=len(text),
    )


def correctness_is_told(questions: Iterable[tuple[bool, Sequence[str]]]) -> bool:
    """Whether `correct` can stand for how good answers are, by (answerable, accepted strings) of the questions.

    Where no answerable question has accepted strings it would speak of the unanswerable ones alone, and a model that
    always abstains would be perfect; `f1` takes its place.
    """
    questions = list(questions)
    return any(answerable and accepted for answerable, accepted in questions) or not any(a for a, _ in questions)


def headline(questions: Sequence[Question], scores: Sequence[Scores]) -> dict[str, float]:
    """The metric that tells how good the answers are, `correct` or `f1`, with its mean; empty if neither applies."""
    told = correctness_is_told((question.answerable, question.accepted) for question in questions)
    values = [value for one in scores if (value := one.correct if told else one.f1) is not None]
    return {"correct" if told else "f1": sum(values) / len(values)} if values else {}


def _correct(question: Question, answer: str, template: Template) -> float | None:
    if question.answerable and not question.accepted:
        return None
    return float(is_correct(answer, question.accepted, question.answerable, template))


def _citation_scores(
    answer: str, texts: Sequence[str], gold_numbers: Sequence[int] | None, abstained: bool
) -> tuple[float | None, float | None]:
    """Precision and recall for an answerable question."""
    citable = gold_numbers is None or len(gold_numbers) > 0
    if abstained:
        return None, 0.0 if citable else None
    scores = citation_precision_recall(answer, texts, gold_numbers)
    if gold_numbers is None:
        return scores.precision or 0.0, scores.recall or 0.0
    return scores.gold_precision or 0.0, scores.gold_recall


def _f1(question: Question, text: str, abstained: bool) -> float | None:
    golds = [*question.accepted, *([question.answer] if question.answer else [])]
    if not question.answerable or not golds:
        return None
    return 0.0 if abstained else character_f1(text, golds)
