import math
from statistics import NormalDist

import numpy as np
import pytest

from haechi.evaluate.significance import (
    Interval,
    bootstrap,
    bootstrap_ratio,
    paired_difference,
    paired_ratio_difference,
    verdict,
)


def test_the_interval_of_a_mean_is_close_to_the_normal_one() -> None:
    # 200 zeros and ones, half each: standard error sqrt(0.25 / 200).
    found = bootstrap([0.0, 1.0] * 100)
    half = NormalDist().inv_cdf(0.975) * math.sqrt(0.25 / 200)
    assert (found.value, found.n) == (0.5, 200)
    assert found.low == pytest.approx(0.5 - half, abs=0.005)
    assert found.high == pytest.approx(0.5 + half, abs=0.005)


def test_the_interval_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap as reference

    values = np.random.default_rng(3).exponential(size=60)
    theirs = reference((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    ours = bootstrap(values)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(7)
    intervals = [bootstrap(generator.normal(1.0, 2.0, size=60), samples=500, seed=i) for i in range(400)]
    coverage = np.mean([one.low <= 1.0 <= one.high for one in intervals])
    # Percentile intervals at n = 60 cover some 94 %; the standard error of 400 trials is 1.1 %.
    assert 0.90 <= coverage <= 0.975


def test_ratio_intervals_cover_the_true_ratio() -> None:
    generator = np.random.default_rng(11)
    hits = []
    for i in range(300):
        attempted = generator.random(80) < 0.5
        right = attempted & (generator.random(80) < 0.7)
        found = bootstrap_ratio(right, attempted, samples=500, seed=i)
        hits.append(found.low <= 0.7 <= found.high)
    assert 0.89 <= np.mean(hits) <= 0.985


def test_none_and_nan_leave_the_mean() -> None:
    assert bootstrap([1.0, None, math.nan, 3.0], samples=50).n == 2
    assert bootstrap([1.0, None, math.nan, 3.0], samples=50).value == 2.0


def test_questions_of_one_topic_are_drawn_together() -> None:
    """Ten topics of twenty equal answers say as much as ten answers: the standard error is √20 times the naive one."""
    values = [float(topic % 2) for topic in range(10) for _ in range(20)]
    topics = [f"topic {topic}" for topic in range(10) for _ in range(20)]
    whole, naive = bootstrap(values, topics), bootstrap(values)
    ten = bootstrap([0.0, 1.0] * 5)
    assert (whole.value, whole.n, whole.topics, naive.topics) == (0.5, 200, 10, 200)
    assert (whole.low, whole.high) == (ten.low, ten.high)
    assert (naive.high - naive.low) * math.sqrt(20) == pytest.approx(whole.high - whole.low, rel=0.15)


def test_a_topic_counts_by_its_questions() -> None:
    """The mean is over questions, not over topics, and so is every resample's."""
    found = bootstrap([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], samples=2000)
    assert found.value == 0.75
    assert (found.low, found.high) == (0.0, 1.0)
    ratio = bootstrap_ratio([1, 1, 1, 0], [1, 1, 1, 1], ["a", "a", "a", "b"], samples=2000)
    assert ratio == found
    pair = paired_ratio_difference(
        ([1, 1, 1, 0], [1, 1, 1, 1]), ([0, 0, 0, 0], [1, 1, 1, 1]), ["a", "a", "a", "b"], samples=2000
    )
    assert pair == found


def test_every_question_needs_a_topic() -> None:
    with pytest.raises(ValueError, match="1 topics for 2 questions"):
        bootstrap([1.0, 2.0], ["a"])


def test_one_value_has_an_interval_of_no_width() -> None:
    assert bootstrap([0.4], samples=50) == Interval(0.4, 0.4, 0.4, 1, 1)


@pytest.mark.parametrize("values", [[], [None, math.nan], [1.0, math.inf]])
def test_a_mean_without_values_or_of_an_infinite_one_is_refused(values) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap(values)


def test_a_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=31)
    assert bootstrap(values, samples=300, seed=5) == bootstrap(values, samples=300, seed=5)
    assert bootstrap(values, samples=300, seed=6) != bootstrap(values, samples=300, seed=5)


def test_every_resample_is_filled_when_memory_forces_several_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(5.0, 1.0, size=31)
    whole = bootstrap(values)
    monkeypatch.setattr("haechi.evaluate.significance._CELLS_AT_ONCE", 31 * 7)
    parts = bootstrap(values)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=0.02)


