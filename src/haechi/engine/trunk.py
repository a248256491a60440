"""The trunk cache: hidden states of layers that never change, computed once a tree and reused by every role and epoch.

Legend: B rows, T tokens of a row, D width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from haechi.engine.trees import Packed, Tree


class TrunkCache:
    """States at the input of `layer`, by tree, kept in memory up to a budget; the oldest leave first.

    It holds for one frozen set of lower layers: roles that share them may share the cache.

    Attributes:
        layer: the first layer that is computed each time; 0 means that there is no trunk.
    """

    def __init__(self, layer: int, budget_bytes: int = 1 << 30) -> None:
        self.layer = layer
        self.budget_bytes = budget_bytes
        self.bytes = 0
        self.hits = 0
        self._states: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()

    def states(self, trees: Sequence[Tree], packed: Packed, compute: Callable[[], Tensor]) -> Tensor:
        """The states [B, T, D] of packed trees, from the cache if all of them are there."""
        keys = [_key(tree) for tree in trees]
        if all(key in self._states for key in keys):
            self.hits += len(keys)
            return self._laid_out(keys, trees, packed)
        states_BTD = compute()
        for key, place in zip(keys, _places(trees, packed), strict=True):
            self._remember(key, states_BTD[place[0], place[1] : place[2]].clone())
        return states_BTD

    def _laid_out(self, keys: Sequence[tuple[object, ...]], trees: Sequence[Tree], packed: Packed) -> Tensor:
        first = self._states[keys[0]]
        rows, length = packed.tokens_BT.shape
        states_BTD = torch.zeros(rows, length, first.shape[-1], dtype=first.dtype, device=first.device)
        for key, (row, start, end) in zip(keys, _places(trees, packed), strict=True):
            states_BTD[row, start:end] = self._states[key]
        return states_BTD

    def _remember(self, key: tuple[object, ...], states_TD: Tensor) -> None:
        if key in self._states:
            return
        self._states[key] = states_TD
        self.bytes += states_TD.numel() * states_TD.element_size()
        while self.bytes > self.budget_bytes and len(self._states) > 1:
            _, oldest = self._states.popitem(last=False)
            self.bytes -= oldest.numel() * oldest.element_size()


def _key(tree: Tree) -> tuple[object, ...]:
    return tuple(tree.prompt), tuple(tuple(answer) for answer in tree.answers)


def _places(trees: Sequence[Tree], packed: Packed) -> list[tuple[int, int, int]]:
    """(row, start, end) of each tree, read back from where its last token stands."""
    length = packed.tokens_BT.shape[1]
    places: list[tuple[int, int, int]] = []
    answer = -1
    for tree in trees:
        answer += len(tree.answers)
        last = int(packed.last_A[answer])
        end = last % length + 1
        places.append((last // length, end - tree.num_tokens, end))
    return places
