"""The one training loop. It knows steps, updates and micro-batches; what is learned is the method's business.

Exactness: whatever is random is a function of (seed, step), so a run that was killed and resumed from its last
checkpoint makes the same updates and ends with the same bytes as one that was not (same machine, same thread count).
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from haechi.engine.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from haechi.engine.optimizers import Kind, Optimizers, make_optimizers
from haechi.errors import DivergedError, StageError


class Method(Protocol):
    """What the loop asks of a way to learn. `Micro` is whatever the method puts into its micro-batches."""

    def updates(self, step: int) -> Iterable[Sequence[Any]]:
        """The optimiser updates of a step, each a list of micro-batches. One for SFT; epochs × minibatches for PPO."""
        ...

    def loss(self, micro: Any) -> tuple[Tensor, Mapping[str, float]]:
        """A micro-batch's share of its update's loss (shares add up to the update's loss), and metrics that add up."""
        ...

    def wants(self, metrics: Mapping[str, float]) -> bool:
        """Whether to make an update whose micro-batches came to these metrics; False leaves the weights as they are."""
        ...

    def after(self, step: int, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """What to log when a step is over, including validation where it is due."""
        ...

    def state(self) -> dict[str, Any]:
        """JSON state beyond the weights, saved with each checkpoint."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None: ...

    def tensors(self) -> dict[str, Tensor]:
        """Tensor state beyond the weights (the best weights so far, for example)."""
        ...

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None: ...


class Stateless:
    """For a method whose weights are all that a checkpoint must hold, and that makes every update."""

    def wants(self, metrics: Mapping[str, float]) -> bool:
        del metrics
        return True

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        del state

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        del tensors


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How to optimise.

    Attributes:
        steps: how many steps in all.
        learning_rate: the peak; it rises linearly over `warmup` steps, then falls along a cosine to `final_rate` of it.
        max_grad_norm: gradients longer than this are shortened to it.
        max_rejected: updates in a row with a loss or gradient that is not finite before training stops.
        checkpoint_every: steps between checkpoints; 0 = only at the end.
        optimizer: see `haechi.engine.optimizers`.
    """

    steps: int
    learning_rate: float
    warmup: int = 0
    final_rate: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    max_grad_norm: float = 1.0
    max_rejected: int = 3
    checkpoint_every: int = 0
    optimizer: Kind = "adamw"


@dataclass(slots=True)
class Hooks:
    """What the surroundings want to know or say while training goes on."""

    progress: Callable[[int, int, Mapping[str, float]], None] = lambda step, total, numbers: None
    stopping: Callable[[], bool] = lambda: False
    stopped: Callable[[], Exception] = lambda: StageError(
        "stopped; everything is saved. Run the same command again to go on."
    )
    note: Callable[[str], None] = lambda text: None


def train(
    method: Method,
    parameters: Mapping[str, nn.Parameter],
    settings: LoopSettings,
    folder: Path,
    hooks: Hooks | None = None,
) -> None:
    """Trains until the last step, or resumes there. Leaves the weights in `parameters`, metrics in `metrics.jsonl`.

    Raises:
        DivergedError: too many updates in a row were not finite; the last checkpoint is from before them.
        Exception: what `hooks.stopped` makes, when the surroundings asked to stop; a checkpoint holds everything.
    """
    hooks = hooks or Hooks()
    optimizers = make_optimizers(
        settings.optimizer, parameters, betas=settings.betas, weight_decay=settings.weight_decay
    )
    start, rejected = _resume(method, parameters, optimizers, folder, hooks)
    metrics_path = folder / "metrics.jsonl"
    _keep_rows_before(metrics_path, start)
    began = time.monotonic()
    for step in range(start, settings.steps):
        rate = learning_rate(settings, step)
        optimizers.set_rate(rate)
        totals: dict[str, float] = {}
        made = refused = 0
        for micros in method.updates(step):
            numbers = _update(method, micros, parameters, optimizers, settings.max_grad_norm)
            rejected = rejected + 1 if numbers is None else 0
            refused += numbers is None
            if rejected >= settings.max_rejected:
                raise DivergedError(
                    f"{folder}: {rejected} updates in a row had a loss or gradient that is not finite, the last in "
                    f"step {step}. Training stopped; the last checkpoint is from before. Fix: lower the learning rate."
                )
            made += bool(numbers)
            for name, value in (numbers or {}).items():
                totals[name] = totals.get(name, 0.0) + value
        metrics = {name: value / made for name, value in totals.items()} | ({"rejected": refused} if refused else {})
        metrics |= method.after(step, metrics)
        row = {"step": step + 1, "seconds": round(time.monotonic() - began, 3), "learning_rate": rate, **metrics}
        with metrics_path.open("a", encoding="utf-8") as file:
            finite = {name: value if math.isfinite(value) else None for name, value in row.items()}
            file.write(json.dumps(finite) + "\n")
        hooks.progress(step + 1, settings.steps, metrics)
        last = step + 1 == settings.steps
        stop = hooks.stopping() and not last
        if last or stop or (settings.checkpoint_every and (step + 1) % settings.checkpoint_every == 0):
            _save(method, parameters, optimizers, folder, step + 1, rejected)
        if stop:
            raise hooks.stopped()


def learning_rate(settings: LoopSettings, step: int) -> float:
    """The rate of a 0-based step."""
    if step < settings.warmup:
        return settings.learning_rate * (step + 1) / settings.warmup
    span = max(settings.steps - settings.warmup, 1)
    cosine = 0.5 * (1 + math.cos(math.pi * (step - settings.warmup) / span))
    return settings.learning_rate * (settings.final_rate + (1 - settings.final_rate) * cosine)


def _update(
    method: Method,
    micros: Sequence[Any],
    parameters: Mapping[str, nn.Parameter],
    optimizers: Optimizers,
    max_grad_norm: float,
) -> dict[str, float] | None:
    """One optimiser update over micro-batches: its metrics, {} if the method does not want it, None if its loss or
    gradient is not finite. The last two change nothing."""
    optimizers.zero_grad()
    numbers: dict[str, float] = {}
    total = 0.0
    for micro in micros:
        loss, metrics = method.loss(micro)
        if not torch.isfinite(loss):
            return None
        loss.backward()
        total += float(loss.detach())
        for name, value in metrics.items():
            numbers[name] = numbers.get(name, 0.0) + value
    norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), max_grad_norm)
    if not torch.isfinite(norm):
        return None
    if not method.wants(numbers):
        return {}
    optimizers.step()
    return {"loss": total, "grad_norm": float(norm), **numbers}


