"""Is what an answer says found in the passages it cites? A lexical test, cheap enough for a rollout.

It sees words and numbers, not meaning. It cannot see a negation beyond the word that carries it, a right value given
for the wrong attribute or the wrong subject, an order of events, `3만` for `30,000`, or a paraphrase in other words.
A learned reward model beside it, and the citations of `rewards.cited`, cover part of that. The idea, all numbers and
names in the cited text plus lexical recall, is the offline stand-in for the entailment model of ALCE
(Gao et al. 2023, arXiv 2305.14627).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from haechi.prompt.citations import Claim, claims
from haechi.rewards.words import number_in, stems, tokens

# Words that every passage could hold; exact forms, because 수도 (capital) is not 수 with a particle.
_EMPTY_KOREAN = """
그 이 저 것 것은 것이 것을 것이다 것입니다 수 및 등 또 또는 그리고 그러나 하지만 따라서 즉 약 총
있다 있습니다 있는 있고 있으며 한다 합니다 하는 하고 하며 된다 됩니다 되는 이다 입니다
대해 대한 위해 위한 통해 따라 따르면 문서 문서에 문서에는 문서에서 네 예
"""
_EMPTY_ENGLISH = """
s t a an the is are was were be been it its this that these those
of in on at to for by with from and or as according document passage
"""
EMPTY_ENGLISH = frozenset(_EMPTY_ENGLISH.split())
_EMPTY_WORDS = EMPTY_ENGLISH.union(_EMPTY_KOREAN.split())


def support(claim: str, passage: str) -> float:
    """The share of the claim's content words that the passage holds, from 0 to 1.

    Words are compared without particles and endings, and across a difference in spacing (`등대 지기`, `등대지기`). A
    number with another unit is a word not found; a number that the passage does not hold at all makes the support 0
    whatever else is found, since a wrong number is a wrong claim. A claim without any content word has support 0.
    """
    return _support(claim, _stems_of(passage))


def supported_by(claim: Claim, passages: Sequence[str], numbers: Sequence[int] | None = None) -> float:
    """Support of a claim by its cited passages taken together; 0 without a citation, or with one out of range.

    Args:
        passages: the texts that the answer was given, the first of which is number 1.
        numbers: the citations to use in place of the claim's own.
    """
    cited = claim.citations if numbers is None else numbers
    if not cited or not all(1 <= number <= len(passages) for number in cited):
        return 0.0
    return _support(claim.text, frozenset().union(*(_stems_of(passages[number - 1]) for number in cited)))


def grounded(answer: str, passages: Sequence[str]) -> float | None:
    """The mean over the answer's claims of their support by the passages they cite; None for an empty answer.

    An abstention is for the caller to leave out: as a claim without a citation it would score 0.
    """
    found = claims(answer)
    return sum(supported_by(claim, passages) for claim in found) / len(found) if found else None


def _support(claim: str, known: frozenset[str]) -> float:
    words = tokens(claim)
    content = [i for i, word in enumerate(words) if word not in _EMPTY_WORDS]
    if not content:
        return 0.0
    if any((number := number_in(words[i])) is not None and number not in known for i in content):
        return 0.0
    return sum(_found(words, i, known) for i in content) / len(content)


def _found(words: Sequence[str], i: int, known: frozenset[str]) -> bool:
    """Whether word `i` is known, alone or written together with a neighbour."""
    if not known.isdisjoint(stems(words[i])):
        return True
    joined = [words[j] + words[j + 1] for j in (i - 1, i) if 0 <= j < len(words) - 1]
    return any(not known.isdisjoint(stems(word)) for word in joined)


@lru_cache(maxsize=512)  # the answers to one prompt meet the same passages; some 30 kB an entry
def _stems_of(passage: str) -> frozenset[str]:
    """Stems of the passage's words and of its neighbouring words written together, and its bare numbers."""
    words = tokens(passage)
    of_words = [stems(word) for word in words]
    found = set().union(*of_words)
    for word in words:
        if (number := number_in(word)) is not None:
            found.add(number)
    for first, ends in zip(words, of_words[1:], strict=False):
        found.update([first + end for end in ends])
    return frozenset(found)
