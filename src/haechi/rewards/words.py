"""Words of a text and the stems a word may have, without a morphological analyser.

Korean glues particles (josa) and endings to a word: `오누리이다`, `오누리입니다` and `오누리는` all name 오누리.
A word is therefore compared by the set of its possible stems: the word itself, and the word less one known particle or
ending. Two words agree where these sets meet. One suffix at most is taken off, so a name that was cut short (`오누`
for `오누리`) does not agree with the whole one. Endings that change the stem (`푸른`, `푸르다`) are not undone, apart
from the commonest, -ㅂ니다 and -ㄴ다.
"""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)*)[%°]?[^\W\d_]*|[^\W\d_]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")

_PARTICLES = """
은 는 이 가 을 를 의 에 와 과 도 만 로 으로 에서 에게 께 께서 한테 까지 부터 보다 처럼 마다 조차 마저 밖에 뿐
이나 이랑 라고 이라고 라는 이라는 이란
"""
_STACKING = "에서 에게 에 으로 로 까지 부터 께서 한테 와 과 만 뿐"
_STACKED = "은 는 도 만 의 이 까지 부터"
_COPULA = """
이다 다 입니다 이에요 예요 이었다 였다 이었습니다 였습니다 이며 이고 며 고 인 이죠 이지요 이었으며 이었고
"""
_VERBAL = """
습니다 는다 으며 으면 었다 았다 었습니다 았습니다 어요 아요
하다 한다 합니다 했다 했습니다 하였다 하였습니다 해요 하는 한 할 하고 하며 하여 해 해서 하면
되다 된다 됩니다 되었다 되었습니다 됐다 됐습니다 되는 된 될 되고 되며 되어
"""
_KOREAN_SUFFIXES = frozenset(
    (_PARTICLES + _COPULA + _VERBAL).split()
    + [first + second for first in _STACKING.split() for second in _STACKED.split()]
)
_LONGEST_SUFFIX = max(map(len, _KOREAN_SUFFIXES))
_ENGLISH_SUFFIXES = ("s", "es", "d", "ed", "ing")
_SHORTEST_ENGLISH_STEM = 3

_SYLLABLES, _FINALS = 0xAC00, 28
_FINAL_N, _FINAL_B = 4, 17


def tokens(text: str) -> list[str]:
    """Words and numbers in order, in lower case; a number keeps its unit and loses its thousands separators.

    `"높이는 1,037 m, 무게는 3.5톤"` gives `높이는 1037 m 무게는 3.5톤`.
    """
    return [token.replace(",", "") for token in _TOKEN.findall(unicodedata.normalize("NFKC", text).lower())]


def number_in(token: str) -> str | None:
    """The number a token begins with, or None."""
    found = _NUMBER.match(token)
    return found.group() if found else None


def stems(word: str) -> set[str]:
    """The word and what is left of it without one particle or ending."""
    found = {word}
    if word.isascii():
        for suffix in _ENGLISH_SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_ENGLISH_STEM:
                found.add(word[: -len(suffix)])
        return found
    for length in range(1, min(_LONGEST_SUFFIX, len(word) - 1) + 1):
        if word[-length:] in _KOREAN_SUFFIXES:
            found.add(word[:-length])
    if word.endswith("다"):
        found.update(_contracted(word))
    return found


def _contracted(word: str) -> list[str]:
    """The stem before -ㅂ니다 (`떠납니다`) or -ㄴ다 (`떠난다`), whose consonant closes the stem's last syllable."""
    if word.endswith("니다"):
        head, final = word[:-2], _FINAL_B
    else:
        head, final = word[:-1], _FINAL_N
    if not head or not "가" <= head[-1] <= "힣" or (ord(head[-1]) - _SYLLABLES) % _FINALS != final:
        return []
    return [head[:-1] + chr(ord(head[-1]) - final)]
