"""The shape of `evaluate/answers.jsonl`: one row a test question, with the answer of every system."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class PassageRow(TypedDict):
    """A passage as the prompt held it."""

    id: str
    title: str
    text: str


class SystemAnswer(TypedDict):
    """What one system answered and its scores; None where a score does not apply."""

    text: str
    citations: list[int]
    correct: float | None
    abstained: bool
    citation_precision: float | None
    citation_recall: float | None
    grounded: float | None
    f1: float | None
    reward: float | None
    kl: float | None
    length: int


class AnswerRow(TypedDict):
    """A test question, what is known of its answer, what the systems read and what they said.

    Questions of one topic are resampled together; without one a question stands alone.
    """

    question_id: str
    topic: NotRequired[str]
    question: str
    gold: str | None
    accepted: list[str]
    answerable: bool
    passages: list[PassageRow]
    gold_numbers: list[int] | None
    systems: dict[str, SystemAnswer]
