"""A library: one folder with documents, their passages and a BM25 index, built as a whole and then only read.

    library.sqlite     documents, passages, metadata
    bm25/              the index; passage n of the file is row n of the index

A build happens in a temporary folder beside the library and takes its place only when complete, so a reader sees the
old library or the new one, never a mixture.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np

from haechi.errors import HaechiError, InputError, StageError
from haechi.records.types import Document, Passage
from haechi.retrieval.bm25 import Bm25
from haechi.retrieval.passages import split_document
from haechi.retrieval.store import Store, write_store
from haechi.retrieval.tokens import tokenize_many, tokenizer_name

Progress = Callable[[int, int], None]

# Part of every library: raise it when the files or the terms of a passage change their meaning.
_FORMAT = "1"
_STORE, _INDEX = "library.sqlite", "bm25"
_PORTION = 1024  # passages tokenized between two reports of progress


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found: its BM25 score (higher is better, above 0) and its 1-based rank."""

    passage: Passage
    score: float
    rank: int


class Library:
    """A library open for reading. Safe to share between threads; `close` it, or use it in a `with` block."""

    def __init__(self, folder: Path, store: Store, index: Bm25) -> None:
        self.folder, self._store, self._index = folder, store, index

    @classmethod
    def build(
        cls,
        folder: Path | str,
        documents: Sequence[Document],
        *,
        max_chars: int = 160,
        overlap_sentences: int = 0,
        progress: Progress | None = None,
    ) -> Library:
        """Build the library of these documents in `folder`, replacing what stood there, and open it.

        Args:
            max_chars, overlap_sentences: see `split_document`.
            progress: called with (passages indexed, passages in all).

        Raises:
            StageError: no document holds a word, two documents share an id, or `folder` holds something else than a
                library. What stood there then still stands, as after any other failure.
        """
        folder = Path(folder)
        _check_ids(documents)
        _check_replaceable(folder)
        passages = [
            passage
            for document in documents
            for passage in split_document(document, max_chars=max_chars, overlap_sentences=overlap_sentences)
        ]
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = folder.with_name(f".{folder.name}.new-{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            Bm25.build(_terms(passages, progress)).save(fresh / _INDEX)
            metadata = _metadata(documents, max_chars, overlap_sentences, fresh / _INDEX)
            write_store(fresh / _STORE, documents, passages, metadata)
            _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path | str) -> Library:
        """Open a library for reading.

        Raises:
            StageError: there is no library, or it was built with another tokenizer than this installation has.
            InputError: a file of it is missing, cut short or not readable.
        """
        folder = _standing(Path(folder))
        if not (folder / _STORE).is_file():
            raise StageError(f"{folder}: no library there ({_STORE} is missing). Fix: build the library first.")
        try:
            store = Store(folder / _STORE)
        except sqlite3.Error as error:
            raise _damaged(folder / _STORE, str(error)) from error
        try:
            _check_metadata(folder, store.metadata)
            return cls(folder, store, _load_index(folder / _INDEX))
        except HaechiError:
            store.close()
            raise

    def search(self, query: str, k: int, *, within: Collection[str] | None = None) -> list[Hit]:
        """The k best passages, best first; equal scores in the order of the build.

        Passages that share no term with the query are no hits, so there may be fewer than k.

        Args:
            within: ids of the only documents to look in; None for all.
        """
        if within is None:
            return self.search_many([query], k)[0]
        rows = dict(self._store.passages_of(within))
        if not rows:
            return []
        [terms] = tokenize_many([query])
        return _hits(self._index.top(terms, _at_least_one(k), among=np.array(list(rows), dtype=np.intp)), rows)

    def search_many(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """`search` for many queries, in order."""
        _at_least_one(k)
        found = [self._index.top(terms, k) for terms in tokenize_many(queries)]
        rows = self._store.passages_at({position for top in found for position, _ in top})
        return [_hits(top, rows) for top in found]

    def document(self, document_id: str) -> Document:
        """The document with this id. Raises KeyError if there is none."""
        document = self._store.document(document_id)
        if document is None:
            raise KeyError(document_id)
        return document

    def passage(self, passage_id: str) -> Passage:
        """The passage with this id. Raises KeyError if there is none."""
        passage = self._store.passage(passage_id)
        if passage is None:
            raise KeyError(passage_id)
        return passage

    def passages(self) -> list[Passage]:
        """Every passage, document by document, in order."""
        return self._store.passages()

    def passages_of(self, document_ids: Collection[str]) -> list[Passage]:
        """The passages of these documents, in order; a document that the library does not hold has none."""
        return [passage for _, passage in self._store.passages_of(document_ids)]

    @cached_property
    def documents(self) -> Mapping[str, Document]:
        """Every document by id, in the order of the build; read on first use and then kept."""
        return {document.id: document for document in self._store.documents()}

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides what a search returns: documents, passage sizes, tokenizer, versions."""
        return self._store.metadata["fingerprint"]

    @property
    def metadata(self) -> Mapping[str, str]:
        """What is known about the build: tokenizer, versions, passage sizes, format, fingerprint."""
        return dict(self._store.metadata)

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _at_least_one(k: int) -> int:
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    return k


def _hits(top: Sequence[tuple[int, float]], rows: Mapping[int, Passage]) -> list[Hit]:
    return [Hit(rows[position], score, rank) for rank, (position, score) in enumerate(top, start=1)]


def _check_ids(documents: Sequence[Document]) -> None:
    repeated = [name for name, count in Counter(document.id for document in documents).items() if count > 1]
    if repeated:
        raise StageError(f"two documents share the id {repeated[0]!r}. Fix: give every document an id of its own.")


def _check_replaceable(folder: Path) -> None:
    """A build removes what it replaces, so that must be a library and nothing else."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {_STORE, _INDEX}:
        return
    if folder.exists():
        raise StageError(f"{folder}: holds something else than a library. Fix: name a new or empty folder.")


def _terms(passages: Sequence[Passage], progress: Progress | None) -> Iterator[list[str]]:
    """The terms of every passage. The title counts: it often names what the passage calls only 'it'."""
    remaining, done = iter(passages), 0
    while portion := list(islice(remaining, _PORTION)):
        yield from tokenize_many(f"{passage.title}\n{passage.text}" for passage in portion)
        done += len(portion)
        if progress is not None:
            progress(done, len(passages))


def _metadata(documents: Sequence[Document], max_chars: int, overlap_sentences: int, index: Path) -> dict[str, str]:
    metadata = {
        "format": _FORMAT,
        "tokenizer": tokenizer_name(),
        "max_chars": str(max_chars),
        "overlap_sentences": str(overlap_sentences),
        "versions": json.dumps({name: _version(name) for name in ("bm25s", "kiwipiepy", "kiwipiepy_model")}),
    }
    # Where a document came from does not change what a search returns, so it stays out: paths differ by machine.
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for document in documents:
        digest.update(json.dumps([document.id, document.title, document.text]).encode())
    metadata["fingerprint"] = digest.hexdigest()
    metadata["files"] = json.dumps({path.name: path.stat().st_size for path in sorted(index.iterdir())})
    return metadata


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _check_metadata(folder: Path, metadata: Mapping[str, str]) -> None:
    """Whether this installation can read the library, and its index files have the sizes they were written with."""
    if metadata.get("format") != _FORMAT:
        raise StageError(
            f"{folder}: a library of format {metadata.get('format')}, this haechi reads {_FORMAT}. Fix: build it again."
        )
    if metadata["tokenizer"] != tokenizer_name():
        raise StageError(
            f"{folder}: built with the tokenizer {metadata['tokenizer']}, but this installation has "
            f"{tokenizer_name()}. Fix: build the library again, or make kiwipiepy installed or not as it was then."
        )
    for name, size in json.loads(metadata["files"]).items():
        path = folder / _INDEX / name
        if not path.is_file():
            raise _damaged(path, "the file is missing")
        if path.stat().st_size != size:
            raise _damaged(path, f"the file has {path.stat().st_size} bytes instead of {size}")


def _load_index(folder: Path) -> Bm25:
    try:
        return Bm25.load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error


def _damaged(path: Path, problem: str) -> InputError:
    return InputError(path, f"the library is damaged: {problem}", "build the library again from its documents")


def _backup(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _standing(folder: Path) -> Path:
    """Where the library is: after a build that died in the middle of `_swap`, the old one still stands aside."""
    return _backup(folder) if not folder.exists() and _backup(folder).exists() else folder


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` in the place of `folder`.

    A folder that is not empty cannot be renamed over, so the old one steps aside first and goes when the new one is
    in place. A process that dies between the two renames leaves the old one aside, complete.
    """
    backup = _backup(folder)
    if folder.exists():
        shutil.rmtree(backup, ignore_errors=True)
        os.rename(folder, backup)
    try:
        os.rename(fresh, folder)
    except OSError:
        if backup.exists():
            os.rename(backup, folder)
        raise
    shutil.rmtree(backup, ignore_errors=True)
