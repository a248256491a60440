"""The recipe: everything a run can be told, with its default, range and meaning.

The docstring under a field is its help text on the command line. `haechi.pipeline.reading` makes a `Recipe` from YAML.
A relative path is resolved against the folder in the validation context (the recipe file's), and must exist there;
without a context (a recipe saved with a run) paths are taken as they stand.
"""

from __future__ import annotations

import hashlib
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
SystemName = Literal["base", "sft", "best_of_n", "dpo", "ppo"]

EMBEDDED_BASE = "saessak"


def asset(name: str) -> Path:
    """The path of something that comes with the package: what `package:name` means in a recipe."""
    return Path(str(files("haechi").joinpath("assets", *name.split("/"))))


def _resolve(value: str, folder: Path) -> Path:
    if value.startswith("package:"):
        return asset(value.removeprefix("package:"))
    return (folder / Path(value).expanduser()).resolve()


def _source(path: Path, info: ValidationInfo) -> Path:
    if not info.context:
        return path
    found = _resolve(str(path), info.context["folder"])
    if not found.exists():
        raise ValueError(f"{found} does not exist. Fix: correct the path; it counts from {info.context['folder']}.")
    return found


def _file(path: Path, info: ValidationInfo) -> Path:
    found = _source(path, info)
    if info.context and found.is_dir():
        raise ValueError(f"{found} is a directory, not a file. Fix: name the file itself.")
    return found


def _base(name: str, info: ValidationInfo) -> str:
    is_path = name.startswith(("./", "../", "~", "/", "package:"))
    return str(_source(Path(name), info)) if is_path else name


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


def _named(value: object) -> object:
    return {"name_or_path": value} if isinstance(value, str) else value


Source = Annotated[Path, AfterValidator(_source)]
Sources = Annotated[tuple[Source, ...], BeforeValidator(_several)]
File = Annotated[Path, AfterValidator(_file)]


class Section(BaseModel):
    """Part of a recipe: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Base(Section):
    """The model that everything starts from."""

    name_or_path: Annotated[str, Field(min_length=1), AfterValidator(_base)] = EMBEDDED_BASE
    """`saessak` (comes with haechi), the name of a model on the Hub, or a folder that begins with ./, ../, ~ or /."""
    revision: str | None = None
    """Commit of a model on the Hub; null takes the newest."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Numbers of the weights; auto takes what the base was saved in, as far as the device can compute with it."""
    quantise: Literal["none", "nf4"] = "none"
    """nf4 holds the frozen base in 4 bits (needs bitsandbytes; on a CPU it saves memory, not time)."""


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


class Trainable(Section):
    """Which weights a stage changes."""

    kind: Literal["full", "lora", "top_layers", "head"] = "lora"
    """full: all; lora: low-rank additions; top_layers: the last layers; head: only the head (reward model)."""
    rank: Annotated[int, Field(ge=0, le=1024)] = 16
    """Rank of the additions (lora); 0 means full."""
    alpha: Positive = 32.0
    """Additions are scaled by alpha / rank (lora)."""
    layers: Count = 2
    """How many of the last layers learn (top_layers)."""
    target: Annotated[str, Field(min_length=1)] = "all-linear"
    """Which linear layers get additions: `all-linear`, or names divided by commas (lora)."""


class Training(Section):
    """What every stage that learns from fixed examples is told."""

    trainable: Trainable = Trainable()
    """Which weights change."""
    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Passes over the examples."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4
    """Highest learning rate of AdamW."""
    warmup: Share = 0.05
    """Share of the steps over which the learning rate rises."""
    batch_size: Count = 16
    """Examples a step; where comparisons are learned, prompts with all comparisons of their answers."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decoupled weight decay."""
    max_grad_norm: Positive = 1.0
    """Gradients longer than this are shortened to it."""
    token_budget: Annotated[int, Field(ge=64)] = 4096
    """Tokens computed at once, which bounds memory; a prompt whose comparisons hold more is learned from in parts."""
    checkpoint_every: Count = 50
    """Steps between checkpoints."""


