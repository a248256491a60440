import json
import math
from typing import Any

import numpy as np
import pytest

from haechi.evaluate.reward_model import (
    CalibrationBin,
    annotator_ceiling,
    calibration,
    length_only_accuracy,
    score_reward_model,
)

PAIRS: dict[str, Any] = {
    "chosen": [2.0, 1.0, 0.0, 3.0],
    "rejected": [1.0, 1.0, 2.0, 0.0],
    "kinds": ["citation", "citation", "padding", ""],
    "chosen_lengths": [5, 9, 7, 4],
    "rejected_lengths": [9, 9, 9, 9],
}


def test_accuracy_margin_and_kinds() -> None:
    found = score_reward_model(**PAIRS, error_rate=0.1, samples=200)
    # Right, tie, wrong, right; differences 1, 0, -2, 3.
    assert (found.accuracy.value, found.margin.value) == (2.5 / 4, 0.5)
    assert {kind: (one.value, one.n) for kind, one in found.by_kind.items()} == {
        "citation": (0.75, 2),
        "padding": (0.0, 1),
    }
    assert found.ceiling == pytest.approx(0.9)
    assert found.true_accuracy is None


def test_true_accuracy_turns_the_pairs_that_the_annotator_got_wrong() -> None:
    found = score_reward_model(**PAIRS, truly_better=[True, True, False, True], samples=200)
    assert found.true_accuracy is not None
    assert found.true_accuracy.value == 3.5 / 4


def test_length_alone() -> None:
    # Shorter is right three times of four, and once the lengths are equal.
    assert length_only_accuracy(PAIRS["chosen_lengths"], PAIRS["rejected_lengths"]) == 3.5 / 4
    assert length_only_accuracy([9, 9], [1, 2]) == 1.0
    assert length_only_accuracy([3, 3], [3, 3]) == 0.5


def test_calibration_bins_confidence_against_accuracy() -> None:
    sure, unsure = math.log(0.95 / 0.05), math.log(0.55 / 0.45)
    bins = calibration(np.array([sure, sure, -sure, unsure, -unsure, 0.0]), bins=2)
    # The unsure half: 0.55 right, 0.55 wrong and 0.5 tied. The sure half: two of three right.
    assert [one.n for one in bins] == [3, 3]
    assert [one.predicted for one in bins] == pytest.approx([(0.55 + 0.55 + 0.5) / 3, 0.95])
    assert [one.observed for one in bins] == pytest.approx([0.5, 2 / 3])


def test_a_calibrated_model_lies_on_the_diagonal() -> None:
    generator = np.random.default_rng(0)
    latent = generator.normal(0, 2, size=20_000)
    chosen_first = generator.random(latent.size) < 1 / (1 + np.exp(-latent))
    for one in calibration(np.where(chosen_first, latent, -latent)):
        assert one.observed == pytest.approx(one.predicted, abs=0.03)


def test_huge_differences_do_not_overflow() -> None:
    assert calibration(np.array([1e6, -1e6])) == [CalibrationBin(1.0, 0.5, 2)]


def test_an_annotator_who_errs_bounds_the_accuracy() -> None:
    assert annotator_ceiling(0.15) == pytest.approx(0.85)
    with pytest.raises(ValueError, match=r"1\.5 is not between"):
        annotator_ceiling(1.5)


def test_the_block_of_results_json() -> None:
    block = json.loads(json.dumps(score_reward_model(**PAIRS, error_rate=0.1, samples=50).as_dict(), allow_nan=False))
    assert set(block) == {
        "accuracy",
        "ceiling",
        "realised_ceiling",
        "true_accuracy",
        "margin",
        "by_kind",
        "length_only_accuracy",
        "calibration",
        "scores",
    }
    assert set(block["accuracy"]) == {"value", "low", "high", "n", "topics"}
    assert block["scores"]["rejected"] == PAIRS["rejected"]


def test_bad_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="as many items"):
        score_reward_model(**{**PAIRS, "kinds": ["a"]})
    with pytest.raises(ValueError, match="at least one"):
        score_reward_model([], [], kinds=[], chosen_lengths=[], rejected_lengths=[])
    with pytest.raises(ValueError, match="pair 1 is not finite"):
        score_reward_model(**{**PAIRS, "chosen": [0.0, math.nan, 0.0, 0.0]})


def test_calibration_is_of_the_confidence_not_of_the_normalised_score() -> None:
    """Scores divided by 4: a difference of 0.5 was a logit of 2, a confidence of 1 / (1 + e^-2) = 0.8808."""
    scores = score_reward_model(
        [0.5] * 4, [0.0] * 4, kinds=[""] * 4, chosen_lengths=[1] * 4, rejected_lengths=[1] * 4, scale=4.0, samples=100
    )
    assert [round(one.predicted, 4) for one in scores.calibration if one.n] == [0.8808]
    assert scores.margin.value == 0.5
