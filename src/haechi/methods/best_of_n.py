"""Best-of-n: answer n times, keep the answer that scores best. The baseline that training has to beat.

Legend: A answers, G groups (prompts).
"""

from __future__ import annotations

import math

from torch import Tensor


def best_of_n(scores_A: Tensor, groups_A: Tensor, num_groups: int) -> Tensor:
    """Index in 0..A-1 of the best answer of each group, over G; of equal scores the first answer wins.

    Args:
        groups_A: the group, 0..G-1, of each answer, in any order.

    Raises:
        ValueError: a score is NaN, or a group has no answer.
    """
    if bool(scores_A.isnan().any()):
        raise ValueError("a score is NaN; no answer can be called the best")
    best_G = scores_A.new_zeros(num_groups).scatter_reduce(0, groups_A, scores_A, "amax", include_self=False)
    candidates = (scores_A == best_G[groups_A]).nonzero().squeeze(1)
    none = len(scores_A)
    index_G = groups_A.new_full((num_groups,), none).scatter_reduce(0, groups_A[candidates], candidates, "amin")
    if bool((index_G == none).any()):
        raise ValueError("a group has no answer")
    return index_G


def kl_bound(num_samples: int) -> float:
    """Upper bound, in nats, on the KL from the policy of best-of-n to the policy it samples: log n - (n - 1) / n.

    It is approached where no two answers score alike and no single answer is likely (Beirami et al., arXiv 2401.01879).
    """
    return math.log(num_samples) - (num_samples - 1) / num_samples
