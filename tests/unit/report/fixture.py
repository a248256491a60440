"""A made-up run folder that keeps the contract of docs/architecture.md.

Its numbers come from a seeded generator and mean nothing; they are shaped like those of a run, so that the page can be
looked at before there is one: `python tests/unit/report/fixture.py FOLDER [ko|en]`.
"""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Any

SYSTEMS = ("base", "sft", "best_of_n", "dpo", "ppo")
_RATES = {
    "correct": (0.31, 0.66, 0.72, 0.70, 0.76),
    "abstention_precision": (0.40, 0.71, 0.74, 0.75, 0.78),
    "abstention_recall": (0.22, 0.65, 0.70, 0.66, 0.74),
    "over_refusal": (0.12, 0.09, 0.08, 0.06, 0.07),
    "citation_precision": (0.35, 0.81, 0.86, 0.84, 0.93),
    "citation_recall": (0.30, 0.78, 0.83, 0.80, 0.91),
}
_SCORES = {
    "grounded": (0.48, 0.83, 0.88, 0.85, 0.92),
    "f1": (0.31, 0.64, 0.66, 0.65, 0.67),
    "bleu": (9.1, 31.4, 33.0, 32.2, 32.9),
    "rouge_l": (0.33, 0.66, 0.68, 0.67, 0.69),
    "chrf": (22.5, 51.2, 53.0, 52.1, 53.3),
    "reward": (-0.62, 0.41, 0.98, 0.74, 1.12),
    "kl": (0.0, 0.0, 1.1, 2.3, 3.4),
    "length": (31.0, 17.2, 17.9, 19.5, 16.1),
}
_BETTER = {"over_refusal": "lower", "kl": "neither", "length": "neither"}
_N = 120


def number(value: float, spread: float, n: int = _N) -> dict[str, float | int]:
    """A number with a symmetric interval."""
    return {"value": value, "low": value - spread, "high": value + spread, "n": n}


def comparison(metric: str, a: str, b: str, value: float, spread: float, verdict: str = "") -> dict[str, Any]:
    """A difference a − b with a symmetric interval."""
    return {"metric": metric, "a": a, "b": b, **number(value, spread), "verdict": verdict}


def results(name: str = "데모: 구름섬 문서") -> dict[str, Any]:
    """A whole results.json of a run in which PPO beat SFT but not best-of-n."""
    means = {**_RATES, **_SCORES}
    systems = {
        system: {metric: number(values[i], _spread(metric, values[i])) for metric, values in means.items()}
        for i, system in enumerate(SYSTEMS)
    }
    pairs = (
        ("ppo", "sft"),
        ("ppo", "best_of_n"),
        ("ppo", "dpo"),
        ("dpo", "sft"),
        ("best_of_n", "sft"),
        ("sft", "base"),
    )
    comparisons = [
        comparison(
            metric,
            a,
            b,
            systems[a][metric]["value"] - systems[b][metric]["value"],
            0.8 * _spread(metric, values[SYSTEMS.index(a)]),
            "made up for a fixture",
        )
        for a, b in pairs
        for metric, values in means.items()
    ]
    return {
        "schema": 1,
        "name": name,
        "seed": 7,
        "recipe_hash": "3f9a1c27be04",
        "versions": {"haechi": "0.1.0", "torch": "2.13.0"},
        "threads": 2,
        "started": "2026-11-21T10:00:00Z",
        "systems": systems,
        "metrics": {
            metric: {
                "title": metric,
                "better": _BETTER.get(metric, "higher"),
                "about": f"What {metric} means, in a sentence.",
            }
            for metric in means
        },
        "comparisons": comparisons,
        "reward_model": reward_model(),
        "stages": stages(),
        "retrieval": {
            "recall@1": number(0.71, 0.08),
            "recall@k": number(0.94, 0.04),
            "ndcg@k": number(0.83, 0.05),
            "mrr": number(0.80, 0.06),
            "k": 4,
        },
        "notes": [
            "사람이 아니라 모의 평가자가 답변을 비교했고, 비교의 10%를 일부러 틀리게 했습니다.",
            "이 실행은 검사용으로 지어낸 것입니다.",
        ],
    }


