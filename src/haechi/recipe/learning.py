"""What the stages that learn can be told, from SFT to PPO, and those that gather comparisons between them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from haechi.recipe.fields import Count, File, Natural, NonNegative, Positive, Section, Share


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
