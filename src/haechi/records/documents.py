"""Reading documents: Markdown and plain text files, folders of them, and JSON lines."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from haechi.errors import InputError
from haechi.records.formats import IdRegister
from haechi.records.lines import ReadingLog, Row, decode, read_bytes, read_rows
from haechi.records.types import Document

TEXT_SUFFIXES = (".md", ".txt")
ROW_SUFFIXES = (".jsonl", ".jsonl.gz")

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=[\w-]+:)(?:.*\n)*?---[ \t]*(?:\n|\Z)")
_HEADING = re.compile(r"#[ \t]+(.+?)[ \t]*#*[ \t]*(?:\n|\Z)")
_FENCE = re.compile(r"(?ms)^[ ]{0,3}(```|~~~).*?(?:^[ ]{0,3}\1|\Z)")
_LATER_HEADING = re.compile(r"(?m)^#[ \t]+(.+?)[ \t]*#*[ \t]*$")
_DOCUMENT_FIELDS = frozenset({"id", "title", "text", "source", "metadata"})


def read_documents(paths: Sequence[Path], *, skip_bad: bool = False, log: ReadingLog | None = None) -> list[Document]:
    """The documents in files and folders, in the order of `paths`; within a folder in the order of relative paths.

    A `.md` or `.txt` file is one document. Its title is its first `# heading`, else its file name; a heading that opens
    the file is not part of `text`, neither is YAML front matter. Its id is the path below the given folder, without
    suffix. A `.jsonl` or `.jsonl.gz` file has one `{"id", "title", "text"}` a line; other simple fields of the row
    become metadata. In folders, hidden files, other types, and links that lead out of the folder are passed over.

    Args:
        skip_bad: leave bad files and rows out and keep their errors in `log`, instead of raising the first.
        log: notes what was left out.

    Raises:
        InputError: a file or row is bad, a folder holds no document, or two documents have one id.
    """
    log = ReadingLog() if log is None else log
    documents: list[Document] = []
    origin: dict[str, Path] = {}
    for path in paths:
        for file, name in _files(path, log):
            try:
                read = _read_file(file, name, skip_bad, log)
                clash = next((document.id for document in read if document.id in origin), None)
                if clash is not None:
                    problem = f"the document id {clash!r} was used by {origin[clash]} already"
                    raise InputError(file, problem, "rename one file, or give the folder above both")
            except InputError as fault:
                if not skip_bad:
                    raise
                log.skipped.append(fault)
                continue
            origin.update((document.id, file) for document in read)
            documents.extend(read)
    if not documents:
        named = paths[0] if paths else Path(".")
        raise InputError(named, "holds no usable document", f"give files of type {_known_types()}")
    return documents


def _files(path: Path, log: ReadingLog) -> Iterator[tuple[Path, Path]]:
    """The files to read below `path`, each with the relative path that names it."""
    if not path.is_dir():
        if not path.name.endswith(TEXT_SUFFIXES + ROW_SUFFIXES):
            raise InputError(path, "is not a document of a known type", f"give {_known_types()}")
        yield path, Path(path.name)
        return
    root = path.resolve()
    found: list[Path] = []
    # Linked folders are not entered: they may lead out, or round in a circle.
    for folder, below, names in os.walk(path, followlinks=False):
        below[:] = [name for name in below if not name.startswith(".")]
        found.extend(Path(folder, name) for name in names if not name.startswith("."))
        for name in below:
            if Path(folder, name).is_symlink():
                log.pass_over("linked folder", Path(folder, name).relative_to(path).as_posix())
    any_document = False
    for file in sorted(found, key=lambda file: file.relative_to(path).as_posix()):
        if not file.name.endswith(TEXT_SUFFIXES + ROW_SUFFIXES):
            log.pass_over("other file type", file.relative_to(path).as_posix())
        elif file.is_symlink() and not file.resolve().is_relative_to(root):
            log.pass_over("link out of the folder", file.relative_to(path).as_posix())
        else:
            any_document = True
            yield file, file.relative_to(path)
    if not any_document:
        raise InputError(path, "the folder holds no document", f"put {_known_types()} files into it")


def _read_file(file: Path, name: Path, skip_bad: bool, log: ReadingLog) -> list[Document]:
    if file.name.endswith(ROW_SUFFIXES):
        return read_rows(file, partial(_from_row, IdRegister()), skip_bad=skip_bad, log=log)
    text = decode(read_bytes(file), file).replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", text)
    heading, body = title_and_body(text, markdown=file.suffix == ".md")
    if not body.strip():
        raise InputError(file, "holds no text", "write something into it, or delete the file")
    # File systems differ in how they spell Hangul; ids must not.
    name = Path(unicodedata.normalize("NFC", name.as_posix()))
    return [Document(id=name.with_suffix("").as_posix(), title=heading or name.stem, text=body, source=name.as_posix())]


def title_and_body(text: str, *, markdown: bool) -> tuple[str, str]:
    """The title of a text ("" if it has none) and what follows it, without blank lines around.

    Only a heading on the first line that is not blank is cut off. In Markdown a later `# heading` outside code gives
    the title too, but stays where it is, for text stands before it.
    """
    if markdown and (front := _FRONT_MATTER.match(text)):
        text = text[front.end() :]
    text = text.strip("\n")
    if opening := _HEADING.match(text.lstrip()):
        return opening[1], text.lstrip()[opening.end() :].strip("\n").rstrip()
    later = _LATER_HEADING.search(_FENCE.sub("", text)) if markdown else None
    return (later[1] if later else ""), text.rstrip()


def _from_row(ids: IdRegister, row: Row) -> list[Document]:
    metadata = row.fields.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {name: value for name, value in row.fields.items() if name not in _DOCUMENT_FIELDS}
    identifier = row.identifier()
    if identifier is None:
        raise row.fault("field 'id' is missing or empty", "give every document an id that stays the same")
    return [
        Document(
            id=ids.claim(row, identifier, identifier),
            title=row.optional_text("title") or "",
            text=row.text("text"),
            source=row.optional_text("source") or row.path.name,
            metadata={key: str(value) for key, value in metadata.items() if isinstance(value, (str, int, float))},
        )
    ]


def _known_types() -> str:
    return ", ".join(TEXT_SUFFIXES + ROW_SUFFIXES)
