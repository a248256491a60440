"""Layout of prompt trees: what stands where, and who sees whom."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engine.trees import Layout, Tree, micro_batches, pack, split_wide, taken, unshared

SHAPES = st.lists(
    st.tuples(st.integers(1, 9), st.lists(st.integers(1, 6), min_size=1, max_size=4)), min_size=1, max_size=6
)


def test_one_tree_by_hand() -> None:
    packed = pack([Tree([10, 11], [[20, 21], [30]])])
    assert packed.tokens_BT.tolist() == [[10, 11, 20, 21, 30]]
    assert packed.positions_BT.tolist() == [[0, 1, 2, 3, 2]]
    assert packed.read_R.tolist() == [1, 2, 3, 4]
    assert packed.read_R[packed.source_N].tolist() == [1, 2, 1]  # the prompt's last place predicts both first tokens
    assert packed.targets_N.tolist() == [20, 21, 30]
    assert packed.segments_N.tolist() == [0, 0, 1]
    assert packed.read_R[packed.last_A].tolist() == [3, 4]
    assert packed.visible_BTT is not None
    assert packed.visible_BTT[0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_short_trees_share_a_row_and_see_nothing_of_each_other() -> None:
    packed = pack([Tree([1, 2, 3], [[4, 5]]), Tree([6], [[7]]), Tree([8, 9], [[10]])])
    assert packed.tokens_BT.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    assert packed.starts == [0, 5, 7]
    assert packed.positions_BT.tolist() == [[0, 1, 2, 3, 4], [0, 1, 0, 1, 2]]
    assert packed.visible_BTT is not None
    assert packed.visible_BTT[1, 2:, :2].sum() == 0


def test_skipped_tokens_are_read_but_not_learned() -> None:
    packed = pack([Tree([1], [[2, 3, 4], [5, 6]], skip=(2, 0))])
    assert packed.targets_N.tolist() == [4, 5, 6]
    assert packed.read_R[packed.source_N].tolist() == [2, 0, 4]
    assert packed.segments_N.tolist() == [0, 1, 1]


def test_gradients_that_meet_are_added_in_one_order() -> None:
    """To the bit, though more threads work on it than there are cores: what adds as threads come differs every time."""
    draw = torch.Generator().manual_seed(0)
    index = torch.randint(0, 30, (2000,), generator=draw)
    gradient = torch.randn(2000, 256, generator=draw)
    expected = torch.zeros(40, 256)
    for place, row in zip(index.tolist(), gradient, strict=True):
        expected[place] += row
    threads = torch.get_num_threads()
    torch.set_num_threads(8)
    try:
        for _ in range(10):
            states = torch.randn(40, 256, requires_grad=True)
            rows = taken(states, index)
            assert torch.equal(rows, states.detach()[index])
            rows.backward(gradient)
            assert states.grad is not None and torch.equal(states.grad, expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("prompt", "answers"), [([], [[1]]), ([1], []), ([1], [[2], []])])
def test_empty_parts_are_refused(prompt: list[int], answers: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        Tree(prompt, answers)


def test_wide_trees_are_split_within_the_budget() -> None:
    wide = Tree([1, 2, 3], [[4, 5], [6], [7, 8, 9], [1]], skip=[0, 0, 1, 0])
    assert split_wide([wide], 9) == [Tree([1, 2, 3], [[4, 5], [6], [7, 8, 9]], [0, 0, 1]), Tree([1, 2, 3], [[1]], [0])]
    assert split_wide([wide], 10) == [wide]
    assert [tree.answers for tree in split_wide([wide], 1)] == [[answer] for answer in wide.answers]


def test_unshared_keeps_order_and_skips() -> None:
    assert unshared([Tree([1], [[2, 3], [4]], skip=(1, 0)), Tree([5], [[6]])]) == [
        Tree([1], [[2, 3]], (1,)),
        Tree([1], [[4]], (0,)),
        Tree([5], [[6]]),
    ]


@settings(max_examples=60, deadline=None)
@given(SHAPES)
def test_every_place_sees_its_prompt_and_its_own_past_only(shapes: list[tuple[int, list[int]]]) -> None:
    """Each place's visible places, read in order, spell the tokens of its own prompt and answer up to itself."""
    fresh = iter(range(1, 10_000))
    trees = [
        Tree([next(fresh) for _ in range(p)], [[next(fresh) for _ in range(a)] for a in answers])
        for p, answers in shapes
    ]
    packed = pack(trees)
    assert packed.visible_BTT is not None
    length = packed.tokens_BT.shape[1]
    assert length == max(tree.num_tokens for tree in trees)
    paths = [[*tree.prompt, *answer] for tree in trees for answer in tree.answers]
    for answer, path in enumerate(paths):
        place = int(packed.read_R[packed.last_A[answer]])
        row, at = divmod(place, length)
        seen = packed.visible_BTT[row, at].nonzero().flatten()
        assert packed.tokens_BT[row, seen].tolist() == path
        assert packed.positions_BT[row, seen].tolist() == list(range(len(path)))
    # What a learned token is predicted from is the token before it on its path.
    flat = packed.tokens_BT.flatten()
    wanted = [(path[at - 1], path[at]) for tree, path in _with_tree(trees) for at in range(len(tree.prompt), len(path))]
    assert list(zip(flat[packed.read_R[packed.source_N]].tolist(), packed.targets_N.tolist(), strict=True)) == wanted
    assert bool(packed.visible_BTT.any(-1).all()), "a place without any key would be NaN"


