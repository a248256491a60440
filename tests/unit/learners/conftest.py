"""An update computed apart from the loop, and supervised and paired examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from haechi.engine.loop import LoopSettings, Method, train
from haechi.engine.trees import Tree
from haechi.learners.pairs import ComparedPrompt, Pair


@pytest.fixture(scope="session")
def update_of() -> Callable[..., tuple[float, dict[str, Tensor], dict[str, float]]]:
    """Loss, gradients and metrics of the first update of a step, accumulated over its micro-batches; and how many."""

    def update(
        method: Method, parameters: dict[str, nn.Parameter], step: int = 0
    ) -> tuple[float, dict[str, Tensor], dict[str, float]]:
        micros: Sequence[Any] = next(iter(method.updates(step)))
        total, numbers = 0.0, {"micros": float(len(micros))}
        for weight in parameters.values():
            weight.grad = None
        for micro in micros:
            loss, metrics = method.loss(micro)
            loss.backward()
            total += float(loss.detach())
            for name, value in metrics.items():
                numbers[name] = numbers.get(name, 0.0) + value
        gradients = {name: torch.zeros_like(w) if w.grad is None else w.grad.clone() for name, w in parameters.items()}
        return total, gradients, numbers

    return update


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[dict[str, float]]]:
    """Trains for some steps and gives the rows of metrics."""
    import json

    def go(
        method: Method, parameters: dict[str, nn.Parameter], steps: int, rate: float = 1e-2, **settings: Any
    ) -> list[dict[str, float]]:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        train(method, parameters, LoopSettings(steps=steps, learning_rate=rate, **settings), folder)
        return [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]

    return go


@pytest.fixture(scope="session")
def answers(draw_trees: Callable[..., list[Tree]]) -> list[Tree]:
    """Eight trees of one answer each, of different lengths."""
    return draw_trees(((5, (4,)), (9, (2,)), (3, (6,)), (7, (1,)), (4, (3,)), (8, (5,)), (6, (2,)), (2, (7,))))


@pytest.fixture(scope="session")
def compared(draw_trees: Callable[..., list[Tree]]) -> list[ComparedPrompt]:
    """Eight prompts with a pair each, of different lengths, margins and weights."""
    trees = draw_trees(
        ((5, (4, 2)), (9, (2, 3)), (3, (6, 1)), (7, (1, 4)), (4, (3, 3)), (8, (5, 2)), (6, (2, 6)), (2, (7, 3)))
    )
    return [ComparedPrompt(tree, [Pair(0, 1, margin=0.1 * i, weight=0.5 + 0.25 * i)]) for i, tree in enumerate(trees)]


@pytest.fixture(scope="session")
def assert_same_update() -> Callable[..., None]:
    """Two updates are one: loss, every gradient, every metric."""

    def same(
        ours: tuple[float, dict[str, Tensor], dict[str, float]],
        theirs: tuple[float, dict[str, Tensor], dict[str, float]],
    ) -> None:
        assert ours[0] == pytest.approx(theirs[0], rel=1e-4, abs=1e-6)
        largest = max(float(gradient.abs().max()) for gradient in theirs[1].values())
        assert largest > 1e-4
        for name, gradient in ours[1].items():
            torch.testing.assert_close(
                gradient, theirs[1][name], rtol=1e-3, atol=1e-4 * largest, msg=lambda m, n=name: f"{n}: {m}"
            )
        assert ours[2].keys() == theirs[2].keys()
        for name in ours[2].keys() - {"micros"}:
            assert ours[2][name] == pytest.approx(theirs[2][name], rel=1e-3, abs=1e-5), name

    return same
