"""A model of Llama's family run layer by layer over flat trees, as a role wears it.

Legend: P places, R places that are read, D width, V vocabulary, K size of a head.

The last layer computes its states only where something reads them: of a prompt that is the last place alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haechi.engine.trees import Packed
from haechi.models.llama.attention import Attention, Block, Plan, blocks_of, only
from haechi.models.llama.feed_forward import FeedForward
from haechi.models.llama.linear import Adapters, Linear
from haechi.models.llama.norms import Norm

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FAMILY = ("llama", "mistral", "qwen2", "qwen3")


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer, as a role wears it."""

    attention: Attention
    feed_forward: FeedForward


class Decoder:
    """The body of a Transformers model of the family; it holds no weights of its own."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.body: Any = model.base_model
        self.size = int(getattr(model.config, "head_dim", None) or self._config_size(model.config))
        self._names = {id(module): name for name, module in model.named_modules()}

    @staticmethod
    def suits(model: PreTrainedModel) -> bool:
        """Whether a model is of the family, whole, and where this pays: on a CPU."""
        config: Any = model.config
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        return (
            config.model_type in FAMILY
            and config.hidden_act == "silu"
            and all(type(module) is nn.Linear and module.weight.device.type == "cpu" for module in linear)
        )

    @staticmethod
    def _config_size(config: Any) -> int:
        return config.hidden_size // config.num_attention_heads

    def states(self, packed: Packed, adapters: Adapters, *, stop: int) -> Tensor:
        """What the layers below `stop` make of flat trees, at every place [P, D]."""
        x_PD = self.embed(packed.tokens_BT[0])
        plan = self._plan(packed.positions_BT[0], blocks_of(packed), x_PD.dtype)
        for number in range(stop):
            layer = self.layer(number, adapters)
            x_PD = layer.feed_forward(layer.attention(x_PD, plan))
        return x_PD

    def hidden(
        self, packed: Packed, adapters: Adapters, *, start: int = 0, states_PD: Tensor | None = None
    ) -> Tensor:
        """The final hidden states where they are read [R, D].

        Args:
            start: the first layer to compute; the layers below are replaced by `states_PD`.
        """
        x_PD = self.embed(packed.tokens_BT[0]) if states_PD is None else states_PD
        if start == self.num_layers:
            return self.finish(x_PD[packed.read_R])
        blocks = blocks_of(packed)
        plan = self._plan(packed.positions_BT[0], blocks, x_PD.dtype)
        reading = Plan(packed.read_R, only(blocks, packed.read_R), plan.cos_PK, plan.sin_PK)
        for number in range(start, self.num_layers):
            layer = self.layer(number, adapters)
            last = number + 1 == self.num_layers
            x_PD = layer.feed_forward(layer.attention(x_PD, reading if last else plan))
        return self.finish(x_PD)

    # ── the parts ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def num_layers(self) -> int:
        return len(self.body.layers)

    def embed(self, tokens_N: Tensor) -> Tensor:
        """The first states [N, D]."""
        return F.embedding(tokens_N, self.body.embed_tokens.weight)

    def layer(self, number: int, adapters: Adapters) -> Layer:
        """A layer as it is worn now."""
        layer = self.body.layers[number]
        of, mlp = layer.self_attn, layer.mlp

        def worn(module: nn.Linear) -> Linear:
            return Linear(module, self._names[id(module)], adapters)

        return Layer(
            Attention(
                Norm(layer.input_layernorm),
                *map(worn, (of.q_proj, of.k_proj, of.v_proj, of.o_proj)),
                size=self.size,
                query_norm=Norm(of.q_norm) if hasattr(of, "q_norm") else None,
                key_norm=Norm(of.k_norm) if hasattr(of, "k_norm") else None,
            ),
            FeedForward(
                Norm(layer.post_attention_layernorm), *map(worn, (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
            ),
        )

    def finish(self, x_ND: Tensor) -> Tensor:
        """The final norm, with its gradient."""
        return self.body.norm(x_ND)

    def rotation(self, positions_N: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine of each position's angles [N, K]."""
        cos, sin = self.body.rotary_emb(torch.empty(0, dtype=dtype), positions_N[None])
        return cos[0], sin[0]

    def _plan(self, positions_P: Tensor, blocks: Sequence[Block], dtype: torch.dtype) -> Plan:
        return Plan(None, blocks, *self.rotation(positions_P, dtype))
