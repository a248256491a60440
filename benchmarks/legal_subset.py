"""A small part of legal_ko_qa as documents and questions for `recipes/legal.yaml`.

    python benchmarks/legal_subset.py ../shared/data/legal_ko_qa build/legal --questions 2000

Takes yes/no issues whose holding is worded as in the ruling (`form` whether, `answer_overlap` at least 0.7), drawn by
seed, and the rulings they come from.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

from haechi.records.lines import read_rows
from haechi.records.write import write_jsonl


def main() -> None:
    """Writes `documents.jsonl` and `questions.jsonl`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with train.jsonl.gz and documents.jsonl.gz")
    parser.add_argument("out", type=Path, help="where to write")
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    suited = [
        row
        for row in rows(arguments.data / "train.jsonl.gz")
        if row["form"] == "whether" and row["answer_overlap"] >= 0.7 and len(row["answer"]) <= 250
    ]
    chosen = random.Random(arguments.seed).sample(suited, arguments.questions)
    wanted = {row["gold_document"] for row in chosen}
    arguments.out.mkdir(parents=True, exist_ok=True)
    documents = [row for row in rows(arguments.data / "documents.jsonl.gz") if row["id"] in wanted]
    write_jsonl(
        arguments.out / "documents.jsonl",
        [{"id": row["id"], "title": row["title"], "text": row["text"]} for row in documents],
    )
    write_jsonl(
        arguments.out / "questions.jsonl",
        [
            {
                "id": row["id"],
                "question": row["question"],
                "answer": row["answer"],
                "gold_document": row["gold_document"],
            }
            for row in chosen
        ],
    )


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return read_rows(path, lambda row: [dict(row.fields)])


if __name__ == "__main__":
    main()
