"""The comparisons of one question: how many, of what, and what the annotator says of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from haechi.feedback.simulated import Asked, quality
from haechi.prompt.template import template
from haechi.recipe.learning import Compare
from haechi.records.types import Document, Passage, Question
from haechi.retrieval.contexts import retrieved_contexts
from haechi.retrieval.library import Library
from haechi.stages.cases import Case
from haechi.stages.compare import _judged, _without_gold

WORDS = template("ko", instructed=False)
WRITTEN = "오누리입니다. [1]"
SAMPLED = ["오누리입니다. [1]", "한보리입니다. [1]", "오누리입니다. [2]", "오누리입니다.", "한보리입니다. [1]"]
OTHERS = [
    Question(id="tall", text="얼마나 높나요?", answer="37미터입니다.", accepted=("37미터",)),
    Question(id="else", text="무엇이 나나요?", answer="소금입니다.", accepted=("소금",)),
]


def asked() -> Asked:
    passages = [
        Passage(id=f"d#{n}", document_id="d", title="등대", text=text, start=0, end=len(text))
        for n, text in enumerate(("등대지기는 오누리이다.", "높이는 37미터이다."))
    ]
    question = Question(id="q", text="등대지기는 누구?", answer="오누리입니다.", accepted=("오누리",))
    return Asked(question, passages, (1,), should_abstain=False)


def couples(pairs: int, constructed: float, seed: int = 0, error_rate: float = 0.0) -> list[tuple[str, str]]:
    settings = Compare(pairs=pairs, constructed=constructed, seed=seed, error_rate=error_rate)
    return [(one.chosen, one.rejected) for one in _judged(asked(), WRITTEN, SAMPLED, OTHERS, WORDS, settings)]


def test_of_sampled_answers_every_two_that_differ_are_compared() -> None:
    """Four different answers make six couples, and the annotator prefers the better one of each."""
    found = couples(pairs=20, constructed=0)
    assert len(found) == len({frozenset(couple) for couple in found}) == 6
    assert {text for couple in found for text in couple} == set(SAMPLED)
    assert all(quality(asked(), a, WORDS) > quality(asked(), b, WORDS) for a, b in found)
    assert couples(20, 0) == found != couples(20, 0, seed=1)


@pytest.mark.parametrize(
    ("pairs", "constructed", "spoilt", "most"), [(20, 0.1, 2, 6), (20, 0.5, 4, 6), (4, 0.5, 2, 2), (8, 1.0, 4, 0)]
)
def test_as_many_as_the_recipe_says_and_none_twice(pairs: int, constructed: float, spoilt: int, most: int) -> None:
    """Four spoilt versions there are at most: refused, uncited, cited wrongly, another's value. Some of them are among
    the samples too."""
    found = couples(pairs, constructed)
    assert len(found) == len({frozenset(couple) for couple in found})
    assert all(chosen == WRITTEN for chosen, _ in found[:spoilt])
    twice = {frozenset(couple) for couple in found[:spoilt]} & {frozenset(couple) for couple in couples(20, 0)}
    assert len(found) == spoilt + min(most, 6 - len(twice))
    assert set(found[spoilt:]) <= set(couples(20, 0))


def test_the_annotator_errs_as_often_as_it_says() -> None:
    right = set(couples(20, 0))
    flips = [couple not in right for seed in range(60) for couple in couples(20, 0, seed, error_rate=0.3)]
    assert sum(flips) / len(flips) == pytest.approx(0.3, abs=0.07)  # 360 draws, a deviation of 0.024


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_questions_is_compared_without_its_gold_passages(tmp_path: Path, share: float) -> None:
    documents = [
        Document(id=f"light{n}", title="", text=f"등대 {n}번의 등대지기는 바람{n}이다.") for n in range(30)
    ]
    questions = [
        Question(id=f"q{n}", text=f"등대 {n}번의 등대지기는?", accepted=(f"바람{n}이",), gold_documents=(f"light{n}",))
        for n in range(30)
    ]
    questions.append(Question(id="open", text="등대 3번의 높이는?", answerable=False))
    with Library.build(tmp_path / "ingest" / "library", documents) as library:
        cases = [
            Case(question, context)
            for question, context in zip(questions, retrieved_contexts(questions, library, 3), strict=True)
        ]
    recipe = SimpleNamespace(documents=SimpleNamespace(k=3), compare=Compare(without_gold=share))
    task: Any = SimpleNamespace(recipe=recipe, inputs={"ingest": tmp_path / "ingest"})
    found = _without_gold(task, cases)
    told = {question.id: question.accepted for question in questions}
    assert all(case.should_abstain and len(case.context.passages) == 3 for case in found)
    assert not any(name in text for case in found for name in told[case.question.id] for text in case.texts)
    assert "open" not in {case.question.id for case in found}
    assert len(found) == (0 if share == 0 else 30 if share == 1 else pytest.approx(12, abs=8))
    assert found == _without_gold(task, cases)
