"""Log-probabilities of answer tokens, without ever holding the [tokens × vocabulary] matrix in full.

Legend: N learned tokens, V vocabulary, D width, C tokens of a chunk.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# Logits held at once: few enough for a processor's cache to help, or to fill an accelerator without filling its memory.
_ON_CPU, _ELSEWHERE = 1 << 23, 1 << 28
Entropy = Literal["none", "measured", "learned"]


def answer_logps(
    hidden_ND: Tensor,
    targets_N: Tensor,
    weight_VD: Tensor,
    bias_V: Tensor | None = None,
    *,
    temperature: float = 1.0,
    entropy: Entropy = "none",
    chunk: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Log-probability of each target [N] in float32, and the entropy of each prediction [N] if asked for: with a
    gradient where it is `learned`, without where it is only `measured`, as that gradient costs tensors of [N × V].

    Memory is O(chunk · V), not O(N · V). Where the projection is frozen, the gradient by the hidden states is computed
    beside the probabilities; where it learns too, chunks are computed again in the backward pass.
    """
    if hidden_ND.shape[0] == 0:
        empty = hidden_ND.sum() * hidden_ND.new_zeros(0, dtype=torch.float32)
        return empty, empty if entropy != "none" else None
    if chunk is None:
        chunk = max(1, (_ON_CPU if hidden_ND.device.type == "cpu" else _ELSEWHERE) // len(weight_VD))
    learns = torch.is_grad_enabled() and any(w is not None and w.requires_grad for w in (weight_VD, bias_V))
    if learns or (torch.is_grad_enabled() and entropy == "learned"):
        logps_N, entropy_N = _recomputed(hidden_ND, targets_N, weight_VD, bias_V, temperature, entropy, chunk)
    else:
        logps_N, entropy_N = _OfFrozen.apply(
            hidden_ND, targets_N, weight_VD, bias_V, temperature, entropy != "none", chunk
        )
    return logps_N, entropy_N if entropy != "none" else None


class _OfFrozen(torch.autograd.Function):
    """With logits z = (h Wᵀ + b) / τ and probabilities p, the log-probability of y has the gradient (W_y - p W) / τ by
    h. A row's loss reaches only its own row of h, so that matrix [N, D] is all that a backward pass needs."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        targets_N: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        temperature: float,
        entropy: bool,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        logps_N = hidden_ND.new_empty(len(targets_N), dtype=torch.float32)
        entropy_N = torch.zeros_like(logps_N)
        slope_ND = torch.empty_like(hidden_ND) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets_N), chunk):
            rows = slice(start, start + chunk)
            targets_C1 = targets_N[rows, None]
            logits_CV = F.linear(hidden_ND[rows], weight_VD, bias_V).float()
            if temperature != 1:
                logits_CV /= temperature
            logps_CV = logits_CV.log_softmax(-1)
            logps_N[rows] = logps_CV.gather(1, targets_C1).squeeze(1)
            if slope_ND is None and not entropy:
                continue
            probabilities_CV = logps_CV.exp_()
            if entropy:  # log Σ exp(z) - Σ p z
                expected_C = torch.linalg.vecdot(probabilities_CV, logits_CV)
                entropy_N[rows] = logits_CV.gather(1, targets_C1).squeeze(1) - logps_N[rows] - expected_C
            if slope_ND is not None:
                pulled_CD = probabilities_CV.to(weight_VD.dtype) @ weight_VD
                slope_ND[rows] = (weight_VD[targets_N[rows]] - pulled_CD) / temperature
        if slope_ND is not None:
            ctx.save_for_backward(slope_ND)
        ctx.mark_non_differentiable(entropy_N)
        return logps_N, entropy_N

    @staticmethod
    def backward(ctx: Any, gradient_N: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (slope_ND,) = ctx.saved_tensors
        return slope_ND * gradient_N[:, None].to(slope_ND.dtype), None, None, None, None, None, None


def _recomputed(
    hidden_ND: Tensor,
    targets_N: Tensor,
    weight_VD: Tensor,
    bias_V: Tensor | None,
    temperature: float,
    entropy: Entropy,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    def one_chunk(hidden_CD: Tensor, targets_C: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        logits_CV = F.linear(hidden_CD, weight, bias_V).float() / temperature
        logps_C = -F.cross_entropy(logits_CV, targets_C, reduction="none")
        if entropy == "none":
            return logps_C, logps_C.new_zeros(0)
        with torch.set_grad_enabled(torch.is_grad_enabled() and entropy == "learned"):
            logps_CV = logits_CV.log_softmax(-1)
            return logps_C, -(logps_CV.exp() * logps_CV).sum(-1)

    recompute = hidden_ND.shape[0] > chunk
    parts = [
        checkpoint(one_chunk, hidden, target, weight_VD, use_reentrant=False)
        if recompute
        else one_chunk(hidden, target, weight_VD)
        for hidden, target in zip(hidden_ND.split(chunk), targets_N.split(chunk), strict=True)
    ]
    return torch.cat([logps for logps, _ in parts]), torch.cat([values for _, values in parts])
