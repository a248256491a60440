"""Float32 matrix products on a CPU: by oneDNN, where MKL would use half of the processor.

PyTorch gives float32 products to MKL, which runs on processors that are not Intel's as if they had no AVX-512. oneDNN,
which comes with PyTorch too, does not mind whose they are, but is asked only where it is allowed to round to bfloat16.
It would do so on AMX tiles alone; where there are none its products are as exact, and this is checked, not believed.

Few rows are another matter: there a product takes as long as its weight takes to come from memory, and a weight that
lies as oneDNN reads it comes in half the time.
"""

from __future__ import annotations

import platform
from functools import cache

import torch
from torch import Tensor

_ROWS = 16  # for so many oneDNN lays weights in blocks, which is best for fewer too; for one it would leave them
_EXACT = 1e-5  # relative error: float32 leaves 1e-6 after some hundred terms, bfloat16 1e-3


@cache
def by_onednn() -> bool:
    """Lets oneDNN compute this process's float32 products where that is exact; whether it does."""
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available() or matmul is None:
        return False
    if torch.cpu._is_amx_tile_supported():
        return False
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    if largest_error() > _EXACT:
        matmul.fp32_precision = before
    return matmul.fp32_precision != before


def largest_error() -> float:
    """The largest relative error of some products, as they are computed now."""
    draw = torch.Generator().manual_seed(0)
    worst = 0.0
    for rows, inner, columns in ((1, 512, 512), (16, 64, 256), (200, 16, 300), (129, 333, 65), (512, 512, 512)):
        x = torch.randn(2, rows, inner, generator=draw)
        w = torch.randn(2, inner, columns, generator=draw)
        for a, b in ((x, w), (x[0], w[0]), (w.transpose(1, 2), x.transpose(1, 2))):
            exact = a.double() @ b.double()
            worst = max(worst, float((a @ b - exact).abs().max() / exact.abs().max()))
    return worst


class Laid:
    """A weight [O, I] laid out for products with few rows: a copy, worth making for a dozen of them.

    It is asked by the operator that `torch.compile` makes linear layers of.
    """

    def __init__(self, weight_OI: Tensor) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight_OI.detach(), _ROWS)

    @staticmethod
    def pays(weight_OI: Tensor, rows: int, products: int) -> bool:
        """Whether so many products with so many rows win back what the copy takes."""
        return by_onednn() and weight_OI.dtype is torch.float32 and rows <= 64 and products >= 12

    def product(self, x_NI: Tensor, onto_NO: Tensor | None = None) -> Tensor:
        """x Wᵀ [N, O], added to `onto` where given; without a graph."""
        if onto_NO is None:
            return torch.ops.mkldnn._linear_pointwise(x_NI, self._weight, None, "none", [], "")
        return torch.ops.mkldnn._linear_pointwise.binary(x_NI, onto_NO, self._weight, None, "add")
