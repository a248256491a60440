"""The little Korean grammar that generated text needs: particles that agree, sentence endings in three registers."""

from __future__ import annotations

import re
from typing import Literal

Register = Literal["plain", "formal", "polite"]  # 해라체, 합니다체, 해요체

# The 2,350 syllables of KS X 1001, which cover practically all written Korean.
SYLLABLES: tuple[str, ...] = tuple(
    bytes((high, low)).decode("euc-kr") for high in range(0xB0, 0xC9) for low in range(0xA1, 0xFF)
)

_FIRST, _LAST = 0xAC00, 0xD7A3
_FINALS = 28  # syllable = 초성 × 21 × 28 + 중성 × 28 + 종성
_RIEUL, _NIEUN, _BIEUP = 8, 4, 17
# Verbs in ㄹ lose it before ㄴ다.
_DROPPED_RIEUL = {"끈": "끌", "산": "살", "든": "들", "안": "알", "연": "열", "판": "팔"}
_PAIR = re.compile(
    r"(\S)\((은/는|이/가|을/를|과/와|으로/로|이라/라|이란/란|이나/나|이며/며|이고/고|이었/였|이지만/지만"
    r"|이에요/예요|이야/야|아/야)\)"
)


def final_consonant(syllable: str) -> int:
    """Index of the 종성 (0 = none). Digits and Latin letters count as ending in none."""
    code = ord(syllable)
    return (code - _FIRST) % _FINALS if _FIRST <= code <= _LAST else 0


def agree(text: str) -> str:
    """Chooses every `(은/는)`-like pair by the syllable before it: `오누리(은/는)` ▶ `오누리는`."""

    def choose(match: re.Match[str]) -> str:
        before, pair = match.groups()
        closed, opened = pair.split("/")
        final = final_consonant(before)
        if pair == "으로/로":  # ㄹ takes 로, as an open syllable does
            return before + (opened if final in (0, _RIEUL) else closed)
        return before + (closed if final else opened)

    return _PAIR.sub(choose, text)


def in_register(sentence: str, register: Register) -> str:
    """A plain declarative (`…이다.`, `…한다.`, `…했다.`) in another register; what has no rule becomes formal."""
    if register == "plain" or not sentence.endswith("다."):
        return sentence
    stem = sentence[:-2]
    last = stem[-1]
    if stem.endswith("이") and register == "polite":
        noun = stem[:-1]
        return noun + ("이에요." if final_consonant(noun[-1]) else "예요.")
    if stem.endswith("이"):
        return stem[:-1] + "입니다."
    if register == "polite" and final_consonant(last) == 20:  # 았, 었, 했, 있: ㅆ + 어요
        return stem + "어요."
    if last == "는" and final_consonant(stem[-2]):  # 먹는다 ▶ 먹습니다
        return stem[:-1] + "습니다."
    if final_consonant(last) == _NIEUN:  # 한다 ▶ 합니다
        return stem[:-1] + chr(ord(last) - _NIEUN + _BIEUP) + "니다."
    if final_consonant(last) == _RIEUL:  # 길다 ▶ 깁니다
        return stem[:-1] + chr(ord(last) - _RIEUL + _BIEUP) + "니다."
    if not final_consonant(last):  # 조용하다 ▶ 조용합니다
        return stem[:-1] + chr(ord(last) + _BIEUP) + "니다."
    return stem + "습니다."


def linked(sentence: str, ending: Literal["고", "며", "지만"]) -> str:
    """A plain declarative as a clause that another follows: `등대가 있다.` ▶ `등대가 있으며`."""
    stem = sentence.removesuffix("다.")
    last = stem[-1]
    if last == "는" and final_consonant(stem[-2]):  # 먹는다 ▶ 먹
        stem = stem[:-1]
    elif final_consonant(last) == _NIEUN:  # 한다 ▶ 하, 산다 ▶ 살
        stem = stem[:-1] + _DROPPED_RIEUL.get(last, chr(ord(last) - _NIEUN))
    if ending == "며" and final_consonant(stem[-1]) not in (0, _RIEUL):
        return stem + "으며"
    return stem + ending
