"""Float32 matrix products on a CPU: by oneDNN, where MKL would use half of the processor.

Legend: N rows, I inputs, O outputs.

PyTorch gives float32 products to MKL, which runs on processors that are not Intel's as if they had no AVX-512. oneDNN,
which comes with PyTorch too, does not mind whose they are, but is asked only where it is allowed to round to bfloat16.
It would do so on AMX tiles alone; where there are none its products are as exact, and this is checked, not believed.
"""

from __future__ import annotations

import platform
from functools import cache

import torch
from torch import Tensor

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


def linear(x_NI: Tensor, weight_OI: Tensor, onto_NO: Tensor | None = None) -> Tensor:
    """x Wᵀ [N, O], added to `onto` where given. A single row is a vector, for which oneDNN has nothing better."""
    if len(x_NI) == 1:
        y_NO = torch.mv(weight_OI, x_NI[0])[None]
        return y_NO if onto_NO is None else y_NO + onto_NO
    return x_NI @ weight_OI.t() if onto_NO is None else torch.addmm(onto_NO, x_NI, weight_OI.t())
