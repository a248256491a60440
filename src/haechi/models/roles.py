"""A role is what differs from the base: a LoRA adapter, or a copy of some layers, and a head.

Legend: D width, R rank.

Roles form a chain. The policy that PPO trains is a child of the role that SFT made: it starts as that role exactly, and
that role, untouched, is its reference. Reward model and policy are siblings on one base, so four models take the memory
of one and a few small differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from haechi.errors import ModelError
from haechi.models.base import SharedBase

Kind = Literal["full", "lora", "top_layers", "head"]


@dataclass(frozen=True, slots=True)
class Trainable:
    """What of a role learns.

    Attributes:
        kind: `full` every weight · `lora` adapters on linear layers (rank 0 means full) · `top_layers` copies of the
            highest `layers` layers and the final norm · `head` nothing but a head.
        target: which linear layers get adapters: `all-linear`, or the ends of their names divided by commas.
    """

    kind: Kind = "lora"
    rank: int = 16
    alpha: float = 32.0
    layers: int = 2
    target: str = "all-linear"

    @property
    def effective(self) -> Kind:
        return "full" if self.kind == "lora" and self.rank == 0 else self.kind


class Role:
    """Weights worn over a base.

    Attributes:
        parent: the role this one starts from, or None for the bare base.
        copies: by parameter name, float32 weights that replace the base's.
        lora_a, lora_b: by module name, [R, D_in] and [D_out, R]; the scale is alpha / R.
        head: a linear read-out of the final hidden state (values or rewards), float32; None for a plain policy.
        first_layer: the lowest layer that this role changes against its parent; the layers below are its trunk.
    """

    def __init__(
        self,
        base: SharedBase,
        trainable: Trainable,
        parent: Role | None = None,
        *,
        seed: int = 0,
        head_outputs: int = 0,
    ) -> None:
        self.parent = parent
        self.trainable = trainable
        self.copies: dict[str, nn.Parameter] = {}
        self.lora_a: dict[str, nn.Parameter] = {}
        self.lora_b: dict[str, nn.Parameter] = {}
        self.head: nn.Linear | None = None
        self.first_layer = 0
        match trainable.effective:
            case "full":
                self._copy(base, lambda name: True)
            case "lora":
                self._add_lora(base, seed)
            case "top_layers":
                self._copy_top(base, trainable.layers)
            case "head":
                self.first_layer = base.num_layers
        if head_outputs:
            self.head = _head(base, head_outputs, seed)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Everything that learns, by a stable name."""
        named = {f"copy.{name}": weight for name, weight in self.copies.items()}
        named |= {f"lora_a.{name}": weight for name, weight in self.lora_a.items()}
        named |= {f"lora_b.{name}": weight for name, weight in self.lora_b.items()}
        if self.head is not None:
            named |= {f"head.{name}": weight for name, weight in self.head.named_parameters()}
        return named

    @property
    def num_trained(self) -> int:
        return sum(weight.numel() for weight in self.parameters().values())

    def replacements(self) -> dict[str, Tensor]:
        """Base parameters that this role or an ancestor replaces; the youngest copy counts."""
        inherited = self.parent.replacements() if self.parent else {}
        return inherited | self.copies

    def lora_chain(self) -> list[dict[str, tuple[Tensor, Tensor, float]]]:
        """The adapters to add, oldest first."""
        inherited = self.parent.lora_chain() if self.parent else []
        if not self.lora_a:
            return inherited
        scale = self.trainable.alpha / self.trainable.rank
        return [*inherited, {name: (a, self.lora_b[name], scale) for name, a in self.lora_a.items()}]

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], where: str) -> None:
        """Takes saved weights; names and shapes must match exactly."""
        own = self.parameters()
        if own.keys() != tensors.keys():
            odd = sorted(own.keys() ^ tensors.keys())[:3]
            raise ModelError(
                f"{where}: its weights are not those of this role (first differences: {', '.join(odd)}). "
                "Fix: use the settings the role was trained with, or train it again."
            )
        for name, weight in own.items():
            if weight.shape != tensors[name].shape:
                raise ModelError(
                    f"{where}: {name} has shape {tuple(tensors[name].shape)}, expected {tuple(weight.shape)}"
                )
            weight.copy_(tensors[name])

    def state(self) -> dict[str, Tensor]:
        """The weights, detached, as they are saved."""
        return {name: weight.detach() for name, weight in self.parameters().items()}

    def freeze(self) -> Role:
        """No more learning: what a reference or a finished reward model is."""
        for weight in self.parameters().values():
            weight.requires_grad_(False)
        return self

    def _copy(self, base: SharedBase, wanted: object) -> None:
        assert callable(wanted)
        inherited = self.parent.replacements() if self.parent else {}
        for name, weight in base.model.named_parameters():
            if wanted(name):
                if not weight.is_floating_point():
                    raise ModelError(
                        f"{base.name}: quantised weights cannot be trained themselves. "
                        "Fix: trainable.kind: lora, or base.quantise: none."
                    )
                self.copies[name] = nn.Parameter(inherited.get(name, weight).detach().float().clone())

    def _copy_top(self, base: SharedBase, count: int) -> None:
        if not 0 < count <= base.num_layers:
            raise ModelError(
                f"top_layers: {count} of {base.num_layers} layers. Fix: trainable.layers from 1 to {base.num_layers}."
            )
        self.first_layer = base.num_layers - count
        top = {id(weight) for layer in base.layers[self.first_layer :] for weight in layer.parameters()}
        # What stands after the last layer (the final norm) belongs to the top; embeddings and output layer do not.
        norm = {id(weight) for weight in _final_norm(base).parameters()}
        by_id = {name: id(weight) for name, weight in base.model.named_parameters()}
        self._copy(base, lambda name: by_id[name] in top | norm)

    def _add_lora(self, base: SharedBase, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        rank = self.trainable.rank
        for name, module in base.model.named_modules():
            shape = linear_shape(module)
            if shape is None or module is base.model.get_output_embeddings() or not self._targets(name):
                continue
            outputs, inputs = shape
            # Kaiming-uniform A and zero B, as in the reference implementation: the role starts as its parent.
            a = (torch.rand(rank, inputs, generator=generator) * 2 - 1) / math.sqrt(inputs)
            self.lora_a[name] = nn.Parameter(a.to(base.device))
            self.lora_b[name] = nn.Parameter(torch.zeros(outputs, rank, device=base.device))
        if not self.lora_a:
            raise ModelError(
                f"{base.name}: no linear layer ends in “{self.trainable.target}”. Fix: set trainable.target to "
                "all-linear, or to names such as q_proj,v_proj."
            )

    def _targets(self, name: str) -> bool:
        wanted = self.trainable.target
        return wanted == "all-linear" or any(name.endswith(end.strip()) for end in wanted.split(","))


def linear_shape(module: nn.Module) -> tuple[int, int] | None:
    """(outputs, inputs) of a linear layer: torch's, Transformers' Conv1D (GPT-2), or a 4-bit one; None otherwise."""
    if isinstance(module, nn.Linear):  # bitsandbytes' Linear4bit is one
        return module.out_features, module.in_features
    if type(module).__name__ == "Conv1D" and hasattr(module, "nf"):
        return int(module.weight.shape[1]), int(module.weight.shape[0])  # type: ignore[union-attr,index]
    return None


def _final_norm(base: SharedBase) -> nn.Module:
    for name in ("norm", "ln_f", "final_layer_norm"):
        if isinstance(found := getattr(base.body, name, None), nn.Module):
            return found
    raise ModelError(f"{base.name}: no final norm found after the decoder layers")


def _head(base: SharedBase, outputs: int, seed: int) -> nn.Linear:
    """A read-out with weights N(0, 1/(D+1)), variance as in Stiennon et al. 2020 (arXiv 2009.01325), and bias 0."""
    head = nn.Linear(base.width, outputs)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.copy_(torch.randn(outputs, base.width, generator=generator) / math.sqrt(base.width + 1))
        head.bias.zero_()
    return head.to(base.device)