def test_pairing_removes_what_the_questions_share() -> None:
    difficulty = np.random.default_rng(1).normal(0, 10, size=100)
    found = paired_difference(difficulty + 0.5, difficulty)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_pair_with_one_side_missing_is_left_out() -> None:
    found = paired_difference([1.0, None, 3.0, 5.0], [0.0, 9.0, None, 1.0], samples=50)
    assert (found.value, found.n) == (2.5, 2)


def test_a_ratio_rests_on_the_questions_with_a_denominator() -> None:
    found = bootstrap_ratio([1, 0, 0, 1], [1, 1, 0, 1], samples=500)
    assert (found.value, found.n) == (pytest.approx(2 / 3), 3)
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_ratio_over_every_question_is_their_mean() -> None:
    values = np.random.default_rng(2).random(40)
    assert bootstrap_ratio(values, np.ones(40)) == bootstrap(values)


def test_difference_of_ratios_is_paired() -> None:
    right, tried = np.array([1, 0, 1, 1, 0] * 10), np.ones(50)
    same = paired_ratio_difference((right, tried), (right, tried), samples=200)
    assert same == Interval(0.0, 0.0, 0.0, 50, 50)
    other = paired_ratio_difference((right, tried), (right * 0, tried), samples=200)
    assert other.value == pytest.approx(0.6)
    assert 0.4 < other.low < 0.6 < other.high < 0.8


def test_a_difference_rests_on_the_side_with_fewer_topics() -> None:
    """One system declined once, the other forty times: one topic says nothing, however many the other has."""
    once, often = [1.0] + [0.0] * 39, [1.0] * 40
    found = paired_ratio_difference((once, once), ([1.0, 0.0] * 20, often), samples=200)
    assert found.value == pytest.approx(0.5) and found.topics == 1


def test_bad_pairs_and_empty_denominators_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 1 values"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="greater than 0"):
        bootstrap_ratio([0, 0], [0, 0])
    with pytest.raises(ValueError, match="need at least 1"):
        bootstrap([1.0], samples=0)


@pytest.mark.parametrize(
    ("interval", "better", "expected"),
    [
        (Interval(0.2, 0.1, 0.3, 50, 50), "higher", "PPO is significantly better than SFT"),
        (Interval(-0.2, -0.3, -0.1, 50, 50), "higher", "PPO is significantly worse than SFT"),
        (Interval(0.2, 0.1, 0.3, 50, 50), "lower", "PPO is significantly worse than SFT"),
        (Interval(-0.2, -0.3, -0.1, 50, 50), "lower", "PPO is significantly better than SFT"),
        (Interval(0.2, 0.1, 0.3, 50, 50), "neither", "PPO is significantly higher than SFT"),
        (Interval(-0.2, -0.3, -0.1, 50, 50), "neither", "PPO is significantly lower than SFT"),
        (Interval(0.1, -0.1, 0.3, 50, 50), "higher", "PPO and SFT cannot be told apart"),
        (Interval(0.0, 0.0, 0.0, 50, 50), "higher", "PPO and SFT cannot be told apart"),
        (Interval(0.2, 0.1, 0.3, 50, 9), "higher", "too few topics to compare PPO and SFT"),
    ],
)
def test_the_verdict_follows_the_interval_and_the_direction(interval, better, expected) -> None:
    sentence = verdict(interval, better, "PPO", "SFT", "Correct", "en")
    assert sentence.startswith(f"Correct: {expected} (difference ")
    assert f"questions: {interval.n})" in sentence


def test_the_verdict_in_korean() -> None:
    assert verdict(Interval(0.2, 0.1, 0.3, 50, 50), "higher", "PPO", "SFT", "정답률", "ko") == (
        "정답률: PPO의 결과가 SFT보다 유의하게 좋습니다 (차이 +0.2, 95% 구간 0.1~0.3, 질문 50개)."
    )
    assert "유의하지 않습니다" in verdict(Interval(0.1, -0.1, 0.3, 50, 50), "higher", "PPO", "SFT", "정답률", "ko")
    assert "나쁩니다" in verdict(Interval(0.2, 0.1, 0.3, 50, 50), "lower", "PPO", "SFT", "과잉 사양", "ko")
