"""Which examples a step sees."""

from __future__ import annotations

import pytest

from haechi.learners.batches import batch_at, permutation, some, steps_for, stream_at


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


@pytest.mark.parametrize(("examples", "size"), [(10, 4), (7, 3), (3, 8), (5, 5)])
def test_a_stream_gives_every_step_as_many_and_every_example_as_often(examples: int, size: int) -> None:
    each = min(examples, size)
    steps = [stream_at(step, examples, size, seed=2) for step in range(3 * examples)]
    assert all(len(indices) == each for indices in steps)
    seen = [index for indices in steps for index in indices]
    for turn in range(len(seen) // examples):
        assert sorted(seen[turn * examples : (turn + 1) * examples]) == list(range(examples))
    assert steps == [stream_at(step, examples, size, seed=2) for step in range(3 * examples)]


def test_some_are_drawn_by_chance_and_stay_in_order() -> None:
    drawn = some("abcdefghij", 4, seed=3)
    assert len(set(drawn)) == 4 and drawn == sorted(drawn) == some("abcdefghij", 4, seed=3)
    assert len({tuple(some("abcdefghij", 4, seed)) for seed in range(20)}) > 10
    assert some("abc", None, 0) == some("abc", 9, 0) == ["a", "b", "c"]
