"""The feed-forward step of a layer: x + down(silu(gate(n)) · up(n)), n = norm(x)  (SwiGLU, arXiv 2002.05202, eq. 6).

Legend: N rows, D width, I inner width, C rows of a chunk.

Rows go through in chunks that stay in the processor's cache. For the backward pass only gate and up are kept; the rest
costs less to compute again than to store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from haechi.models.llama.linear import Linear
from haechi.models.llama.norms import Norm

CHUNK = 512


@dataclass(frozen=True, slots=True)
class FeedForward:
    """The step, as a role wears it."""

    norm: Norm
    gate: Linear
    up: Linear
    down: Linear

    def learned(self) -> list[Tensor]:
        """The tensors that want a gradient."""
        return [*self.norm.learned(), *self.gate.learned(), *self.up.learned(), *self.down.learned()]

    def lay(self, rows: int, products: int) -> None:
        """Gets its linear layers ready for so many products with so many rows."""
        for linear in (self.gate, self.up, self.down):
            linear.lay(rows, products)

    def __call__(self, x_ND: Tensor) -> Tensor:
        learned = self.learned() if torch.is_grad_enabled() else []
        if torch.is_grad_enabled() and (learned or x_ND.requires_grad):
            return _Step.apply(x_ND, self, *learned)  # type: ignore[no-any-return]
        return torch.cat([self.forward(x_CD)[0] for x_CD in x_ND.split(CHUNK)])

    def forward(self, x_CD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The step's output, and gate and up [C, I]."""
        normed_CD = self.norm.forward(x_CD)
        gate_CI, up_CI = self.gate.forward(normed_CD), self.up.forward(normed_CD)
        return self.down.forward(F.silu(gate_CI).mul_(up_CI), onto=x_CD), gate_CI, up_CI

    def backward(self, dy_CD: Tensor, x_CD: Tensor, gate_CI: Tensor, up_CI: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The gradients of x and of `learned`."""
        silu_CI = F.silu(gate_CI)
        dinner_CI = self.down.backward(dy_CD)
        dup_CI = dinner_CI * silu_CI
        of_down = self.down.gradients(dy_CD, silu_CI.mul_(up_CI)) if self.down.learned() else []
        dgate_CI = torch.ops.aten.silu_backward(dinner_CI.mul_(up_CI), gate_CI)
        dnormed_CD = self.up.backward(dup_CI, onto=self.gate.backward(dgate_CI))
        of_inputs: list[Tensor] = []
        if self.gate.learned() or self.up.learned():
            normed_CD = self.norm.forward(x_CD)
            of_inputs = [*self.gate.gradients(dgate_CI, normed_CD), *self.up.gradients(dup_CI, normed_CD)]
        dx_CD, of_norm = self.norm.backward(dnormed_CD, x_CD)
        return dx_CD.add_(dy_CD), [*of_norm, *of_inputs, *of_down]


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, step: FeedForward, *learned: Tensor) -> Tensor:
        parts = [step.forward(x_CD) for x_CD in x_ND.split(CHUNK)]
        ctx.step, ctx.count = step, len(learned)
        ctx.save_for_backward(x_ND, *(tensor for _, gate_CI, up_CI in parts for tensor in (gate_CI, up_CI)))
        return torch.cat([y_CD for y_CD, _, _ in parts])

    @staticmethod
    def backward(ctx: Any, dy_ND: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x_ND, *kept = ctx.saved_tensors
        dx_ND, totals = torch.empty_like(x_ND), list[Tensor]()
        chunks = zip(
            dy_ND.split(CHUNK), x_ND.split(CHUNK), dx_ND.split(CHUNK), kept[::2], kept[1::2], strict=True
        )
        for dy_CD, x_CD, into_CD, gate_CI, up_CI in chunks:
            dx_CD, gradients = ctx.step.backward(dy_CD, x_CD, gate_CI, up_CI)
            into_CD.copy_(dx_CD)
            totals = [a.add_(b) for a, b in zip(totals, gradients, strict=True)] if totals else gradients
        return dx_ND, None, *totals
