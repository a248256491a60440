"""What every training stage tells the loop of its surroundings."""

from __future__ import annotations

from collections.abc import Mapping

from haechi.engine.loop import Hooks
from haechi.pipeline.task import Task


def hooks(task: Task, *shown: str) -> Hooks:
    """Progress with the named metrics, the user's wish to stop, and notes."""

    def progress(step: int, total: int, numbers: Mapping[str, float]) -> None:
        task.progress.update(step, total, **{_label(name): numbers[name] for name in shown if name in numbers})

    return Hooks(progress=progress, stopping=task.stopping, stopped=task.stopped, note=task.progress.note)


def _label(name: str) -> str:
    return name.removesuffix("/total").replace("validation/", "held_out_").replace("/", "_")
