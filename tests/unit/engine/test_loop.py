"""The training loop on a method of a few numbers: schedule, exact resume, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from haechi.engine.checkpoint import newest_checkpoint
from haechi.engine.loop import Hooks, LoopSettings, learning_rate, train
from haechi.errors import DivergedError, StageError

SETTINGS = LoopSettings(steps=12, learning_rate=0.1, warmup=3, weight_decay=0.01, checkpoint_every=2)


class Regression:
    """Least squares with noise that depends on the step; carries JSON and tensor state from step to step."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
        self.unused = nn.Parameter(torch.ones(2))  # never has a gradient
        self.fail_at: int | None = None
        self.spoil: dict[int, str] = {}
        self.unwanted: set[int] = set()
        self.step = -1
        self.total = 0.0
        self.mean = torch.zeros(3)

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        return {"weight": self.weight, "unused": self.unused}

    def updates(self, step: int) -> Iterable[Sequence[Tensor]]:
        self.step = step
        for update in range(2):
            generator = torch.Generator().manual_seed(step * 2 + update)
            yield list(torch.randn(2, 3, generator=generator))

    def loss(self, micro: Tensor) -> tuple[Tensor, Mapping[str, float]]:
        if self.step == self.fail_at:
            raise RuntimeError("pulled the plug")
        loss = 0.5 * (self.weight @ micro - self.total * 0.1).square()
        match self.spoil.get(self.step):
            case "loss":
                loss = loss * float("nan")
            case "gradient":
                loss = loss + (0 * self.weight.sum()).sqrt()  # the loss is finite, its gradient is not
        return loss, {"size": 0.5}

    def wants(self, metrics: Mapping[str, float]) -> bool:
        assert metrics["size"] == 1.0  # of both micro-batches
        return self.step not in self.unwanted

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        self.total += metrics.get("loss", 0.0)
        self.mean = 0.9 * self.mean + 0.1 * self.weight.detach()
        return {"total": self.total}

    def state(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.total = state["total"]

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.mean = tensors["mean"]


def rows_of(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def folder_in(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


@pytest.fixture
def uninterrupted(tmp_path: Path) -> tuple[Regression, list[dict[str, float]]]:
    method, folder = Regression(), folder_in(tmp_path, "whole")
    train(method, method.parameters, SETTINGS, folder)
    return method, rows_of(folder)


def assert_same_end(method: Regression, folder: Path, uninterrupted: tuple[Regression, list[dict[str, float]]]) -> None:
    whole, rows = uninterrupted
    assert torch.equal(method.weight, whole.weight)
    assert torch.equal(method.mean, whole.mean) and method.total == whole.total
    assert rows_of(folder) == rows
    assert [row["step"] for row in rows] == list(range(1, 13))


@pytest.mark.parametrize("step", range(12))
def test_an_error_at_any_step_changes_nothing(
    tmp_path: Path, step: int, uninterrupted: tuple[Regression, list[dict[str, float]]]
) -> None:
    folder = folder_in(tmp_path, "broken")
    broken = Regression()
    broken.fail_at = step
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train(broken, broken.parameters, SETTINGS, folder)
    notes: list[str] = []
    method = Regression()
    train(method, method.parameters, SETTINGS, folder, Hooks(note=notes.append))
    assert notes == ([f"resumed after step {step - step % 2}"] if step >= 2 else [])
    assert_same_end(method, folder, uninterrupted)


@pytest.mark.parametrize("step", [1, 5, 11])
def test_stopping_saves_and_says_so(
    tmp_path: Path, step: int, uninterrupted: tuple[Regression, list[dict[str, float]]]
) -> None:
    folder, told = folder_in(tmp_path, "stopped"), []
    method = Regression()
    hooks = Hooks(
        progress=lambda done, total, numbers: told.append((done, total, numbers["total"])),
        stopping=lambda: len(told) == step,
    )
    with pytest.raises(StageError, match="everything is saved"):
        train(method, method.parameters, SETTINGS, folder, hooks)
    assert [(done, total) for done, total, _ in told] == [(i + 1, 12) for i in range(step)]
    found, _ = newest_checkpoint(folder / "checkpoints")
    assert found is not None and found.step == step
    again = Regression()
    train(again, again.parameters, SETTINGS, folder)
    assert_same_end(again, folder, uninterrupted)


def test_stopping_after_the_last_step_is_too_late(tmp_path: Path) -> None:
    method = Regression()
    train(method, method.parameters, LoopSettings(steps=1, learning_rate=0.1), tmp_path, Hooks(stopping=lambda: True))
    assert [row["step"] for row in rows_of(tmp_path)] == [1]


def test_a_finished_run_only_loads(tmp_path: Path, uninterrupted: tuple[Regression, list[dict[str, float]]]) -> None:
    method = Regression()
    train(method, method.parameters, SETTINGS, tmp_path / "whole")
    assert_same_end(method, tmp_path / "whole", uninterrupted)


@pytest.mark.parametrize("tail", ["", '{"step": 7, "loss": 0.1}\n', '{"step": 7, "lo', "\n\n"])
def test_a_damaged_checkpoint_and_a_torn_row_are_survived(
    tmp_path: Path, tail: str, uninterrupted: tuple[Regression, list[dict[str, float]]]
) -> None:
    folder, notes = folder_in(tmp_path, "damaged"), []
    broken = Regression()
    broken.fail_at = 7
    with pytest.raises(RuntimeError):
        train(broken, broken.parameters, SETTINGS, folder)
    newest = folder / "checkpoints" / "checkpoint-00000006" / "weights.safetensors"
    newest.write_bytes(newest.read_bytes()[:-3])
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(tail)
    method = Regression()
    train(method, method.parameters, SETTINGS, folder, Hooks(note=notes.append))
    assert notes == ["skipped damaged checkpoints: checkpoint-00000006", "resumed after step 4"]
    assert_same_end(method, folder, uninterrupted)


def test_another_number_of_threads_is_said(tmp_path: Path) -> None:
    notes: list[str] = []
    method = Regression()
    train(method, method.parameters, LoopSettings(steps=1, learning_rate=0.1), tmp_path)
    torch.set_num_threads(2)
    try:
        train(method, method.parameters, LoopSettings(steps=2, learning_rate=0.1), tmp_path, Hooks(note=notes.append))
    finally:
        torch.set_num_threads(1)
    assert notes[0] == "resumed with 2 threads instead of 1: the result will not be bit for bit the same"


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_one_bad_step_changes_nothing_and_is_counted(tmp_path: Path, what: str) -> None:
    method = Regression()
    method.spoil = {4: what}
    seen: list[Tensor] = []
    train(
        method,
        method.parameters,
        SETTINGS,
        tmp_path,
        Hooks(progress=lambda *_: seen.append(method.weight.detach().clone())),
    )
    assert torch.equal(seen[3], seen[4]) and not torch.equal(seen[4], seen[5])
    assert rows_of(tmp_path)[4]["rejected"] == 2  # both updates of the step
    assert bool(torch.isfinite(method.weight).all())


def test_an_update_that_the_method_does_not_want_is_not_made(tmp_path: Path) -> None:
    method = Regression()
    method.unwanted = {4}
    seen: list[Tensor] = []
    hooks = Hooks(progress=lambda *_: seen.append(method.weight.detach().clone()))
    train(method, method.parameters, SETTINGS, tmp_path, hooks)
    assert torch.equal(seen[3], seen[4]) and not torch.equal(seen[4], seen[5])
    assert "rejected" not in rows_of(tmp_path)[4] and "loss" not in rows_of(tmp_path)[4]
    assert rows_of(tmp_path)[5]["size"] == 1.0


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_bad_steps_in_a_row_end_the_run_at_the_last_good_one(tmp_path: Path, what: str) -> None:
    method = Regression()
    method.spoil = dict.fromkeys(range(4, 12), what)
    with pytest.raises(DivergedError, match=r"3 updates in a row .* step 5\. .*Fix: lower the learning rate"):
        train(method, method.parameters, SETTINGS, tmp_path)
    found, _ = newest_checkpoint(tmp_path / "checkpoints")
    assert found is not None and found.step == 4 and bool(torch.isfinite(found.tensors["weights"]["weight"]).all())
    again = Regression()  # a restart meets the same numbers and ends the same way
    again.spoil = method.spoil
    with pytest.raises(DivergedError):
        train(again, again.parameters, SETTINGS, tmp_path)


def test_rejections_are_counted_across_a_restart(tmp_path: Path) -> None:
    settings = LoopSettings(steps=12, learning_rate=0.1, checkpoint_every=1, max_rejected=5)
    method, steps = Regression(), []
    method.spoil = dict.fromkeys(range(3, 12), "loss")
    hooks = Hooks(progress=lambda step, *_: steps.append(step), stopping=lambda: steps[-1] == 4)
    with pytest.raises(StageError):
        train(method, method.parameters, settings, tmp_path, hooks)
    again = Regression()
    again.spoil = method.spoil
    with pytest.raises(DivergedError, match=r"5 updates in a row .* step 5"):  # two of step 3, two of 4, one of 5
        train(again, again.parameters, settings, tmp_path)


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    method = Regression()
    method.unused.data[0] = float("inf")
    with pytest.raises(DivergedError, match=r"unused holds numbers that are not finite after step 2"):
        train(method, method.parameters, SETTINGS, tmp_path)
    assert newest_checkpoint(tmp_path / "checkpoints") == (None, [])


def test_micro_batches_add_up_and_updates_average(tmp_path: Path) -> None:
    """Step 0 by hand: two updates of two micro-batches, plain AdamW with gradients clipped to norm 1."""
    settings = LoopSettings(steps=1, learning_rate=0.1, weight_decay=0.01)
    method = Regression()
    train(method, method.parameters, settings, tmp_path)
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = torch.optim.AdamW([weight], lr=0.1, betas=(0.9, 0.95), weight_decay=0.01)
    losses, norms = [], []
    for micros in Regression().updates(0):
        optimizer.zero_grad()
        loss = torch.stack([0.5 * (weight @ micro).square() for micro in micros]).sum()
        loss.backward()
        assert weight.grad is not None
        norms.append(float(weight.grad.norm()))
        weight.grad.mul_(min(1.0, 1.0 / (norms[-1] + 1e-6)))
        optimizer.step()
        losses.append(float(loss.detach()))
    torch.testing.assert_close(method.weight, weight)
    (row,) = rows_of(tmp_path)
    assert row == pytest.approx(
        {
            "step": 1,
            "learning_rate": 0.1,
            "loss": sum(losses) / 2,
            "grad_norm": sum(norms) / 2,
            "size": 1.0,
            "total": sum(losses) / 2,
        }
    )


def test_learning_rate_by_hand() -> None:
    settings = LoopSettings(steps=10, learning_rate=1.0, warmup=4, final_rate=0.1)
    rates = [learning_rate(settings, step) for step in range(10)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == pytest.approx(1.0)
    assert rates[7] == pytest.approx(0.1 + 0.9 * 0.5)  # half of the way down: cos(π/2) = 0
    assert rates[5] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 6)))
    assert all(earlier >= later for earlier, later in pairwise(rates[4:]))
    assert learning_rate(LoopSettings(steps=2, learning_rate=1.0, warmup=5), 1) == pytest.approx(0.4)
