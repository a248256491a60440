"""What a run starts from: the base, the form of its prompts, documents and questions."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from haechi.recipe.fields import Count, File, Model, Natural, Section, Sources

EMBEDDED_BASE = "saessak"


class Base(Section):
    """The model that everything starts from."""

    name_or_path: Model = EMBEDDED_BASE
    """`saessak` (comes with haechi), the name of a model on the Hub, or a folder that begins with ./, ../, ~ or /."""
    revision: str | None = None
    """Commit of a model on the Hub; null takes the newest."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers of the weights; auto takes what the base was saved in, but on a CPU without AMX float32, which is faster
    there and takes twice bfloat16's memory."""
    quantise: Literal["none", "nf4"] = "none"
    """nf4 holds the frozen base in 4 bits (needs bitsandbytes; on a CPU it saves memory, not time)."""


def _named(value: object) -> object:
    return {"name_or_path": value} if isinstance(value, str) else value


NamedBase = Annotated[Base, BeforeValidator(_named)]


class Prompt(Section):
    """What the model reads before it answers."""

    instructed: bool = True
    """Whether an instruction stands before the passages; a base trained on the bare form needs none."""
    max_prompt_tokens: Annotated[int, Field(ge=16)] = 1024
    """Longest prompt, in tokens. Passages that do not fit are an error; only `haechi ask` leaves some out."""
    max_answer_tokens: Count = 48
    """Longest answer, in tokens."""


class Documents(Section):
    """The documents, and how they are cut into passages and searched."""

    paths: Sources = ()
    """Files and folders with documents; `package:demo/documents` names some that come with haechi."""
    max_chars: Annotated[int, Field(ge=20)] = 160
    """Longest passage, in characters."""
    overlap_sentences: Annotated[int, Field(ge=0, le=10)] = 0
    """Sentences that a passage repeats from the one before."""
    k: Annotated[int, Field(ge=1, le=50)] = 4
    """Passages that a question is answered from."""
    min_chars: Natural = 10
    """Documents shorter than this many characters are left out."""
    near_duplicate: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Documents this similar (Jaccard) count as one; 1 drops exact copies only."""


class Split(Section):
    """Shares of the questions; they sum to 1."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share that models learn from."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share that measures training and the reward model, and decides which of PPO's weights are kept."""
    test: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share that nothing but the evaluation ever sees."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"the shares sum to {total:g}, not 1. Fix: change one of train, validation and test.")
        return self


class Questions(Section):
    """The questions, and how they are divided."""

    path: File | None = None
    """JSONL file, one question a line."""
    prompts: File | None = None
    """JSONL file of more questions, without answers: PPO practises on these (and `practice`), not on SFT's."""
    practice: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training questions that only PPO practises on: neither SFT nor the comparisons see them."""
    drop_gold: Annotated[float, Field(ge=0, lt=1)] = 0.15
    """Share of the training questions whose gold passage is taken away, so that abstaining is learned."""
    near_duplicate: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Questions this similar (Jaccard) never stand on two sides of a split."""
    min_chars: Natural = 2
    """Questions shorter than this many characters are left out."""
    max_chars: Count = 500
    """Questions longer than this many characters are left out."""
    split: Split = Split()
    """Shares of train, validation and test."""
    sft_examples: Count | None = None
    """Training questions that SFT learns from; null takes all. Comparisons are on all that `practice` leaves."""
    limit: Count | None = None
    """Questions of `path` used at all, in the order of the file; null takes every one."""

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} is above max_chars {self.max_chars}. Fix: lower min_chars.")
        return self
