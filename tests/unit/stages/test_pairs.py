"""Comparisons come back prompt by prompt, each pair with its own answers, and their rows in the same order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from haechi.learners.pairs import ComparedPrompt
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.pipeline.reading import load_recipe
from haechi.prompt.template import template
from haechi.records.types import Passage, Question
from haechi.records.write import write_jsonl
from haechi.retrieval.contexts import Context
from haechi.rewards.evidence import NAMES, evidence
from haechi.stages.cases import Case, case_row, evidence_for
from haechi.stages.pairs import load_pairs


@pytest.fixture(scope="module")
def saessak() -> SharedBase:
    return load_base("saessak", dtype="float32")


def row(question: str, chosen: str, rejected: str, held_out: bool, weight: float) -> dict[str, Any]:
    passage = Passage(id="d#0", document_id="d", title="등대", text="등대지기는 오누리이다.", start=0, end=11)
    case = Case(Question(id=question, text=f"{question}?"), Context(question, (passage,), (1,), retrieved=True))
    return {"case": case_row(case), "chosen": chosen, "rejected": rejected, "kind": "value", "held_out": held_out,
            "flipped": False, "margin": weight / 10, "weight": weight}  # fmt: skip


ROWS = [
    row("가", "하나", "둘", True, 1),
    row("나", "하나", "셋", True, 2),
    row("가", "셋", "하나", True, 3),
    row("다", "둘", "셋", False, 4),
    row("나", "둘", "하나", True, 5),
    row("가", "둘", "셋", True, 6),
    row("가", "넷", "하나", False, 7),
]


def task(folder: Path) -> Any:
    (folder / "questions.jsonl").write_text("{}\n")
    (folder / "recipe.yaml").write_text(
        "base: {name_or_path: saessak}\nprompt: {instructed: false}\ndocuments: {paths: .}\n"
        "questions: {path: questions.jsonl}\n"
    )
    write_jsonl(folder / "pairs.jsonl", ROWS)
    return SimpleNamespace(recipe=load_recipe(folder / "recipe.yaml"), inputs={"compare": folder})


def said(saessak: SharedBase, compared: list[ComparedPrompt]) -> list[tuple[str, str, float, float]]:
    """Chosen and rejected text, margin and weight of each pair, read back from the trees."""
    def text(one: ComparedPrompt, at: int) -> str:
        return saessak.codec.decode(one.tree.answers[at])

    return [
        (text(one, pair.chosen), text(one, pair.rejected), pair.margin, pair.weight)
        for one in compared
        for pair in one.pairs
    ]


@pytest.mark.parametrize("token_budget", [10_000, 1])
def test_pairs_keep_their_answers_and_rows_their_order(
    saessak: SharedBase, tmp_path: Path, token_budget: int
) -> None:
    pairs = load_pairs(task(tmp_path), saessak, token_budget)
    assert said(saessak, pairs.held_out) == [
        (row["chosen"], row["rejected"], row["margin"], row["weight"]) for row in pairs.held_out_rows
    ]
    assert [row["weight"] for row in pairs.held_out_rows] == [1, 3, 6, 2, 5]
    assert said(saessak, pairs.training) == [("둘", "셋", 0.4, 4), ("넷", "하나", 0.7, 7)]
    trees = [len(one.tree.answers) for one in pairs.held_out]
    assert trees == ([3, 3] if token_budget > 1 else [2] * 5)


def test_the_budget_divides_a_prompt_where_it_is_full(saessak: SharedBase, tmp_path: Path) -> None:
    (first, *_) = load_pairs(task(tmp_path), saessak, 10_000).held_out
    room = len(first.tree.prompt) + sum(len(answer) for answer in first.tree.answers)
    assert [len(one.pairs) for one in load_pairs(task(tmp_path), saessak, room).held_out] == [3, 2]
    assert [len(one.pairs) for one in load_pairs(task(tmp_path), saessak, room - 1).held_out] == [1, 1, 1, 1, 1]


def test_evidence_comes_answer_by_answer_where_it_is_wanted(saessak: SharedBase, tmp_path: Path) -> None:
    words = template("ko", instructed=False)
    for budget in (10_000, 1):
        for one in load_pairs(task(tmp_path), saessak, budget, with_evidence=True).held_out:
            texts = [saessak.codec.decode(list(answer)) for answer in one.tree.answers]
            question = "가?" if any(pair.weight in (1, 3, 6) for pair in one.pairs) else "나?"
            assert list(one.evidence) == [
                evidence(question, ["등대: 등대지기는 오누리이다."], text, words) for text in texts
            ]
    assert all(not one.evidence for one in load_pairs(task(tmp_path), saessak, 10_000).training)


def test_a_passages_title_counts_among_its_words() -> None:
    """The question's one term, 등대, stands in the title alone."""
    passage = Passage(id="d#0", document_id="d", title="등대", text="37미터이다.", start=0, end=7)
    case = Case(Question(id="가", text="등대?"), Context("가", (passage,), (1,), retrieved=True))
    found = evidence_for(case, "37미터입니다. [1]", template("ko", instructed=False))
    assert found[NAMES.index("coverage")] == 1
