"""Does an answer cite what it rests on, all of it and nothing else?

Recall and precision as in ALCE (Gao et al. 2023, arXiv 2305.14627, section 3), with the lexical `support` in place of
an entailment model, and beside them the comparison with the passages known to hold the answer. One deviation: a
citation out of range counts against precision; ALCE leaves it out of the count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from haechi.prompt.citations import Claim, abstains, citations, claims
from haechi.prompt.template import Template
from haechi.rewards.grounded import supported_by

# All words of a claim of up to nine: the one word that is missing is mostly the answer itself.
SUPPORTED = 0.9

_MARKS = re.compile(r"(?:\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\])+")
_SENTENCE_END = re.compile(r"[.!?。…][\"'”’)]?$")
_SENTENCE_REST = re.compile(r"[ \t]*(?:[.!?。…]|\n|$)")


@dataclass(frozen=True, slots=True)
class CitationScores:
    """Citation scores of one answer, from 0 to 1; None where one does not apply.

    Attributes:
        precision: share of citations that support their claim, or that it needs together with the others; None
            without a citation.
        recall: share of claims that their cited passages together support; None for an empty answer.
        gold_precision: share of the distinct passages cited that hold the answer; None without a citation or where
            the gold passages are unknown.
        gold_recall: 1 if any gold passage is cited, else 0 (each holds the answer, so one is enough); None where they
            are unknown or none was among the passages.
    """

    precision: float | None
    recall: float | None
    gold_precision: float | None
    gold_recall: float | None


def citation_precision_recall(
    answer: str, passages: Sequence[str], gold_numbers: Sequence[int] | None
) -> CitationScores:
    """Citation scores of an answer that is not an abstention.

    Args:
        passages: the texts that the answer was given, the first of which is number 1.
        gold_numbers: the numbers of the passages that hold the answer; None if that is unknown, empty if it is known
            that none does.
    """
    found = claims(answer)
    made = [verdict for claim in found for verdict in _citation_verdicts(claim, passages)]
    cited = set(citations(answer))
    gold = None if gold_numbers is None else set(gold_numbers)
    return CitationScores(
        precision=sum(made) / len(made) if made else None,
        recall=sum(_is_supported(claim, passages) for claim in found) / len(found) if found else None,
        gold_precision=len(cited & gold) / len(cited) if gold is not None and cited else None,
        gold_recall=float(bool(cited & gold)) if gold else None,
    )


def cited(answer: str, passages: Sequence[str], template: Template) -> float | None:
    """The reward for citing: F1 of citation precision and recall. Gold passages play no part in what is earned.

    0 for an answer that is not well formed, so that a right number in the wrong place earns nothing; None for an
    abstention, which has nothing to cite.
    """
    if abstains(answer, template):
        return None
    if not well_formed(answer, len(passages), template):
        return 0.0
    scores = citation_precision_recall(answer, passages, None)
    precision, recall = scores.precision or 0.0, scores.recall or 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def well_formed(answer: str, passage_count: int, template: Template) -> bool:
    """Whether each claim ends in a citation of a passage that exists, or the answer is the bare abstention."""
    if abstains(answer, template):
        return not citations(answer)
    found = claims(answer)
    in_range = all(
        claim.text and claim.citations and all(1 <= number <= passage_count for number in claim.citations)
        for claim in found
    )
    return bool(found) and in_range and all(_ends_sentence(answer, marks) for marks in _MARKS.finditer(answer))


def _is_supported(claim: Claim, passages: Sequence[str], numbers: Sequence[int] | None = None) -> bool:
    return supported_by(claim, passages, numbers) >= SUPPORTED


def _citation_verdicts(claim: Claim, passages: Sequence[str]) -> list[bool]:
    """For each citation of a claim, whether it is right (ALCE: irrelevant if it does not support the claim alone and
    the others support it without it; all are wrong where the claim is not supported)."""
    usable = [number for number in claim.citations if 1 <= number <= len(passages)]
    if not _is_supported(claim, passages, usable):
        return [False] * len(claim.citations)
    verdicts = []
    for number in claim.citations:
        others = [other for other in usable if other != number]
        needed = not _is_supported(claim, passages, others)
        verdicts.append(needed or _is_supported(claim, passages, (number,)))
    return verdicts


def _ends_sentence(answer: str, marks: re.Match[str]) -> bool:
    before, after = answer[: marks.start()].rstrip(), answer[marks.end() :]
    return bool(_SENTENCE_END.search(before) or _SENTENCE_REST.match(after))