class Sft(Training):
    """Supervised fine-tuning: imitate the written answers."""

    abstentions: bool = True
    """Whether questions to abstain on are among the examples; answers that people wrote down seldom hold any."""


class Sample(Section):
    """Answers drawn from the SFT model, to be compared."""

    samples: Annotated[int, Field(ge=2, le=64)] = 4
    """Answers a question."""
    temperature: Positive = 1.0
    """Above 1 answers vary more, below 1 less."""
    top_k: Natural = 0
    """Only the k likeliest tokens may be drawn; 0 allows all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Only the likeliest tokens that make up this probability may be drawn; 1 allows all."""
    max_new_tokens: Count | None = None
    """Longest answer, in tokens; null takes prompt.max_answer_tokens."""


class Compare(Section):
    """Who says which of two answers is better."""

    source: Literal["simulated", "file"] = "simulated"
    """simulated: an annotator who knows the gold answer and errs at error_rate; file: the pairs in `path`."""
    path: File | None = None
    """JSONL file of preferences (source: file)."""
    error_rate: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """How often the simulated annotator prefers the worse answer."""
    pairs: Count = 8
    """Comparisons of a question at most (source: simulated)."""
    constructed: Share = 0.5
    """Share of `pairs` that set the written answer against a version spoilt on purpose, as far as it can be spoilt."""
    without_gold: Share = 0.0
    """Share of the answerable training questions compared once more without their gold passages (source: simulated)."""
    seed: Natural = 0
    """Seed of the annotator's errors, and of which questions are compared without gold passages."""

    @model_validator(mode="after")
    def _has_file(self) -> Self:
        if self.source == "file" and self.path is None:
            raise ValueError("source is file, but path is not given. Fix: set compare.path to a JSONL of preferences.")
        if self.without_gold and (self.source == "file" or round(self.pairs * self.constructed) == 0):
            raise ValueError(
                "without_gold makes comparisons of constructed answers, and there are none. "
                "Fix: set without_gold to 0, or source to simulated and constructed higher."
            )
        return self


class Reward(Training):
    """The reward model: a number for an answer, learned from the comparisons."""

    epochs: Annotated[int, Field(ge=0, le=1000)] = 2
    """Passes over the comparisons; 0 leaves the layers as they are: with the probe, a linear reward on SFT's states."""
    probe: bool = True
    """Whether the head begins as the best linear one on SFT's states, and not at random."""
    evidence: bool = True
    """Whether the reward model reads, beside the state, how many of the question's words stand in the passages and in
    the cited one; the probe learns what that is worth."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Assumed share of wrong comparisons."""
    interpolate: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How far to go from the probe to the trained weights (WiSE-FT). A few hundred comparisons are soon learned by
    heart: try 0.5 there."""
    margin: bool = False
    """Whether pairs said to differ more must differ more in reward."""
    centre: NonNegative = 0.0
    """Weight of the squared sum of a pair's two rewards, which keeps rewards near 0."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the prompts whose pairs only measure the accuracy, where pairs come from a file; otherwise those are the
    pairs on validation questions."""

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if not self.probe and not self.epochs:
            raise ValueError("with neither probe nor epochs nothing is learned. Fix: give epochs, or set probe: true.")
        if self.evidence and not self.probe:
            raise ValueError("evidence needs the probe, which learns what it is worth. Fix: probe: true.")
        if self.interpolate < 1 and not self.probe:
            raise ValueError("interpolate goes back to the probe, and there is none. Fix: probe: true.")
        return self


class Dpo(Training):
    """Direct preference optimisation: align on the comparisons without a reward model."""

    enabled: bool = True
    """Whether this stage runs."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-5
    """Highest learning rate of AdamW."""
    beta: Positive = 0.1
    """Strength of the tie to the SFT model."""
    loss: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    """sigmoid: DPO; hinge: SLiC; ipo: IPO."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Assumed share of wrong comparisons (conservative DPO; loss: sigmoid)."""

    @model_validator(mode="after")
    def _smooths(self) -> Self:
        if self.label_smoothing > 0 and self.loss != "sigmoid":
            raise ValueError(
                f"label_smoothing has no meaning for the loss {self.loss}. Fix: set it to 0, or take the loss sigmoid."
            )
        return self


