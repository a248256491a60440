"""The pairs of `compare`, prompt by prompt, as trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from haechi.engine.trees import Tree
from haechi.learners.pairs import ComparedPrompt, Pair
from haechi.models.base import SharedBase
from haechi.pipeline.task import Task
from haechi.prompt.template import Template
from haechi.records.write import read_rows
from haechi.stages.cases import Case, case_of, evidence_for, prompt_of, words_of
from haechi.stages.models import answer_ids


@dataclass(frozen=True, slots=True)
class Pairs:
    """Comparisons to train on, comparisons held out, and the rows of the latter's pairs, in the same order."""

    training: list[ComparedPrompt]
    held_out: list[ComparedPrompt]
    held_out_rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt, and the rows that compare answers to it."""

    ids: list[int]
    case: Case
    rows: list[dict[str, Any]]


def load_pairs(task: Task, base: SharedBase, token_budget: int, *, with_evidence: bool = False) -> Pairs:
    """Every comparison with its prompt, from the finished `compare` stage.

    Args:
        with_evidence: whether the answers come with what their words say of them (`rewards.evidence`).
        token_budget: a tree holds no more tokens, but at least one pair: a prompt with many answers becomes several.
    """
    words = words_of(task.recipe)
    prompts: dict[tuple[bool, tuple[int, ...]], _Prompt] = {}
    for row in read_rows(task.inputs["compare"] / "pairs.jsonl"):
        case = case_of(row["case"])
        ids = prompt_of(case, base.codec, words, task.recipe)
        prompts.setdefault((row["held_out"], tuple(ids)), _Prompt(ids, case, [])).rows.append(row)
    pairs = Pairs([], [], [])
    for (held_out, _), prompt in prompts.items():
        (pairs.held_out if held_out else pairs.training).extend(
            _compared(base, prompt, token_budget, words if with_evidence else None)
        )
        pairs.held_out_rows.extend(prompt.rows if held_out else [])
    return pairs


def _compared(
    base: SharedBase, prompt: _Prompt, token_budget: int, words: Template | None
) -> Iterator[ComparedPrompt]:
    """The prompt's comparisons, in the order of its rows, in as few trees as the budget allows."""
    texts = {text for row in prompt.rows for text in _both(row)}
    ids = {text: answer_ids(base, prompt.ids, text, prompt.case.question.id) for text in texts}
    for rows in _within(prompt, ids, token_budget):
        places = {text: place for place, text in enumerate(dict.fromkeys(text for row in rows for text in _both(row)))}
        yield ComparedPrompt(
            Tree(prompt.ids, [ids[text] for text in places]),
            [Pair(places[row["chosen"]], places[row["rejected"]], row["margin"], row["weight"]) for row in rows],
            [evidence_for(prompt.case, text, words) for text in places] if words else (),
            prompt.case.question.subject,
        )


def _within(prompt: _Prompt, ids: Mapping[str, list[int]], token_budget: int) -> Iterator[list[dict[str, Any]]]:
    """Consecutive rows whose prompt and different answers are at most so many tokens."""
    rows: list[dict[str, Any]] = []
    texts: set[str] = set()
    for row in prompt.rows:
        texts |= {*_both(row)}
        if rows and len(prompt.ids) + sum(len(ids[text]) for text in texts) > token_budget:
            yield rows
            rows, texts = [], {*_both(row)}
        rows.append(row)
    yield rows


def _both(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["chosen"], row["rejected"]
