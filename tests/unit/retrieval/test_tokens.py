from __future__ import annotations

import sys
import unicodedata
from collections import Counter

import pytest

from haechi.retrieval.tokens import tokenize, tokenize_many, tokenizer_name


@pytest.fixture
def without_kiwi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)


@pytest.mark.usefixtures("without_kiwi")
@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("육아휴직 값", ["육아", "아휴", "휴직", "값"]),
        ("Wi-Fi 3,000원, 3.5억", ["wi", "fi", "3000", "원", "3.5", "억"]),
        ("GPT4는 民法", ["gpt", "4", "는", "民法"]),
        ("?! …", []),
    ],
)
def test_bigrams_alone(text: str, terms: list[str]) -> None:
    assert tokenizer_name() == "bigram"
    assert tokenize(text) == terms


def test_morphemes_nouns_and_bigrams_together() -> None:
    assert tokenizer_name() == "kiwi+bigram"
    # Morphemes 육아, 휴직; the run 육아휴직; the bigrams of 육아 and of 휴직을.
    assert Counter(tokenize("육아 휴직을")) == Counter(["육아", "휴직", "육아휴직", "육아", "휴직", "직을"])


def test_verbs_in_dictionary_form_without_auxiliaries_and_copula() -> None:
    assert "걷다" in tokenize("걸어서 갔다")
    assert set(tokenize("먹고 싶은")) == {"먹다", "먹고", "싶은"}
    assert Counter(tokenize("사과이다")) == Counter(["사과", "사과", "과이", "이다"])  # 이다: a bigram, not the copula


def test_numbers_and_latin_words_count_once() -> None:
    assert Counter(tokenize("COVID 19"))["covid"] == 1
    assert Counter(tokenize("COVID 19"))["19"] == 1


def test_decomposed_hangul_is_the_same_text() -> None:
    assert tokenize(unicodedata.normalize("NFD", "등대지기는")) == tokenize("등대지기는")


def test_many_texts_keep_their_order() -> None:
    texts = [f"등대 {number}번" for number in range(50)]
    assert list(tokenize_many(texts)) == [tokenize(text) for text in texts]
