"""The little Korean grammar that generated text needs: particles that agree, sentence endings in five registers."""

from __future__ import annotations

import re
from typing import Literal

Register = Literal["plain", "formal", "polite", "nominal", "casual"]  # 해라체, 합니다체, 해요체, 음슴체, 해체

# The 2,350 syllables of KS X 1001, which cover practically all written Korean.
SYLLABLES: tuple[str, ...] = tuple(
    bytes((high, low)).decode("euc-kr") for high in range(0xB0, 0xC9) for low in range(0xA1, 0xFF)
)

_FIRST, _LAST = 0xAC00, 0xD7A3
_FINALS = 28  # syllable = 초성 × 21 × 28 + 중성 × 28 + 종성
_RIEUL, _NIEUN, _BIEUP, _MIEUM, _RIEUL_MIEUM, _SIOT, _SSANG_SIOT = 8, 4, 17, 16, 10, 19, 20
# Verbs in ㄹ lose it before ㄴ다.
_DROPPED_RIEUL = dict(zip("끈산든안연판논돈문단건민푼", "끌살들알열팔놀돌물달걸밀풀", strict=True))
# Stems that end so change their ㅂ to 우 before a vowel (굽다, 구우며), which 잡다 and 입다 do not.
_DROPPED_SIOT, _CHANGING_DIGEUT = "짓붓긋잇젓", {"듣": "들", "싣": "실", "걷": "걸"}  # 지음, 들음
_CHANGING_BIEUP = "답겁굽줍덥춥렵쉽롭맵눕럽둡깝맙갑밉엽볍"
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
    """A plain declarative (`…이다.`, `…한다.`, `…했다.`) in another register; what has no rule becomes formal, or in
    `casual` stays plain."""
    if register == "plain" or not sentence.endswith("다."):
        return sentence
    if register == "nominal":
        return _nominal(sentence)
    if register == "casual":
        return _casual(sentence)
    stem = sentence[:-2]
    last = stem[-1]
    if stem.endswith("이") and register == "polite":
        noun = stem[:-1]
        return noun + ("이에요." if final_consonant(noun[-1]) else "예요.")
    if stem.endswith("이"):
        return stem[:-1] + "입니다."
    if register == "polite" and final_consonant(last) == _SSANG_SIOT:  # 았, 었, 했, 있: ㅆ + 어요
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


def _nominal(sentence: str) -> str:
    """`등대가 있다.` ▶ `등대가 있음.`, `불을 켠다.` ▶ `불을 켬.`"""
    stem = _stem(sentence)
    last = stem[-1]
    if last in _CHANGING_BIEUP:
        return stem[:-1] + chr(ord(last) - _BIEUP) + "움."
    if last in _DROPPED_SIOT:
        return stem[:-1] + chr(ord(last) - _SIOT) + "음."
    if last in _CHANGING_DIGEUT:
        return stem[:-1] + _CHANGING_DIGEUT[last] + "음."
    match final_consonant(last):
        case 0:
            return stem[:-1] + chr(ord(last) + _MIEUM) + "."
        case final if final == _RIEUL:
            return stem[:-1] + chr(ord(last) - _RIEUL + _RIEUL_MIEUM) + "."
        case _:
            return stem + "음."


def _casual(sentence: str) -> str:
    """`등대이다.` ▶ `등대야.`, `지었다.` ▶ `지었어.`"""
    stem = sentence[:-2]
    if stem.endswith("이"):
        noun = stem[:-1]
        return noun + ("이야." if final_consonant(noun[-1]) else "야.")
    return stem + "어." if final_consonant(stem[-1]) == _SSANG_SIOT else sentence


def reported(sentence: str, frame: str) -> str:
    """A plain declarative as what somebody says: `{}` of the frame is `…다`, or `…이라` where a noun ends it."""
    stem = sentence.removesuffix("다.")
    return frame.replace("{}", f"{stem}라" if stem.endswith(("이", "아니")) else f"{stem}다")


def _stem(sentence: str) -> str:
    """A plain declarative without its ending: `등대가 있다.` ▶ `등대가 있`, `판다.` ▶ `팔`."""
    stem = sentence.removesuffix("다.")
    last = stem[-1]
    if last == "는" and final_consonant(stem[-2]):  # 먹는다 ▶ 먹
        return stem[:-1]
    if final_consonant(last) == _NIEUN:  # 한다 ▶ 하, 산다 ▶ 살
        return stem[:-1] + _DROPPED_RIEUL.get(last, chr(ord(last) - _NIEUN))
    return stem


def linked(sentence: str, ending: Literal["고", "며", "지만"]) -> str:
    """A plain declarative as a clause that another follows: `등대가 있다.` ▶ `등대가 있으며`."""
    stem = _stem(sentence)
    if ending == "며" and stem[-1] in _CHANGING_BIEUP:
        return stem[:-1] + chr(ord(stem[-1]) - _BIEUP) + "우며"
    if ending == "며" and final_consonant(stem[-1]) not in (0, _RIEUL):
        return stem + "으며"
    return stem + ending
