"""How a small base is made (`haechi pretrain`), and how any base is measured (`haechi evaluate --base`)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from haechi.recipe.fields import Count, Files, Model, Natural, Section, Share, Sources
from haechi.recipe.learning import Trainable, Training


class Phase(Section):
    """A phase of pre-training."""

    steps: Count
    """Steps."""
    passages_min: Natural
    """Fewest passages a world."""
    passages_max: Natural
    """Most passages a world; where both are 0, the phase only copies."""
    copy_share: Share = 0.0
    """Share of the rows that only copy: random strings to repeat, random keys to look values up by."""
    span_share: Share = 0.0
    """Share of the rows that are gaps in sentences of `text`, to be filled from a passage."""
    text_share: Share = 0.0
    """Share of the rows that are running text."""
    prose: Share = 1.0
    """How worlds are told: 0 in bare facts, 1 as prose does."""
    unanswerable: Share = 0.22
    """Share of the questions on worlds that no passage answers."""
    mistakes: Natural = 4
    """Wrong replies a world, which the model learns to judge."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.passages_min == 0 < self.passages_max:
            raise ValueError("passages_min is 0, but a world has a passage. Fix: 1, or both 0 to copy only.")
        if self.passages_min > self.passages_max:
            raise ValueError(
                f"passages_min {self.passages_min} is above passages_max {self.passages_max}. Fix: exchange them."
            )
        shares = self.copy_share + self.span_share + self.text_share
        if shares > 1:
            raise ValueError(
                f"copy_share, span_share and text_share sum to {shares:g}. Fix: let them sum to 1 or less."
            )
        if not self.passages_max and self.span_share + self.text_share:
            raise ValueError("a phase of 0 passages only copies. Fix: leave out span_share and text_share.")
        return self


class PretrainSettings(Section):
    """How a small base is made (`haechi pretrain`)."""

    start: Model | None = None
    """Model to go on from, named as base.name_or_path is; its tokenizer and shape stay. null makes one from nothing."""
    text: Sources = ()
    """Files of public text, rows of {"text": …}, or folders of such files: for the tokenizer, gaps and running text. A
    fiftieth of the documents is held out."""
    text_characters: Count = 1_000_000
    """Characters of each file that are trained on, at most."""
    english_share: Share = 0.0
    """Share of the worlds that are English."""
    vocabulary_size: Annotated[int, Field(ge=2_768, le=1_000_000)] = 3072
    """Pieces of the tokenizer: the 256 bytes and an alphabet of 2,509 characters are among them."""
    layers: Count = 4
    """Layers of the model."""
    width: Count = 256
    """Numbers a hidden state."""
    heads: Count = 8
    """Attention heads; they divide the width."""
    intermediate: Count = 688
    """Width of the feed-forward part."""
    steps: Count = 2400
    """Steps in all; the phases of the curriculum sum to it."""
    tokens_per_batch: Annotated[int, Field(ge=64)] = 8192
    """Tokens a step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    """Highest learning rate."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """AdamW, or Muon for the matrices of the hidden layers and AdamW for the rest."""
    warmup: Share = 0.02
    """Share of the steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Decoupled weight decay."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Numbers of the computation; the weights are float32."""
    curriculum: tuple[Phase, ...] = ()
    """Phases in their order; none means one phase of 2 to 5 passages."""
    checkpoint_every: Count = 100
    """Steps between checkpoints."""
    validate_every: Count = 100
    """Steps between validations."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}. Fix: change one of the two.")
        if self.layers < 2 or self.heads < 2 or self.width // self.heads < 8:
            raise ValueError(
                "the first weights need two layers and two heads of 8 numbers. Fix: raise layers, heads or width."
            )
        if self.width // self.heads % 2:
            raise ValueError(
                f"a head of {self.width // self.heads} numbers cannot be turned by its position, which takes pairs. "
                "Fix: change width or heads."
            )
        phases = sum(phase.steps for phase in self.curriculum)
        if self.curriculum and phases != self.steps:
            raise ValueError(f"the curriculum has {phases} steps, not {self.steps}. Fix: set steps to {phases}.")
        return self


class ReadingSft(Training):
    """Supervised fine-tuning of a base that is measured."""

    trainable: Trainable = Trainable(kind="full")
    """Which weights change."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    """Passes over the examples."""
    batch_size: Count = 12
    """Examples a step."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    """Highest learning rate of AdamW."""
    warmup: Share = 0.1
    """Share of the steps over which the learning rate rises."""


class Reading(Section):
    """How a base is measured (`haechi evaluate --base`)."""

    worlds: Count = 100
    """Generated worlds under each condition, of four questions each."""
    passages: Count = 5
    """Passages of each."""
    text: Sources = ()
    """Files or folders of public text, rows of {"text": …}, for bits per character; none leaves that out."""
    prose: Files = ()
    """Files of questions on real prose (see benchmarks/reading.py); none leaves that out."""
    questions: Count = 300
    """Questions on each file of real prose, at most."""
    examples: Count = 300
    """Questions that SFT learns from, at most."""
    demo: bool = True
    """Whether the demo's questions are asked, which are Korean."""
    sft: ReadingSft = ReadingSft()
    """How SFT learns."""
