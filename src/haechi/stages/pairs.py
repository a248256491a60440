"""The pairs of `compare`, prompt by prompt, as trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from haechi.engine.trees import Tree
from haechi.learners.pairs import Compared, Pair
from haechi.models.base import SharedBase
from haechi.pipeline.task import Task
from haechi.records.write import read_rows
from haechi.stages.cases import case_of, prompt_of, words_of
from haechi.stages.models import answer_ids


@dataclass(frozen=True, slots=True)
class Pairs:
    """Comparisons to train on, comparisons held out, and the rows of the latter's pairs, in the same order."""

    training: list[Compared]
    held_out: list[Compared]
    held_out_rows: list[dict[str, Any]]


@dataclass(slots=True)
class _Prompt:
    """What is known of one prompt: its different answers, and the rows that compare them."""

    ids: list[int]
    question_id: str
    answers: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)


def load_pairs(task: Task, base: SharedBase) -> Pairs:
    """Every comparison with its prompt, from the finished `compare` stage."""
    words = words_of(task.recipe)
    prompts: dict[tuple[bool, tuple[int, ...]], _Prompt] = {}
    for row in read_rows(task.inputs["compare"] / "pairs.jsonl"):
        case = case_of(row["case"])
        ids = prompt_of(case, base.codec, words, task.recipe)
        prompt = prompts.setdefault((row["held_out"], tuple(ids)), _Prompt(ids, case.question.id))
        prompt.rows.append(row)
        for text in (row["chosen"], row["rejected"]):
            prompt.answers.setdefault(text, len(prompt.answers))
    held_out = [prompt for (held, _), prompt in prompts.items() if held]
    return Pairs(
        training=_compared(base, [prompt for (held, _), prompt in prompts.items() if not held]),
        held_out=_compared(base, held_out),
        held_out_rows=[row for prompt in held_out for row in prompt.rows],
    )


def _compared(base: SharedBase, prompts: Sequence[_Prompt]) -> list[Compared]:
    return [
        Compared(
            Tree(prompt.ids, [answer_ids(base, prompt.ids, text, prompt.question_id) for text in prompt.answers]),
            [
                Pair(prompt.answers[row["chosen"]], prompt.answers[row["rejected"]], row["margin"], row["weight"])
                for row in prompt.rows
            ],
        )
        for prompt in prompts
    ]