def _save(
    method: Method,
    parameters: Mapping[str, nn.Parameter],
    optimizers: Optimizers,
    folder: Path,
    step: int,
    rejected: int,
) -> None:
    weights = {name: weight.detach() for name, weight in parameters.items()}
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise DivergedError(
                f"{folder}: {name} holds numbers that are not finite after step {step}; nothing was saved over "
                "the last checkpoint. Fix: lower the learning rate."
            )
    checkpoint = Checkpoint(
        step=step,
        tensors={"weights": weights, "optimizer": optimizers.state(), "method": method.tensors()},
        state={"rejected": rejected, "threads": torch.get_num_threads(), "method": method.state()},
    )
    save_checkpoint(folder / "checkpoints", checkpoint)


def _resume(
    method: Method,
    parameters: Mapping[str, nn.Parameter],
    optimizers: Optimizers,
    folder: Path,
    hooks: Hooks,
) -> tuple[int, int]:
    found, damaged = newest_checkpoint(folder / "checkpoints")
    if damaged:
        hooks.note(f"skipped damaged checkpoints: {', '.join(damaged)}")
    if found is None:
        return 0, 0
    with torch.no_grad():
        for name, weight in parameters.items():
            weight.copy_(found.tensors["weights"][name])
    optimizers.load_state(found.tensors["optimizer"])
    method.load_state(found.state["method"])
    method.load_tensors(found.tensors.get("method", {}))
    if found.state["threads"] != torch.get_num_threads():
        hooks.note(
            f"resumed with {torch.get_num_threads()} threads instead of {found.state['threads']}: "
            "the result will not be bit for bit the same"
        )
    hooks.note(f"resumed after step {found.step}")
    return found.step, int(found.state["rejected"])


def _keep_rows_before(path: Path, step: int) -> None:
    """Drops metric rows of steps that will be made again, and a row that was cut off."""
    if not path.exists():
        return
    kept: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if row["step"] <= step:
            kept.append(line)
    # A kill between truncating and writing would lose every row: write beside and rename.
    building = path.with_name(f".{path.name}.building")
    building.write_text("".join(f"{line}\n" for line in kept), "utf-8")
    os.replace(building, path)
