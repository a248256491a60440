"""What may be said of a comparison: nothing whose interval holds zero."""

from __future__ import annotations

from typing import Any

import pytest
from fixture import comparison, number

from haechi.evaluate import significance
from haechi.report.contract import Comparison, Results, RewardModel
from haechi.report.sections import pairs, reward_remarks, systems_table, verdict
from haechi.report.verdicts import FEWEST_TOPICS, best, compared, hacking, headline_metric, judge, systems_of
from haechi.report.words import Words

ENGLISH = Words("en")


def run_of(
    systems: dict[str, dict[str, float]], comparisons: list[dict[str, Any]] | None = None, spread: float = 0.1
) -> Results:
    """Results whose means all have the same interval around them."""
    directions = {"correct": "higher", "over_refusal": "lower", "length": "neither", "reward": "higher"}
    return Results.model_validate({
        "schema": 1, "name": "x", "comparisons": comparisons or [],
        "systems": {s: {m: number(v, spread) for m, v in values.items()} for s, values in systems.items()},
        "metrics": {metric: {"title": metric, "better": better} for metric, better in directions.items()},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "better", "said"),
    [
        (0.01, 0.2, "higher", "better"),
        (0.01, 0.2, "lower", "worse"),
        (0.01, 0.2, "neither", "higher"),
        (-0.2, -0.01, "higher", "worse"),
        (-0.2, -0.01, "lower", "better"),
        (-0.2, -0.01, "neither", "lower"),
        (-0.01, 0.2, "higher", "unclear"),
        (0.0, 0.2, "higher", "unclear"),
        (-0.2, 0.0, "lower", "unclear"),
        (None, None, "higher", "unclear"),
    ],
)
def test_judge(low: float | None, high: float | None, better: Any, said: str) -> None:
    comparison = Comparison(metric="m", a="a", b="b", value=0.1, low=low, high=high, topics=FEWEST_TOPICS)
    assert judge(comparison, better) == said
    assert judge(comparison.model_copy(update={"topics": None}), better) == said
    few = comparison.model_copy(update={"topics": FEWEST_TOPICS - 1})
    assert judge(few, better) == judge(few.reversed(), better) == "unclear"


def test_few_topics_are_as_few_as_for_the_recorded_verdicts() -> None:
    assert FEWEST_TOPICS == significance.FEWEST_TOPICS


def test_a_comparison_is_found_either_way_round() -> None:
    results = run_of({"ppo": {}, "sft": {}}, [comparison("correct", "sft", "ppo", -0.3, 0.1, "sft is worse")])
    turned = compared(results, "correct", "ppo", "sft")
    assert turned is not None
    assert (turned.value, turned.low, turned.high) == pytest.approx((0.3, 0.2, 0.4))
    assert turned.verdict == ""
    assert compared(results, "reward", "ppo", "sft") is None


def test_best_needs_every_difference_to_exclude_zero() -> None:
    systems = {"sft": {"correct": 0.6}, "dpo": {"correct": 0.65}, "ppo": {"correct": 0.7}}
    over_sft, over_dpo = comparison("correct", "ppo", "sft", 0.1, 0.05), comparison("correct", "ppo", "dpo", 0.05, 0.04)
    assert best(run_of(systems, [over_sft, over_dpo]), "correct") == "ppo"
    assert best(run_of(systems, [over_sft]), "correct") is None, "PPO and DPO overlap and were not compared"
    unclear = comparison("correct", "dpo", "ppo", -0.05, 0.06)
    assert best(run_of(systems, [over_sft, unclear]), "correct") is None


def test_intervals_that_do_not_meet_are_enough_without_a_comparison() -> None:
    apart = {"base": {"correct": 0.3, "over_refusal": 0.5}, "sft": {"correct": 0.6, "over_refusal": 0.1}}
    assert best(run_of(apart, spread=0.14), "correct") == "sft"
    assert best(run_of(apart, spread=0.14), "over_refusal") == "sft"
    assert best(run_of(apart, spread=0.16), "correct") is None, "0.46 and 0.44 overlap"
    # A comparison counts for more than the intervals.
    unclear = [comparison("correct", "sft", "base", 0.3, 0.4)]
    assert best(run_of(apart, unclear, spread=0.1), "correct") is None


def test_nothing_is_best_without_a_direction_or_a_rival() -> None:
    assert best(run_of({"base": {"length": 1}, "sft": {"length": 9}}), "length") is None
    assert best(run_of({"sft": {"correct": 0.9}}), "correct") is None


