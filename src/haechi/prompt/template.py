"""The one prompt: every stage, the evaluation and the chat ask the model with exactly these words.

    [1] 하늘고래 등대: 등대지기는 오누리이다. [1] 등대는 바다 위에 떠 있다. [1]
    [2] 은빛 나루: 나루는 강 북쪽에 있다. [2]
    질문: 하늘고래 등대의 등대지기는 누구인가요?
    답변: 오누리입니다. [1]

Every sentence of a passage carries the passage's number at its end, so a model that copies a sentence copies its
citation with it; small models cite far better so. The passages come first and the question last: prompts
that share passages share a prefix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from haechi.records.types import Passage

Language = Literal["ko", "en"]

_SENTENCE_END = re.compile(r"(?<=[.!?。…])\s+|(?<=[.!?。…][\"'”’)])\s+|\n+")
_MARK_IN_SOURCE = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")


@dataclass(frozen=True, slots=True)
class Template:
    """The words around passages, question and answer.

    Attributes:
        instruction: said once before the passages; empty for a base that was trained on the bare form.
        question: the label before the question.
        answer: the label before the answer.
        abstention: the one way to say that the documents do not hold the answer.
    """

    instruction: str
    question: str
    answer: str
    abstention: str

    def context(self, passages: Sequence[tuple[str, str]]) -> str:
        """The passages as (title, text), numbered from 1; ends with a line break."""
        lines = [self.instruction] if self.instruction else []
        for number, (title, text) in enumerate(passages, start=1):
            # A footnote mark of the source must not pass for one of ours, nor a title's second line for a passage.
            title, text = (_MARK_IN_SOURCE.sub(r"(\1)", words) for words in (" ".join(title.split()), text))
            sentences = " ".join(f"{sentence} [{number}]" for sentence in sentences_of(text))
            lines.append(f"[{number}] {title}: {sentences}" if title else f"[{number}] {sentences}")
        return "\n".join(lines) + "\n"

    def ask(self, question: str) -> str:
        """The question and the label after which the answer begins."""
        return f"{self.question}: {' '.join(question.split())}\n{self.answer}:"

    def prompt(self, question: str, passages: Sequence[Passage]) -> str:
        """Everything the model reads before it answers."""
        return self.context([(passage.title, passage.text) for passage in passages]) + self.ask(question)

    def reply(self, answer: str, citation: int | None = None) -> str:
        """An answer as the model should write it, with the number of the passage it rests on."""
        text = f" {' '.join(answer.split())}"
        return text if citation is None else f"{text} [{citation}]"


_INSTRUCTIONS: dict[Language, str] = {
    "ko": (
        "다음 문서만 근거로 질문에 짧게 답하세요. 문장 끝에 근거가 된 문서의 번호를 [1]처럼 적고, "
        "문서에 답이 없으면 “문서에서 답을 찾을 수 없습니다.”라고만 답하세요."
    ),
    "en": (
        "Answer the question briefly, from these passages only. End each sentence with the number of the passage it "
        "rests on, like [1]. If the passages do not hold the answer, say only: The documents do not say."
    ),
}


def template(language: Language, *, instructed: bool = True) -> Template:
    """The template of a language; `instructed=False` leaves the instruction out (the embedded base needs none)."""
    instruction = _INSTRUCTIONS[language] if instructed else ""
    if language == "ko":
        return Template(instruction, "질문", "답변", "문서에서 답을 찾을 수 없습니다.")
    return Template(instruction, "Question", "Answer", "The documents do not say.")


def sentences_of(text: str) -> list[str]:
    """Sentences and lines of a passage, in order, none empty. Splits after . ! ? … and at line breaks."""
    return [piece.strip() for piece in _SENTENCE_END.split(text) if piece and piece.strip()]
