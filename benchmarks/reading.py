"""Questions on real prose with the passage that answers them, for `haechi evaluate --base`.

    python benchmarks/reading.py ../shared/data build/reading

Writes `legal.jsonl` from legal_ko_qa (train questions and the dev part, which is measured on) and `covid.jsonl` from
covidqa (a fifth of the documents is measured on). Of the gold document a passage is shown, and two others of the same
document beside it, in an order drawn by seed. An answer of covidqa stands in that passage to the letter, and in no
other. Holdings are worded anew and long (half of the dev part above 500 characters): up to 400 are asked for, of
passages of 500 of which one shares most of the answer's words, so that characters shared are what they can be measured
by, not exact answers.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haechi.prompt.template import sentences_of
from haechi.records.lines import read_rows
from haechi.records.write import write_jsonl

_LEGAL_ANSWER, _LEGAL_PASSAGE = 400, 500  # characters; passages are cut near theirs
_COVID_ANSWER, _COVID_PASSAGE = 150, 300
_SHARED = 0.7  # of a holding's trigrams that its passage has, at least
_OTHERS = 2  # passages beside the gold one
_TRAIN = 2000  # questions to learn from, at most


def main() -> None:
    """Writes the two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with legal_ko_qa and covidqa")
    parser.add_argument("out", type=Path, help="where to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, made in (("legal", legal(arguments.data, rng)), ("covid", covid(arguments.data, rng))):
        kept = list(made)
        write_jsonl(arguments.out / f"{name}.jsonl", kept)
        parts = {part: sum(row["part"] == part for row in kept) for part in ("train", "test")}
        print(f"{arguments.out / name}.jsonl  {parts}")


def legal(data: Path, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Issues whose holding is worded as in the ruling and short enough for a small reader."""
    texts = {row["id"]: row["text"] for row in rows(data / "legal_ko_qa" / "documents.jsonl.gz")}
    for part, file in (("train", "train"), ("test", "dev")):
        suited = [
            row
            for row in rows(data / "legal_ko_qa" / f"{file}.jsonl.gz")
            if row["answer_in_context"] and row["answer_overlap"] >= 0.7 and len(row["answer"]) <= _LEGAL_ANSWER
        ]
        for row in rng.sample(suited, min(len(suited), _TRAIN)):
            made = asked(row, part, "ko", passages_of(texts[row["gold_document"]], _LEGAL_PASSAGE), rng)
            if made and shared(row["answer"], gold_of(made)) >= _SHARED:
                yield made


def covid(data: Path, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Questions whose answer stands in the article to the letter; a document's questions stay in one part."""
    texts = {row["id"]: row["text"] for row in rows(data / "covidqa" / "documents.jsonl.gz")}
    for row in rows(data / "covidqa" / "questions.jsonl.gz"):
        part = "test" if zlib.crc32(row["gold_document"].encode()) % 5 == 0 else "train"
        if len(row["answer"]) <= _COVID_ANSWER:
            made = asked(row, part, "en", passages_of(texts[row["gold_document"]], _COVID_PASSAGE), rng)
            if made and [text for text in texts_of(made) if row["answer"] in text] == [gold_of(made)]:
                yield made


def asked(
    row: dict[str, Any], part: str, language: str, passages: Sequence[str], rng: random.Random
) -> dict[str, Any] | None:
    """The question with the passage that shares most with its answer, and others; None where there are too few."""
    if len(passages) <= _OTHERS:
        return None
    best = max(range(len(passages)), key=lambda number: shared(row["answer"], passages[number]))
    shown = [best, *rng.sample([number for number in range(len(passages)) if number != best], _OTHERS)]
    rng.shuffle(shown)
    return {
        "id": row["id"],
        "question": row["question"],
        "answer": row["answer"],
        "passages": [{"title": "", "text": passages[number]} for number in shown],
        "gold": shown.index(best) + 1,
        "topic": row["gold_document"],
        "part": part,
        "language": language,
    }


def gold_of(made: dict[str, Any]) -> str:
    """The passage that the question is to be answered from."""
    return texts_of(made)[made["gold"] - 1]


def texts_of(made: dict[str, Any]) -> list[str]:
    """The passages that are shown with a question."""
    return [passage["text"] for passage in made["passages"]]


def passages_of(text: str, size: int) -> list[str]:
    """Sentences in a row, about `size` characters each."""
    passages: list[str] = []
    some: list[str] = []
    for sentence in sentences_of(text):
        some.append(sentence[:size])
        if sum(map(len, some)) >= size * 0.7:
            passages.append(" ".join(some))
            some = []
    return passages + ([" ".join(some)] if some else [])


def shared(answer: str, passage: str) -> float:
    """The share of the answer's character trigrams that stand in the passage."""
    grams = {answer[at : at + 3] for at in range(max(len(answer) - 2, 1))}
    return sum(gram in passage for gram in grams) / len(grams)


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return read_rows(path, lambda row: [dict(row.fields)])


if __name__ == "__main__":
    main()
