"""What the words of question, passages and answer say of an answer, for a reward model to read beside its own state.

Whether a question is answered in the passages at all, and where, a small model reads badly from a few hundred
comparisons; how many of the question's words a passage holds, it need not learn. What these numbers are worth is
learned from the comparisons (`methods/probe.py`): nothing here says that citing or answering is good.

A term is what the search knows a text by without a dictionary: bigrams of Hangul, numbers, and the Latin words that
not every passage holds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from haechi.prompt.citations import abstains, citations, without_citations
from haechi.prompt.template import Template
from haechi.retrieval.tokens import surface_terms
from haechi.rewards.grounded import EMPTY_ENGLISH, support

# Numbers of an abstention, then those of an attempt; the others are 0.
NAMES = (
    "abstains",  # 1
    "abstains_coverage",  # share of the question's terms that the passage with most of them holds
    "abstains_lead",  # by how much that share is above the second passage's: one passage is on the question
    "coverage",  # share of the question's terms that a cited passage holds
    "cites",  # whether a passage that exists is cited
    "cites_best",  # whether it is the one that holds most of the question's terms, if any does; the first of equals
    "echo",  # share of the answer's terms that the question holds: its words said back
    "support",  # support of the answer by a cited passage (`rewards.grounded`)
)


def evidence(question: str, passages: Sequence[str], answer: str, template: Template) -> tuple[float, ...]:
    """The numbers of `NAMES`, each from 0 to 1; means over the cited passages: citing all is less than citing the best.

    Args:
        passages: the texts that the answer was given, the first of which is number 1.
    """
    asked = _terms(question)
    shares = [_share(asked, _terms(passage)) for passage in passages] or [0.0]
    if abstains(answer, template):
        first, second = sorted([*shares, 0.0], reverse=True)[:2]
        return (1.0, first, first - second, 0.0, 0.0, 0.0, 0.0, 0.0)
    said = without_citations(answer)
    cited = sorted({number - 1 for number in citations(answer) if 1 <= number <= len(passages)})
    best = shares.index(max(shares)) if any(shares) else None

    def mean(numbers: Sequence[float]) -> float:
        return sum(numbers) / len(numbers) if numbers else 0.0

    return (
        0.0,
        0.0,
        0.0,
        mean([shares[place] for place in cited]),
        float(bool(cited)),
        mean([float(place == best) for place in cited]),
        _share(_terms(said), asked),
        mean([support(said, passages[place]) for place in cited]),
    )


def _share(terms: frozenset[str], among: frozenset[str]) -> float:
    return len(terms & among) / len(terms) if terms else 0.0


@lru_cache(maxsize=4096)
def _terms(text: str) -> frozenset[str]:
    return frozenset(surface_terms(unicodedata.normalize("NFC", text))) - EMPTY_ENGLISH
