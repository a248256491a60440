"""What comes out of a run: the merged model, its evaluation and the report."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from haechi.recipe.fields import Count, OneOrSeveral, Positive, Section

SystemName = Literal["base", "sft", "best_of_n", "dpo", "ppo"]


class Merge(Section):
    """Adapter and base become one model, and the two are compared."""

    tolerance: Positive = 1e-3
    """Largest difference of log-probabilities between the merged model and base with adapter."""


class Evaluate(Section):
    """Answers of every system to the test questions."""

    best_of_n: Annotated[int, Field(ge=2, le=256)] = 4
    """Answers of SFT of which the one that earns most by ppo.rewards is kept: the baseline that PPO has to beat."""
    systems: Annotated[tuple[SystemName, ...], OneOrSeveral, Field(min_length=1)] | None = None
    """Systems to compare; null compares all that were made."""
    bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Resamples behind an interval."""
    max_questions: Count | None = None
    """Test questions asked; null asks all."""


class Report(Section):
    """The page about the run."""

    language: Literal["ko", "en"] | None = None
    """Language of the page; null takes the recipe's."""
