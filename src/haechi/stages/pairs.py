"""The pairs of `compare`, as trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from haechi.engine.trees import Tree
from haechi.learners.pairs import Pair
from haechi.models.base import SharedBase
from haechi.pipeline.task import Task
from haechi.records.write import read_rows
from haechi.stages.cases import case_of, prompt_of, words_of
from haechi.stages.models import answer_ids


@dataclass(frozen=True, slots=True)
class Pairs:
    """Training pairs, held-out pairs, and the rows of the latter."""

    training: list[Pair]
    held_out: list[Pair]
    held_out_rows: list[dict[str, Any]]


def load_pairs(task: Task, base: SharedBase) -> Pairs:
    """Every pair with its prompt, from the finished `compare` stage."""
    words = words_of(task.recipe)
    pairs = Pairs([], [], [])
    for row in read_rows(task.inputs["compare"] / "pairs.jsonl"):
        case = case_of(row["case"])
        prompt = prompt_of(case, base.codec, words, task.recipe)
        both = (row["chosen"], row["rejected"])
        tree = Tree(prompt, [answer_ids(base, prompt, text, case.question.id) for text in both])
        pair = Pair(tree, row["margin"], row["weight"])
        if row["held_out"]:
            pairs.held_out.append(pair)
            pairs.held_out_rows.append(row)
        else:
            pairs.training.append(pair)
    return pairs
