"""Questions with the passages they are asked with, as `split` leaves them, and what every stage makes of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from haechi.errors import ModelError, StageError
from haechi.pipeline.task import Task
from haechi.prompt.template import Template, template
from haechi.prompt.tokens import Codec
from haechi.recipe import Recipe
from haechi.records.types import Passage, Question
from haechi.records.write import from_row, read_rows, to_row, write_jsonl
from haechi.retrieval.contexts import Context
from haechi.rewards.evidence import evidence

Part = Literal["train", "validation", "test", "prompts"]


@dataclass(frozen=True, slots=True)
class Case:
    """One question and the passages that every stage asks it with."""

    question: Question
    context: Context

    @property
    def should_abstain(self) -> bool:
        """Whether these passages do not hold the answer, as far as anybody knows."""
        gold_is_known = bool(self.question.gold_documents)
        return not self.question.answerable or self.context.dropped or (gold_is_known and not self.context.gold_numbers)

    @property
    def texts(self) -> list[str]:
        """The passages as rewards and scores see them, with their titles."""
        return [f"{passage.title}: {passage.text}" for passage in self.context.passages]

    def target(self, words: Template) -> str | None:
        """The answer to learn, with its citation; None if nobody wrote one."""
        if self.should_abstain:
            return words.abstention
        if self.question.answer is None:
            return None
        citation = self.context.gold_numbers[0] if self.context.gold_numbers else None
        return words.reply(self.question.answer, citation).strip()


def words_of(recipe: Recipe) -> Template:
    """The template that every stage of a run speaks with."""
    return template(recipe.language, instructed=recipe.prompt.instructed)


def prompt_of(case: Case, codec: Codec, words: Template, recipe: Recipe) -> list[int]:
    """The prompt's token ids.

    Raises:
        ModelError: the question and its passages do not fit; leaving one out would make answers right that nobody read.
    """
    try:
        made = codec.prompt(words, case.question.text, case.context.passages, recipe.prompt.max_prompt_tokens)
    except ModelError as error:
        raise ModelError(f"question {case.question.id}: {error}") from error
    if made.dropped_passages:
        raise ModelError(
            f"question {case.question.id}: with its {len(case.context.passages)} passages it does not fit "
            f"prompt.max_prompt_tokens ({recipe.prompt.max_prompt_tokens}). Fix: raise that, or lower documents.k or "
            "documents.max_chars."
        )
    return made.ids


def evidence_for(case: Case, answer: str, words: Template) -> tuple[float, ...]:
    """What the words of question, passages and answer say of the answer (`rewards.evidence.NAMES`)."""
    return evidence(case.question.text, case.texts, answer, words)


def save_cases(path: Path, cases: Sequence[Case]) -> None:
    """One row a case."""
    write_jsonl(path, [case_row(case) for case in cases])


def load_cases(task: Task, part: Part) -> list[Case]:
    """The cases of a part, from the finished `split` stage.

    Raises:
        StageError: the stage has not run, or wrote no such part.
    """
    path = task.inputs["split"] / f"{part}.jsonl"
    if not path.is_file():
        raise StageError(f"{path}: missing. Fix: run the split stage again.")
    return [case_of(row) for row in read_rows(path)]


def case_row(case: Case) -> dict[str, Any]:
    """A case as an object that JSON can hold."""
    context = case.context
    return {
        "question": to_row(case.question),
        "passages": [to_row(passage) for passage in context.passages],
        "gold_numbers": list(context.gold_numbers),
        "retrieved": context.retrieved,
        "dropped": context.dropped,
    }


def case_of(row: Mapping[str, Any]) -> Case:
    """The case that `case_row` wrote."""
    question = from_row(Question, row["question"])
    passages = tuple(from_row(Passage, passage) for passage in row["passages"])
    context = Context(question.id, passages, tuple(row["gold_numbers"]), row["retrieved"], row["dropped"])
    return Case(question, context)
