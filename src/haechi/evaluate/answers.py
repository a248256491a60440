"""Is an answer right? Comparison with accepted strings in a way that fits Korean."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from haechi.prompt.citations import abstains, claims
from haechi.prompt.template import Template

# A full Korean sentence around a short answer has about 40 letters; a longer one is a search, not an answer.
_ROOM = 40
_CLAIMS_THAT_COUNT = 2
_SEPARATORS_ALLOWED = 1

_KORQUAD_MARKS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_PUNCTUATION = str.maketrans("", "", string.punctuation)

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_RANGE = re.compile(r"(?<=\d)\s*[-~–]\s*(?=\d)")
_POINT, _MINUS = "\ue000", "\ue001"  # keep 3.5 from 35 and -3 from 3 where punctuation is dropped
_NUMERAL = re.compile(rf"[\d{_POINT}{_MINUS}]")
_PIECE = re.compile(rf"{_NUMERAL.pattern}+|\S")
# Hangul that is often the end of a longer word: a syllable with its copula (비입니다, 두꺼비입니다),
# a numeral in words (일곱 번, 열일곱 번), a direction (동쪽, 남동쪽).
_BEGINS_A_WORD = re.compile(
    r"[가-힣](?:입니다|이에요|예요|를|에서)(?!\w)|[동서남북]쪽"
    r"|(?:[일이삼사오육칠팔구십백천만]|열|스물|스무|서른|마흔|쉰|예순|일흔|여든|아흔"
    r"|하나|둘|셋|넷|한|두|세|네|다섯|여섯|일곱|여덟|아홉)+(?: |$)"
)
_DENIED = re.compile(r"\s*(?:이|가|은|는|도|만)?\s*(?:아니|아닙|아닌|아닐|아님|아녜|아녔)")
_NOT = re.compile(r"\b(?:not|never|(?:is|are|was|were|do|does|did|has|have|had)n ?t)\s+(?:an?\s+|the\s+)?$")
_LIST_SEPARATOR = re.compile(r"[,、·;/|]")
_ALTERNATIVE = re.compile(r"(?<!\w)(?:또는|혹은|아니면|or)(?!\w)", re.IGNORECASE)


def normalise(text: str) -> str:
    """The normalisation of KorQuAD 1.0: quotes and brackets to spaces, lower case, no ASCII punctuation.

    It makes one of `3.5` and `35`; `is_correct` does not use it for that reason.
    """
    return " ".join(text.translate(_KORQUAD_MARKS).lower().translate(_PUNCTUATION).split())


def character_f1(answer: str, accepted: Sequence[str]) -> float:
    """KorQuAD's F1 over characters without spaces, as multisets; the best over the accepted strings, 0 without any."""
    return max((_character_f1(answer, gold) for gold in accepted), default=0.0)


def contains(text: str, accepted: str) -> bool:
    """Whether an accepted string occurs in a text, whatever the spacing, case and punctuation.

    Numbers are whole: `7미터` does not occur in `37미터`, nor `7` in `7.5`. A Latin word is whole. A Hangul string may
    be part of a compound, unless it is a single syllable (with or without a copula), a numeral in words or a direction:
    those have to begin a word, for `비입니다` is no end of `두꺼비입니다`, nor `일곱 번` of `열일곱 번`.
    """
    return any(True for _ in _occurrences(text, accepted))


def is_correct(answer: str, accepted: Sequence[str], answerable: bool, template: Template) -> bool:
    """Whether an answer is right.

    To an unanswerable question, abstaining is right and nothing else is. To an answerable one an answer is right if
    one of its first two claims holds an accepted string and commits to it. A claim that denies the string does not
    commit (`… 아닙니다`, `not …`), nor one that lists candidates, so there are three limits on the claim, none of which
    counts what stands inside the accepted string: none of the words `또는`, `혹은`, `아니면` and `or`; at most one list
    separator; and, spaces aside, no more than three times the length of the accepted string plus 40 characters.
    """
    if abstains(answer, template):
        return not answerable
    if not answerable:
        return False
    counted = [claim.text for claim in claims(answer)[:_CLAIMS_THAT_COUNT]]
    return any(_commits_to(claim, gold) for claim in counted for gold in accepted)


def _commits_to(claim: str, gold: str) -> bool:
    if not _affirms(claim, gold):
        return False
    claim, gold = _THOUSANDS.sub("", claim), _THOUSANDS.sub("", gold)
    length, gold_length = (len("".join(text.split())) for text in (claim, gold))
    separators = len(_LIST_SEPARATOR.findall(claim)) - len(_LIST_SEPARATOR.findall(gold))
    alternatives = len(_ALTERNATIVE.findall(claim)) - len(_ALTERNATIVE.findall(gold))
    return length <= 3 * gold_length + _ROOM and separators <= _SEPARATORS_ALLOWED and alternatives <= 0


def _affirms(claim: str, gold: str) -> bool:
    """Whether the accepted string occurs other than to be denied: `오누리가 아닙니다`, `it is not Onuri`."""
    return any(
        not (_DENIED.match(one.string, one.end()) or _NOT.search(one.string, 0, one.start()))
        for one in _occurrences(claim, gold)
    )


def _occurrences(text: str, accepted: str) -> Iterator[re.Match[str]]:
    """Where an accepted string stands in the comparable text, as `contains` tells."""
    pattern = _occurrence(_comparable(accepted))
    return pattern.finditer(_comparable(text)) if pattern else iter(())


def _character_f1(answer: str, gold: str) -> float:
    predicted, expected = (Counter(normalise(text).replace(" ", "")) for text in (answer, gold))
    common = (predicted & expected).total()
    return 2 * common / (predicted.total() + expected.total()) if common else 0.0


@lru_cache(maxsize=4096)
def _comparable(text: str) -> str:
    """Normalised, with decimal points and signs kept, thousands separators dropped and ranges as two numbers."""
    text = _RANGE.sub(" ", _THOUSANDS.sub("", text))
    text = re.sub(r"(?<=\d)\.(?=\d)", _POINT, text)
    return normalise(re.sub(r"(?<!\w)[-−](?=\d)", _MINUS, text))


@lru_cache(maxsize=4096)
def _occurrence(accepted: str) -> re.Pattern[str] | None:
    """The accepted string with optional spaces, except between two numbers, and with the edges `contains` tells of."""
    pieces = _PIECE.findall(accepted)
    if not pieces:
        return None
    pattern = re.escape(pieces[0])
    for left, right in pairwise(pieces):
        both_numbers = _NUMERAL.match(left) and _NUMERAL.match(right)
        pattern += (" " if both_numbers else " ?") + re.escape(right)
    before, after = pieces[0][0], pieces[-1][-1]
    alone = (len(pieces) == 1 and not _NUMERAL.match(before)) or _BEGINS_A_WORD.match(accepted)
    return re.compile((r"(?<!\w)" if alone else _edge("(?<!", before)) + pattern + _edge("(?!", after))


def _edge(look: str, letter: str) -> str:
    """A look-around that keeps a match from ending inside a number or a Latin word."""
    if _NUMERAL.match(letter):
        return f"{look}{_NUMERAL.pattern})"
    return f"{look}[a-z])" if letter.isascii() else ""
