"""A reward that begins as a verdict is the difference of two logits."""

from __future__ import annotations

import pytest
import torch

from haechi.engine.forward import answer_scores
from haechi.engine.trees import Tree
from haechi.errors import ModelError
from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.models.roles import Role, Trainable
from haechi.pretrain.saessak import RIGHT, WRONG
from haechi.prompt.template import template
from haechi.stages.reward import _begin_with_verdicts

WORDS = template("ko", instructed=False)
PASSAGES = [("오누리 마을", "오누리 마을을 세운 사람은 한바라이다."), ("오누리 마을", "오누리 마을의 인구는 37명이다.")]


@pytest.fixture(scope="module")
def saessak() -> SharedBase:
    return load_base("saessak", dtype="float32")


def test_rewards_begin_as_verdicts(saessak: SharedBase) -> None:
    codec = saessak.codec
    parent = Role(saessak, Trainable("full"))  # whose embeddings, and so verdicts, are others than the base's
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in parent.parameters().values():
            weight.add_(0.01 * torch.randn(weight.shape, generator=generator))
    role = Role(saessak, Trainable("top_layers", layers=1), parent, head_outputs=1)
    _begin_with_verdicts(saessak, role, RIGHT, WRONG)
    prompt = codec.bos + codec.encode(WORDS.context(PASSAGES) + WORDS.ask("오누리 마을을 세운 사람은 누구인가요?"))
    tree = Tree(prompt, [codec.answer("한바라입니다. [1]"), codec.answer("37명입니다. [2]")])
    scores = answer_scores(saessak, role, [tree], [[0]])
    (right,), (wrong,) = codec.encode(RIGHT), codec.encode(WRONG)
    for answer, score in zip(tree.answers, scores.tolist(), strict=True):
        with torch.no_grad(), saessak.wearing(role):
            logits = saessak.model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0, -1]
        assert score == pytest.approx(float(logits[right] - logits[wrong]), abs=1e-3)
    bare = Role(saessak, Trainable("head"), head_outputs=1)
    _begin_with_verdicts(saessak, bare, RIGHT, WRONG)
    known = answer_scores(saessak, bare, [tree], [[0]])
    assert known[0] > known[1] and (known - scores).abs().max() > 0.01


def test_a_verdict_is_one_token(saessak: SharedBase) -> None:
    role = Role(saessak, Trainable("head"), head_outputs=1)
    with pytest.raises(ModelError, match=r"2 tokens of “OX”\. Fix: name two"):
        _begin_with_verdicts(saessak, role, "OX", "X")
