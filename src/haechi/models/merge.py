"""Base and role become one plain Transformers folder, accepted only if it says the same.

Legend: N answer tokens.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.models.roles import Role

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Agreement:
    """How merged and unmerged compare.

    Attributes:
        largest_difference: of log-probabilities of the same answer tokens, in nats.
        identical_answers, answers: greedy answers that are token for token the same, of how many.
    """

    largest_difference: float
    identical_answers: int
    answers: int

    def accepted(self, tolerance: float) -> bool:
        return self.largest_difference <= tolerance and self.identical_answers == self.answers


@torch.no_grad()
def merged_model(base: SharedBase, role: Role) -> PreTrainedModel:
    """A copy of the base's model whose own weights are those that the role wears: W + scale · B A.

    Raises:
        ModelError: the base is quantised; its 4-bit weights cannot take a delta.
    """
    if getattr(base.model, "is_quantized", False):
        raise ModelError(
            f"{base.name}: a 4-bit base cannot take the adapter into its weights. "
            "Fix: load the base with base.quantise: none (on a CPU if it must be) and merge there."
        )
    model = copy.deepcopy(base.model)
    for module in model.modules():  # the copy must not add adapters a second time
        module._forward_hooks.clear()
    weights = dict(model.named_parameters())
    for name, weight in role.replacements().items():
        weights[name].copy_(weight)
    for adapter in role.lora_chain():
        for name, (a, b, scale) in adapter.items():
            weight = weights[f"{name}.weight"]
            delta = (b.float() @ a.float()) * scale
            transposed = type(model.get_submodule(name)).__name__ == "Conv1D"
            weight.copy_(weight.float() + (delta.T if transposed else delta))
    return model


def save_model(model: PreTrainedModel, base: SharedBase, folder: Path) -> None:
    """Writes a model that was made of a base: safetensors, config and tokenizer, which is all that
    `AutoModelForCausalLM.from_pretrained(folder)` needs, and the terms of the base."""
    model.save_pretrained(folder, safe_serialization=True)
    base.codec.save(folder)
    for file in base.terms:
        shutil.copyfile(file, folder / file.name)


def compare(
    before: Sequence[Tensor], after: Sequence[Tensor], answers: Sequence[list[int]], again: Sequence[list[int]]
) -> Agreement:
    """Agreement of two models from their log-probabilities of the same answers and from their greedy answers."""
    differences = [(x - y).abs().max() for x, y in zip(before, after, strict=True)]
    largest = float(torch.stack(differences).max()) if differences else 0.0  # a NaN anywhere is the largest
    same = sum(x == y for x, y in zip(answers, again, strict=True))
    return Agreement(largest, same, len(answers))
