"""The stages, what each needs, and which parts of the recipe each depends on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from haechi.errors import StageError
from haechi.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        name: the verb, and the name of the folder in a run.
        about: what it does, for the help.
        needs: the stages whose results it reads.
        settings: the recipe's sections and dotted fields that its result depends on.
        files: the dotted fields that name files or folders whose contents its result depends on.
        assets: folders of the package's own data that its result depends on.
        module: where `run(task)` is; imported when the stage runs, and its source counts towards the fingerprint.
        runs: modules that it runs by name, whose source counts too.
        check: module whose `check(recipe)` reads what people gave to the stage, before any stage runs; empty if it
            comes so early that it may say itself what is wrong.
        enabled_by: the dotted field that switches it on; empty if it always runs.
    """

    name: str
    about: str
    module: str
    runs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    check: str = ""
    enabled_by: str = ""

    def enabled(self, recipe: Recipe) -> bool:
        """Whether the recipe switches the stage on."""
        return not self.enabled_by or bool(setting(recipe, self.enabled_by))


class Graph:
    """Stages by name, each after everything it needs.

    Raises ValueError if a stage needs one that is unknown or comes after it: so there are no cycles.
    """

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages: dict[str, Stage] = {}
        for stage in stages:
            missing = [need for need in stage.needs if need not in self.stages]
            if missing:
                raise ValueError(f"{stage.name} needs {', '.join(missing)}, which must come before it")
            self.stages[stage.name] = stage

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages.values())

    def __getitem__(self, name: str) -> Stage:
        if name not in self.stages:
            near = difflib.get_close_matches(name, self.stages, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Stages: {', '.join(self.stages)}."
            raise StageError(f"{name}: no such stage. {hint}")
        return self.stages[name]

    def before(self, name: str, recipe: Recipe) -> tuple[Stage, ...]:
        """The enabled stages that `name` builds on, directly or not, in the order in which they run."""
        wanted = set(self[name].needs)
        for stage in reversed(self.stages.values()):
            if stage.name in wanted and stage.enabled(recipe):
                wanted.update(stage.needs)
        return tuple(stage for stage in self if stage.name in wanted and stage.enabled(recipe))

    def plan(self, recipe: Recipe, target: str | None = None) -> tuple[Stage, ...]:
        """The enabled stages up to the target (None: all of them), in the order in which they run.

        Raises StageError for an unknown target or one that the recipe switches off.
        """
        if target is None:
            return tuple(stage for stage in self if stage.enabled(recipe))
        stage = self[target]
        if not stage.enabled(recipe):
            raise StageError(f"{target} is switched off in this recipe. Fix: set {stage.enabled_by} to true.")
        return (*self.before(target, recipe), stage)


def setting(recipe: Recipe, dotted: str) -> Any:
    """The value of a dotted field, like `dpo.enabled`."""
    value: Any = recipe
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


_SPLITTING = tuple(
    f"questions.{name}" for name in ("drop_gold", "near_duplicate", "min_chars", "max_chars", "practice")
)

STAGES = Graph(
    (
        Stage(
            name="ingest",
            about="read the documents, cut them into passages and index them",
            module="haechi.stages.ingest",
            settings=(
                "language",
                *(f"documents.{name}" for name in ("max_chars", "overlap_sentences", "min_chars", "near_duplicate")),
            ),
            files=("documents.paths",),
        ),
        Stage(
            name="split",
            about="divide the questions and find the passages of each",
            module="haechi.stages.split",
            needs=("ingest",),
            settings=("seed", "language", "documents.k", "questions.split", "questions.limit", *_SPLITTING),
            files=("questions.path", "questions.prompts"),
        ),
        Stage(
            name="sft",
            about="teach the base to answer as the written answers do",
            module="haechi.stages.sft",
            needs=("ingest", "split"),
            settings=("seed", "language", "base", "prompt", "questions.sft_examples", "sft"),
            files=("base.name_or_path",),
        ),
        Stage(
            name="sample",
            about="draw several answers to every training and validation question",
            module="haechi.stages.sample",
            needs=("sft",),
            settings=("seed", "sample"),
        ),
        Stage(
            name="compare",
            about="gather which of two answers is better",
            module="haechi.stages.compare",
            needs=("sample", "split"),
            settings=("seed", "language", "prompt.instructed", "documents.k", "compare", "reward.held_out"),
            files=("compare.path",),
            check="haechi.stages.preferences",
        ),
        Stage(
            name="reward",
            about="train the reward model on the comparisons",
            module="haechi.stages.reward",
            needs=("compare", "sft"),
            settings=("seed", "reward"),
        ),
        Stage(
            name="dpo",
            about="align on the comparisons directly, without a reward model",
            module="haechi.stages.dpo",
            needs=("compare", "sft"),
            settings=("seed", "dpo"),
            enabled_by="dpo.enabled",
        ),
        Stage(
            name="ppo",
            about="align against the reward model",
            module="haechi.stages.ppo",
            needs=("reward", "sft", "split", "ingest"),
            settings=("seed", "ppo"),
        ),
        Stage(
            name="merge",
            about="make adapter and base one model, and check that nothing changed",
            module="haechi.stages.merge",
            needs=("ppo",),
            settings=("merge",),
        ),
        Stage(
            name="evaluate",
            about="ask every system the test questions and score the answers",
            module="haechi.stages.evaluate",
            needs=("ingest", "split", "sft", "compare", "reward", "dpo", "ppo", "merge"),
            settings=("seed", "language", "evaluate"),
        ),
        Stage(
            name="report",
            about="write results.json and the page about the run",
            module="haechi.stages.report",
            needs=("ingest", "split", "sft", "sample", "compare", "reward", "dpo", "ppo", "merge", "evaluate"),
            settings=("name", "seed", "language", "report"),
        ),
    )
)

_WORLDS = ("frames", "phrases", "relations", "words")  # what generated worlds are written from

PRETRAIN = Graph(
    (
        Stage(
            name="pretrain",
            about="make a small base model, or go on from one",
            module="haechi.stages.pretrain",
            settings=("seed", "pretrain"),
            files=("pretrain.start", "pretrain.text"),
            assets=_WORLDS,
        ),
    )
)

_READING = ("base", "prompt", "seed", "reading.sft", "reading.examples", "evaluate.bootstrap")

READING = Graph(
    (
        Stage(
            name="worlds",
            about="answer questions on generated worlds, before and after SFT",
            module="haechi.stages.read_worlds",
            settings=(*_READING, "reading.worlds", "reading.passages"),
            files=("base.name_or_path",),
            assets=_WORLDS,
        ),
        Stage(
            name="demo",
            about="answer the demo's questions, before and after SFT",
            module="haechi.stages.read_demo",
            runs=("haechi.stages.ingest", "haechi.stages.split", "haechi.stages.sft"),
            settings=("base", "prompt.instructed", "seed", "reading.demo", "reading.sft", "evaluate.bootstrap"),
            files=("base.name_or_path",),
            assets=("demo",),
            enabled_by="reading.demo",
        ),
        Stage(
            name="text",
            about="predict held-out text",
            module="haechi.stages.read_text",
            settings=("base",),
            files=("base.name_or_path", "reading.text"),
            enabled_by="reading.text",
        ),
        Stage(
            name="prose",
            about="answer questions on real prose, after SFT",
            module="haechi.stages.read_prose",
            settings=(*_READING, "reading.questions"),
            files=("base.name_or_path", "reading.prose"),
            enabled_by="reading.prose",
        ),
    )
)