class Adaptive(Section):
    """A KL coefficient that follows the measured KL (Ziegler et al. 2019, section 2.2)."""

    enabled: bool = False
    """Whether the coefficient moves."""
    target: Positive = 3.0
    """KL to the SFT model to hold, in nats an answer."""
    horizon: Count = 1000
    """Answers over which the coefficient reacts."""


class Rewards(Section):
    """What an answer earns in PPO: the weighted sum of these terms."""

    learned: NonNegative = 1.0
    """Weight of the reward model."""
    grounded: NonNegative = 0.0
    """Weight of the answer's words standing in the cited passages."""
    cited: NonNegative = 0.0
    """Weight of citing passages that exist and fit."""
    length: NonNegative = 0.0
    """Weight of the length penalty: how far an answer exceeds the budget, in budgets, at most 1."""
    length_budget: Count = 32
    """Tokens that an answer may have for free."""
    abstaining: NonNegative = 0.0
    """What declining to answer costs: more of it, fewer refusals, wrong ones and right ones."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.learned or self.grounded or self.cited):
            raise ValueError("no term rewards an answer. Fix: give learned, grounded or cited a weight above 0.")
        return self


class Ppo(Section):
    """Proximal policy optimisation against the rewards."""

    trainable: Trainable = Trainable()
    """Which weights change."""
    iterations: Count = 50
    """Rounds of sampling and learning."""
    prompts: Count = 16
    """Questions a round."""
    samples: Annotated[int, Field(ge=1, le=64)] = 4
    """Answers a question."""
    epochs: Annotated[int, Field(ge=1, le=20)] = 4
    """Passes over a round's answers."""
    minibatches: Count = 4
    """Steps a pass."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-5
    """Learning rate of AdamW."""
    warmup: Share = 0.1
    """Share of the iterations over which the learning rate rises: the first steps of AdamW are the rashest."""
    max_grad_norm: Positive = 1.0
    """Gradients longer than this are shortened to it."""
    token_budget: Annotated[int, Field(ge=64)] = 4096
    """Tokens computed at once; bounds memory and does not change the result."""
    temperature: Positive = 1.0
    """Temperature of sampling, and of the log-probabilities that are learned from."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k1"
    """KL to the SFT model: k1 (log-ratio) is paid as a reward; k2 (half its square) and k3 are terms of the loss."""
    kl_coefficient: NonNegative = 0.05
    """Cost of a nat of KL to the SFT model."""
    adaptive: Adaptive = Adaptive()
    """A moving KL coefficient."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Discount of later tokens' rewards."""
    gae_lambda: Share = 0.95
    """0: one-step advantages (biased); 1: Monte Carlo (noisy)."""
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How far the probability ratio may leave 1 and still be learned from."""
    value_clip: Positive | None = 0.2
    """How far a value may move from the old one; null does not clip."""
    dual_clip: Annotated[float, Field(gt=1)] | None = None
    """Upper bound of the ratio where the advantage is negative (Ye et al. 2020); null does not clip."""
    value_coefficient: NonNegative = 0.1
    """Weight of the value loss."""
    entropy_coefficient: NonNegative = 0.0
    """Weight of the entropy bonus."""
    ptx_coefficient: NonNegative = 0.0
    """Weight of the SFT loss mixed in (InstructGPT's PPO-ptx)."""
    ptx_examples: Count | None = None
    """SFT examples mixed into an update; null takes as many as the update has prompts."""
    whiten_rewards: bool = False
    """Whether a round's rewards are given standard deviation 1, their mean kept."""
    whiten_advantages: bool = True
    """Whether advantages are given mean 0 and standard deviation 1."""
    target_kl: Positive | None = None
    """A round's learning ends early where the KL to the sampling policy, in nats a token, goes above this."""
    critic_warmup: Natural = 1
    """Rounds of answers to which the value head is fitted (ridge regression) before the first update; 0 starts at 0."""
    missing_eos_penalty: NonNegative = 1.0
    """What an answer that does not end within its tokens loses."""
    rewards: Rewards = Rewards()
    """What an answer earns."""
    max_kl: Positive | None = 10.0
    """Checkpoints with more KL to the SFT model, in nats an answer, cannot become the best one; null allows all."""
    evaluate_every: Count = 10
    """Rounds between evaluations on the validation questions."""
    checkpoint_every: Count = 5
    """Rounds between checkpoints."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.minibatches > self.prompts:
            raise ValueError(
                f"{self.minibatches} minibatches cannot be made of {self.prompts} prompts (a prompt's answers stay "
                "together). Fix: lower minibatches."
            )
        if self.adaptive.enabled and self.kl_coefficient == 0:
            raise ValueError(
                "adaptive moves kl_coefficient by a factor, and 0 stays 0. Fix: start kl_coefficient at 0.05, say."
            )
        return self


class Merge(Section):
    """Adapter and base become one model, and the two are compared."""

    tolerance: Positive = 1e-3
    """Largest difference of log-probabilities between the merged model and base with adapter."""


class Evaluate(Section):
    """Answers of every system to the test questions."""

    best_of_n: Annotated[int, Field(ge=2, le=256)] = 4
    """Answers of SFT of which the one that earns most by ppo.rewards is kept: the baseline that PPO has to beat."""
    systems: Annotated[tuple[SystemName, ...], BeforeValidator(_several), Field(min_length=1)] | None = None
    """Systems to compare; null compares all that were made."""
    bootstrap: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Resamples behind an interval."""
    max_questions: Count | None = None
    """Test questions asked; null asks all."""


class Report(Section):
    """The page about the run."""

    language: Literal["ko", "en"] | None = None
    """Language of the page; null takes the recipe's."""


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
    """Share of the questions that no passage answers."""
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
        return self


class PretrainSettings(Section):
    """How a small base is made (`haechi pretrain`)."""

    start: Annotated[str, Field(min_length=1), AfterValidator(_base)] | None = None
    """Model to go on from, named as base.name_or_path is; its tokenizer and shape stay. null makes one from nothing."""
    text: Sources = ()
    """Files of public text, rows of {"text": …}, or folders of such files: for the tokenizer, gaps and running text. A
    fiftieth of the documents is held out."""
    text_characters: Count = 1_000_000
    """Characters of each file that are trained on, at most."""
    english_share: Share = 0.0
    """Share of the worlds that are English."""
    vocabulary_size: Annotated[int, Field(ge=2_720, le=1_000_000)] = 3072
    """Pieces of the tokenizer: the 256 bytes and 2,350 syllables are among them."""
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
    prose: Sources = ()
    """Files of questions on real prose (see benchmarks/reading.py); none leaves that out."""
    questions: Count = 300
    """Questions on each file of real prose, at most."""
    examples: Count = 300
    """Questions that SFT learns from, at most."""
    demo: bool = True
    """Whether the demo's questions are asked, which are Korean."""
    sft: ReadingSft = ReadingSft()
    """How SFT learns."""


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
    base: Annotated[Base, BeforeValidator(_named)] = Base()
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
        for name in ("sft", "dpo", "ppo"):
            if getattr(self, name).trainable.kind == "head":
                raise ValueError(f"{name}.trainable.kind is head, but only the reward model has one. Fix: take lora.")
        if self.base.quantise == "nf4":
            for name in ("sft", "reward", "dpo", "ppo"):
                trainable = getattr(self, name).trainable
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
