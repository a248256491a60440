"""The trunk cache: hidden states of layers that never change, computed once a tree and reused by every role and epoch.

Legend: P places, T tokens of a tree, D width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

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

    def states(self, packed: Packed, compute: Callable[[Tree], Tensor]) -> Tensor:
        """The states [P, D] of packed trees, computed where they are not in the cache.

        Args:
            compute: the states [T, D] of one tree, by itself: what is cached then never depends on which trees were
                beside it, and a resumed run sees the same bytes.
        """
        states = [self._of(tree, compute) for tree in packed.trees]
        if packed.layout == "flat":
            return torch.cat(states)
        states_PD = states[0].new_zeros(packed.tokens_BT.numel(), states[0].shape[-1])
        for states_TD, start in zip(states, packed.starts, strict=True):
            states_PD[start : start + len(states_TD)] = states_TD
        return states_PD

    def _of(self, tree: Tree, compute: Callable[[Tree], Tensor]) -> Tensor:
        key = _key(tree)
        found = self._states.get(key)
        if found is not None:
            self.hits += 1
            return found
        states_TD = compute(tree)
        self._remember(key, states_TD)
        return states_TD

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

