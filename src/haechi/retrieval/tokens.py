"""Korean and English text to search terms.

Three kinds of terms are united, because each finds what the others miss:

- morphemes from Kiwi, so that particles and conjugation do not matter (등대지기는 / 등대지기가, 걸어서 / 걷다);
- joined runs of nouns, so that compounds stay whole however Kiwi splits them or the writer spaces them
  (육아휴직 / 육아 휴직);
- character bigrams, which need no dictionary and therefore find names that Kiwi does not know.

Latin words and numbers are taken from the text itself, lower-cased. Without `kiwipiepy` the bigrams stand alone.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kiwipiepy import Kiwi, Token

_CJK = r"\u1100-\u11ff\u3040-\u30ff\u3131-\u318e\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_WORD = re.compile(rf"(?P<cjk>[{_CJK}]+)|(?P<number>\d+(?:[.,]\d+)*)|(?P<latin>(?:(?![{_CJK}])[^\W\d_])+)")

# Sejong tags. Latin words (SL) and numbers (SN) come from the text; bound nouns, copulas and auxiliaries say nothing.
_NOUNS = frozenset({"NNG", "NNP", "NP", "NR", "XR", "SH"})
_RUN_PARTS = frozenset({"NNG", "NNP", "XR", "SH", "XPN", "XSN"})
_EMPTY_VERBS = ("VX", "VCP", "VCN")


def tokenizer_name() -> str:
    """`"kiwi+bigram"`, or `"bigram"` where kiwipiepy is not installed. Does not load Kiwi."""
    return "kiwi+bigram" if importlib.util.find_spec("kiwipiepy") else "bigram"


def tokenize(text: str) -> list[str]:
    """The search terms of a text, repeated as often as they occur. The first call of a process loads Kiwi (2 s)."""
    return next(tokenize_many([text]))


def tokenize_many(texts: Iterable[str]) -> Iterator[list[str]]:
    """`tokenize` for many texts, in order; Kiwi analyses them on all cores."""
    normal = [unicodedata.normalize("NFC", text) for text in texts]
    if tokenizer_name() == "bigram":
        yield from map(surface_terms, normal)
        return
    analysed = cast("Iterable[list[Token]]", _kiwi().tokenize(normal))  # a list for each text of a list
    for text, morphemes in zip(normal, analysed, strict=True):
        yield _morpheme_terms(morphemes) + surface_terms(text)


@cache
def _kiwi() -> Kiwi:
    """One analyser a process: it takes seconds to load and about 0.5 GB of memory."""
    from kiwipiepy import Kiwi

    return Kiwi()


def _morpheme_terms(morphemes: Sequence[Token]) -> list[str]:
    """Content morphemes (verbs in dictionary form), and every run of two and more noun parts joined."""
    terms: list[str] = []
    run: list[str] = []
    for morpheme in morphemes:
        tag = morpheme.tag.split("-")[0]  # "VV-I" is an irregular VV
        if tag in _NOUNS or tag.startswith("M"):
            terms.append(morpheme.form)
        elif tag.startswith("V") and tag not in _EMPTY_VERBS:
            terms.append(f"{morpheme.form}다")
        if tag in _RUN_PARTS:
            run.append(morpheme.form)
        else:
            terms += _joined(run)
            run = []
    return terms + _joined(run)


def _joined(run: Sequence[str]) -> list[str]:
    return ["".join(run)] if len(run) > 1 else []


def surface_terms(text: str) -> list[str]:
    """Bigrams of Hangul and CJK words (a lone character stands for itself), Latin words, numbers without commas."""
    terms: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if match.lastgroup == "cjk":
            terms += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        elif match.lastgroup == "number":
            terms.append(word.replace(",", ""))
        else:
            terms.append(word.lower())
    return terms
