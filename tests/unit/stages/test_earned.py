"""What answers earn: a term that does not apply is neutral, and gold passages play no part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
import torch

from haechi.engine.rollout import Answer
from haechi.errors import ModelError
from haechi.models.load import _sees_a_window
from haechi.pipeline.reading import load_recipe
from haechi.prompt.template import template
from haechi.prompt.tokens import Codec
from haechi.recipe.learning import Ppo, Rewards
from haechi.records.types import Passage, Question
from haechi.retrieval.contexts import Context
from haechi.stages.cases import Case, prompt_of
from haechi.stages.earned import Earned, attempts_earn

if TYPE_CHECKING:
    from haechi.stages.models import RewardModel

WORDS = template("ko", instructed=False)


class Speaks:
    """A base that decodes one id to one prepared text."""

    def __init__(self, texts: list[str]) -> None:
        self.codec = self
        self.texts = texts

    def decode(self, ids: list[int]) -> str:
        return self.texts[ids[0]]


class Learned:
    """A reward model to which all answers are equal, on a base whose attempts earned as told."""

    attempts: ClassVar = {"grounded": 0.75, "cited": 0.25}

    def __call__(self, cases: Any, prompts: Any, answers: Any) -> torch.Tensor:
        return torch.zeros(sum(map(len, answers)))


def case(gold_numbers: tuple[int, ...] = (2,)) -> Case:
    passages = tuple(
        Passage(id=f"d#{n}", document_id="d", title="등대", text=text, start=0, end=len(text))
        for n, text in enumerate(("높이는 37미터이다.", "등대지기는 오누리이다."))
    )
    question = Question(id="q", text="누구?", answer="오누리입니다.", gold_documents=("d",))
    return Case(question, Context("q", passages, gold_numbers, retrieved=True))


def earned(
    texts: list[str], gold_numbers: tuple[int, ...] = (2,), ended: tuple[bool, ...] = (), **weights: float
) -> Any:
    given = Rewards(**({"learned": 0.0, "grounded": 1.0, "cited": 0.0, "length": 0.0} | weights))  # type: ignore[arg-type]
    settings = Ppo(rewards=given, missing_eos_penalty=0.75)
    base: Any = Speaks(texts)
    learned = Learned()
    function = Earned(base, [case(gold_numbers)], [[0]], cast("RewardModel", learned), settings, WORDS)
    ends = ended or (True,) * len(texts)
    return function([0], [[Answer([i], torch.zeros(1), ends[i]) for i in range(len(texts))]])


def test_an_abstention_earns_what_attempts_do_whoever_stands_beside_it() -> None:
    for others in (["오누리입니다. [2]", "한보리입니다. [2]"], ["한보리입니다. [2]"], []):
        total, parts = earned([*others, WORDS.abstention], cited=2.0)
        assert parts["grounded"][-1] == 0.75 and parts["cited"][-1] == 0.5
        assert total[-1] == 1.25


def test_what_attempts_earn_is_a_mean_without_the_abstentions() -> None:
    """Of three attempts one rests on what it cites, and one cites nothing."""
    answers = [(case(), ["오누리입니다. [2]", WORDS.abstention]), (case(), ["한보리입니다. [2]", "오누리입니다."])]
    found = attempts_earn(answers, WORDS)
    assert found == pytest.approx({"grounded": 1 / 3, "cited": 1 / 3})
    assert attempts_earn([(case(), [WORDS.abstention])], WORDS) == {"grounded": 0.0, "cited": 0.0}


def test_an_empty_answer_rests_on_nothing() -> None:
    total, _ = earned(["오누리입니다. [2]", ""], cited=1.0)
    assert total.tolist() == [2.0, 0.0]


def test_declining_has_its_price_and_answering_has_none() -> None:
    total, parts = earned(["오누리입니다. [2]", "", WORDS.abstention], abstaining=0.3)
    assert parts["abstaining"].tolist() == pytest.approx([0.0, 0.0, -0.3])
    assert total.tolist() == pytest.approx([1.0, 0.0, 0.75 - 0.3])


def test_an_answer_that_was_cut_pays() -> None:
    total, parts = earned(["오누리입니다. [2]"] * 2, ended=(True, False))
    assert total.tolist() == [1.0, 0.25]
    assert parts["missing_eos"].tolist() == [0.0, -0.75]


def test_gold_passages_change_no_reward() -> None:
    texts = ["오누리입니다. [2]", "37미터입니다. [1]", "오누리입니다."]
    with_gold, _ = earned(texts, (2,), cited=1.0)
    other_gold, _ = earned(texts, (1,), cited=1.0)
    assert with_gold.tolist() == other_gold.tolist()
    assert with_gold[0] == with_gold[1] == 2.0


RECIPE = "documents: {paths: .}\nquestions: {path: q.jsonl}\nprompt: {max_prompt_tokens: 40, instructed: false}\n"


def test_passages_that_do_not_fit_are_an_error_with_a_remedy(tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text("{}", "utf-8")
    (tmp_path / "r.yaml").write_text(RECIPE, "utf-8")
    recipe = load_recipe(tmp_path / "r.yaml")
    with pytest.raises(ModelError, match=r"question q: with its 2 passages .* Fix: raise that, or lower documents\.k"):
        prompt_of(case(), Codec(tokenizer), WORDS, recipe)


@pytest.mark.parametrize(
    ("config", "windowed"),
    [
        ({}, False),
        ({"sliding_window": 4096}, True),
        ({"sliding_window": 4096, "use_sliding_window": False}, False),
        ({"layer_types": ["full_attention", "sliding_attention"]}, True),
        ({"layer_types": ["full_attention"] * 2, "sliding_window": 4096}, False),
        ({"attention_layers": ["global", "local"]}, True),
    ],
)
def test_windows_are_seen_in_the_config_however_long(config: dict[str, Any], windowed: bool) -> None:
    assert _sees_a_window(type("Config", (), config)()) is windowed
