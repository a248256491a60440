"""How well a base reads real prose with the right passage given, after SFT on other questions of the same kind.

A file holds one question a line: `{"question", "answer", "passages": [{"title", "text"}], "gold", "part", "language",
"topic"?}`, where `gold` is the number of the passage that answers it, `part` is `train` or `test`, and questions of one
`topic` are drawn together for the intervals. benchmarks/reading.py makes such files of legal_ko_qa and covidqa.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from haechi.errors import InputError
from haechi.learners.batches import some
from haechi.pipeline.task import Task
from haechi.records.lines import Row, read_rows
from haechi.stages.models import base_of
from haechi.stages.reading import Read, Scores, read_case, reading_of, scored, taught, write_scores


def run(task: Task) -> dict[str, Any]:
    """Writes the answers after SFT for each file, and returns their scores."""
    base, settings = base_of(task), reading_of(task)
    found: dict[str, Scores] = {}
    examples: dict[str, int] = {}
    for name, file in named(settings.prose).items():
        train, test = read_prose(file)
        role, examples[f"{name}/sft/examples"] = taught(task, base, train, task.folder / name)
        asked = some(test, settings.questions, task.seed)
        found[f"{name}/sft"] = scored(task, base, role, asked, task.folder / f"{name}.jsonl")
    return write_scores(task, found) | examples


def named(files: Sequence[Path]) -> dict[str, Path]:
    """The files by the names that their results go by.

    Raises:
        InputError: two of them go by one.
    """
    found: dict[str, Path] = {}
    for file in files:
        name = file.name.split(".")[0]
        if name in found:
            raise InputError(file, f"goes by the name {name!r}, as {found[name]} does", "rename one of the two")
        found[name] = file
    return found


def read_prose(file: Path) -> tuple[list[Read], list[Read]]:
    """The questions to learn from, and those to measure on.

    Raises:
        InputError: a row is not what it should be, or a part is empty; names file and line.
    """
    parts: dict[str, list[Read]] = {"train": [], "test": []}
    for part, read in read_rows(file, lambda row: [_read(row)]):
        parts[part].append(read)
    if missing := [part for part, questions in parts.items() if not questions]:
        raise InputError(file, f"has no question of part {missing[0]!r}", "give both parts")
    return parts["train"], parts["test"]


def _read(row: Row) -> tuple[str, Read]:
    part, language, passages = row.text("part"), row.text("language"), row.fields.get("passages")
    if part not in ("train", "test") or language not in ("ko", "en"):
        raise row.fault(f"part {part!r} and language {language!r}", "write train or test, and ko or en")
    if not isinstance(passages, list) or not all(isinstance(one, dict) and "text" in one for one in passages):
        raise row.fault("'passages' is not a list of passages", 'write [{"title": "…", "text": "…"}, …]')
    gold = row.number("gold", 0)
    if gold not in range(1, len(passages) + 1):
        raise row.fault(f"'gold' is {gold:g}, and there are {len(passages)} passages", "number them from 1")
    shown = [
        (row.check_text(one.get("title") or "", "title", blank=True), row.check_text(one["text"], "text"))
        for one in passages
    ]
    read = read_case(
        row.identifier() or row.place, row.text("question"), shown, row.text("answer"), int(gold),
        "ko" if language == "ko" else "en", topic=row.optional_text("topic") or "",
    )  # fmt: skip
    return part, read
