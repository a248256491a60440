"""Prompt trees: one prompt and its answers, computed once and packed without waste.

Legend: B rows, T tokens of a row, N learned answer tokens, A answers, R places that are read.

An answer sees its prompt and itself; its positions go on where the prompt's end. Everything a loss needs comes out
flat, one entry for each learned token, with the index of its answer: there is no padding in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

# How trees lie: one after another without padding · in rows of equal length, behind a mask · one answer a row, behind
# the architecture's own causal mask.
Layout = Literal["flat", "rows", "apart"]


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
    """Trees laid out. A place is an index into the flattened B·T tokens.

    Attributes:
        trees: what was laid out.
        layout: how.
        starts: each tree's first place.
        tokens_BT: ids; unused places hold 0 and are seen by nobody. B is 1 where the trees lie flat.
        positions_BT: positions, restarted for each answer at its prompt's length.
        visible_BTT: True where the query (second axis) may see the key (last axis); None but in rows.
        read_R: the places whose hidden state anything reads, in ascending order.
        source_N: index into `read_R` of the place that predicts each learned token.
        targets_N: the learned token ids, answer by answer in the order of the trees.
        segments_N: index 0…A-1 of the answer that each learned token belongs to.
        last_A: index into `read_R` of each answer's last token, where rewards are read.
        num_answers: A.
    """

    trees: Sequence[Tree]
    layout: Layout
    starts: Sequence[int]
    tokens_BT: Tensor
    positions_BT: Tensor
    visible_BTT: Tensor | None
    read_R: Tensor
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


def pack(trees: Sequence[Tree], layout: Layout = "rows") -> Packed:
    """Lays trees out; the order of answers is the order of the trees.

    Rows are as long as the longest tree and filled first fit. `apart` wants trees of one answer each (`unshared`), of
    which plain causal attention sees exactly what it may.
    """
    places, (rows, length) = _places([tree.num_tokens for tree in trees], layout)
    tokens_P = torch.zeros(rows * length, dtype=torch.long)
    positions_P = torch.zeros(rows * length, dtype=torch.long)
    source: list[int] = []
    targets: list[int] = []
    segments: list[int] = []
    last: list[int] = []
    for tree, start in zip(trees, places, strict=True):
        at = start + len(tree.prompt)
        tokens_P[start:at] = torch.tensor(tree.prompt)
        positions_P[start:at] = torch.arange(len(tree.prompt))
        prompt_last = at - 1
        for number, answer in enumerate(tree.answers):
            end = at + len(answer)
            tokens_P[at:end] = torch.tensor(answer)
            positions_P[at:end] = torch.arange(len(tree.prompt), len(tree.prompt) + len(answer))
            for offset in range(tree.skipped(number), len(answer)):
                source.append(prompt_last if offset == 0 else at + offset - 1)
                targets.append(answer[offset])
                segments.append(len(last))
            last.append(end - 1)
            at = end
    read_R, where = torch.tensor(source + last, dtype=torch.long).unique(return_inverse=True)
    return Packed(
        trees=trees,
        layout=layout,
        starts=places,
        tokens_BT=tokens_P.view(rows, length),
        positions_BT=positions_P.view(rows, length),
        visible_BTT=_visible(trees, places, rows, length) if layout == "rows" else None,
        read_R=read_R,
        source_N=where[: len(source)],
        targets_N=torch.tensor(targets, dtype=torch.long),
        segments_N=torch.tensor(segments, dtype=torch.long),
        last_A=where[len(source) :],
        num_answers=len(last),
    )


def unshared(trees: Sequence[Tree]) -> list[Tree]:
    """The same answers with one prompt copy each: the plain computation that the shared one must equal."""
    return [
        Tree(tree.prompt, [answer], (tree.skipped(number),) if tree.skip else ())
        for tree in trees
        for number, answer in enumerate(tree.answers)
    ]


def taken(rows_RD: Tensor, index_N: Tensor) -> Tensor:
    """Some rows [N, D], which may be named several times: the first tokens of a prompt's answers are all predicted from
    its last state.

    The gradients that meet in one row are added in one order every time, or a run could not be repeated to the bit. Of
    plain indexing that is true on a GPU, which sorts first, but not on a CPU, whose threads add as they come;
    `index_select` has it the other way round.
    """
    index_N = index_N.to(rows_RD.device)
    return rows_RD.index_select(0, index_N) if rows_RD.device.type == "cpu" else rows_RD[index_N]


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


def _places(lengths: Sequence[int], layout: Layout) -> tuple[list[int], tuple[int, int]]:
    """Where each tree starts, and how many rows of which length there are."""
    if layout == "flat":
        return [0, *itertools.accumulate(lengths)][:-1], (1, sum(lengths))
    length = max(lengths)
    if layout == "apart":
        return [row * length for row in range(len(lengths))], (len(lengths), length)
    return _first_fit(lengths, length)


def _first_fit(lengths: Sequence[int], row_length: int) -> tuple[list[int], tuple[int, int]]:
    used: list[int] = []
    places: list[int] = []
    for length in lengths:
        for row, taken in enumerate(used):
            if taken + length <= row_length:
                places.append(row * row_length + taken)
                used[row] += length
                break
        else:
            places.append(len(used) * row_length)
            used.append(length)
    return places, (len(used), row_length)


def _visible(trees: Sequence[Tree], places: Sequence[int], rows: int, length: int) -> Tensor:
    tree_of_P = torch.full((rows * length,), -1, dtype=torch.long)
    branch_of_P = torch.zeros(rows * length, dtype=torch.long)  # 0 = prompt, i = answer i
    for index, (tree, start) in enumerate(zip(trees, places, strict=True)):
        tree_of_P[start : start + tree.num_tokens] = index
        at = start + len(tree.prompt)
        for number, answer in enumerate(tree.answers):
            branch_of_P[at : at + len(answer)] = number + 1
            at += len(answer)
    tree_of_BT, branch_of_BT = tree_of_P.view(rows, length), branch_of_P.view(rows, length)
    same_tree = tree_of_BT[:, :, None] == tree_of_BT[:, None, :]
    in_prompt = branch_of_BT[:, None, :] == 0
    same_branch = branch_of_BT[:, :, None] == branch_of_BT[:, None, :]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    # Unused places see themselves and one another: a row of a softmax without any key would be NaN.
    return same_tree & (in_prompt | same_branch) & earlier
