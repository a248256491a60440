"""The price of an answer that is longer than it needs to be."""

from __future__ import annotations


def length_penalty(length: int, budget: int, cap: float = 1.0) -> float:
    """How far a length exceeds its budget, in budgets: 0 up to the budget, then linear, at most `cap`.

    Both in the same unit (tokens in a rollout). An answer of one and a half budgets has the penalty 0.5. Linear, so
    that each token too many costs the same; capped, so that one run-away answer does not rule a batch.

    Raises:
        ValueError: the length is negative, or the budget or the cap is not positive.
    """
    if length < 0 or budget <= 0 or cap <= 0:
        raise ValueError(f"length {length}, budget {budget}, cap {cap}: need length >= 0, budget > 0, cap > 0")
    return min(cap, max(0, length - budget) / budget)
