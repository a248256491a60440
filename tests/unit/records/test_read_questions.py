"""Questions from every format that is known, and from files that are damaged."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import InputError
from haechi.records.documents import read_documents
from haechi.records.lines import ReadingLog
from haechi.records.questions import QuestionFormat, read_questions, recognise_questions

USER = {"role": "user", "content": "안녕?"}
BOT = {"role": "assistant", "content": "네."}

FORMATS: list[tuple[dict[str, Any], QuestionFormat, str, str | None]] = [
    ({"question": "Q?", "answer": "A"}, QuestionFormat.QUESTION_ANSWER, "Q?", "A"),
    ({"question": "Q?", "answer": {"contents": "A"}}, QuestionFormat.QUESTION_ANSWER, "Q?", "A"),
    ({"question": "Q?", "sensitive": True}, QuestionFormat.QUESTION_ANSWER, "Q?", None),
    ({"instruction": "Add.", "input": "1 2", "output": "3"}, QuestionFormat.ALPACA, "Add.\n\n1 2", "3"),
    ({"instruction": "Hi.", "input": "", "output": "Ho"}, QuestionFormat.ALPACA, "Hi.", "Ho"),
    (
        {"instruction": "Who?", "context": "Kim came.", "response": "Kim", "category": "closed_qa"},
        QuestionFormat.DOLLY,
        "Who?\n\nKim came.",
        "Kim",
    ),
    ({"prompt": "P", "completion": "C", "tokens": 12}, QuestionFormat.PROMPT_COMPLETION, "P", "C"),
    ({"prompt": [USER], "completion": [BOT]}, QuestionFormat.PROMPT_COMPLETION, "안녕?", "네."),
    ({"prompt": "P"}, QuestionFormat.PROMPT, "P", None),
    ({"messages": [USER, BOT]}, QuestionFormat.MESSAGES, "안녕?", "네."),
    (
        {"messages": [{"role": "system", "content": "S"}, USER, BOT, USER, {"role": "assistant", "content": "또."}]},
        QuestionFormat.MESSAGES,
        "System: S\n\nHuman: 안녕?\n\nAssistant: 네.\n\nHuman: 안녕?",
        "또.",
    ),
    ({"messages": [USER]}, QuestionFormat.MESSAGES, "안녕?", None),
]


@pytest.mark.parametrize(("row", "form", "text", "answer"), FORMATS)
def test_formats(
    rows_file: Callable[..., Path], row: dict[str, Any], form: QuestionFormat, text: str, answer: str | None
) -> None:
    log = ReadingLog()
    path = rows_file(row)
    (question,) = read_questions(path, log=log)
    assert (question.text, question.answer, question.answerable) == (text, answer, True)
    assert log.formats == {path: form}
    assert recognise_questions(list(row)) is form


def test_our_own_fields(rows_file: Callable[..., Path]) -> None:
    row = {"id": "q1", "text": "T?", "answerable": False, "accepted": ["a", "b"], "topic": "t", "gold_documents": []}
    (question,) = read_questions(rows_file(row))
    assert (question.id, question.accepted, question.answerable, question.topic) == ("q1", ("a", "b"), False, "t")


def test_a_field_that_is_nearly_one_of_ours_is_told_once(rows_file: Callable[..., Path]) -> None:
    rows = [{"id": f"{n}", "text": f"{n}?", "answerable": True, "acepted": ["x"], "note": "mine"} for n in range(3)]
    log = ReadingLog()
    assert len(read_questions(rows_file(*rows), log=log)) == 3
    assert log.told() == ["rows.jsonl:1: the field 'acepted' is not read. Did you mean 'accepted'?"]
    both, other = {"accepted": ["y"], "acepted": ["x"]}, {"question": "Q?", "answer": "A", "answers": ["A"]}
    for row in ({"id": "1", "text": "T?", "answerable": True} | both, other):
        log = ReadingLog()
        read_questions(rows_file(row), log=log)
        assert log.told() == []


def test_gold_document_is_the_topic_and_a_span_is_evidence(rows_file: Callable[..., Path]) -> None:
    legal = {"id": "scq-1", "question": "여부", "answer": "그렇다", "gold_document": "scd-1", "verdict": None}
    covid = {"id": "c", "question": "What?", "answer": "MTCT", "answer_start": 370, "gold_document": "d"}
    first, second = read_questions(rows_file(legal, covid))
    assert (first.gold_documents, first.topic, first.evidence) == (("scd-1",), "scd-1", None)
    assert second.evidence == "MTCT"


def test_songys_csv_with_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "chat.csv"
    path.write_bytes('\ufeffQ,A,label\r\n"하나,\n둘",답,0\r\n셋,"그는 ""네"" 했다",1\r\n'.encode())
    questions = read_questions(path)
    assert [(q.text, q.answer) for q in questions] == [("하나,\n둘", "답"), ("셋", '그는 "네" 했다')]
    path.write_text("Q,A,label\n하나,답,0\n둘,0\n", encoding="utf-8")
    with pytest.raises(InputError, match="2 cells under 3 headings") as caught:
        read_questions(path)
    assert caught.value.line == 3
    path.write_text('Q,A,label\n하나,"답\n', encoding="utf-8")
    with pytest.raises(InputError, match="not valid CSV"):
        read_questions(path)


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("q.json", "{rows}"),
        ("q.jsonl", "{rows}"),  # as KoChatGPT is published
        ("q.json", '{{"info": {{"n": [1]}}, "data_info": {rows}}}'),
    ],
)
def test_json_arrays_know_their_lines(tmp_path: Path, name: str, wrap: str) -> None:
    path = tmp_path / name
    rows = json.dumps([{"prompt": "하나"}, {"prompt": "둘"}], indent=1, ensure_ascii=False)
    path.write_text(wrap.format(rows=rows), encoding="utf-8")
    assert [q.text for q in read_questions(path)] == ["하나", "둘"]
    path.write_text(wrap.format(rows=rows.replace('"둘"', "null")), encoding="utf-8")
    with pytest.raises(InputError, match="'prompt' is null") as caught:
        read_questions(path)
    assert caught.value.line == 5  # [ { prompt } { on lines 1 to 5
    path.write_text(wrap.format(rows=rows)[:-6], encoding="utf-8")
    with pytest.raises(InputError, match="complete JSON"):
        read_questions(path)


def test_ids_come_from_the_row_or_from_its_text(rows_file: Callable[..., Path]) -> None:
    a, b, again = read_questions(rows_file({"prompt": "하나"}, {"prompt": "둘"}, {"prompt": "하나"}))
    assert a.id != b.id
    assert again.id == f"{a.id}-2"
    assert [q.id for q in read_questions(rows_file({"prompt": "둘"}, {"prompt": "하나"}))] == [b.id, a.id]
    with pytest.raises(InputError, match="'x' was used in line 1"):
        read_questions(rows_file({"id": "x", "question": "1?"}, {"id": "x", "question": "2?"}))


GOOD = {"prompt": "P", "completion": "C"}


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"prompt": "P", "completion": None}, "'completion' is null"),
        ({"prompt": "P", "completion": 3}, "'completion' is int"),
        ({"prompt": "P"}, "field 'completion' is missing"),
        ({"prompt": "  ", "completion": "C"}, "'prompt' is empty"),
        ({"prompt": "P", "completion": [USER]}, "not one assistant message"),
        ({"prompt": [USER, BOT], "completion": "C"}, "does not end with the user's"),
        ({"prompt": [{"role": "tool", "content": "x"}], "completion": "C"}, "role of 'prompt.0.' is 'tool'"),
        ({"prompt": [BOT, USER], "completion": "C"}, r"prompt\[0\] is from the assistant where the user is due"),
        ({"prompt": [USER, USER], "completion": "C"}, r"prompt\[1\] is from the user where the assistant is due"),
        ({"prompt": "P", "completion": "C", "messages": [USER]}, "began in the format 'prompt-completion'"),
    ],
)
def test_bad_rows_are_named_or_skipped(rows_file: Callable[..., Path], bad: dict[str, Any], problem: str) -> None:
    path = rows_file(GOOD, bad, GOOD)
    with pytest.raises(InputError, match=problem) as caught:
        read_questions(path)
    assert (caught.value.path, caught.value.line) == (path, 2)
    assert str(caught.value).startswith(f"{path}:2: ")
    log = ReadingLog()
    assert len(read_questions(path, skip_bad=True, log=log)) == 2
    assert [fault.line for fault in log.skipped] == [2]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"prompt": "P", "compl', "is not complete JSON"),
        ('["P", "C"]', "the row is a list"),
        ('{"prompt": "\\ud800", "completion": "C"}', "half of a surrogate"),
        ('{"prompt": ' + "[" * 100_000, "nested too deeply|not complete JSON"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(GOOD) + "\n\n" + line, encoding="utf-8")
    with pytest.raises(InputError, match=problem) as caught:
        read_questions(path)
    assert caught.value.line == 3
    assert len(read_questions(path, skip_bad=True)) == 1


def test_unknown_fields_are_answered_with_the_known_formats(rows_file: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"fields body, head fit no known format.*Dolly \(instruction, response\)"):
        read_questions(rows_file({"head": "x", "body": "y"}))
    with pytest.raises(InputError, match="all 1 rows are bad"):
        read_questions(rows_file({"head": "x", "body": "y"}), skip_bad=True)
    with pytest.raises(InputError, match="fit no known format"):  # documents are not questions
        read_questions(rows_file({"id": "d", "title": "t", "text": "x"}))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_questions(tmp_path)
    with pytest.raises(InputError, match=f"no such file .{tmp_path}"):
        read_questions(tmp_path / "absent.jsonl")
    for name, content, problem in [
        ("a.jsonl", "", "holds no rows"),
        ("a.json", "[]", "holds no rows"),
        ("a.json", '{"version": 1}', "no list of rows"),
        ("a.xlsx", "x", "not a known file type"),
        ("a.csv", "Q,A,label\n", "holds no rows"),
    ]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=problem):
            read_questions(tmp_path / name)


def test_hangul_spelt_in_letters_is_read_as_syllables(tmp_path: Path) -> None:
    """Some file systems and keyboards write 오누리 as nine letters; an answer is compared in syllables."""
    letters = unicodedata.normalize("NFD", "오누리")
    row = {"id": "1", "text": f"{letters}?", "answer": letters, "accepted": [letters], "answerable": True}
    (tmp_path / "q.jsonl").write_text(json.dumps(row, ensure_ascii=True), "utf-8")
    (question,) = read_questions(tmp_path / "q.jsonl")
    assert len(letters) > 3 and question.accepted == ("오누리",)
    assert (question.text, question.answer) == ("오누리?", "오누리")
    (tmp_path / "d.md").write_text(f"# {letters}\n\n{letters}는 산다.", "utf-8")
    (document,) = read_documents([tmp_path / "d.md"])
    assert (document.title, document.text) == ("오누리", "오누리는 산다.")
