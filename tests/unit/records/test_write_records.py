"""Records survive writing and reading; a failed write leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import InputError, StageError
from haechi.records.documents import read_documents
from haechi.records.preferences import read_preferences
from haechi.records.questions import read_questions
from haechi.records.types import Document, Passage, Preference, Question
from haechi.records.write import Record, from_row, read_rows, to_row, write_jsonl

DOCUMENT = Document(id="d", title="제목", text="줄\n바꿈\u2028과 \x85", source="d.md", metadata={"year": "1999"})
QUESTION = Question(
    id="q",
    text="누구?",
    answer="오누리",
    accepted=("오누리", "누리"),
    answerable=False,
    gold_documents=("d",),
    evidence="등대지기는 오누리이다.",
    topic="등대",
    source="s",
)
PREFERENCE = Preference(
    id="p",
    prompt="누구?",
    chosen="오누리",
    rejected="",
    margin=0.1,
    weight=2.0,
    kind="citation",
    annotator="simulated",
    question_id="q",
)
PASSAGE = Passage(id="d#1", document_id="d", title="제목", text="줄", start=0, end=1)


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
@pytest.mark.parametrize("record", [DOCUMENT, QUESTION, PREFERENCE, PASSAGE, Question(id="", text="")])
def test_round_trip(tmp_path: Path, record: Record, name: str) -> None:
    path = tmp_path / name
    assert write_jsonl(path, [to_row(record), to_row(record)]) == 2
    assert [from_row(type(record), row) for row in read_rows(path)] == [record, record]


def test_rows_that_were_cut_off_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_jsonl(path, [to_row(QUESTION), to_row(PREFERENCE)])
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="is not JSON") as caught:
        read_rows(path)
    assert caught.value.line == 2


def test_the_readers_take_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_jsonl(path, [to_row(DOCUMENT)])
    assert read_documents([path]) == [DOCUMENT]
    write_jsonl(path, [to_row(QUESTION)])
    assert read_questions(path) == [QUESTION]
    write_jsonl(path, [to_row(PREFERENCE)])
    assert read_preferences(path) == [PREFERENCE]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_jsonl(path, [{"a": 1}])

    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": 2}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_jsonl(path, rows())
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_jsonl(path, [{"a": float("nan")}])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="cannot be written"):
        write_jsonl(tmp_path / "absent" / "r.jsonl", [])


def test_gzip_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    a, b = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"
    for path in (a, b):
        write_jsonl(path, [to_row(QUESTION)])
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes()[4:8] == bytes(4)  # the time in the header