def _with_tree(trees: list[Tree]) -> list[tuple[Tree, list[int]]]:
    return [(tree, [*tree.prompt, *answer]) for tree in trees for answer in tree.answers]


@pytest.mark.parametrize("layout", ["flat", "rows", "apart"])
@settings(max_examples=40, deadline=None)
@given(shapes=SHAPES)
def test_however_they_lie_the_same_is_read(layout: Layout, shapes: list[tuple[int, list[int]]]) -> None:
    fresh = iter(range(1, 10_000))
    trees = [
        Tree([next(fresh) for _ in range(p)], [[next(fresh) for _ in range(a)] for a in answers])
        for p, answers in shapes
    ]
    packed = pack(unshared(trees) if layout == "apart" else trees, layout)
    tokens, positions = packed.tokens_BT.flatten(), packed.positions_BT.flatten()
    for tree, start in zip(packed.trees, packed.starts, strict=True):
        assert tokens[start : start + len(tree.prompt)].tolist() == tree.prompt
    assert (tokens != 0).sum() == sum(tree.num_tokens for tree in packed.trees)
    assert layout != "flat" or len(tokens) == (tokens != 0).sum()
    paths = [path for _, path in _with_tree(trees)]
    assert tokens[packed.read_R[packed.last_A]].tolist() == [path[-1] for path in paths]
    assert positions[packed.read_R[packed.last_A]].tolist() == [len(path) - 1 for path in paths]
    assert packed.read_R.tolist() == packed.read_R[torch.cat([packed.source_N, packed.last_A])].unique().tolist()
    steps = [path[at - 1 : at + 1] for tree, path in _with_tree(trees) for at in range(len(tree.prompt), len(path))]
    assert tokens[packed.read_R[packed.source_N]].tolist() == [before for before, _ in steps]
    assert packed.targets_N.tolist() == [after for _, after in steps]


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(1, 60))
def test_micro_batches_hold_every_tree_once_within_the_budget(shapes: list[tuple[int, list[int]]], budget: int) -> None:
    trees = [Tree([1] * p, [[2] * a for a in answers]) for p, answers in shapes]
    groups = micro_batches(trees, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(trees)))
    for group in groups:
        assert len(group) == 1 or max(trees[i].num_tokens for i in group) * len(group) <= budget
