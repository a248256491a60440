import json
from typing import cast

import pytest

from haechi.evaluate.metrics import METRICS, metrics_block
from haechi.evaluate.rows import AnswerRow, SystemAnswer
from haechi.evaluate.summary import summarise
from haechi.prompt.template import Language, template

KO = template("ko")
CONTRACT = ["correct", "abstention_precision", "abstention_recall", "over_refusal", "citation_precision"]
CONTRACT += ["citation_recall", "grounded", "f1", "bleu", "rouge_l", "chrf", "reward", "kl", "length"]


def system(text: str, *, correct: float, reward: float | None = 0.0) -> SystemAnswer:
    abstained = text == KO.abstention
    return {
        "text": text,
        "citations": [] if abstained else [1],
        "correct": correct,
        "abstained": abstained,
        "citation_precision": None if abstained else 1.0,
        "citation_recall": 0.0 if abstained else 1.0,
        "grounded": None if abstained else 1.0,
        "f1": 0.0 if abstained else 1.0,
        "reward": reward,
        "kl": 0.0,
        "length": len(text),
    }


def row(i: int, answerable: bool, systems: dict[str, SystemAnswer]) -> AnswerRow:
    return {
        "question_id": f"q{i}",
        "question": "등대지기는 누구인가요?",
        "gold": "오누리입니다." if answerable else None,
        "accepted": ["오누리"] if answerable else [],
        "answerable": answerable,
        "passages": [],
        "gold_numbers": [1] if answerable else [],
        "systems": systems,
    }


RIGHT, WRONG, SILENT = "오누리입니다. [1]", "미르입니다. [1]", KO.abstention


def rows() -> list[AnswerRow]:
    """Twelve answerable questions, four unanswerable. SFT never abstains; PPO declines 3 of 4, and 1 of 12."""
    found = []
    for i in range(12):
        sft = system(RIGHT, correct=1.0) if i % 3 else system(WRONG, correct=0.0)
        ppo = system(SILENT, correct=0.0, reward=0.5) if i == 1 else system(RIGHT, correct=1.0, reward=1.0)
        found.append(row(i, True, {"sft": sft, "ppo": ppo}))
    for i in range(12, 16):
        silent = i > 12
        ppo = system(SILENT if silent else RIGHT, correct=float(silent), reward=1.0)
        found.append(row(i, False, {"sft": system(RIGHT, correct=0.0), "ppo": ppo}))
    return found


def blocks(language: Language = "en") -> dict:
    return cast(dict, summarise(rows(), [("ppo", "sft")], language, samples=500))


def test_values_by_system() -> None:
    systems = blocks()["systems"]
    # SFT: 8 of 12 right, 0 of 4; PPO: 11 of 12 and 3 of 4.
    assert systems["sft"]["correct"]["value"] == pytest.approx(8 / 16)
    assert systems["ppo"]["correct"]["value"] == pytest.approx(14 / 16)
    assert systems["ppo"]["abstention_precision"]["value"] == pytest.approx(3 / 4)
    assert systems["ppo"]["abstention_recall"]["value"] == pytest.approx(3 / 4)
    assert systems["ppo"]["over_refusal"]["value"] == pytest.approx(1 / 12)
    assert systems["ppo"]["over_refusal"]["n"] == 12
    assert systems["sft"]["reward"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 16, "topics": 16}


def test_overlap_is_over_answerable_questions_and_an_abstention_scores_zero() -> None:
    ppo = blocks()["systems"]["ppo"]
    for key in ("bleu", "rouge_l", "chrf"):
        assert (ppo[key]["value"], ppo[key]["n"]) == (pytest.approx(100 * 11 / 12), 12)


def test_a_metric_that_applies_to_no_row_is_absent() -> None:
    systems = blocks()["systems"]
    assert "abstention_precision" not in systems["sft"]
    assert systems["sft"]["abstention_recall"]["value"] == 0.0
    assert list(systems["ppo"]) == CONTRACT


def test_comparisons_are_differences_in_words() -> None:
    found = {one["metric"]: one for one in blocks()["comparisons"]}
    assert "abstention_precision" not in found
    correct = found["correct"]
    assert (correct["a"], correct["b"], correct["n"]) == ("ppo", "sft", 16)
    assert correct["value"] == pytest.approx(6 / 16)
    assert 0 < correct["low"] < 6 / 16 < correct["high"]
    assert correct["verdict"].startswith("Correct: PPO is significantly better than SFT")
    assert found["over_refusal"]["verdict"].startswith("Over-refusal: PPO and SFT cannot be told apart")
    assert found["abstention_recall"]["verdict"].startswith("Abstention recall: too few topics")
    # Only questions that both attempted: all but PPO's four abstentions.
    assert found["grounded"]["n"] == 12


def test_korean_titles_reach_the_verdicts() -> None:
    found = blocks("ko")
    assert found["metrics"]["correct"]["title"] == "정답률"
    assert found["comparisons"][0]["verdict"].startswith("정답률: PPO의 결과가 SFT보다 유의하게 좋습니다")


def test_a_system_that_did_not_answer_every_question_is_scored_on_those_it_did() -> None:
    some = rows()
    for one in some[:4]:
        del one["systems"]["ppo"]
    ppo = cast(dict, summarise(some, [("ppo", "sft")], "en", samples=100))["systems"]["ppo"]
    assert ppo["correct"]["n"] == 12
    assert (ppo["over_refusal"]["value"], ppo["over_refusal"]["n"]) == (0.0, 8)


def test_correctness_that_cannot_be_told_is_absent() -> None:
    some = rows()
    for one in some:
        one["accepted"] = []
        for answer in one["systems"].values():
            answer["correct"] = None if one["answerable"] else answer["correct"]
    found = cast(dict, summarise(some, [("ppo", "sft")], "en", samples=100))
    assert all("correct" not in scores and "f1" in scores for scores in found["systems"].values())
    assert "correct" not in {one["metric"] for one in found["comparisons"]}


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(ValueError, match="no answers of dpo"):
        summarise(rows(), [("dpo", "sft")], "en", samples=10)


def test_no_rows_give_empty_blocks() -> None:
    found = summarise([], [], "en")
    assert (found["systems"], found["comparisons"]) == ({}, [])


def test_the_blocks_are_json_and_repeat() -> None:
    assert json.dumps(blocks(), allow_nan=False) == json.dumps(blocks(), allow_nan=False)


def test_the_metrics_are_those_of_the_contract_and_explained_in_both_languages() -> None:
    assert [metric.key for metric in METRICS] == CONTRACT
    languages: tuple[Language, ...] = ("ko", "en")
    for language in languages:
        block = metrics_block(language)
        assert all(entry["title"] and entry["about"] for entry in block.values())
        assert all(entry["better"] in {"higher", "lower", "neither"} for entry in block.values())
        assert "sacrebleu char" in block["bleu"]["about"]
        assert "rouge-score, character" in block["rouge_l"]["about"]
