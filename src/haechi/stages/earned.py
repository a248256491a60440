"""What answers earn: the learned reward and the rules, weighed as the recipe says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from haechi.engine.rollout import Answer
from haechi.models.base import SharedBase
from haechi.prompt.citations import abstains
from haechi.prompt.template import Template
from haechi.recipe.learning import Ppo
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
        settings: Ppo,
        words: Template,
    ) -> None:
        self.base, self.cases, self.prompts, self.learned = base, cases, prompts, learned
        self.words, self.length_budget = words, settings.rewards.length_budget
        self.weights = RewardWeights(
            learned=settings.rewards.learned,
            grounded=settings.rewards.grounded,
            cited=settings.rewards.cited,
            length=settings.rewards.length,
            abstaining=settings.rewards.abstaining,
            missing_eos=settings.missing_eos_penalty,
        )

    def __call__(
        self, chosen: Sequence[int], answers: Sequence[Sequence[Answer]]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        scores = self.learned(
            [self.cases[i] for i in chosen],
            [self.prompts[i] for i in chosen],
            [[answer.ids for answer in group] for group in answers],
        )
        terms: dict[str, list[float | None]] = {"learned": scores.tolist()}
        for index, group in zip(chosen, answers, strict=True):
            for answer in group:
                for name, value in self._rules(self.cases[index], answer).items():
                    terms.setdefault(name, []).append(value)
        total, parts = combine({name: self._applied(name, values) for name, values in terms.items()}, self.weights)
        return torch.tensor(total), {name: torch.tensor(part) for name, part in parts.items()}

    def _rules(self, case: Case, answer: Answer) -> dict[str, float | None]:
        text = self.base.codec.decode(answer.ids)
        return {
            **_support(text, case, self.words),
            "abstaining": float(abstains(text, self.words)),
            "length": length_penalty(len(answer.ids), self.length_budget),
            "missing_eos": float(not answer.ended),
        }

    def _applied(self, name: str, values: Sequence[float | None]) -> list[float]:
        """A term that does not apply (an abstention cites nothing) earns what SFT's attempts earn by it: neither gain
        nor loss. If it earned 0, any answer copied from a passage would beat abstaining where abstaining is right."""
        return [self.learned.attempts[name] if value is None else value for value in values]


def attempts_earn(answers: Iterable[tuple[Case, Sequence[str]]], words: Template) -> dict[str, float]:
    """What the attempts among some answers earn on average, by the rules that say nothing of an abstention."""
    known: dict[str, list[float]] = {"grounded": [], "cited": []}
    for case, texts in answers:
        for text in texts:
            for name, value in _support(text, case, words).items():
                if value is not None:
                    known[name].append(value)
    return {name: sum(values) / max(len(values), 1) for name, values in known.items()}


def _support(text: str, case: Case, words: Template) -> dict[str, float | None]:
    """How an answer is borne out by what it cites; None for an abstention."""
    abstained = abstains(text, words)
    return {
        "grounded": None if abstained else grounded(text, case.texts) or 0.0,  # an empty answer rests on nothing
        "cited": cited(text, case.texts, words),
    }
