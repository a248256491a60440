"""Answers written token by token through Transformers' modules, with keys and values in memory that is allocated once.

Legend: P prompts, B answers being written, T prompt places, H heads, L places, K size of a head, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

from haechi.models.base import SharedBase


class CachedDecoding:
    """Some prompts and the answers to them that are being written (the role is worn by the caller)."""

    def __init__(self, base: SharedBase, prompts: Sequence[Sequence[int]], samples: int, new_tokens: int) -> None:
        self._base = base
        self._cache: RolloutCache | PlainCache
        if base.shared_forward:
            self._cache = RolloutCache(base.num_layers, max(map(len, prompts)) + new_tokens)
        else:
            self._cache = PlainCache(config=base.model.config)
        last_PD, real_PT = self._read(prompts)
        rows = torch.arange(len(prompts), device=base.device).repeat_interleave(samples)
        if samples > 1:
            self._cache.take(rows)
        self._hidden_BD, self._real_BT = last_PD[rows], real_PT[rows]
        self._positions_B = self._real_BT.sum(-1)

    def logits(self) -> Tensor:
        """Of each answer's next token [B, V]."""
        return F.linear(self._hidden_BD, *self._base.output_weight())

    def step(self, tokens_B: Tensor) -> None:
        """Writes a token to every answer."""
        self._real_BT = F.pad(self._real_BT, (0, 1), value=True)
        output = self._base.body(
            input_ids=tokens_B[:, None],
            attention_mask=self._real_BT[:, None, None, :] if self._base.shared_forward else None,
            position_ids=self._positions_B[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        self._hidden_BD = output.last_hidden_state[:, -1]
        self._positions_B = self._positions_B + 1

    def keep(self, rows: Tensor) -> None:
        """Goes on with some answers alone, named by their present place."""
        self._cache.take(rows)
        self._hidden_BD, self._real_BT = self._hidden_BD[rows], self._real_BT[rows]
        self._positions_B = self._positions_B[rows]

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """The last hidden state of each prompt [P, D], and which places are real [P, T]; shorter prompts are padded on
        the left."""
        length, device = max(map(len, prompts)), self._base.device
        tokens_PT = torch.zeros(len(prompts), length, dtype=torch.long)
        real_PT = torch.zeros(len(prompts), length, dtype=torch.bool)
        for row, prompt in enumerate(prompts):
            tokens_PT[row, length - len(prompt) :] = torch.tensor(prompt)
            real_PT[row, length - len(prompt) :] = True
        tokens_PT, real_PT = tokens_PT.to(device), real_PT.to(device)
        causal = torch.ones(length, length, dtype=torch.bool, device=device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=device)
        visible_PTT = (causal & real_PT[:, None, :]) | itself
        output = self._base.body(
            input_ids=tokens_PT,
            attention_mask=visible_PTT[:, None] if self._base.shared_forward else None,
            position_ids=(real_PT.cumsum(-1) - 1).clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
        )
        return output.last_hidden_state[:, -1], real_PT


class _Layer(CacheLayerMixin):
    """One layer's keys and values [B, H, L, K], filled from the left."""

    is_sliding = False

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.used = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        rows, heads, _, size = key_states.shape
        self.keys = key_states.new_empty(rows, heads, self.capacity, size)
        self.values = value_states.new_empty(rows, value_states.shape[1], self.capacity, value_states.shape[-1])
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        end = self.used + key_states.shape[-2]
        self.keys[:, :, self.used : end] = key_states
        self.values[:, :, self.used : end] = value_states
        self.used = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        return self.used

    def get_max_length(self) -> int:
        return self.capacity

    def take(self, rows: Tensor) -> None:
        """Keeps the given rows, in the given order; a row may come several times (samples of one prompt)."""
        assert self.keys is not None and self.values is not None
        self.keys, self.values = self._taken(self.keys, rows), self._taken(self.values, rows)

    def _taken(self, states: Tensor, rows: Tensor) -> Tensor:
        taken = states.new_empty(len(rows), *states.shape[1:])
        taken[:, :, : self.used] = states[:, :, : self.used].index_select(0, rows)
        return taken


class RolloutCache(Cache):
    """Transformers' cache over preallocated layers."""

    def __init__(self, num_layers: int, capacity: int) -> None:
        super().__init__(layers=[_Layer(capacity) for _ in range(num_layers)])

    def take(self, rows: Tensor) -> None:
        """Keeps some rows of every layer."""
        for layer in self.layers:
            assert isinstance(layer, _Layer)
            layer.take(rows)


class PlainCache(DynamicCache):
    """Transformers' own cache, with the windows of an architecture that has them; rows must be of equal length."""

    def take(self, rows: Tensor) -> None:
        """Keeps some rows of every layer."""
        self.batch_select_indices(rows)