def reward_model() -> dict[str, Any]:
    """The part of results.json about the reward model."""
    source = random.Random(3)
    kinds = {"correct": 0.86, "citation": 0.91, "abstention": 0.83, "concise": 0.77, "natural": 0.69}
    predicted = [0.53, 0.60, 0.69, 0.78, 0.87, 0.95]
    return {
        "accuracy": number(0.84, 0.03, 480),
        "ceiling": 0.9,
        "true_accuracy": 0.91,
        "margin": number(1.42, 0.15, 480),
        "by_kind": {kind: number(value, 0.06, 96) for kind, value in kinds.items()},
        "length_only_accuracy": 0.58,
        "calibration": [
            {"predicted": p, "observed": min(1.0, p + source.gauss(0, 0.03)), "n": 40 + 22 * i}
            for i, p in enumerate(predicted)
        ],
        "scores": {
            "chosen": [source.gauss(0.8, 0.8) for _ in range(480)],
            "rejected": [source.gauss(-0.6, 0.9) for _ in range(480)],
        },
    }


def stages() -> dict[str, Any]:
    """The part of results.json about what the stages took."""
    seconds = {
        "ingest": 1.4,
        "split": 0.3,
        "sft": 96.2,
        "sample": 41.0,
        "compare": 0.8,
        "reward": 38.5,
        "dpo": 52.1,
        "ppo": 214.7,
        "merge": 3.2,
        "evaluate": 61.9,
    }
    return {
        stage: {
            "seconds": took,
            "peak_memory_mb": 310 + 4.2 * took,
            "trained_parameters": 1_204_224 if stage in {"sft", "reward", "dpo", "ppo"} else None,
        }
        for stage, took in seconds.items()
    }


def curves() -> dict[str, list[dict[str, float]]]:
    """metrics.jsonl by stage."""
    source = random.Random(5)
    found: dict[str, list[dict[str, float]]] = {"sft": [], "reward": [], "dpo": [], "ppo": []}
    for step in range(1, 301):
        t = step / 300
        row = {
            "step": step,
            "seconds": 0.3 * step,
            "loss": 0.3 + 2 * math.exp(-5 * t) + source.gauss(0, 0.06),
            "learning_rate": 2e-3 * min(1.0, 10 * t) * (1 - 0.9 * t),
            "tokens_per_second": source.gauss(9800, 300),
        }
        found["sft"].append(row | ({"validation/loss": 0.42 + 1.9 * math.exp(-5 * t)} if step % 50 == 0 else {}))
    for step in range(1, 121):
        t = step / 120
        accuracy = min(1.0, 0.5 + 0.38 * (1 - math.exp(-4 * t)) + source.gauss(0, 0.05))
        row = {
            "step": step,
            "seconds": 0.3 * step,
            "loss": 0.69 - 0.35 * t + source.gauss(0, 0.03),
            "accuracy": accuracy,
            "margin": 1.5 * t + source.gauss(0, 0.1),
        }
        found["reward"].append(
            row | ({"validation/accuracy": 0.5 + 0.34 * (1 - math.exp(-4 * t))} if step % 20 == 0 else {})
        )
        found["dpo"].append(row | {"kl": 2.4 * t + source.gauss(0, 0.1)})
    for step in range(1, 81):
        found["ppo"].append(_ppo_row(step, step / 80, source))
    return found


def answers(n: int = _N) -> list[dict[str, Any]]:
    """evaluate/answers.jsonl."""
    source = random.Random(11)
    places, keepers = (
        ("하늘고래 등대", "은빛 나루", "달무리 도서관", "바람개비 언덕"),
        ("오누리", "한가람", "도래솔", "미리내"),
    )
    rows = []
    for index in range(n):
        place, keeper, wrong = places[index % 4], keepers[index % 4], keepers[(index + 1) % 4]
        passages = [
            {
                "id": f"d{index}-{k}",
                "title": places[(index + k) % 4],
                "text": f"{places[(index + k) % 4]}의 지기는 {keepers[(index + k) % 4]}이다. 이곳은 구름섬에 있고, "
                "해마다 봄이면 먼 곳에서 온 배들이 잠시 머물다 간다.",
            }
            for k in (2, 0, 1)
        ]
        answerable = index % 6 != 5
        chances = {system: _RATES["correct"][i] for i, system in enumerate(SYSTEMS)}
        systems = {
            system: _answer(source, source.random() < chance, keeper if answerable else None, wrong)
            for system, chance in chances.items()
        }
        rows.append(
            {
                "question_id": f"q{index}",
                "question": f"{place}의 지기는 누구인가요?" if answerable else f"{place}의 지기는 몇 살인가요?",
                "gold": f"{keeper}입니다." if answerable else None,
                "accepted": [keeper] if answerable else [],
                "answerable": answerable,
                "passages": passages,
                # Nobody said which document holds the answer to the fourth question.
                "gold_numbers": None if index == 3 else [2] if answerable else [],
                "systems": systems,
            }
        )
    return rows


