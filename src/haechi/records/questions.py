"""Reading questions, in our own form or in the forms that question and instruction sets are published in."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from pathlib import Path

from haechi.records.conversations import answer_text, check_order, messages_of, prompt_text, transcript
from haechi.records.formats import IdRegister, content_id, matching, read_as
from haechi.records.lines import ReadingLog, Row
from haechi.records.types import Question


class QuestionFormat(StrEnum):
    """The forms in which questions are read."""

    HAECHI = "haechi questions"
    QUESTION_ANSWER = "question-answer"
    ALPACA = "Alpaca"
    DOLLY = "Dolly"
    MESSAGES = "messages"
    PROMPT_COMPLETION = "prompt-completion"
    PROMPT = "prompt only"
    SONGYS = "Songys chatbot"


# What a row in our own form may hold.
_FIELDS = ("id", "text", "answer", "accepted", "answerable", "gold_documents", "evidence", "topic", "source")

_SHAPES = {
    QuestionFormat.HAECHI: "id text answerable",
    QuestionFormat.QUESTION_ANSWER: "question",
    QuestionFormat.ALPACA: "instruction output",
    QuestionFormat.DOLLY: "instruction response",
    QuestionFormat.MESSAGES: "messages",
    QuestionFormat.PROMPT_COMPLETION: "prompt completion",
    QuestionFormat.PROMPT: "prompt !chosen !rejected !completion_0",
    QuestionFormat.SONGYS: "Q A label",
}


def recognise_questions(fields: Iterable[str]) -> QuestionFormat | None:
    """The format that a row of questions with these field names is in, None if none."""
    return matching(fields, _SHAPES)


def read_questions(path: Path, *, skip_bad: bool = False, log: ReadingLog | None = None) -> list[Question]:
    """The questions of a `.jsonl`, `.json` or `.csv` file (also with `.gz`), whose format is seen from its fields.

    Rows without an id get one made of their content. In question-answer rows the gold document is the topic unless
    one is given, and an answer with an offset (`answer_start`) is kept as evidence: it is a quotation.

    Args:
        skip_bad: leave bad rows out and keep their errors in `log`, instead of raising the first.
        log: notes the format and what was left out.

    Raises:
        InputError: the format is not known, or a row is bad.
    """
    ids = IdRegister()
    parsers: dict[QuestionFormat, Callable[[Row, ReadingLog], list[Question]]] = {
        name: partial(_read_row, build, ids) for name, build in _BUILDERS.items()
    }
    return read_as(path, _SHAPES, parsers, skip_bad=skip_bad, log=log)


def _read_row(
    build: Callable[[Row, IdRegister], Question], ids: IdRegister, row: Row, log: ReadingLog
) -> list[Question]:
    if build is _haechi:
        _note_misspelt(row, log)
    return [build(row, ids)]


def _note_misspelt(row: Row, log: ReadingLog) -> None:
    """Of our own form the names are known: a field beside them is the reader's business, unless it is nearly one."""
    missing = [name for name in _FIELDS if name not in row.fields]
    for name in row.fields:
        near = difflib.get_close_matches(name, missing, n=1, cutoff=0.8)
        if name not in _FIELDS and near and name not in log.misspelt:
            log.misspelt[name] = f"{row.place}: the field {name!r} is not read. Did you mean {near[0]!r}?"


def _question(row: Row, ids: IdRegister, text: str, answer: str | None) -> Question:
    identifier = ids.claim(row, row.identifier(), content_id("q", text))
    return Question(
        id=identifier,
        text=text,
        answer=answer,
        topic=row.optional_text("topic") or "",
        source=row.optional_text("source") or row.path.name,
    )


def _haechi(row: Row, ids: IdRegister) -> Question:
    text = row.text("text")
    return Question(
        id=ids.claim(row, row.identifier(), content_id("q", text)),
        text=text,
        answer=row.optional_text("answer"),
        accepted=row.texts("accepted"),
        answerable=row.boolean("answerable", True),
        gold_documents=row.texts("gold_documents"),
        evidence=row.optional_text("evidence"),
        topic=row.optional_text("topic") or "",
        source=row.optional_text("source") or "",
    )


def _question_answer(row: Row, ids: IdRegister) -> Question:
    text = row.text("question")
    answer = row.fields.get("answer")
    if isinstance(answer, dict):  # AI-Hub: {"answer": {"contents": "…"}}
        answer = row.check_text(answer.get("contents"), "answer.contents")
    elif answer is not None:
        answer = row.optional_text("answer")
    gold = row.texts("gold_documents") or row.texts("gold_document")
    is_span = row.fields.get("answer_start") is not None
    return Question(
        id=ids.claim(row, row.identifier(), content_id("q", text)),
        text=text,
        answer=answer,
        accepted=row.texts("accepted"),
        answerable=row.boolean("answerable", True),
        gold_documents=gold,
        evidence=row.optional_text("evidence") or (answer if is_span else None),
        topic=row.optional_text("topic") or (gold[0] if gold else ""),
        source=row.optional_text("source") or row.path.name,
    )


def _instruction(context: str, answer: str, row: Row, ids: IdRegister) -> Question:
    """Instruction and its input or context are one task, so they are one text."""
    parts = [row.text("instruction"), row.optional_text(context)]
    return _question(row, ids, "\n\n".join(part for part in parts if part), row.text(answer))


def _messages(row: Row, ids: IdRegister) -> Question:
    messages = messages_of(row, row.fields["messages"], "messages")
    check_order(row, messages, "messages")
    answer = None
    if messages[-1].role == "assistant":
        answer = row.check_text(messages[-1].content, "the last message")
        messages = messages[:-1]
    if messages[-1].role != "user":
        raise row.fault("'messages' holds no user message", "add the user's message")
    return _question(row, ids, transcript(messages), answer)


def _prompt_completion(row: Row, ids: IdRegister) -> Question:
    return _question(row, ids, prompt_text(row, "prompt"), answer_text(row, "completion"))


def _prompt(row: Row, ids: IdRegister) -> Question:
    return _question(row, ids, prompt_text(row, "prompt"), None)


def _songys(row: Row, ids: IdRegister) -> Question:
    return _question(row, ids, row.text("Q"), row.text("A"))


_BUILDERS: dict[QuestionFormat, Callable[[Row, IdRegister], Question]] = {
    QuestionFormat.HAECHI: _haechi,
    QuestionFormat.QUESTION_ANSWER: _question_answer,
    QuestionFormat.ALPACA: partial(_instruction, "input", "output"),
    QuestionFormat.DOLLY: partial(_instruction, "context", "response"),
    QuestionFormat.MESSAGES: _messages,
    QuestionFormat.PROMPT_COMPLETION: _prompt_completion,
    QuestionFormat.PROMPT: _prompt,
    QuestionFormat.SONGYS: _songys,
}
