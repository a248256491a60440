"""A linear layer as a role wears it: the base's weight or a copy, and the adapters of the role and its parents.

Legend: N rows, I inputs, O outputs, R rank.

    y = x Wᵀ + b + Σ s (x Aᵀ) Bᵀ                                    (LoRA, Hu et al., arXiv 2106.09685, §4.1)

In float32 the adapters are added to the weight first, which costs R rows' worth of the product instead of two passes
over its result. In a narrower type that sum would round most of a small adapter away, so there they stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from haechi.engine.products import Laid

Adapters = Sequence[Mapping[str, tuple[Tensor, Tensor, float]]]  # oldest first: module ▶ (A [R, I], B [O, R], scale)


class Linear:
    """y = f(x) and its gradients, for one forward pass; the weights must not change until its backward is done."""

    def __init__(self, module: nn.Linear, name: str, adapters: Adapters) -> None:
        self.weight_OI: Tensor = module.weight
        self.bias_O: Tensor | None = module.bias
        self.adapters = [worn[name] for worn in adapters if name in worn]
        self.product_OI = self.weight_OI.detach()
        self.laid: Laid | None = None
        self.apart = self.adapters
        if self.adapters and self.weight_OI.dtype is torch.float32:
            self.apart = []
            for a_RI, b_OR, scale in self.adapters:
                self.product_OI = torch.addmm(self.product_OI, b_OR.detach(), a_RI.detach(), alpha=scale)

    def lay(self, rows: int, products: int) -> None:
        """Gets ready for so many products with so many rows."""
        if Laid.pays(self.product_OI, rows, products):
            self.laid = Laid(self.product_OI)
            self.product_OI = self.weight_OI.detach()  # a merged one would lie here twice

    def learned(self) -> list[Tensor]:
        """The tensors that want a gradient, in the order in which `gradients` gives them."""
        own = [self.weight_OI, *([] if self.bias_O is None else [self.bias_O])]
        both = [tensor for a_RI, b_OR, _ in self.adapters for tensor in (a_RI, b_OR)]
        return [tensor for tensor in (*own, *both) if tensor.requires_grad]

    def forward(self, x_NI: Tensor, *, onto: Tensor | None = None) -> Tensor:
        """f(x) [N, O], added to `onto` where given; without a graph."""
        weight_IO = self.product_OI.t()
        if self.laid is not None:
            y_NO = self.laid.product(x_NI, onto)
        else:
            y_NO = x_NI @ weight_IO if onto is None else torch.addmm(onto, x_NI, weight_IO)
        if self.bias_O is not None:
            y_NO += self.bias_O.detach()
        for a_RI, b_OR, scale in self.apart:
            y_NO.addmm_(x_NI @ a_RI.detach().to(x_NI.dtype).t(), b_OR.detach().to(x_NI.dtype).t(), alpha=scale)
        return y_NO

    def backward(self, dy_NO: Tensor, *, onto: Tensor | None = None) -> Tensor:
        """The gradient of the inputs [N, I], added to `onto` in place where given."""
        dx_NI = dy_NO @ self.product_OI if onto is None else onto.addmm_(dy_NO, self.product_OI)
        for a_RI, b_OR, scale in self.apart:
            dx_NI.addmm_(dy_NO @ b_OR.detach().to(dy_NO.dtype), a_RI.detach().to(dy_NO.dtype), alpha=scale)
        return dx_NI

    def gradients(self, dy_NO: Tensor, x_NI: Tensor) -> list[Tensor]:
        """The gradient of each of `learned`."""
        found: list[Tensor] = []
        if self.weight_OI.requires_grad:
            found.append(dy_NO.t() @ x_NI)
        if self.bias_O is not None and self.bias_O.requires_grad:
            found.append(dy_NO.sum(0))
        for a_RI, b_OR, scale in self.adapters:
            if a_RI.requires_grad:
                through_NR = dy_NO @ b_OR.detach().to(dy_NO.dtype)
                found.append((through_NR.t() @ x_NI).mul_(scale).to(a_RI.dtype))
            if b_OR.requires_grad:
                through_NR = x_NI @ a_RI.detach().to(x_NI.dtype).t()
                found.append((dy_NO.t() @ through_NR).mul_(scale).to(b_OR.dtype))
        return found
