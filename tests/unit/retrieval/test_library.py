from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from math import log
from pathlib import Path

import pytest

from haechi.errors import InputError, StageError
from haechi.records.types import Document
from haechi.retrieval.library import Library

LAMP = [Document(id="lamp", title="등대", text="등대지기는 오누리이다.")]
FERRY = [Document(id="ferry", title="나루", text="나루는 강 북쪽에 있다.")]


def best(library: Library, query: str) -> str:
    return library.search(query, 1)[0].passage.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("등대지기가 누구인가요?", "등대지기는 오누리이다."),
        ("등대지기는?", "등대지기는 오누리이다."),
        ("육아 휴직 기간", "육아휴직은 1년까지 쓸 수 있다."),
        ("육아휴직을 얼마나 쓰나", "육아휴직은 1년까지 쓸 수 있다."),
        ("연차 휴가는 며칠", "연차휴가는 15일이다."),
        ("배가 언제 떠나나요", "배는 3시간마다 떠난다."),
        ("glass TOWER floors", "It has 13 floors."),
    ],
)
def test_particles_spacing_and_case_do_not_matter(library: Library, query: str, expected: str) -> None:
    assert best(library, query) == expected


def test_the_title_is_searched_too(library: Library) -> None:
    assert {hit.passage.document_id for hit in library.search("하늘고래", 9)} == {"lamp"}


def test_scores_are_those_of_bm25(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)  # terms that can be counted by hand
    documents = [Document(id=name, title="", text=name) for name in ("mira keeper", "tower", "mira mira tower")]
    with Library.build(tmp_path / "library", documents) as library:
        found = {hit.passage.text: hit.score for hit in library.search("mira", 3)}
    # "mira" is in 2 of 3 passages, of 2 and 3 terms; the mean length is 2. Lucene's idf is never negative.
    idf = log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    assert found == pytest.approx(
        {
            "mira keeper": idf * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 2 / 2)),
            "mira mira tower": idf * 2 / (2 + 1.5 * (1 - 0.75 + 0.75 * 3 / 2)),
        }
    )


def test_ties_keep_the_order_of_the_build(tmp_path: Path) -> None:
    texts = ["안개", "바다 안개"] * 150  # two scores, the shorter text has the higher
    documents = [Document(id=f"d{number:03}", title="", text=text) for number, text in enumerate(texts)]
    with Library.build(tmp_path / "library", documents) as library:
        hits = library.search("안개", 200)
        evens, odds = range(0, 300, 2), range(1, 300, 2)
        assert [hit.passage.document_id for hit in hits] == [f"d{n:03}" for n in (*evens, *odds)][:200]
        assert [hit.rank for hit in hits] == list(range(1, 201))
        assert len({hit.score for hit in hits}) == 2
        inside = library.search("안개", 2, within=["d020", "d009", "d004", "d026"])
        assert [hit.passage.document_id for hit in inside] == ["d004", "d020"]


def test_passages_that_share_no_term_are_no_hits(library: Library) -> None:
    assert library.search("xylophone", 3) == []
    assert library.search("", 3) == []
    assert [hit.passage.document_id for hit in library.search("Mira", 3)] == ["tower"]
    assert library.search("Mira", 3, within=["lamp", "nowhere"]) == []
    assert library.search("Mira", 3, within=[]) == []
    with pytest.raises(ValueError, match="at least 1"):
        library.search("Mira", 0)


def test_many_queries_find_what_single_ones_find(library: Library) -> None:
    queries = ["등대지기", "xylophone", "육아 휴직", "keeper"]
    assert library.search_many(queries, 3) == [library.search(query, 3) for query in queries]
    assert library.search_many([], 3) == []


def test_searches_from_several_threads(library: Library) -> None:
    expected = library.search("등대지기", 3)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == expected for found in pool.map(lambda _: library.search("등대지기", 3), range(40)))


def test_reads_back_what_was_built(library: Library, documents: tuple[Document, ...]) -> None:
    assert tuple(library.documents.values()) == documents
    assert library.document("lamp") == documents[0]
    passages = library.passages()
    assert [p.document_id for p in passages[:2]] == ["lamp", "lamp"]
    for passage in passages:
        document = library.documents[passage.document_id]
        assert passage.text == document.text[passage.start : passage.end]
        assert passage.title == document.title
        assert library.passage(passage.id) == passage
    assert library.metadata["tokenizer"] == "kiwi+bigram"
    assert library.metadata["max_chars"] == "20"
    assert library.passages_of(["twin", "lamp"]) == [p for p in passages if p.document_id in ("lamp", "twin")]
    for lookup in (library.passage, library.document):
        with pytest.raises(KeyError):
            lookup("nobody")


def test_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    def fingerprint(documents: list[Document], max_chars: int = 160) -> str:
        with Library.build(tmp_path / "library", documents, max_chars=max_chars) as built:
            return built.fingerprint

    moved = Document(id="lamp", title="등대", text="등대지기는 오누리이다.", source="elsewhere.md")
    assert fingerprint(LAMP) == fingerprint([moved])
    assert len({fingerprint(LAMP), fingerprint(FERRY), fingerprint(LAMP, 80), fingerprint(LAMP + FERRY)}) == 4


