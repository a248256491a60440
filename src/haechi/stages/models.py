"""The base and the roles of a run, as its stages share them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from haechi.engine.forward import answer_scores
from haechi.engine.trees import Tree, micro_batches, split_wide
from haechi.errors import DivergedError, ModelError, RecipeError
from haechi.methods.reward import Normalisation
from haechi.models.base import SharedBase
from haechi.models.load import Dtype, Quantise, load_base
from haechi.models.roles import Role, Trainable
from haechi.models.saved import load_role
from haechi.pipeline.task import Task
from haechi.prompt.template import Template
from haechi.recipe import Recipe
from haechi.recipe.learning import Trainable as TrainableSettings
from haechi.rewards.evidence import NAMES
from haechi.stages.cases import Case, evidence_for, words_of


def base_of(task: Task) -> SharedBase:
    """The run's base, loaded once a process, with the run's number of threads."""
    torch.set_num_threads(task.threads)
    settings = task.recipe.base
    known = _load.cache_info().currsize
    base = _load(settings.name_or_path, settings.revision, settings.dtype, settings.quantise)
    _check_length(task.recipe, base)
    if not known and not base.shared_forward:
        task.progress.note(
            f"{base.name}: prompts cannot be shared exactly on this architecture; the plain path is used"
        )
    return base


def _longest(base: SharedBase) -> int | None:
    """How many tokens the base reads at most; None where its configuration does not say."""
    return getattr(base.model.config, "max_position_embeddings", None)


def _check_length(recipe: Recipe, base: SharedBase) -> None:
    """Refuses prompts and answers that together are longer than the base can read."""
    limit = _longest(base)
    answer = max(recipe.prompt.max_answer_tokens, recipe.sample.max_new_tokens or 0) + 1  # and an end, if it is cut
    wanted = recipe.prompt.max_prompt_tokens + answer
    if limit is not None and wanted > limit:
        raise RecipeError(
            f"prompt.max_prompt_tokens + the longest answer with its end is {wanted}, but {base.name} reads at most "
            f"{limit} tokens. Fix: set prompt.max_prompt_tokens to {limit - answer} or less."
        )


def answer_ids(base: SharedBase, prompt: Sequence[int], text: str, question_id: str) -> list[int]:
    """A written answer as token ids, with its end.

    Raises:
        ModelError: prompt and answer together are longer than the base can read.
    """
    ids = base.codec.answer(text)
    limit = _longest(base)
    if limit is not None and len(prompt) + len(ids) > limit:
        raise ModelError(
            f"question {question_id}: its prompt of {len(prompt)} and an answer of {len(ids)} tokens are longer than "
            f"the {limit} that {base.name} reads. Fix: shorten the answer ({text[:40]}…), or lower documents.k."
        )
    return ids


@lru_cache(maxsize=1)
def _load(name: str, revision: str | None, dtype: Dtype, quantise: Quantise) -> SharedBase:
    return load_base(name, revision=revision, dtype=dtype, quantise=quantise)


def trainable(settings: TrainableSettings) -> Trainable:
    """The recipe's choice of what learns, as the models know it."""
    return Trainable(settings.kind, settings.rank, settings.alpha, settings.layers, settings.target)


def sft_role(task: Task, base: SharedBase) -> Role:
    """The finished SFT role, frozen: parent and reference of everything that comes after it."""
    return load_role(base, task.inputs["sft"])[0]


def aligned_role(task: Task, base: SharedBase, stage: str) -> Role:
    """The finished role of `dpo` or `ppo`."""
    return load_role(base, task.inputs[stage], sft_role(task, base))[0]


def evidence_scores(
    worth: Mapping[str, float], answers: Iterable[tuple[Case, Sequence[str]]], words: Template
) -> Tensor:
    """What the numbers of its words add to each answer's score [A], case by case, by what they are worth."""
    rows = [evidence_for(case, text, words) for case, texts in answers for text in texts]
    return torch.tensor(rows).reshape(-1, len(NAMES)) @ torch.tensor([worth[name] for name in NAMES])


class RewardModel:
    """The finished reward model as a function: questions and answers in, normalised scores out.

    Attributes:
        worth: what each number of `rewards.evidence` is worth; empty where the model reads its state alone.
        attempts: what SFT's attempts earn on average, by the rules that say nothing of an abstention.
    """

    def __init__(self, task: Task, base: SharedBase, token_budget: int) -> None:
        self.base, self.token_budget = base, token_budget
        self.role, about = load_role(base, task.inputs["reward"], sft_role(task, base))
        self.normalisation = Normalisation(**about["normalisation"])
        self.attempts: dict[str, float] = about["attempts"]
        self.worth: dict[str, float] = about["worth"]
        self.words = words_of(task.recipe)

    def __call__(
        self,
        cases: Sequence[Case],
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[Sequence[int]]],
    ) -> Tensor:
        """A score for each answer [A], case by case; 0 is the mean of SFT's answers, 1 their deviation.

        Args:
            prompts: the token ids of each case's prompt.
            answers: those of the answers to it.
        """
        trees = split_wide(
            [Tree(prompt, [self._ended(ids) for ids in group]) for prompt, group in zip(prompts, answers, strict=True)],
            self.token_budget,
        )
        scores_A = answer_scores(self.base, self.role, trees, micro_batches(trees, self.token_budget))
        if self.worth:
            texts = ([self.base.codec.decode(list(ids)) for ids in group] for group in answers)
            scores_A += evidence_scores(self.worth, zip(cases, texts, strict=True), self.words)
        if not torch.isfinite(scores_A).all():
            raise DivergedError("the reward model gives scores that are not finite. Fix: train it again, more slowly.")
        return self.normalisation.apply(scores_A)

    def _ended(self, ids: Sequence[int]) -> Sequence[int]:
        """Scores are read at the end-of-sequence token, where the reward model learned to give them."""
        return ids if ids[-1] == self.base.codec.eos else [*ids, self.base.codec.eos]
