"""How well a base reads generated worlds of names and values that training never sees, before and after SFT."""

from __future__ import annotations

from typing import Any

from haechi.pipeline.task import Task
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.template import Language
from haechi.stages.models import base_of
from haechi.stages.reading import Read, Scores, read_case, reading_of, scored, taught, write_scores

_QUESTIONS = 4  # a world


def run(task: Task) -> dict[str, Any]:
    """Writes the answers of both systems under each condition, and returns their scores."""
    settings, base = reading_of(task), base_of(task)
    examples = [
        read
        for language in ("ko", "en")
        for read in _asked(f"sft-{task.seed}-{language}", settings.examples, 1, settings.passages, language)
    ]
    role, _ = taught(task, base, examples, task.folder / "sft")
    found: dict[str, Scores] = {}
    for language in ("ko", "en"):
        for templates in ("seen", "unseen"):
            name = f"{language}_{templates}"
            asked = _asked(
                f"measured-{task.seed}-{name}", settings.worlds, settings.passages, settings.passages, language,
                unseen_names=True, unseen_templates=templates == "unseen",
            )  # fmt: skip
            for system, wearing in (("base", None), ("sft", role)):
                file = task.folder / f"{name}_{system}.jsonl"
                found[f"{name}/{system}"] = scored(task, base, wearing, asked, file)
    return write_scores(task, found)


def _asked(
    seed: str,
    worlds: int,
    fewest: int,
    most: int,
    language: Language,
    *,
    unseen_names: bool = False,
    unseen_templates: bool = False,
) -> list[Read]:
    rng = Draw(seed, unseen=unseen_names)
    made = [
        generate(
            rng,
            passages=rng.randint(fewest, most),
            language=language,
            questions=_QUESTIONS,
            mistakes=0,
            unseen_templates=unseen_templates,
        )
        for _ in range(worlds)
    ]
    return [read for number, world in enumerate(made) for read in _questions(f"{seed}-{number}", world)]


def _questions(identifier: str, world: World) -> list[Read]:
    return [
        read_case(
            f"{identifier}-{number}", asked.question, world.passages, asked.answer, asked.passage, world.language,
            topic=identifier,
        )
        for number, asked in enumerate(world.asked)
    ]
