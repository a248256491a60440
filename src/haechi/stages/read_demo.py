"""How a base answers the demo's questions before and after SFT, from the passages that the demo's search finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haechi.models.saved import load_role
from haechi.pipeline.graph import STAGES
from haechi.pipeline.run import run as walk
from haechi.pipeline.task import Progress, Task
from haechi.recipe import Recipe
from haechi.recipe.bases import Reading
from haechi.stages.cases import load_cases
from haechi.stages.models import base_of
from haechi.stages.reading import Read, scored, write_scores


def run(task: Task) -> dict[str, Any]:
    """Runs the demo up to SFT in a folder of its own, and scores base and SFT on its test questions."""
    recipe = demo_recipe(task.recipe)
    folder = task.folder / "demo"
    walk(recipe, folder, only="sft", progress=_Inside(task.progress), graph=STAGES)
    inner = Task(
        recipe=recipe, folder=task.folder, inputs={stage: folder / stage for stage in ("ingest", "split", "sft")},
        progress=task.progress, seed=task.seed, threads=task.threads, received=task.received,
    )  # fmt: skip
    base = base_of(inner)
    asked = [Read(case, "ko") for case in load_cases(inner, "test")]
    roles = {"base": None, "sft": load_role(base, folder / "sft")[0]}
    found = {
        system: scored(inner, base, role, asked, task.folder / f"{system}.jsonl") for system, role in roles.items()
    }
    return write_scores(task, found)


class _Inside:
    """The progress of stages inside a stage: their steps and notes, and not that they begin."""

    def __init__(self, outside: Progress) -> None:
        self.update, self.note = outside.update, outside.note

    def stage(self, name: str, index: int, total: int) -> None:
        """Nothing."""


def demo_recipe(recipe: Recipe) -> Recipe:
    """The demo's documents and questions, asked of the recipe's base as recipes/demo.yaml asks them."""
    reading, prompt = recipe.reading or Reading(), recipe.prompt
    return Recipe.model_validate(
        {
            "name": "demo",
            "language": "ko",
            "threads": recipe.threads,
            "seed": recipe.seed,
            "base": recipe.base.model_dump(),
            "prompt": {
                "instructed": prompt.instructed,
                "max_prompt_tokens": min(480, prompt.max_prompt_tokens),  # a base may read no more
                "max_answer_tokens": min(32, prompt.max_answer_tokens),
            },
            "documents": {"paths": "package:demo/documents", "max_chars": 45, "k": 2},
            "questions": {
                "path": "package:demo/questions.jsonl",
                "practice": 0.5,
                "sft_examples": 60,
                "drop_gold": 0.0,
                "split": {"train": 0.5, "validation": 0.1, "test": 0.4},
            },
            "sft": {
                "trainable": reading.sft.trainable.model_dump(),
                "epochs": 3,
                "batch_size": 12,
                "learning_rate": 1e-4,
                "warmup": 0.1,
                "token_budget": 3000,
            },
        },
        context={"folder": Path.cwd()},
    )
