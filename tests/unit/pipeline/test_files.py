"""Files and folders that are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.errors import InputError
from haechi.pipeline.files import building, read_json, write_bytes, write_json, write_text


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


def test_an_interruption_between_two_renamings_loses_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    with building(folder) as beside:
        (beside / "a").write_text("1")
    rename = Path.rename

    def interrupt(source: Path, target: Path) -> Path:
        if source.name.endswith(".building"):
            raise KeyboardInterrupt
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt), building(folder) as beside:
        (beside / "b").write_text("2")
    assert (folder / "a").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_after_a_kill_between_two_renamings_the_old_folder_gets_its_name_back(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for name in (".model.replaced", ".model.building"):  # what a kill there leaves
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    with pytest.raises(RuntimeError), building(folder):
        raise RuntimeError
    assert (folder / "a").read_text() == ".model.replaced"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


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
