"""Cases: what the right answer is under the passages at hand, and that rows keep everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haechi.prompt.template import template
from haechi.records.types import Passage, Question
from haechi.retrieval.contexts import Context
from haechi.stages.cases import Case, case_of, case_row, save_cases

WORDS = template("ko", instructed=False)
PASSAGE = Passage(id="d#1", document_id="d", title="등대", text="등대지기는 오누리이다.", start=3, end=16)


def case(*, gold_numbers: tuple[int, ...] = (1,), dropped: bool = False, **question: object) -> Case:
    values: dict[str, object] = {"id": "q", "text": "누구?", "answer": "오누리입니다.", "gold_documents": ("d",)}
    return Case(
        Question(**(values | question)),  # type: ignore[arg-type]
        Context("q", (PASSAGE,), gold_numbers, retrieved=True, dropped=dropped),
    )


@pytest.mark.parametrize(
    ("made", "target"),
    [
        (case(), "오누리입니다. [1]"),
        (case(dropped=True, gold_numbers=()), WORDS.abstention),
        (case(answerable=False, gold_documents=(), gold_numbers=()), WORDS.abstention),
        (case(gold_numbers=()), WORDS.abstention),  # the search missed what is known to hold the answer
        (case(gold_documents=(), gold_numbers=()), "오누리입니다."),  # nobody knows where it stands
        (case(answer=None), None),
    ],
)
def test_target_is_the_written_answer_or_the_abstention(made: Case, target: str | None) -> None:
    assert made.target(WORDS) == target


def test_rows_keep_everything(tmp_path: Path) -> None:
    made = case(accepted=("오누리",), topic="등대")
    assert case_of(json.loads(json.dumps(case_row(made)))) == made
    save_cases(tmp_path / "train.jsonl", [made, case(dropped=True)])
    assert len((tmp_path / "train.jsonl").read_text("utf-8").splitlines()) == 2


def test_texts_carry_the_title_as_prompts_do() -> None:
    assert case().texts == ["등대: 등대지기는 오누리이다."]
