"""What answers earn: the learned reward and the rules, weighed as the recipe says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from haechi.engine.rollout import Answer
from haechi.models.base import SharedBase
from haechi.prompt.citations import abstains
from haechi.prompt.template import Template
from haechi.recipe import Rewards
from haechi.rewards.cited import cited
from haechi.rewards.grounded import grounded
from haechi.rewards.length import length_penalty
from haechi.rewards.total import RewardWeights, combine
from haechi.stages.cases import Case
from haechi.stages.models import RewardModel


class Earned:
    """A reward function over a fixed list of cases: (case indices, their answers) ▶ total and parts, one an answer."""

    def __init__(
        self,
        base: SharedBase,
        cases: Sequence[Case],
        prompts: Sequence[Sequence[int]],
        learned: RewardModel,
        settings: Rewards,
        words: Template,
    ) -> None:
        self.base, self.cases, self.prompts, self.learned = base, cases, prompts, learned
        self.settings, self.words = settings, words
        self.weights = RewardWeights(
            learned=settings.learned, grounded=settings.grounded, cited=settings.cited, length=settings.length
        )

    def __call__(
        self, chosen: Sequence[int], answers: Sequence[Sequence[Answer]]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        scores = self.learned([self.prompts[i] for i in chosen], [[a.ids for a in group] for group in answers])
        terms: dict[str, list[float | None]] = {"learned": scores.tolist(), "grounded": [], "cited": [], "length": []}
        for index, group in zip(chosen, answers, strict=True):
            for answer in group:
                for name, value in self._rules(self.cases[index], answer).items():
                    terms[name].append(value)
        total, parts = combine({name: _neutral(values) for name, values in terms.items()}, self.weights)
        return torch.tensor(total), {name: torch.tensor(part) for name, part in parts.items()}

    def _rules(self, case: Case, answer: Answer) -> dict[str, float | None]:
        text = self.base.codec.decode(answer.ids)
        abstained = abstains(text, self.words)
        return {
            "grounded": None if abstained else grounded(text, case.texts),
            "cited": cited(text, case.texts, None, self.words),
            "length": length_penalty(len(answer.ids), self.settings.length_budget),
        }


def _neutral(values: Sequence[float | None]) -> list[float | None]:
    """A term that does not apply (an abstention cites nothing) earns the mean of the others: neither gain nor loss.

    If it earned 0, any answer copied from a passage would beat abstaining where abstaining is right.
    """
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else 0.0
    return [mean if value is None else value for value in values]
