"""The similarity search against every pair compared, and its parts by hand."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from haechi.records.similar import grams, groups, jaccard, normalised, resembling, similar_pairs


def test_normalised_ignores_case_width_and_spacing() -> None:
    assert normalised(" Ｑ: 등대 지기는\n누구? ") == normalised("q:등대지기는 누구?") == "q:등대지기는누구?"


def test_grams_and_jaccard_by_hand() -> None:
    assert grams("abcdefg") == {"abcde", "bcdef", "cdefg"}
    assert grams("abc") == {"abc"}
    assert grams("") == frozenset()
    # abcdefg and abcdefh share abcde and bcdef of four.
    assert jaccard(grams("abcdefg"), grams("abcdefh")) == 2 / 4
    assert jaccard(frozenset(), frozenset()) == 1.0
    assert jaccard(frozenset(), grams("abc")) == 0.0


def edited(text: str, draw: random.Random) -> str:
    """The text with up to three letters replaced, so that all similarities occur."""
    letters = list(text)
    for _ in range(draw.randrange(4) if letters else 0):
        letters[draw.randrange(len(letters))] = draw.choice("가나다라")
    return "".join(letters)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.55, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("parts", [1, 2])
def test_search_finds_exactly_the_pairs_at_or_above_the_threshold(threshold: float, parts: int) -> None:
    draw = random.Random(7)
    first = [["".join(draw.choices("가나다", k=draw.randrange(60))) for _ in range(parts)] for _ in range(12)]
    records = first + [[edited(text, draw) for text in draw.choice(first)] for _ in range(100)]
    expected = {
        (i, j)
        for i, j in combinations(range(len(records)), 2)
        if all(jaccard(grams(a), grams(b)) >= threshold for a, b in zip(records[i], records[j], strict=True))
    }
    found = list(similar_pairs(records, threshold))
    assert len(expected) >= 5
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_similarity_of_exactly_the_threshold_counts() -> None:
    # 20 grams against the first 11 of them: 11/20, which as a product of floats is a little above 11.
    text = "abcdefghijklmnopqrstuvwx"
    assert list(similar_pairs([[text], [text[:15]]], 0.55)) == [(0, 1)]


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        list(similar_pairs([["a"], ["b"]], 0.0))


def test_groups_are_connected_components() -> None:
    assert groups(7, [(5, 3), (3, 1), (6, 2)]) == [[0], [1, 3, 5], [2, 6], [4]]


def test_texts_that_resemble_known_ones() -> None:
    known = ["아홉물 다리는 얼마나 긴가요?", "등대지기는 누구인가요?"]
    texts = ["등대지기는누구인가요?", "종을 몇 번 치나요?", "아홉물 다리는 얼마나 긴가요??", "종을 몇 번 치나요?"]
    # Grams of 5 over 13 characters and over 14: 9 of 10 shared.
    assert resembling(texts, known, 0.85) == {0, 2}
    assert resembling(texts, known, 0.95) == {0}
    assert resembling([], known, 0.9) == resembling(texts, [], 0.9) == set()
