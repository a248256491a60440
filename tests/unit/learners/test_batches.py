"""Which examples a step sees."""

from __future__ import annotations

import pytest

from haechi.learners.batches import batch_at, permutation, steps_for


@pytest.mark.parametrize(("examples", "batch"), [(10, 3), (4, 4), (3, 8), (1, 1)])
def test_each_pass_sees_every_example_once(examples: int, batch: int) -> None:
    steps = steps_for(examples, batch, 1)
    passes = [[batch_at(turn * steps + step, examples, batch, seed=5) for step in range(steps)] for turn in range(3)]
    for batches in passes:
        assert sorted(index for indices in batches for index in indices) == list(range(examples))
        assert all(len(indices) == batch for indices in batches[:-1])
    assert steps_for(examples, batch, 3) == 3 * steps
    if examples == 10:
        assert passes[0] != passes[1] != passes[2]


def test_order_depends_on_seed_and_turn_alone() -> None:
    assert permutation(20, 1, 2) == permutation(20, 1, 2)
    assert len({tuple(permutation(20, seed, turn)) for seed in range(3) for turn in range(3)}) == 9