def test_hacking_is_shown_only_if_both_differences_exclude_zero() -> None:
    systems = {"sft": {"correct": 0.7, "reward": 0.4}, "ppo": {"correct": 0.5, "reward": 1.4}}
    reward, correct = comparison("reward", "ppo", "sft", 1.0, 0.2), comparison("correct", "ppo", "sft", -0.2, 0.1)
    assert hacking(run_of(systems, [reward, correct]), "ppo") == "shown"
    wide = comparison("correct", "ppo", "sft", -0.2, 0.3)
    assert hacking(run_of(systems, [reward, wide]), "ppo") == "suspected"
    assert hacking(run_of(systems), "ppo") == "suspected"
    honest = {"sft": systems["sft"], "ppo": {"correct": 0.8, "reward": 1.4}}
    assert hacking(run_of(honest), "ppo") is None
    assert hacking(run_of({"sft": systems["sft"]}), "ppo") is None


def test_what_may_be_chance_stands_below_the_findings() -> None:
    systems = {"sft": {"correct": 0.7, "reward": 0.4}, "ppo": {"correct": 0.5, "reward": 1.4}}
    wide = [comparison("reward", "ppo", "sft", 1.0, 0.2), comparison("correct", "ppo", "sft", -0.2, 0.3)]
    said = verdict(run_of(systems, wide), ENGLISH)
    assert [one.tone for one in said] == ["unclear", "caution"]


def test_a_warning_stands_above_every_finding() -> None:
    systems = {"sft": {"correct": 0.7, "reward": 0.4}, "ppo": {"correct": 0.5, "reward": 1.4}}
    compared_both = [comparison("reward", "ppo", "sft", 1.0, 0.2), comparison("correct", "ppo", "sft", -0.2, 0.1)]
    said = verdict(run_of(systems, compared_both), ENGLISH)
    assert [one.tone for one in said] == ["warning", "worse"]
    assert "reward hacking" in said[0].headline
    assert "+1.00 [+0.80, +1.20]" in said[0].detail
    assert "−20.0 points [−30.0, −10.0]" in said[0].detail
    assert said[1].headline == "PPO answers fewer questions correctly than SFT"


def test_without_correctness_likeness_to_the_gold_answers_decides() -> None:
    systems = {"sft": {"f1": 0.27, "reward": 0.7}, "ppo": {"f1": 0.15, "reward": 1.3}}
    compared_both = [comparison("reward", "ppo", "sft", 0.6, 0.2), comparison("f1", "ppo", "sft", -0.12, 0.03)]
    results = run_of(systems, compared_both)
    assert headline_metric(results) == "f1" and hacking(results, "ppo") == "shown"
    warning, finding = verdict(results, ENGLISH)
    assert warning.tone == "warning" and "character F1 −0.120 [−0.150, −0.090]" in warning.detail
    assert finding.headline == "PPO's answers are further from the gold answers than SFT's"
    told = {name: values | {"correct": 0.5} for name, values in systems.items()}
    assert headline_metric(run_of(told)) == "correct"


def test_a_question_that_was_not_compared_is_not_answered() -> None:
    said = verdict(run_of({"sft": {"correct": 0.6}, "ppo": {"correct": 0.9}}), ENGLISH)
    assert [(one.tone, one.headline) for one in said] == [("missing", "PPO and SFT were not compared in this run")]


def test_systems_stand_in_the_order_of_the_pipeline() -> None:
    assert systems_of(run_of({"ppo": {}, "grpo": {}, "base": {}, "sft": {}})) == ["base", "sft", "ppo", "grpo"]


def test_a_cell_compares_with_sft_by_its_direction() -> None:
    systems = {"sft": {"over_refusal": 0.3}, "ppo": {"over_refusal": 0.1}}
    (row,) = systems_table(run_of(systems, [comparison("over_refusal", "ppo", "sft", -0.2, 0.1)], 0.01), ENGLISH)
    sft, ppo = row.cells
    assert sft is not None
    assert ppo is not None
    assert (sft.trend, sft.is_best) == ("", False)
    assert (ppo.value, ppo.interval, ppo.trend, ppo.is_best) == ("10.0%", "[9.0, 11.0]", "better", True)


def test_pairs_are_turned_to_face_the_reader() -> None:
    rows = [comparison("correct", "sft", "ppo", -0.1, 0.05), comparison("reward", "ppo", "sft", 0.5, 0.1)]
    (pair,) = pairs(run_of({"sft": {}, "ppo": {}}, rows), ENGLISH)
    assert (pair.a, pair.b) == ("PPO", "SFT")
    assert [(row.title, row.difference, row.judgement) for row in pair.rows] == [
        ("Correct", "+10.0 points", "better"),
        ("Reward", "+0.500", "better"),
    ]


@pytest.mark.parametrize(("length_only", "num_remarks"), [(0.6, 1), (0.78, 2)])
def test_an_accuracy_that_length_alone_could_reach_is_remarked(length_only: float, num_remarks: int) -> None:
    raw = {"accuracy": number(0.8, 0.05), "ceiling": 0.9, "length_only_accuracy": length_only}
    remarks = reward_remarks(RewardModel.model_validate(raw), ENGLISH)
    assert len(remarks) == num_remarks
    assert remarks[0].startswith("Ceiling 90.0%")
