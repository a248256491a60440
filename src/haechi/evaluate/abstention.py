"""Does a system abstain where it should, and only there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of questions as Σ numerators / Σ denominators, one of each a question."""

    numerators: NDArray[np.float64]
    denominators: NDArray[np.float64]

    @property
    def value(self) -> float | None:
        """The share; None where nothing is counted."""
        total = self.denominators.sum()
        return float(self.numerators.sum() / total) if total else None


@dataclass(frozen=True, slots=True)
class Abstention:
    """How a system abstains, with abstaining as the positive class.

    Attributes:
        precision: of the abstentions, the share on unanswerable questions.
        recall: of the unanswerable questions, the share that met an abstention.
        over_refusal: of the answerable questions, the share that met an abstention.
    """

    precision: Ratio
    recall: Ratio
    over_refusal: Ratio


def abstention(answerable: Sequence[bool], abstained: Sequence[bool]) -> Abstention:
    """The abstention scores of one system over questions.

    Raises:
        ValueError: the lengths differ.
    """
    if len(answerable) != len(abstained):
        raise ValueError(f"{len(answerable)} questions and {len(abstained)} answers")
    needless = np.asarray(answerable, dtype=np.float64)
    silent = np.asarray(abstained, dtype=np.float64)
    due = 1 - needless
    return Abstention(
        precision=Ratio(silent * due, silent),
        recall=Ratio(silent * due, due),
        over_refusal=Ratio(silent * needless, needless),
    )
