"""How well a reward model agrees with the preferences it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from haechi.evaluate.significance import Interval, bootstrap

Floats = NDArray[np.float64]

_BINS = 5


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Pairs with about the same confidence: its mean, the share the model got right, and their number."""

    predicted: float
    observed: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelScores:
    """Agreement of a reward model with held-out preferences.

    Attributes:
        accuracy: share of pairs whose chosen answer scores higher; a tie counts one half.
        ceiling: the accuracy to expect of a perfect model, None where the annotator's error rate is unknown.
        realised_ceiling: the accuracy that it would have on these very pairs, None where their errors are unknown.
        true_accuracy: accuracy against which answer is truly better, None where that is unknown.
        margin: mean of the chosen less the rejected score.
        by_kind: accuracy by kind of pair.
        length_only_accuracy: accuracy of preferring always the longer or always the shorter answer, whichever does
            better on these very pairs.
        calibration: confidence against accuracy; see `calibration`.
        chosen: scores of the chosen answers.
        rejected: scores of the rejected answers.
    """

    accuracy: Interval
    ceiling: float | None
    realised_ceiling: float | None
    true_accuracy: Interval | None
    margin: Interval
    by_kind: dict[str, Interval]
    length_only_accuracy: float
    calibration: list[CalibrationBin]
    chosen: list[float]
    rejected: list[float]

    def as_dict(self) -> dict[str, object]:
        """The `reward_model` block of results.json."""
        return {
            "accuracy": self.accuracy.as_dict(),
            "ceiling": self.ceiling,
            "realised_ceiling": self.realised_ceiling,
            "true_accuracy": self.true_accuracy.as_dict() if self.true_accuracy else None,
            "margin": self.margin.as_dict(),
            "by_kind": {kind: interval.as_dict() for kind, interval in self.by_kind.items()},
            "length_only_accuracy": self.length_only_accuracy,
            "calibration": [
                {"predicted": one.predicted, "observed": one.observed, "n": one.n} for one in self.calibration
            ],
            "scores": {"chosen": self.chosen, "rejected": self.rejected},
        }


def score_reward_model(
    chosen: Sequence[float],
    rejected: Sequence[float],
    *,
    kinds: Sequence[str],
    chosen_lengths: Sequence[int],
    rejected_lengths: Sequence[int],
    error_rate: float | None = None,
    truly_better: Sequence[bool] | None = None,
    topics: Sequence[str] | None = None,
    scale: float = 1.0,
    samples: int = 10_000,
    seed: int = 0,
) -> RewardModelScores:
    """Score a reward model on held-out pairs, of which the sequences hold one item each.

    Args:
        kinds: the kind of each pair; pairs of kind "" are in no kind.
        error_rate: how often the annotator picks the worse answer.
        truly_better: whether the chosen answer is the better one in truth.
        topics: what the question of each pair is about; pairs of one topic are resampled together.
        scale: what the scores were divided by; a difference times it is the logit of the model's confidence.

    Raises:
        ValueError: there are no pairs, the sequences differ in length, or a score is not finite.
    """
    columns = [
        chosen,
        rejected,
        kinds,
        chosen_lengths,
        rejected_lengths,
        *(column for column in (truly_better, topics) if column is not None),
    ]
    if not chosen or len({len(column) for column in columns}) > 1:
        raise ValueError(f"need as many items in each column, and at least one; got {[len(c) for c in columns]}")
    difference = np.asarray(chosen, dtype=np.float64) - np.asarray(rejected, dtype=np.float64)
    if not np.isfinite(difference).all():
        raise ValueError(f"score of pair {int(np.argmin(np.isfinite(difference)))} is not finite")

    right = preferred(difference)
    truth = None if truly_better is None else np.where(np.asarray(truly_better), right, 1 - right)
    subjects = list(range(len(right))) if topics is None else list(topics)

    def of_kind(kind: str) -> Interval:
        inside = [number for number, one in enumerate(kinds) if one == kind]
        return bootstrap(right[inside], [subjects[number] for number in inside], samples=samples, seed=seed)

    return RewardModelScores(
        accuracy=bootstrap(right, subjects, samples=samples, seed=seed),
        ceiling=None if error_rate is None else annotator_ceiling(error_rate),
        realised_ceiling=None if truly_better is None else float(np.mean(truly_better)),
        true_accuracy=None if truth is None else bootstrap(truth, subjects, samples=samples, seed=seed),
        margin=bootstrap(difference, subjects, samples=samples, seed=seed),
        by_kind={kind: of_kind(kind) for kind in sorted(set(kinds) - {""})},
        length_only_accuracy=length_only_accuracy(chosen_lengths, rejected_lengths),
        calibration=calibration(difference * scale),
        chosen=[float(score) for score in chosen],
        rejected=[float(score) for score in rejected],
    )


def preferred(difference: Floats) -> Floats:
    """1 where chosen less rejected is positive, one half where it is 0, else 0."""
    return (np.sign(difference) + 1) / 2


def calibration(difference: Floats, bins: int = _BINS) -> list[CalibrationBin]:
    """Confidence against accuracy in equal bins from 0.5 to 1; empty bins are left out.

    The confidence that the model has in its own choice is σ(|difference|), the Bradley-Terry probability. The
    annotator's choice alone could not be binned by σ(difference): it is by definition always the chosen answer.
    """
    difference = np.asarray(difference, dtype=np.float64)
    confidence = 0.5 * (1 + np.tanh(np.abs(difference) / 2))  # σ without overflow
    right = preferred(difference)
    index = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    found = []
    for i in range(bins):
        inside = index == i
        if inside.any():
            means = float(confidence[inside].mean()), float(right[inside].mean())
            found.append(CalibrationBin(*means, int(inside.sum())))
    return found


def length_only_accuracy(chosen_lengths: Sequence[int], rejected_lengths: Sequence[int]) -> float:
    """Accuracy of the better of two rules, the longer answer or the shorter; equal lengths count one half.

    A reward model that does no better may have learned length alone. The rule is picked on the same pairs, so it is
    at least one half.
    """
    longer = np.asarray(chosen_lengths, dtype=np.float64) - np.asarray(rejected_lengths, dtype=np.float64)
    accuracy = float(preferred(longer).mean())
    return max(accuracy, 1 - accuracy)


def annotator_ceiling(error_rate: float) -> float:
    """The accuracy that a model which is always right has against an annotator who errs at this rate.

    Raises:
        ValueError: the rate is not between 0 and 1.
    """
    if not 0 <= error_rate <= 1:
        raise ValueError(f"error rate {error_rate} is not between 0 and 1")
    return 1 - error_rate
