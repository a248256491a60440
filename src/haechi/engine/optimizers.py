"""What turns gradients into updates: AdamW, or Muon for the hidden matrices and AdamW for the rest.

AdamW (arXiv 1711.05101) scales every number by its own history. Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon)
makes the momentum of a matrix orthogonal, so that an update moves all of its directions alike; its learning rate is
scaled to AdamW's size of update (arXiv 2502.16982, section 2.2), so one rate serves both. Both are PyTorch's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["adamw", "muon"]

_MOMENTUM = 0.95  # Muon's own, as its authors set it
_IN_A_LAYER = re.compile(r"\.\d+\.")  # `layers.3.`, `h.3.`


class Optimizers:
    """One or two optimisers over named parameters, and their state by those names."""

    def __init__(self, made: list[torch.optim.Optimizer], parameters: Mapping[str, nn.Parameter]) -> None:
        self._made = made
        self._parameters = parameters

    def set_rate(self, rate: float) -> None:
        """The learning rate of all of them, from the next step on."""
        for optimizer in self._made:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forgets the gradients, and frees them."""
        for optimizer in self._made:
            optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        """One update from the gradients at hand; a parameter without one stays."""
        for optimizer in self._made:
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """`KEY.PARAMETER` → tensor, for every parameter that has been updated."""
        return {
            f"{key}.{name}": value
            for name, weight in self._parameters.items()
            for optimizer in self._made
            for key, value in optimizer.state.get(weight, {}).items()
        }

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        owners = {weight: made for made in self._made for group in made.param_groups for weight in group["params"]}
        for full_name, value in saved.items():
            key, _, name = full_name.partition(".")
            weight = self._parameters[name]
            # AdamW keeps its count of steps on the CPU.
            value = value.clone() if key == "step" else value.to(weight.device).clone()
            owners[weight].state[weight][key] = value


def make_optimizers(
    kind: Kind, parameters: Mapping[str, nn.Parameter], *, betas: tuple[float, float], weight_decay: float
) -> Optimizers:
    """Optimisers without a learning rate yet: `set_rate` comes before the first step."""
    hidden = {name: w for name, w in parameters.items() if kind == "muon" and _hidden_matrix(name, w)}
    rest = [weight for name, weight in parameters.items() if name not in hidden]
    made: list[torch.optim.Optimizer] = []
    if rest:
        made.append(torch.optim.AdamW(rest, lr=0.0, betas=betas, weight_decay=weight_decay))
    if hidden:
        matrices = list(hidden.values())
        made.append(
            torch.optim.Muon(
                matrices, lr=0.0, momentum=_MOMENTUM, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    return Optimizers(made, parameters)


def _hidden_matrix(name: str, weight: Tensor) -> bool:
    """A matrix between hidden states. Tables of tokens and positions, and output layers, stand outside the layers."""
    return weight.ndim == 2 and _IN_A_LAYER.search(name) is not None
