"""The SQLite file of a library: documents, passages with offsets, and what is known about the build."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from haechi.records.types import Document, Passage

_SCHEMA = """
CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
    source TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE TABLE passages (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL REFERENCES documents (id),
    text TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL
);
CREATE INDEX passages_by_document ON passages (document_id);
"""
_PASSAGE = (
    'SELECT p.position, p.id, p.document_id, d.title, p.text, p.start, p."end" '
    "FROM passages p JOIN documents d ON d.id = p.document_id "
)
_DOCUMENT = "SELECT id, title, text, source, metadata FROM documents "
_VARIABLES = 500  # of one statement; the limit of old SQLite builds is 999


def write_store(
    path: Path, documents: Iterable[Document], passages: Iterable[Passage], metadata: Mapping[str, str]
) -> None:
    """Create the file. Passages are numbered from 0 in the order given, as in the index."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
        connection.executemany(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)",
            (
                (position, d.id, d.title, d.text, d.source, json.dumps(d.metadata, ensure_ascii=False))
                for position, d in enumerate(documents)
            ),
        )
        connection.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)",
            ((position, p.id, p.document_id, p.text, p.start, p.end) for position, p in enumerate(passages)),
        )


class Store:
    """Read-only view of the file. One connection, shared between threads behind a lock."""

    def __init__(self, path: Path) -> None:
        """Open the file; raises sqlite3.Error where it is missing or cut short."""
        uri = f"{path.resolve().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._lock = threading.Lock()
        try:
            # The first read compares the size of the file with what its header says.
            self.metadata: dict[str, str] = dict(self._rows("SELECT key, value FROM metadata"))
        except sqlite3.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def documents(self) -> list[Document]:
        """Every document, in the order of the build."""
        return [_document(row) for row in self._rows(_DOCUMENT + "ORDER BY position")]

    def document(self, document_id: str) -> Document | None:
        rows = self._rows(_DOCUMENT + "WHERE id = ?", [document_id])
        return _document(rows[0]) if rows else None

    def passages(self) -> list[Passage]:
        """Every passage, in the order of the build."""
        return [_passage(row) for row in self._rows(_PASSAGE + "ORDER BY p.position")]

    def passage(self, passage_id: str) -> Passage | None:
        rows = self._rows(_PASSAGE + "WHERE p.id = ?", [passage_id])
        return _passage(rows[0]) if rows else None

    def passages_at(self, positions: Collection[int]) -> dict[int, Passage]:
        """The passages at these positions, by position."""
        return {row[0]: _passage(row) for row in self._select_in(_PASSAGE + "WHERE p.position IN ({})", positions)}

    def passages_of(self, document_ids: Collection[str]) -> list[tuple[int, Passage]]:
        """The passages of these documents with their positions, in the order of the build."""
        rows = self._select_in(_PASSAGE + "WHERE p.document_id IN ({})", document_ids)
        return [(row[0], _passage(row)) for row in sorted(rows)]

    def _select_in(self, statement: str, values: Collection[int] | Collection[str]) -> list[tuple]:
        """Rows of a statement with one `IN ({})`, asked in portions."""
        distinct, rows = list(dict.fromkeys(values)), []
        for begin in range(0, len(distinct), _VARIABLES):
            portion = distinct[begin : begin + _VARIABLES]
            rows += self._rows(statement.format(", ".join("?" * len(portion))), portion)
        return rows

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _document(row: tuple) -> Document:
    document_id, title, text, source, metadata = row
    return Document(id=document_id, title=title, text=text, source=source, metadata=json.loads(metadata))


def _passage(row: tuple) -> Passage:
    _, passage_id, document_id, title, text, start, end = row
    return Passage(id=passage_id, document_id=document_id, title=title, text=text, start=start, end=end)
