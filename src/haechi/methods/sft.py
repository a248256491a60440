"""Supervised fine-tuning: the negative log-likelihood of the answer tokens.

Legend: N answer tokens of the whole batch, A answers. See docs/methods/sft.md.

    L = -sum_t log pi(y_t | x, y_<t) / number of answer tokens        (InstructGPT, arXiv 2203.02155, section 3.5)

Prompt tokens are never part of `logps_N`, so they are not learned.
"""

from __future__ import annotations

from torch import Tensor

from haechi.methods.segments import segment_sum


def negative_log_likelihood(logps_N: Tensor, segments_N: Tensor, num_answers: int) -> Tensor:
    """-log pi(y | x) of each answer in nats, summed over its tokens, over A."""
    return -segment_sum(logps_N, segments_N, num_answers)


def token_mean(nll_A: Tensor, num_tokens: int) -> Tensor:
    """The batch's loss in nats per token: every token counts alike, so a long answer counts for more than a short one.

    Args:
        num_tokens: answer tokens of the whole optimiser step. With gradient accumulation that is more than the tokens
            of this micro-batch: dividing each micro-batch by its own count would weight short ones too much.
    """
    return nll_A.sum() / num_tokens
