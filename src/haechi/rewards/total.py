"""The sum of what an answer earns, with each part kept so that reward hacking shows in the log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

# These terms are prices: they are given as positive numbers and taken off.
_PENALTIES = frozenset({"length", "abstaining", "missing_eos"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardWeights:
    """How much each term counts; all finite and >= 0, in units of the learned reward.

    Attributes:
        learned: the reward model's score.
        grounded: support of the claims by the passages they cite, 0 to 1.
        cited: F1 of the citations, 0 to 1.
        length: penalty for each budget of length too many.
        abstaining: penalty for declining to answer, 0 or 1.
        missing_eos: penalty for an answer that did not end by itself, 0 or 1.
    """

    learned: float = 1.0
    grounded: float = 0.0
    cited: float = 0.0
    length: float = 0.0
    abstaining: float = 0.0
    missing_eos: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in self.by_term().items():
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(f"weight of {name} is {weight}; it must be finite and >= 0")

    def by_term(self) -> dict[str, float]:
        """Weights by the name of their term."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def combine(
    terms: Mapping[str, Sequence[float]], weights: RewardWeights
) -> tuple[list[float], dict[str, list[float]]]:
    """The total reward of each answer and the signed, weighted parts that it is the sum of.

    Args:
        terms: by term one number an answer. `length`, `abstaining` and `missing_eos` are penalties >= 0 and are
            subtracted.

    Raises:
        ValueError: a term is unknown, or has a weight and is missing; the terms differ in length; or a number is NaN
            or infinite (the message names the term and the index).
    """
    by_term = weights.by_term()
    if unknown := sorted(terms.keys() - by_term.keys()):
        raise ValueError(f"unknown reward terms {', '.join(unknown)}; known are {', '.join(by_term)}")
    if missing := [name for name, weight in by_term.items() if weight and name not in terms]:
        raise ValueError(f"reward terms {', '.join(missing)} have a weight but no values")
    lengths = {name: len(values) for name, values in terms.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"reward terms differ in length: {lengths}")

    parts = {name: _part(name, values, by_term[name]) for name, values in terms.items()}
    return [math.fsum(row) for row in zip(*parts.values(), strict=True)], parts


def _part(name: str, values: Sequence[float], weight: float) -> list[float]:
    sign = -1.0 if name in _PENALTIES else 1.0
    for index, value in enumerate(values):
        if not math.isfinite(value):
            raise ValueError(f"reward term {name} is {value} for the answer at index {index}")
    return [sign * weight * value for value in values]
