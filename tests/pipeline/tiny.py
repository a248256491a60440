"""A tiny world, base and recipe, with which the whole loop runs in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from haechi.pretrain.model import build_model
from haechi.pretrain.tokenizer import train_tokenizer

PEOPLE = (
    "오누리",
    "한보리",
    "서다온",
    "윤가람",
    "백하늘",
    "남시내",
    "도라온",
    "류마루",
    "강버들",
    "단비치",
    "마노을",
    "초아라",
)
PLACES = ("등대", "나루", "성곽", "서고", "시장", "우물", "다리", "종탑", "농장", "학당", "포구", "온실")


def write_world(folder: Path, *, checkable: bool = True) -> None:
    """Twelve documents of two facts each, and three questions a document, one of them without an answer.

    Args:
        checkable: whether accepted strings say what a right answer holds.
    """
    documents = folder / "documents"
    documents.mkdir()
    rows: list[dict[str, Any]] = []
    for number, (place, person) in enumerate(zip(PLACES, PEOPLE, strict=True)):
        height = f"{11 + 7 * number}미터"
        keeper, tall = f"푸른 {place}의 지기는 {person}이다.", f"푸른 {place}의 높이는 {height}이다."
        (documents / f"place-{number:02d}.md").write_text(f"# 푸른 {place}\n\n{keeper} {tall}\n", "utf-8")
        gold = {"gold_documents": [f"place-{number:02d}"], "topic": f"place-{number:02d}"}
        rows += [
            {"id": f"{number}-a", "text": f"푸른 {place}의 지기는 누구인가요?", "answer": f"{person}입니다.",
             "accepted": [person] * checkable, "answerable": True, "evidence": keeper, **gold},
            {"id": f"{number}-b", "text": f"푸른 {place}의 높이는 얼마인가요?", "answer": f"{height}입니다.",
             "accepted": [height] * checkable, "answerable": True, "evidence": tall, **gold},
            {"id": f"{number}-c", "text": f"푸른 {place}의 깃발은 무슨 색인가요?",
             "answer": "문서에서 답을 찾을 수 없습니다.", "accepted": [],
             "answerable": False, "gold_documents": [], "evidence": None, "topic": gold["topic"]},
        ]  # fmt: skip
    (folder / "questions.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
    )


def write_base(folder: Path) -> None:
    tokenizer = train_tokenizer(["푸른 등대의 지기는 누구인가요? 문서에서 답을 찾을 수 없습니다."] * 3, 2900)
    model = build_model(tokenizer, layers=2, width=48, heads=4, intermediate=96, seed=0)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


RECIPE = """
name: tiny
language: ko
threads: 1
base: {name_or_path: ./base, dtype: float32}
prompt: {instructed: false, max_prompt_tokens: 256, max_answer_tokens: 12}
documents: {paths: ./documents, k: 2, max_chars: 80, min_chars: 5}
questions: {path: ./questions.jsonl, split: {train: 0.5, validation: 0.25, test: 0.25}, near_duplicate: 1.0}
sft: {trainable: {kind: full}, epochs: 16, batch_size: 6, learning_rate: 1.0e-2}
sample: {samples: 2}
reward: {trainable: {kind: top_layers, layers: 1}, epochs: 24, batch_size: 4, learning_rate: 5.0e-3}
dpo: {trainable: {kind: lora, rank: 4}, epochs: 1, learning_rate: 1.0e-3}
ppo: {trainable: {kind: top_layers, layers: 1}, iterations: 10, prompts: 18, samples: 4, epochs: 2, minibatches: 1,
      learning_rate: 3.0e-3, kl_coefficient: 0.01, evaluate_every: 3, checkpoint_every: 2}
evaluate: {best_of_n: 2, bootstrap: 200}
"""
