"""Which examples a step sees: a function of (seed, step), so that a resumed run sees the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def steps_for(examples: int, batch_size: int, epochs: int) -> int:
    """Steps of `epochs` passes; the last batch of a pass may be smaller."""
    return math.ceil(examples / batch_size) * epochs


def batch_at(step: int, examples: int, batch_size: int, seed: int) -> list[int]:
    """Indices of a step's examples: each pass is a fresh permutation, cut into batches."""
    batches = math.ceil(examples / batch_size)
    epoch, position = divmod(step, batches)
    order = permutation(examples, seed, epoch)
    return order[position * batch_size : (position + 1) * batch_size]


def stream_at(step: int, examples: int, size: int, seed: int) -> list[int]:
    """Indices of a step's `size` examples (all of them, if there are fewer): one fresh permutation after another, read
    on across their borders, so that every step sees as many."""
    size = min(size, examples)
    places = range(step * size, (step + 1) * size)
    orders = {epoch: permutation(examples, seed, epoch) for epoch in {place // examples for place in places}}
    return [orders[place // examples][place % examples] for place in places]


def permutation(size: int, seed: int, turn: int) -> list[int]:
    """A random order of range(size), another one for every turn."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + turn) % 2**63)
    return torch.randperm(size, generator=generator).tolist()


def some(items: Sequence[T], count: int | None, seed: int) -> list[T]:
    """At most `count` of the items, drawn by chance, in their own order; all of them where it is None."""
    return [items[i] for i in sorted(permutation(len(items), seed, 0)[:count])]