def write_run(folder: Path, *, without: tuple[str, ...] = (), changed: dict[str, Any] | None = None) -> Path:
    """Write the run; `without` names stages and systems to leave out, `changed` replaces fields of results.json."""
    whole = results()
    whole["systems"] = {name: values for name, values in whole["systems"].items() if name not in without}
    whole["stages"] = {name: cost for name, cost in whole["stages"].items() if name not in without}
    whole["comparisons"] = [one for one in whole["comparisons"] if not {one["a"], one["b"]} & set(without)]
    rows = answers()
    for row in rows:
        row["systems"] = {name: answer for name, answer in row["systems"].items() if name not in without}
    _write(folder / "results.json", [whole | (changed or {})])
    _write(folder / "recipe.json", [{"name": "demo", "seed": 7, "ppo": {"kl_coefficient": 0.05}}])
    for stage, points in curves().items():
        if stage not in without:
            _write(folder / stage / "metrics.jsonl", points)
    _write(folder / "evaluate" / "answers.jsonl", rows)
    return folder


def _spread(metric: str, value: float) -> float:
    """Half an interval: binomial for rates, a plausible share of the level otherwise."""
    if metric in _RATES:
        return 1.96 * math.sqrt(value * (1 - value) / _N)
    return 0.0 if value == 0 else 0.08 if abs(value) < 2 else 0.05 * abs(value)


def _ppo_row(step: int, t: float, source: random.Random) -> dict[str, float]:
    row = {
        "step": step,
        "seconds": 2.5 * step,
        "reward/total": 0.4 + 0.75 * t + source.gauss(0, 0.08),
        "reward/learned": 0.2 + 0.5 * t + source.gauss(0, 0.06),
        "reward/grounded": 0.15 + 0.1 * t,
        "reward/cited": 0.1 + 0.15 * t,
        "reward/length": -0.05 * (1 - t),
        "kl": max(0.0, 3.4 * t + source.gauss(0, 0.15)),
        "kl_coefficient": 0.05 * (1 + t),
        "policy_loss": source.gauss(-0.01, 0.01),
        "value_loss": 0.4 * math.exp(-3 * t) + abs(source.gauss(0, 0.02)),
        "clip_fraction": abs(source.gauss(0.09, 0.03)),
        "entropy": 1.1 - 0.5 * t + source.gauss(0, 0.03),
        "ratio_max": 1.4 + abs(source.gauss(0, 0.3)),
        "length": 17.2 - t + source.gauss(0, 0.4),
        "eos_rate": min(1.0, 0.96 + 0.04 * t),
    }
    if step % 10 == 0:
        correct = 0.66 + 0.11 * math.sin(1.6 * t)
        row |= {"validation/reward": 0.4 + 0.7 * t, "validation/kl": 3.3 * t, "validation/correct": correct}
    return row


def _answer(source: random.Random, right: bool, keeper: str | None, wrong: str) -> dict[str, Any]:
    abstained = right if keeper is None else (not right and source.random() < 0.3)
    cited = [] if abstained else [2 if right else source.choice([1, 3])]
    text = "문서에서 답을 찾을 수 없습니다." if abstained else f"{keeper if right else wrong}입니다. [{cited[0]}]"
    return {
        "text": text,
        "citations": cited,
        "correct": float(right),
        "abstained": abstained,
        "grounded": 1.0 if right else 0.4,
        "citation_precision": None if abstained else float(right),
        "citation_recall": None if abstained else float(right),
        "reward": source.gauss(0.9 if right else 0.1, 0.5),
        "kl": abs(source.gauss(1, 0.5)),
        "length": float(len(text)),
    }


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    from haechi.report import write_report

    write_report(write_run(Path(sys.argv[1])), "en" if sys.argv[2:] == ["en"] else "ko")
