"""Prompt trees: one prompt and its answers, computed once and packed without waste.

Legend: B rows, T tokens of a row, N learned answer tokens, A answers.

An answer sees its prompt and itself; its positions go on where the prompt's end. Everything a loss needs comes out
flat, one entry for each learned token, with the index of its answer: there is no padding in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tree:
    """One prompt and its answers, as token ids.

    Attributes:
        prompt: at least one token.
        answers: each at least one token.
        skip: for each answer, how many of its first tokens are read but not learned (a question in pretraining);
            empty = none.
    """

    prompt: Sequence[int]
    answers: Sequence[Sequence[int]]
    skip: Sequence[int] = field(default=())

    def __post_init__(self) -> None:
        if not self.prompt or not self.answers or any(not answer for answer in self.answers):
            raise ValueError("a tree needs a prompt of at least one token and answers of at least one token each")

    @property
    def num_tokens(self) -> int:
        return len(self.prompt) + sum(len(answer) for answer in self.answers)

    def skipped(self, answer: int) -> int:
        return self.skip[answer] if self.skip else 0


@dataclass(frozen=True, slots=True)
class Packed:
    """Trees laid into rows of equal length.

    Attributes:
        tokens_BT: ids; unused places hold 0 and are seen by nobody.
        positions_BT: positions, restarted for each answer at its prompt's length.
        visible_BTT: True where the query (second axis) may see the key (last axis).
        source_N: index into the flattened B·T places whose hidden state predicts each learned token.
        targets_N: the learned token ids, answer by answer in the order of the trees.
        segments_N: index 0…A-1 of the answer that each learned token belongs to.
        last_A: flattened place of each answer's last token, where rewards are read.
        num_answers: A.
    """

    tokens_BT: Tensor
    positions_BT: Tensor
    visible_BTT: Tensor
    source_N: Tensor
    targets_N: Tensor
    segments_N: Tensor
    last_A: Tensor
    num_answers: int


def split_wide(trees: Sequence[Tree], token_budget: int) -> list[Tree]:
    """The trees, each that holds more tokens than the budget cut into several with the same prompt and at least one
    answer; the order of the answers stays. For scoring: attention over many answers is quadratic in their number."""
    split: list[Tree] = []
    for tree in trees:
        start, size = 0, len(tree.prompt)
        for number, answer in enumerate(tree.answers):
            if number > start and size + len(answer) > token_budget:
                split.append(Tree(tree.prompt, tree.answers[start:number], tree.skip[start:number]))
                start, size = number, len(tree.prompt)
            size += len(answer)
        split.append(Tree(tree.prompt, tree.answers[start:], tree.skip[start:]))
    return split


def pack(trees: Sequence[Tree], *, one_a_row: bool = False) -> Packed:
    """Lays trees into rows as long as the longest tree, first fit; the order of answers is the order of the trees.

    With `one_a_row` and one answer a tree, plain causal attention sees exactly what `visible_BTT` allows.
    """
    length = max(tree.num_tokens for tree in trees)
    if one_a_row:
        rows, place = len(trees), [(row, 0) for row in range(len(trees))]
    else:
        rows, place = _first_fit([tree.num_tokens for tree in trees], length)
    tokens = torch.zeros(rows, length, dtype=torch.long)
    positions = torch.zeros(rows, length, dtype=torch.long)
    tree_of = torch.full((rows, length), -1, dtype=torch.long)
    branch_of = torch.zeros(rows, length, dtype=torch.long)  # 0 = prompt, i = answer i
    source: list[int] = []
    targets: list[int] = []
    segments: list[int] = []
    last: list[int] = []
    for index, (tree, (row, start)) in enumerate(zip(trees, place, strict=True)):
        prompt_end = start + len(tree.prompt)
        tree_of[row, start : start + tree.num_tokens] = index
        tokens[row, start:prompt_end] = torch.tensor(tree.prompt)
        positions[row, start:prompt_end] = torch.arange(len(tree.prompt))
        at = prompt_end
        for number, answer in enumerate(tree.answers):
            end = at + len(answer)
            tokens[row, at:end] = torch.tensor(answer)
            positions[row, at:end] = torch.arange(len(tree.prompt), len(tree.prompt) + len(answer))
            branch_of[row, at:end] = number + 1
            for offset in range(tree.skipped(number), len(answer)):
                before = prompt_end - 1 if offset == 0 else at + offset - 1
                source.append(row * length + before)
                targets.append(answer[offset])
                segments.append(len(last))
            last.append(row * length + end - 1)
            at = end
    return Packed(
        tokens_BT=tokens,
        positions_BT=positions,
        visible_BTT=_visible(tree_of, branch_of),
        source_N=torch.tensor(source, dtype=torch.long),
        targets_N=torch.tensor(targets, dtype=torch.long),
        segments_N=torch.tensor(segments, dtype=torch.long),
        last_A=torch.tensor(last, dtype=torch.long),
        num_answers=len(last),
    )


def unshared(trees: Sequence[Tree]) -> list[Tree]:
    """The same answers with one prompt copy each: the plain computation that the shared one must equal."""
    return [
        Tree(tree.prompt, [answer], (tree.skipped(number),) if tree.skip else ())
        for tree in trees
        for number, answer in enumerate(tree.answers)
    ]


def micro_batches(trees: Sequence[Tree], token_budget: int) -> list[list[int]]:
    """Groups of tree indices, similar lengths together, each within a budget of packed tokens (one tree at least).

    The order is a function of the lengths alone, so the same trees give the same groups.
    """
    order = sorted(range(len(trees)), key=lambda index: (-trees[index].num_tokens, index))
    groups: list[list[int]] = []
    longest = 0
    for index in order:
        if groups and longest * (len(groups[-1]) + 1) <= token_budget:
            groups[-1].append(index)
        else:
            groups.append([index])
            longest = trees[index].num_tokens
    return groups


def _first_fit(lengths: Sequence[int], row_length: int) -> tuple[int, list[tuple[int, int]]]:
    """Rows needed, and (row, start) of each length."""
    used: list[int] = []
    place: list[tuple[int, int]] = []
    for length in lengths:
        for row, taken in enumerate(used):
            if taken + length <= row_length:
                place.append((row, taken))
                used[row] += length
                break
        else:
            place.append((len(used), 0))
            used.append(length)
    return len(used), place


def _visible(tree_of_BT: Tensor, branch_of_BT: Tensor) -> Tensor:
    length = tree_of_BT.shape[1]
    same_tree = tree_of_BT[:, :, None] == tree_of_BT[:, None, :]
    in_prompt = branch_of_BT[:, None, :] == 0
    same_branch = branch_of_BT[:, :, None] == branch_of_BT[:, None, :]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    # Unused places see themselves and one another: a row of a softmax without any key would be NaN.
    return same_tree & (in_prompt | same_branch) & earlier
