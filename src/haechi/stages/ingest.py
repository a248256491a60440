"""Documents: read, clean, cut into passages, index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haechi.errors import InputError
from haechi.pipeline.files import write_json
from haechi.pipeline.task import Task
from haechi.records.clean import DocumentLimits, clean_documents
from haechi.records.read import ReadingLog, read_documents
from haechi.retrieval.library import Library
from haechi.retrieval.tokens import tokenizer_name


def run(task: Task) -> dict[str, Any]:
    """Writes `library/` and `cleaning.json`."""
    settings = task.recipe.documents
    log = ReadingLog()
    documents = read_documents([Path(path) for path in settings.paths], log=log)
    for line in log.told():
        task.progress.note(line)
    near = settings.near_duplicate if settings.near_duplicate < 1 else None
    kept, report = clean_documents(documents, DocumentLimits(shortest=settings.min_chars, near_duplicate=near))
    if not kept:
        raise InputError(settings.paths[0], "holds no document that passes the cleaning", "lower documents.min_chars")
    write_json(task.folder / "cleaning.json", {"counts": dict(report.counts), "examples": _lists(report.examples)})
    for reason, count in report.counts.items():
        task.progress.note(f"documents left out: {count} ({reason})")
    library = Library.build(
        task.folder / "library",
        kept,
        max_chars=settings.max_chars,
        overlap_sentences=settings.overlap_sentences,
        progress=lambda done, total: task.progress.update(done, total),
    )
    with library:
        return {
            "documents": len(kept),
            "left_out": report.read - report.kept,
            "passages": len(library.passages()),
            "tokenizer": tokenizer_name(),
        }


def _lists(examples: Any) -> dict[str, list[str]]:
    return {reason: list(ids) for reason, ids in examples.items()}
