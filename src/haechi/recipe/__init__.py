"""The recipe: everything a run can be told, with its default, range and meaning.

The docstring under a field is its help text on the command line. `haechi.pipeline.reading` makes a `Recipe` from YAML.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from haechi.recipe.bases import PretrainSettings, Reading
from haechi.recipe.fields import Section
from haechi.recipe.inputs import Base, Documents, NamedBase, Prompt, Questions
from haechi.recipe.learning import Compare, Dpo, Ppo, Reward, Sample, Sft
from haechi.recipe.outcome import Evaluate, Merge, Report


class Recipe(Section):
    """One whole experiment."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]{0,63}$")] = "run"
    """Name of the run: letters, digits, `_`, `-` and `.`; its folder is runs/NAME."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random."""
    language: Literal["ko", "en"] = "ko"
    """Language of documents, questions and answers."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """CPU threads; 0 takes all physical cores. Another number changes the last bits of a result."""
    base: NamedBase = Base()
    """The model that everything starts from; a name alone is its `name_or_path`."""
    prompt: Prompt = Prompt()
    """What the model reads before it answers."""
    documents: Documents = Documents()
    """The documents, and how they are cut and searched."""
    questions: Questions = Questions()
    """The questions, and how they are divided."""
    sft: Sft = Sft()
    """Supervised fine-tuning."""
    sample: Sample = Sample()
    """Answers to be compared."""
    compare: Compare = Compare()
    """Who says which answer is better."""
    reward: Reward = Reward()
    """The reward model."""
    dpo: Dpo = Dpo()
    """Direct preference optimisation."""
    ppo: Ppo = Ppo()
    """Proximal policy optimisation."""
    merge: Merge = Merge()
    """The one model that comes out."""
    evaluate: Evaluate = Evaluate()
    """The evaluation."""
    report: Report = Report()
    """The report."""
    pretrain: PretrainSettings | None = None
    """How a base is made; only `haechi pretrain` reads it."""
    reading: Reading | None = None
    """How a base is measured; only `haechi evaluate --base` reads it."""

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, data: object) -> object:
        # `sft:` with every key commented out is null in YAML and means the defaults.
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (self.pretrain or self.reading) and not self.documents.paths:
            raise ValueError("documents.paths is not given. Fix: name the files or folders that hold your documents.")
        if not (self.pretrain or self.reading) and self.questions.path is None:
            raise ValueError("questions.path is not given. Fix: name a JSONL file with one question a line.")
        trained = {name: getattr(self, name).trainable for name in ("sft", "reward", "dpo", "ppo")}
        if self.reading:
            trained = {"reading.sft": self.reading.sft.trainable}
        for name, trainable in trained.items():
            if trainable.kind == "head" and name != "reward":
                raise ValueError(f"{name}.trainable.kind is head, but only the reward model has one. Fix: take lora.")
        if self.base.quantise == "nf4":
            for name, trainable in trained.items():
                kind = "full" if trainable.kind == "lora" and trainable.rank == 0 else trainable.kind
                if kind in ("full", "top_layers"):
                    raise ValueError(f"{name}.trainable.kind is {kind}, but nf4 weights cannot change. Fix: take lora.")
        if not self.dpo.enabled and "dpo" in (self.evaluate.systems or ()):
            raise ValueError("evaluate.systems names dpo, but dpo.enabled is false. Fix: change one of the two.")
        return self


def recipe_hash(recipe: Recipe) -> str:
    """Sixteen hexadecimal digits that say which recipe it was.

    Of a path only the last name counts, so that the same recipe has the same hash on another machine; what the files
    hold is in the fingerprints of the stages.
    """
    text = json.dumps(portable(recipe.model_dump()), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def portable(value: object) -> object:
    """The value as JSON can hold it, with the last name in place of every path."""
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    return value.name if isinstance(value, Path) else value
