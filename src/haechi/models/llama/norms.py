"""Root mean square norm (Zhang and Sennrich, arXiv 1910.07467, eq. 4), forwards and backwards.

Legend: N rows (of any shape), D normed width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Norm:
    """y = w x / rms(x), computed in float32."""

    def __init__(self, module: nn.Module) -> None:
        weight, epsilon = module.weight, module.variance_epsilon
        assert isinstance(weight, Tensor) and isinstance(epsilon, float)
        self.weight_D, self.epsilon = weight, epsilon

    def learned(self) -> list[Tensor]:
        """The weight, if it wants a gradient."""
        return [self.weight_D] if self.weight_D.requires_grad else []

    def forward(self, x_ND: Tensor) -> Tensor:
        """y [N, D], without a graph."""
        return self._direction(x_ND)[0].to(x_ND.dtype).mul_(self.weight_D.detach())

    def backward(self, dy_ND: Tensor, x_ND: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The gradient of x, and that of `learned`."""
        direction_ND, scale_N1 = self._direction(x_ND)
        gradients = []
        if self.weight_D.requires_grad:
            gradients.append((dy_ND * direction_ND).flatten(0, -2).sum(0).to(self.weight_D.dtype))
        d_ND = dy_ND.float() * self.weight_D.detach()
        along_N1 = torch.linalg.vecdot(d_ND, direction_ND).unsqueeze(-1) / x_ND.shape[-1]
        dx_ND = d_ND.addcmul_(direction_ND, along_N1, value=-1.0).mul_(scale_N1)
        return dx_ND.to(x_ND.dtype), gradients

    def _direction(self, x_ND: Tensor) -> tuple[Tensor, Tensor]:
        """x / rms(x), and 1 / rms(x)."""
        x_ND = x_ND.float()
        scale_N1 = (x_ND.square().mean(-1, keepdim=True) + self.epsilon).rsqrt_()
        return x_ND * scale_N1, scale_N1
