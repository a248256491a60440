"""Keys and values of a rollout in memory that is allocated once.

Legend: B rows, H heads, L places, K size of a head.
"""

from __future__ import annotations

from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache


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
