from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haechi.records.types import Document, Question
from haechi.retrieval.contexts import Context, gold_passage_ids, retrieved_contexts, training_contexts
from haechi.retrieval.library import Library

KEEPER = Question(
    id="q",
    text="등대 3번의 등대지기는 누구인가요?",
    answer="바람3입니다.",
    accepted=("바람3",),
    gold_documents=("light3",),
    evidence="등대 3번의 등대지기는 바람3이다.",
)


def retrieved_context(question: Question, library: Library, k: int) -> Context:
    (context,) = retrieved_contexts([question], library, k)
    return context


def training_context(question: Question, library: Library, k: int, *, seed: int, drop_gold: float) -> Context:
    (context,) = training_contexts([question], library, k, seed=seed, drop_gold=drop_gold)
    return context


@pytest.fixture(scope="module")
def coast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Forty lighthouses of two passages each, alike but for their numbers."""
    documents = [
        Document(
            id=f"light{n}", title="", text=f"등대 {n}번의 등대지기는 바람{n}이다. 등대 {n}번은 바다에서 아주 멀리 있다."
        )
        for n in range(40)
    ]
    with Library.build(tmp_path_factory.mktemp("coast") / "library", documents, max_chars=30) as library:
        yield library


def gold_texts(library: Library, question: Question) -> list[str]:
    return [library.passage(name).text for name in gold_passage_ids(question, library)]


def question(document: str, **known: object) -> Question:
    return replace(Question(id="q", text="질문", gold_documents=(document,)), **known)  # type: ignore[arg-type]


def test_gold_by_evidence_whatever_its_white_space(library: Library) -> None:
    assert gold_texts(library, question("lamp", evidence="등대지기는\n 오누리이다.")) == ["등대지기는 오누리이다."]


def test_gold_by_evidence_over_two_passages_is_the_one_with_most_of_it(library: Library) -> None:
    parts = [passage.text for passage in library.passages_of(["tower"])]
    assert parts == ["The keeper of the", "Glass Tower is Mira.", "It has 13 floors."]
    assert gold_texts(library, question("tower", evidence="of the Glass Tower is")) == [parts[1]]
    assert gold_texts(library, question("tower", evidence="keeper of the Glass")) == [parts[0]]


def test_gold_by_evidence_that_stands_in_several_passages(library: Library) -> None:
    # "바다 안개." four times, three of them in the first passage.
    assert gold_texts(library, question("twin", evidence="안개.")) == ["바다 안개. 바다 안개. 바다 안개.", "바다 안개."]


def test_gold_by_accepted_string_where_the_evidence_is_not_in_the_document(library: Library) -> None:
    for evidence in (None, "", "뱃삯은 오백 원이다."):
        assert gold_texts(library, question("ferry", evidence=evidence, accepted=("무료", "500원"))) == [
            "뱃삯은 500원이다."
        ]


@pytest.mark.parametrize(
    ("accepted", "found"),
    [("13", True), ("3", False), ("1", False), ("FLOORS", True), ("floor", False), ("13 floors", True)],
)
def test_accepted_strings_are_whole_numbers_and_words(library: Library, accepted: str, found: bool) -> None:
    # Without a match the best-ranked passage for the question is taken: here one that is not the right one.
    asked = question("tower", text="keeper", accepted=(accepted,))
    assert gold_texts(library, asked) == (["It has 13 floors."] if found else ["The keeper of the"])


def test_gold_by_rank_uses_the_answer_and_stays_in_the_gold_document(library: Library) -> None:
    assert gold_texts(library, question("ferry", text="얼마인가요?", answer="뱃삯은 오백 원")) == ["뱃삯은 500원이다."]
    assert gold_texts(library, question("ferry", text="등대지기는 나루에 있나요?")) == ["나루는 강 북쪽에 있다."]


def test_no_gold(library: Library) -> None:
    evidence = "등대지기는 오누리이다."
    assert gold_passage_ids(question("lamp", evidence=evidence, answerable=False), library) == ()
    assert gold_passage_ids(question("elsewhere", evidence=evidence), library) == ()
    assert gold_passage_ids(replace(question("lamp", evidence=evidence), gold_documents=()), library) == ()


def test_retrieved_context_is_the_search(coast: Library) -> None:
    context = retrieved_context(KEEPER, coast, 4)
    assert list(context.passages) == [hit.passage for hit in coast.search(KEEPER.text, 4)]
    assert [context.passages[number - 1].text for number in context.gold_numbers] == [KEEPER.evidence]
    assert context.retrieved
    assert not context.dropped


def test_retrieved_context_shows_it_when_the_search_missed(coast: Library) -> None:
    context = retrieved_context(replace(KEEPER, text="등대 7번은 어디에 있나요?"), coast, 2)
    assert (context.gold_numbers, context.retrieved, context.dropped) == ((), False, False)
    assert retrieved_context(replace(KEEPER, text="xylophone"), coast, 2).passages == ()


def test_training_inserts_the_gold_passage_that_the_search_missed(coast: Library) -> None:
    asked = replace(KEEPER, text="등대 7번은 어디에 있나요?")
    found = [hit.passage for hit in coast.search(asked.text, 3)]
    context = training_context(asked, coast, 3, seed=0, drop_gold=0.0)
    assert list(context.passages[:2]) == found[:2]
    assert context.passages[2].text == KEEPER.evidence
    assert (context.gold_numbers, context.retrieved) == ((3,), False)
    assert training_context(asked, coast, 1, seed=0, drop_gold=0.0).gold_numbers == (1,)


def test_dropping_replaces_the_gold_passage_with_the_next_hit(coast: Library) -> None:
    hits = [hit.passage for hit in coast.search(KEEPER.text, 6)]
    context = training_context(KEEPER, coast, 5, seed=0, drop_gold=1.0)
    assert list(context.passages) == [passage for passage in hits if passage.text != KEEPER.evidence]
    assert (context.gold_numbers, context.retrieved, context.dropped) == ((), True, True)


def test_a_dropped_context_never_holds_the_answer_elsewhere(tmp_path: Path) -> None:
    documents = [
        Document(id="a", title="", text="등대지기는 오누리이다."),
        Document(id="b", title="", text="오누리는 등대지기로 일한다."),
        Document(id="c", title="", text="등대지기는 밤에 일한다."),
    ]
    asked = Question(
        id="q",
        text="등대지기는 누구인가요?",
        accepted=("오누리",),
        gold_documents=("a",),
        evidence="등대지기는 오누리이다.",
    )
    with Library.build(tmp_path / "library", documents) as library:
        context = training_context(asked, library, 3, seed=0, drop_gold=1.0)
    assert [passage.document_id for passage in context.passages] == ["c"]


def test_dropping_a_guessed_gold_passage_drops_its_document(coast: Library) -> None:
    asked = replace(KEEPER, accepted=(), evidence=None)
    context = training_context(asked, coast, 5, seed=0, drop_gold=1.0)
    assert len(context.passages) == 5
    assert "light3" not in {passage.document_id for passage in context.passages}


def test_dropping_searches_deeper_until_there_are_k(coast: Library) -> None:
    """With 36 gold documents and a guess, far more hits fall away than the first search has to spare."""
    asked = replace(KEEPER, accepted=(), evidence=None, gold_documents=tuple(f"light{n}" for n in range(36)))
    context = training_context(asked, coast, 3, seed=0, drop_gold=1.0)
    assert len(context.passages) == 3
    assert {passage.document_id for passage in context.passages} <= {"light36", "light37", "light38", "light39"}


def test_only_known_gold_passages_can_be_dropped(coast: Library) -> None:
    for asked in (replace(KEEPER, answerable=False), replace(KEEPER, gold_documents=())):
        context = training_context(asked, coast, 3, seed=0, drop_gold=1.0)
        assert list(context.passages) == [hit.passage for hit in coast.search(KEEPER.text, 3)]
        assert (context.gold_numbers, context.dropped) == ((), False)


def variants(count: int) -> list[Question]:
    return [
        Question(
            id=f"q{n}",
            text=f"등대 {n % 40}번의 등대지기는 누구인가요?",
            gold_documents=(f"light{n % 40}",),
            evidence=f"등대 {n % 40}번의 등대지기는 바람{n % 40}이다.",
        )
        for n in range(count)
    ]


def test_contexts_are_functions_of_seed_and_question(coast: Library) -> None:
    asked = variants(20)
    batch = training_contexts(asked, coast, 4, seed=7, drop_gold=0.5)
    alone = [training_context(question, coast, 4, seed=7, drop_gold=0.5) for question in reversed(asked)]
    assert batch == alone[::-1]
    assert batch != training_contexts(asked, coast, 4, seed=8, drop_gold=0.5)
    assert retrieved_contexts(asked, coast, 4) == [retrieved_context(question, coast, 4) for question in asked]
    assert training_contexts([], coast, 4, seed=7, drop_gold=0.5) == []


def test_training_shows_passages_in_the_order_of_the_search(coast: Library) -> None:
    asked = variants(40)
    trained = training_contexts(asked, coast, 4, seed=1, drop_gold=0.0)
    served = retrieved_contexts(asked, coast, 4)
    assert [context.passages for context in trained] == [context.passages for context in served]
    assert all(context.gold_numbers for context in trained), "the search finds all of these"


def test_gold_is_dropped_for_the_share_asked(coast: Library) -> None:
    asked = variants(400)
    contexts = training_contexts(asked, coast, 4, seed=1, drop_gold=0.25)
    dropped = {context.question_id for context in contexts if context.dropped}
    # Binomial(400, 0.25): mean 100, standard deviation 8.7; the bounds are four of them away.
    assert 65 < len(dropped) < 135
    assert all(len(context.passages) == 4 for context in contexts)
    for question, context in zip(asked, contexts, strict=True):
        told = [number for number, p in enumerate(context.passages, start=1) if p.text == question.evidence]
        assert list(context.gold_numbers) == told
        assert context.dropped == (not told)
    # A larger share drops the same questions and more.
    more = training_contexts(asked, coast, 4, seed=1, drop_gold=0.5)
    assert dropped < {context.question_id for context in more if context.dropped}


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_a_probability(coast: Library, share: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        training_context(KEEPER, coast, 3, seed=0, drop_gold=share)
