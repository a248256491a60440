"""Matrix products on a CPU, in float32, by oneDNN.

Legend: N rows, I inputs, O outputs.

PyTorch gives float32 products to MKL, which on processors that are not Intel's leaves half of their width unused; oneDNN,
which comes with PyTorch too, does not. What it is asked by is the operator that `torch.compile` makes linear layers of.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(x_NI: Tensor, weight_OI: Tensor, plus_NO: Tensor | None = None) -> Tensor:
    """x Wᵀ [N, O], and `plus` if given; without a graph. Either side may be transposed."""
    if not (_ONEDNN and x_NI.dtype is torch.float32 and x_NI.device.type == "cpu"):
        return x_NI @ weight_OI.t() if plus_NO is None else torch.addmm(plus_NO, x_NI, weight_OI.t())
    if plus_NO is None:
        return torch.ops.mkldnn._linear_pointwise(x_NI, weight_OI, None, "none", [], "")
    return torch.ops.mkldnn._linear_pointwise.binary(x_NI, plus_NO, weight_OI, None, "add")
