"""Files that are whole or absent, and logs that are cut back at a resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haechi.errors import InputError
from haechi.pipeline.files import JsonLines, building, read_json, write_bytes, write_json, write_text


def test_what_is_written_is_read_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"이름": "해치", "n": 1.5})
    assert read_json(tmp_path / "a.json") == {"이름": "해치", "n": 1.5}
    assert "해치" in (tmp_path / "a.json").read_text(encoding="utf-8")
    write_text(tmp_path / "a.json", "x")
    assert (tmp_path / "a.json").read_bytes() == b"x"
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": True})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"new": float("inf")})
    with pytest.raises(TypeError):
        write_bytes(path, "not bytes")  # type: ignore[arg-type]
    assert read_json(path) == {"old": True}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b'{\n"a": }', 2, "Expecting value"),
        (b"[1]", None, "not a JSON object"),
        (b'{"a": "\xff"}', None, "not UTF-8 at byte 7"),
        (None, None, "the file does not exist"),
    ],
)
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes | None, line: int | None, problem: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(path)
    assert (caught.value.line, caught.value.problem) == (line, problem)


def rows(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_log_goes_on_after_the_last_kept_row(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with JsonLines(path) as log:
        for step in (1, 2, 3, 4):
            log.append({"step": step})
        assert rows(path) == [1, 2, 3, 4], "every row is flushed"
    with JsonLines(path, keep=lambda row: row["step"] <= 2) as log:
        log.append({"step": 3})
    assert rows(path) == [1, 2, 3]
    with JsonLines(path) as log:
        log.append({"step": 4})
    assert rows(path) == [1, 2, 3, 4]


def test_a_torn_last_row_is_cut_off_and_a_torn_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2', encoding="utf-8")
    with JsonLines(path) as log:
        log.append({"step": 2})
    assert rows(path) == [1, 2]
    path.write_text('{"step": 1\n{"step": 2}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"metrics\.jsonl:1: not a JSON row"):
        JsonLines(path)


def test_a_row_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "m.jsonl") as log, pytest.raises(ValueError, match="JSON compliant"):
        log.append({"loss": float("nan")})
    assert (tmp_path / "m.jsonl").read_bytes() == b""


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with building(folder) as beside:
        (beside / "a").write_text("1")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["a"]

    def fail() -> None:
        with building(folder) as beside:
            (beside / "b").write_text("2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in folder.iterdir()] == ["a"]
    with building(folder) as beside:
        (beside / "c").write_text("3")
    assert [path.name for path in folder.iterdir()] == ["c"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
