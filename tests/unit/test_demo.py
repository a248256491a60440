"""The demo's world is sound: every answer stands in its document, and is what the scorer takes for right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.evaluate.answers import contains, is_correct
from haechi.prompt.template import template
from haechi.recipe.fields import asset

WORDS = template("ko", instructed=False)
ROWS = [json.loads(line) for line in asset("demo/questions.jsonl").read_text("utf-8").splitlines()]
DOCUMENTS = {path.stem: path.read_text("utf-8") for path in asset("demo/documents").iterdir() if path.suffix == ".md"}


def test_every_page_is_asked_about_alike_and_a_fifth_of_it_has_no_answer() -> None:
    by_page = {page: [row["answerable"] for row in ROWS if row["topic"] == page] for page in DOCUMENTS}
    assert {(len(asked), sum(asked)) for asked in by_page.values()} == {(34, 27)}


def test_no_question_is_asked_twice_in_the_same_words() -> None:
    assert len({row["id"] for row in ROWS}) == len({row["text"].replace(" ", "") for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("page", sorted(DOCUMENTS))
def test_answers_stand_in_their_page(page: str) -> None:
    def wrong(row: dict[str, Any]) -> bool:
        if not row["answerable"]:
            told = row["accepted"] or row["gold_documents"] or row["evidence"]
            return bool(told) or row["answer"] != WORDS.abstention
        return (
            row["gold_documents"] != [page]
            or row["evidence"] not in DOCUMENTS[page]
            or not is_correct(WORDS.reply(row["answer"], 1).strip(), row["accepted"], True, WORDS)
            or not any(contains(row["evidence"], accepted) for accepted in row["accepted"])
            or any(contains(row["text"], accepted) for accepted in row["accepted"])
        )

    assert [row["id"] for row in ROWS if row["topic"] == page and wrong(row)] == []
