"""The passages that a question is asked with, the same way in training, evaluation and chat.

Serving shows the model what the search found. Training shows it the same, with two changes (RAFT, Zhang et al. 2024,
arXiv 2403.10131): a gold passage that the search missed is put in, and for a share of the questions the gold passages
are taken out, so that the model learns to abstain rather than to answer from memory. What else the search found stays
as hard distractors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from haechi.records.types import Passage, Question
from haechi.retrieval.library import Hit, Library

# Hits fetched per passage wanted, so that a dropped gold passage can be replaced without a second search.
_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Context:
    """The passages of one question, numbered from 1 in the prompt.

    Attributes:
        gold_numbers: numbers of the passages that hold the answer. Empty if the question is not answerable, if they
            were dropped, if the search missed them (outside training), or if nobody knows which they are.
        retrieved: whether the search itself had a gold passage among its first k, whatever was done afterwards.
        dropped: whether gold passages were known and left out on purpose: abstaining is right.
    """

    question_id: str
    passages: tuple[Passage, ...]
    gold_numbers: tuple[int, ...]
    retrieved: bool
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class _Gold:
    """Passages to cite for an answer (`ids`), and all those that may give it away (`answering`)."""

    ids: tuple[str, ...] = ()
    answering: frozenset[str] = frozenset()


def gold_passage_ids(question: Question, library: Library) -> tuple[str, ...]:
    """The passages that hold the answer, as well as the question lets us know.

    Those of the gold documents that contain the evidence (where none contains all of it, the one with most of it);
    without evidence there, those that contain an accepted string; without either, the one that ranks best for question
    and answer. Empty if the question is not answerable or has no gold document in the library.
    """
    return _gold(question, library).ids


def retrieved_contexts(questions: Sequence[Question], library: Library, k: int) -> list[Context]:
    """For each question the first k hits in the order of the search, as serving shows them."""
    contexts = []
    for question, hits in zip(questions, _search(questions, library, k), strict=True):
        passages = [hit.passage for hit in hits]
        numbers = _numbers(passages, _gold(question, library))
        contexts.append(Context(question.id, tuple(passages), numbers, retrieved=bool(numbers)))
    return contexts


def training_contexts(
    questions: Sequence[Question], library: Library, k: int, *, seed: int, drop_gold: float
) -> list[Context]:
    """k passages for each question: gold ones, unless dropped, among the best of the others.

    They stand in the order of the search, a gold passage that it missed last: where a passage stands says how likely
    it holds the answer, and serving shows the same order. Each context is a function of the library, the question and
    the seed alone, not of its neighbours in the batch.

    Args:
        k: passages in a context; fewer come only where fewer share a term with the question.
        drop_gold: probability, in [0, 1], that the gold passages of a question are replaced by the next hits that do
            not give the answer away.
    """
    if not 0 <= drop_gold <= 1:
        raise ValueError(f"drop_gold is a probability, got {drop_gold}")
    contexts = []
    for question, hits in zip(questions, _search(questions, library, k, depth=_DEPTH), strict=True):
        gold = _gold(question, library)
        passages = [hit.passage for hit in hits[:k]]
        retrieved = bool(_numbers(passages, gold))
        dropped = _chance(seed, question.id) < drop_gold and bool(gold.ids)
        if dropped:
            passages = _distractors(question, gold, library, hits, k)
        elif gold.ids and not retrieved:
            passages = [*passages[: k - 1], library.passage(gold.ids[0])]
        contexts.append(Context(question.id, tuple(passages), _numbers(passages, gold), retrieved, dropped))
    return contexts


def _search(questions: Sequence[Question], library: Library, k: int, *, depth: int = 1) -> list[list[Hit]]:
    return library.search_many([question.text for question in questions], k * depth)


def _numbers(passages: Sequence[Passage], gold: _Gold) -> tuple[int, ...]:
    return tuple(number for number, passage in enumerate(passages, start=1) if passage.id in gold.ids)


def _chance(seed: int, question_id: str) -> float:
    """A number in [0, 1) of a question's own."""
    digest = hashlib.sha256(f"{seed}:{question_id}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _distractors(question: Question, gold: _Gold, library: Library, hits: Sequence[Hit], k: int) -> list[Passage]:
    """The first k passages of the search that do not hold the answer, searching deeper until there are k.

    Always k where the library has them: if contexts without gold were shorter, the model would learn to abstain by
    counting passages.
    """
    tells = [_pattern(text) for text in (*question.accepted, question.evidence or "") if text.strip()]
    depth = _DEPTH * k
    while True:
        kept = [
            hit.passage
            for hit in hits
            if hit.passage.id not in gold.answering and not any(tell.search(hit.passage.text) for tell in tells)
        ]
        if len(kept) >= k or len(hits) < depth:
            return kept[:k]
        depth *= 2
        hits = library.search(question.text, depth)


def _gold(question: Question, library: Library) -> _Gold:
    if not question.answerable:
        return _Gold()
    passages = library.passages_of(question.gold_documents)
    gold = _by_evidence(question, library, passages) or _by_accepted(question, passages)
    return gold or _by_rank(question, library, passages)


def _by_evidence(question: Question, library: Library, passages: Sequence[Passage]) -> _Gold | None:
    """Passages with the evidence; a quotation that stands in the document several times counts each time."""
    if not (question.evidence or "").strip():
        return None
    quotation = _pattern(question.evidence or "")
    ids: list[str] = []
    answering: set[str] = set()
    for document_id in dict.fromkeys(passage.document_id for passage in passages):
        candidates = [passage for passage in passages if passage.document_id == document_id]
        for match in quotation.finditer(library.document(document_id).text):
            held = {p.id: min(p.end, match.end()) - max(p.start, match.start()) for p in candidates}
            most = max(held, key=lambda name: held[name])
            whole = [name for name, characters in held.items() if characters == len(match.group())]
            ids += whole or [most]
            answering.update(name for name, characters in held.items() if characters > 0)
    return _Gold(tuple(dict.fromkeys(ids)), frozenset(answering)) if ids else None


def _by_accepted(question: Question, passages: Sequence[Passage]) -> _Gold | None:
    patterns = [_pattern(text) for text in question.accepted if text.strip()]
    ids = tuple(p.id for p in passages if any(pattern.search(p.text) for pattern in patterns))
    return _Gold(ids, frozenset(ids)) if ids else None


def _by_rank(question: Question, library: Library, passages: Sequence[Passage]) -> _Gold:
    """A guess, so that any passage of the gold documents may hold the answer."""
    hits = library.search(f"{question.text} {question.answer or ''}", 1, within=question.gold_documents)
    # A document in one piece needs no shared word.
    best = [hit.passage.id for hit in hits] or [passage.id for passage in passages if len(passages) == 1]
    return _Gold(tuple(best), frozenset(passage.id for passage in passages))


def _pattern(text: str) -> re.Pattern[str]:
    """Finds a string whatever its case and white space, but not inside a longer number or Latin word.

    "3" is not found in 13, 3.5 or 3,000, "cat" not in "concatenate"; Korean particles may follow anything.
    """
    words = text.split()
    first, last = words[0][0], words[-1][-1]
    before = r"(?<!\d)(?<!\d[.,])" if first.isdecimal() else "(?<![A-Za-z])" if _is_latin(first) else ""
    after = r"(?!\d)(?![.,]\d)" if last.isdecimal() else "(?![A-Za-z])" if _is_latin(last) else ""
    return re.compile(before + r"\s+".join(map(re.escape, words)) + after, re.IGNORECASE)


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalpha()
