"""Documents from files, folders and rows."""

from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path

import pytest

from haechi.errors import InputError
from haechi.records.documents import read_documents, title_and_body
from haechi.records.lines import ReadingLog


@pytest.mark.parametrize(
    ("text", "markdown", "title", "body"),
    [
        ("# 등대\n\n첫 줄\n둘째 줄\n", True, "등대", "첫 줄\n둘째 줄"),
        ("\n\n# Closed #\nbody", True, "Closed", "body"),
        ("# 등대\n본문", False, "등대", "본문"),
        ("머리말\n\n# 등대\n본문", True, "등대", "머리말\n\n# 등대\n본문"),
        ("머리말\n# 등대\n본문", False, "", "머리말\n# 등대\n본문"),
        ("## 작은 제목\n본문", True, "", "## 작은 제목\n본문"),
        ("```sh\n# a comment\n```\ntext", True, "", "```sh\n# a comment\n```\ntext"),
        ("---\ntitle: x\n---\n# 등대\n본문", True, "등대", "본문"),
        ("---\n\nrule above\n\n---\n", True, "", "---\n\nrule above\n\n---"),
        ("#해시태그 본문", True, "", "#해시태그 본문"),
    ],
)
def test_title_and_body(text: str, markdown: bool, title: str, body: str) -> None:
    assert title_and_body(text, markdown=markdown) == (title, body)


def test_folder_is_read_in_sorted_order_with_relative_ids(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_bytes("\ufeff둘\r\n줄".encode())
    (tmp_path / "a.md").write_text("# 하나\n본문", encoding="utf-8")
    (tmp_path / "c.jsonl").write_text(
        '{"id": 7, "title": "셋", "text": "본문", "year": 1999, "url": null}\n', encoding="utf-8"
    )
    (tmp_path / ".hidden.md").write_text("secret", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    log = ReadingLog()
    documents = read_documents([tmp_path], log=log)
    assert [(d.id, d.title, d.text, d.source) for d in documents] == [
        ("a", "하나", "본문", "a.md"),
        ("b/two", "two", "둘\n줄", "b/two.txt"),
        ("7", "셋", "본문", "c.jsonl"),
    ]
    assert documents[2].metadata == {"year": "1999"}
    assert log.passed_over == {"other file type": ["picture.png"]}


def test_hangul_file_names_get_one_spelling(tmp_path: Path) -> None:
    (tmp_path / (unicodedata.normalize("NFD", "등대") + ".txt")).write_text("본문", encoding="utf-8")
    (document,) = read_documents([tmp_path])
    assert document.id == document.title == "등대"


def test_links_out_of_the_folder_are_passed_over(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.md").write_text("secret", encoding="utf-8")
    (inside / "a.md").write_text("open", encoding="utf-8")
    (inside / "link.md").symlink_to(outside / "secret.md")
    (inside / "folder").symlink_to(outside)
    (inside / "again.md").symlink_to(inside / "a.md")
    log = ReadingLog()
    assert [d.id for d in read_documents([inside], log=log)] == ["a", "again"]
    assert log.passed_over == {"link out of the folder": ["link.md"], "linked folder": ["folder"]}


def test_what_is_passed_over_is_told_with_the_first_names(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text", encoding="utf-8")
    for name in ("4.pdf", "1.pdf", "3.pdf"):
        (tmp_path / name).touch()
    log = ReadingLog()
    read_documents([tmp_path], log=log)
    assert log.told() == ["passed over: 3 (other file type): 1.pdf, 3.pdf, 4.pdf"]
    (tmp_path / "2.pdf").touch()
    log = ReadingLog()
    read_documents([tmp_path], log=log)
    assert log.told() == ["passed over: 4 (other file type): 1.pdf, 2.pdf, 3.pdf, …"]


def test_gzipped_rows(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"id": "x", "title": "t", "text": "본문"}).encode()))
    (document,) = read_documents([path])
    assert (document.id, document.text) == ("x", "본문")
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(InputError, match="not complete gzip"):
        read_documents([path])


def test_bytes_that_are_not_utf8_are_located(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_bytes("가\n나".encode() + "다".encode("cp949"))  # 3 bytes, a line break, 3 bytes, then 0xb4
    with pytest.raises(InputError, match="0xb4 at offset 7 is not UTF-8") as caught:
        read_documents([path])
    assert caught.value.line == 2


def test_what_korean_windows_writes_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_bytes("등대지기는 오누리이다.".encode("cp949"))
    with pytest.raises(InputError, match=r"is not UTF-8\. Fix: it reads as CP949 .* iconv -f cp949 -t utf-8"):
        read_documents([path])
    for damaged in (b"\xff\xfe", "기".encode() + b"\xa1"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"is not UTF-8\. Fix: save the file as UTF-8\."):
            read_documents([path])


def test_line_and_offset_of_bad_bytes_in_rows(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    first = b'{"id": "a", "text": "x"}\n'
    path.write_bytes(first + b'{"id": "b", "text": "\xff"}\n')
    with pytest.raises(InputError, match=f"offset {len(first) + 21} is not") as caught:
        read_documents([path])
    assert caught.value.line == 2
    log = ReadingLog()
    assert [d.id for d in read_documents([path], skip_bad=True, log=log)] == ["a"]
    assert [fault.line for fault in log.skipped] == [2]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder holds no document"):
        read_documents([tmp_path])
    with pytest.raises(InputError, match="no such file"):
        read_documents([tmp_path / "absent.md"])
    for name, content in [("empty.txt", ""), ("heading.md", "# only a heading\n"), ("empty.jsonl", "\n")]:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match="holds no"):
            read_documents([path])
    with pytest.raises(InputError, match="known type"):
        read_documents([tmp_path / "a.hwp"])


def test_two_documents_of_one_id_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("eins", encoding="utf-8")
    (tmp_path / "a.txt").write_text("zwei", encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.txt: the document id 'a' was used by .*a\.md"):
        read_documents([tmp_path])
    assert len(read_documents([tmp_path], skip_bad=True)) == 1
