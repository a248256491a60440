"""Sums and ends of answers whose tokens lie flat in one vector.

Legend: N answer tokens of the whole batch, A answers. `segments_N` (long) names the answer, 0..A-1, of each token; the
tokens of an answer are contiguous and in order, the answers themselves may come in any order.
"""

from __future__ import annotations

import torch
from torch import Tensor


def segment_sum(values_N: Tensor, segments_N: Tensor, num_answers: int) -> Tensor:
    """Sum over the tokens of each answer, over A; 0 for an answer without tokens. Differentiable."""
    return values_N.new_zeros(num_answers).index_add(0, segments_N, values_N)


def is_last(segments_N: Tensor) -> Tensor:
    """True at the last token of each answer, over N."""
    last_N = torch.ones_like(segments_N, dtype=torch.bool)
    last_N[:-1] = segments_N[:-1] != segments_N[1:]
    return last_N


def last_index(segments_N: Tensor, num_answers: int) -> Tensor:
    """Position in 0..N-1 of the last token of each answer, over A.

    Raises:
        ValueError: an answer has no tokens, or its tokens are not contiguous.
    """
    ends = is_last(segments_N).nonzero().squeeze(1)
    index_A = segments_N.new_full((num_answers,), -1)
    index_A[segments_N[ends]] = ends
    if len(ends) != num_answers or bool((index_A < 0).any()):
        raise ValueError(f"each of the {num_answers} answers must be one contiguous run of at least one token")
    return index_A
