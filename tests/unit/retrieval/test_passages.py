from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.prompt.template import sentences_of
from haechi.records.types import Document
from haechi.retrieval.passages import sentence_spans, split_document

PARTS = [
    "등대는 바다 위에 떠 있다",
    "육아휴직",
    "The keeper is Mira",
    "3.5",
    "民法",
    ".",
    "! ",
    '." ',
    "…",
    " ",
    "\n",
    "\n\n",
    "\t",
]
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PARTS), max_size=40).map("".join))


def document(text: str, document_id: str = "d") -> Document:
    return Document(id=document_id, title="제목", text=text)


def texts(text: str, max_chars: int, overlap: int = 0) -> list[str]:
    passages = split_document(document(text), max_chars=max_chars, overlap_sentences=overlap)
    return [passage.text for passage in passages]


@settings(deadline=None)
@given(TEXTS, st.integers(1, 60), st.integers(0, 3))
def test_offsets_cover_the_document_in_order(text: str, max_chars: int, overlap: int) -> None:
    passages = split_document(document(text), max_chars=max_chars, overlap_sentences=overlap)
    covered: set[int] = set()
    for passage in passages:
        assert passage.text == text[passage.start : passage.end]
        assert passage.text.strip() == passage.text != ""
        assert len(passage.text) <= max_chars
        covered.update(range(passage.start, passage.end))
    assert {at for at, character in enumerate(text) if not character.isspace()} <= covered
    assert len({passage.id for passage in passages}) == len(passages)
    for before, after in itertools.pairwise(passages):
        assert before.start < after.start
        assert before.end < after.end
        assert overlap > 0 or before.end <= after.start


@settings(deadline=None)
@given(TEXTS)
def test_sentences_are_those_of_the_prompt(text: str) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences_of(text)


@settings(deadline=None)
@given(TEXTS)
def test_sentences_that_fit_are_never_cut(text: str) -> None:
    longest = max(map(len, sentences_of(text)), default=1)
    found = [sentence for passage in texts(text, longest) for sentence in sentences_of(passage)]
    assert found == sentences_of(text)


def test_packs_as_many_sentences_as_fit() -> None:
    # "가나다. 라마." is 8 characters, with " 바사." 12.
    assert texts("가나다. 라마. 바사.", 8) == ["가나다. 라마.", "바사."]
    assert texts("가나다. 라마. 바사.", 12) == ["가나다. 라마. 바사."]


def test_a_blank_line_ends_a_passage_that_is_half_full() -> None:
    assert texts("가나다라.\n\n마바.", 10) == ["가나다라.", "마바."]
    assert texts("가나.\n\n마바.", 10) == ["가나.\n\n마바."]  # a heading stays with what it heads
    assert texts("가나다라.\n마바.", 10) == ["가나다라.\n마바."]  # a mere line break is no paragraph


def test_a_long_sentence_is_cut_at_its_last_space_or_mid_word() -> None:
    assert texts("하늘 고래 등대", 6) == ["하늘 고래", "등대"]
    assert texts("하늘고래등대 끝", 4) == ["하늘고래", "등대 끝"]


def test_overlap_repeats_sentences_that_fit_and_only_whole_ones() -> None:
    assert texts("가. 나. 다. 라.", 8, overlap=1) == ["가. 나. 다.", "다. 라."]
    assert texts("가. 나. 다라마바사아.", 8, overlap=1) == ["가. 나.", "다라마바사아."]


def test_ids_are_hashes_of_the_text_and_survive_changes_elsewhere() -> None:
    before, *_ = split_document(document("등대는 멀다. 나루는 가깝다."), max_chars=8)
    assert before.id == "d#" + hashlib.sha256("등대는 멀다.".encode()).hexdigest()[:10]
    assert before.title == "제목"
    _, after, *_ = split_document(document("새 문장이다. 등대는 멀다. 끝."), max_chars=8)
    assert after.id == before.id


def test_equal_texts_get_distinct_ids() -> None:
    stem, *others = [passage.id for passage in split_document(document("안개. 안개. 안개."), max_chars=3)]
    assert others == [f"{stem}-2", f"{stem}-3"]


@pytest.mark.parametrize("text", ["", " \n\n\t "])
def test_a_blank_document_has_no_passages(text: str) -> None:
    assert split_document(document(text)) == []


@pytest.mark.parametrize("limits", [{"max_chars": 0}, {"overlap_sentences": -1}])
def test_impossible_limits(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="max_chars >= 1"):
        split_document(document("등대."), **limits)