def test_equal_builds_write_equal_index_files(tmp_path: Path, documents: tuple[Document, ...]) -> None:
    for name in ("a", "b"):
        Library.build(tmp_path / name, documents).close()
    files = sorted(path.name for path in (tmp_path / "a" / "bm25").iterdir())
    assert files
    for name in files:
        assert (tmp_path / "a" / "bm25" / name).read_bytes() == (tmp_path / "b" / "bm25" / name).read_bytes()


def test_progress_and_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[tuple[int, int]] = []
    documents = [Document(id=f"d{number}", title="", text="등대") for number in range(1100)]
    with Library.build(tmp_path / "library", documents, progress=lambda *counts: seen.append(counts)) as built:
        built.search("등대", 1)
    assert seen == [(1024, 1100), (1100, 1100)]
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith("bm25s")]


def test_a_build_replaces_the_library_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "library"
    Library.build(folder, LAMP).close()
    with Library.build(folder, FERRY) as library:
        assert list(library.documents) == ["ferry"]
    assert os.listdir(folder.parent) == ["library"]


def test_an_open_library_outlives_its_replacement(tmp_path: Path) -> None:
    with Library.build(tmp_path / "library", LAMP) as old, Library.build(tmp_path / "library", FERRY) as new:
        assert best(old, "등대지기가 누구") == "등대지기는 오누리이다."
        assert best(new, "나루") == "나루는 강 북쪽에 있다."


@pytest.mark.parametrize(
    "failing", ["haechi.retrieval.library.write_store", "haechi.retrieval.bm25.Bm25.save", "os.rename"]
)
def test_a_build_that_fails_leaves_the_old_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    folder = tmp_path / "library"
    Library.build(folder, LAMP).close()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(failing, fail)
        with pytest.raises(OSError, match="disk full"):
            Library.build(folder, FERRY)
    with Library.open(folder) as library:
        assert best(library, "등대지기") == "등대지기는 오누리이다."
    assert os.listdir(tmp_path) == ["library"]


def test_a_failing_second_rename_brings_the_old_library_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, rename = tmp_path / "library", os.rename
    Library.build(folder, LAMP).close()

    def fail_into_place(source: Path, target: Path) -> None:
        if ".new-" in source.name:
            raise OSError("disk full")
        rename(source, target)

    monkeypatch.setattr("os.rename", fail_into_place)
    with pytest.raises(OSError, match="disk full"):
        Library.build(folder, FERRY)
    with Library.open(folder) as library:
        assert list(library.documents) == ["lamp"]
    assert os.listdir(tmp_path) == ["library"]


def test_death_between_the_two_renames(tmp_path: Path) -> None:
    """The state that a killed process leaves: the old library aside, none in place, an unfinished one."""
    folder = tmp_path / "library"
    Library.build(folder, LAMP).close()
    folder.rename(tmp_path / ".library.old")
    with Library.open(folder) as library:
        assert best(library, "등대지기") == "등대지기는 오누리이다."
    with Library.build(folder, FERRY) as library:
        assert list(library.documents) == ["ferry"]
    assert os.listdir(tmp_path) == ["library"]


def test_refuses_to_replace_what_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(StageError, match="something else than a library"):
            Library.build(folder, LAMP)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("documents", "problem"),
    [([], "no words"), ([Document(id="d", title="", text="?! …")], "no words"), (LAMP * 2, "share the id 'lamp'")],
)
def test_documents_that_make_no_library(tmp_path: Path, documents: list[Document], problem: str) -> None:
    with pytest.raises(StageError, match=problem):
        Library.build(tmp_path / "library", documents)
    assert os.listdir(tmp_path) == []


def test_no_library_there(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="Fix: build the library first"):
        Library.open(tmp_path / "library")
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, documents: tuple[Document, ...]) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "library"
    Library.build(folder, documents).close()
    return folder


@pytest.mark.parametrize(
    "name", ["data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy", "vocab.index.json"]
)
@pytest.mark.parametrize("size", [None, 0, 100])
def test_damaged_index_files(tmp_path: Path, sound: Path, name: str, size: int | None) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "library"))
    path = folder / "bm25" / name
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)
    with pytest.raises(InputError, match="Fix: build the library again") as caught:
        Library.open(folder)
    assert caught.value.path == path


@pytest.mark.parametrize("size", [0, 50, 5000, 20000])
def test_a_store_cut_short(tmp_path: Path, sound: Path, size: int) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "library"))
    assert (folder / "library.sqlite").stat().st_size > size
    os.truncate(folder / "library.sqlite", size)
    with pytest.raises(InputError, match="Fix: build the library again"):
        Library.open(folder)


def test_unreadable_index_of_the_right_size(tmp_path: Path, sound: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "library"))
    path = folder / "bm25" / "params.index.json"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(InputError, match="damaged"):
        Library.open(folder)


def test_built_with_another_tokenizer(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    with pytest.raises(StageError, match=r"kiwi\+bigram, but this installation has bigram. Fix: "):
        Library.open(sound)


def test_built_by_another_format(tmp_path: Path, sound: Path) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "library"))
    with sqlite3.connect(folder / "library.sqlite") as connection:
        connection.execute("UPDATE metadata SET value = '0' WHERE key = 'format'")
    connection.close()
    with pytest.raises(StageError, match="format 0"):
        Library.open(folder)


def test_reading_changes_nothing(library: Library) -> None:
    assert sorted(os.listdir(library.folder)) == ["bm25", "library.sqlite"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        library._store._rows("DELETE FROM passages")
