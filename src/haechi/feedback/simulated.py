"""A simulated annotator, for runs without people: knows the gold answer, and errs at a stated rate.

What it says of two answers is all that the reward model ever learns from, and PPO earns nothing by a gold answer. (The
written answers that SFT imitates are imitated again in PPO only where the recipe mixes them in, `ppo.ptx_coefficient`.)
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from haechi.evaluate.answers import contains
from haechi.evaluate.score import Scores, score_answer
from haechi.prompt.citations import citations, without_citations
from haechi.prompt.template import Template
from haechi.records.types import Passage, Question
from haechi.rewards.cited import well_formed

# What people are told to look at, in this order: a right answer first, then one that names its source, then the form.
_CORRECT, _CITED, _FORM, _CROWDED = 4.0, 2.0, 0.5, 0.5
# How much better the annotator says that an answer is, by the difference in quality: significantly better, better, or
# slightly better, and else negligibly so (Llama 2, arXiv 2307.09288, section 3.2; the larger margins of its table 27).
_GRADES = ((4.0, 3.0), (2.0, 2.0), (1.0, 1.0))
# Characters, or times the written answer, that an answer may have before it counts as padded.
_CONCISE, _PADDED = 40, 1.5


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its passages, as the annotator sees it.

    Attributes:
        should_abstain: these passages do not hold the answer.
    """

    question: Question
    passages: Sequence[Passage]
    gold_numbers: Sequence[int]
    should_abstain: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A comparison: the answer that the annotator prefers, the other one, and what they differ in.

    Attributes:
        flipped: the annotator erred; in truth the rejected answer is the better one.
        margin: how much better the annotator says it is, in units of reward.
    """

    chosen: str
    rejected: str
    kind: str
    flipped: bool
    margin: float = 0.0


def quality(asked: Asked, answer: str, words: Template) -> float:
    """How good an answer is in truth, in units of the annotator's own.

    What leaves the asker without the right answer is worth nothing: of two wrong answers neither is preferred for its
    looks, nor is refusing wrongly preferred to answering wrongly. Bradley-Terry knows the order alone; told that a
    refusal beats every error, a reward model pays for refusing wherever an answer is right less than half of the time.
    Where nothing accepted is on record, likeness is all there is of rightness, and any of it beats a wrong refusal.
    """
    scores = _scores(asked, answer, words)
    good_form = well_formed(answer, len(asked.passages), words)
    if scores.abstained:
        return _CORRECT - _FORM * (not good_form) if asked.should_abstain else 0.0
    crowded = scores.length > max(_CONCISE, _PADDED * len(asked.question.answer or ""))
    return _correctness(scores) * (
        _CORRECT + _CITED * _cites_gold(asked, answer) + _FORM * good_form - _CROWDED * crowded
    )


def compare(asked: Asked, a: str, b: str, words: Template, *, error_rate: float, seed: int) -> Judged | None:
    """The annotator's word on two answers; None where they are equally good and there is nothing to say."""
    of_a, of_b = quality(asked, a, words), quality(asked, b, words)
    if of_a == of_b:
        return None
    better, worse = (a, b) if of_a > of_b else (b, a)
    flipped = _draw(seed, asked.question.id, *sorted((a, b))).random() < error_rate
    kind = _kind(asked, better, worse, words)
    difference = round(abs(of_a - of_b), 6)
    margin = next((margin for gap, margin in _GRADES if difference >= gap), 0.0)
    return Judged(worse, better, kind, True, margin) if flipped else Judged(better, worse, kind, False, margin)


def spoil(asked: Asked, written: str, words: Template, others: Sequence[Question], seed: int) -> list[str]:
    """Worse versions of a written answer, one a fault: pairs whose difference is known by construction.

    Args:
        written: the right answer with its citation, or the abstention.
        others: questions whose right answers are wrong here. Those that stand in these passages come first, cited where
            they stand: the wrong answers that a reader gives. An abstention is spoilt by two of them.
    """
    draw = _draw(seed, asked.question.id, written)
    wrong_values = _wrong_values(asked, words, others, draw)
    if asked.should_abstain:
        return wrong_values[:2]
    text = without_citations(written)
    cited = citations(written)
    spoilt = [words.abstention, text]
    wrong = [number for number in range(1, len(asked.passages) + 1) if number not in asked.gold_numbers]
    if wrong and cited:
        spoilt.append(words.reply(text, draw.choice(wrong)).strip())
    spoilt += wrong_values[:1]
    draw.shuffle(spoilt)
    return spoilt


def _wrong_values(asked: Asked, words: Template, others: Sequence[Question], draw: random.Random) -> list[str]:
    """Answers to other questions, cited, in an order of chance; those that stand in the passages come first."""
    standing: list[str] = []
    elsewhere: list[str] = []
    for other in draw.sample(others, len(others)):
        if other.answer is None or other.answer == asked.question.answer:
            continue
        told = [n for n, passage in enumerate(asked.passages, 1) if _tells(passage.text, other)]
        number = told[0] if told else draw.randint(1, max(len(asked.passages), 1))
        (standing if told else elsewhere).append(words.reply(other.answer, number).strip())
    return list(dict.fromkeys(standing + elsewhere))


def _tells(text: str, other: Question) -> bool:
    """Whether an answer stands in a passage as it is spelt on record, numbers whole."""
    return any(accepted in text and contains(text, accepted) for accepted in other.accepted)


def _scores(asked: Asked, answer: str, words: Template) -> Scores:
    question = asked.question
    if asked.should_abstain and question.answerable:
        question = Question(id=question.id, text=question.text, answerable=False)
    return score_answer(question, asked.passages, asked.gold_numbers, answer, words)


def _correctness(scores: Scores) -> float:
    """1 for a right answer; where nothing accepted is on record, likeness to the written answer in tenths."""
    return round(scores.f1 or 0.0, 1) if scores.correct is None else scores.correct


def _cites_gold(asked: Asked, answer: str) -> bool:
    cited = citations(answer)
    return bool(cited) and set(cited) <= set(asked.gold_numbers)


def _kind(asked: Asked, better: str, worse: str, words: Template) -> str:
    """What the two differ in, for accuracy by kind."""
    good, bad = _scores(asked, better, words), _scores(asked, worse, words)
    if good.abstained and bad.abstained:
        return "form"
    if good.abstained or bad.abstained:
        return "over_refusal" if bad.abstained else "guessing"
    if _correctness(good) != _correctness(bad):
        return "value"
    if _cites_gold(asked, better) != _cites_gold(asked, worse):
        return "citation" if citations(worse) else "missing_citation"
    return "form"


def _draw(seed: int, *parts: str) -> random.Random:
    digest = hashlib.sha256("\0".join((str(seed), *parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
