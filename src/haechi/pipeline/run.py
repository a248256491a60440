"""Walks the stages of a run: skips what stands, resumes what was interrupted, runs the rest."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from haechi.errors import DivergedError, HaechiError, InputError, StageError
from haechi.pipeline.files import read_json, sync_folder, write_bytes, write_json
from haechi.pipeline.fingerprint import Dependencies, by_field, dependencies
from haechi.pipeline.graph import STAGES, Graph, Stage
from haechi.pipeline.lock import LOCK, locked
from haechi.pipeline.machine import Meter, StopSignals, require_space, thread_count, versions
from haechi.pipeline.task import Progress, Runner, Silent, StoppedError, Task
from haechi.recipe import Recipe, recipe_hash

RECIPE, RESULT, CONFIG, ATTEMPT = "recipe.json", "result.json", "config.json", "attempt.json"


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run, and where things are in it."""

    folder: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.folder / RECIPE

    @property
    def about(self) -> Path:
        """What ran when, and with which versions."""
        return self.folder / "run.json"

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.folder / name

    def earlier(self, name: str) -> Path:
        """The finished result of a stage that is being made anew; it goes once the new one stands."""
        return self.folder / f".earlier-{name}"

    def result(self, name: str) -> dict[str, Any] | None:
        """The result of a finished stage, or None."""
        return _json_or_none(self.stage(name) / RESULT)

    def config(self, name: str) -> dict[str, Any]:
        """What a stage was given when it last began; empty if it never did."""
        return _json_or_none(self.stage(name) / CONFIG) or {}

    def require(self) -> None:
        """Raise StageError unless the folder holds a run."""
        if not self.recipe.is_file():
            inside = self.folder / "recipe.yaml"
            recipe = inside if inside.is_file() else "RECIPE"
            raise StageError(f"{self.folder.absolute()}: not a run. Fix: make one with haechi run {recipe}.")


def run(
    recipe: Recipe,
    folder: Path,
    only: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    *,
    keep_finished: bool = False,
    graph: Graph = STAGES,
) -> tuple[str, ...]:
    """Run the stages that have not run yet, or whose recipe, files, code or inputs changed.

    Args:
        recipe: the experiment; it replaces the folder's recipe.
        folder: the run's folder; made if it does not exist.
        only: end with this stage: it runs after whatever it builds on.
        force: run again although the result stands: everything, or only the stage named by `only`.
        progress: where to tell how far the run is.
        keep_finished: take finished stages before `only` as they are, even if their recipe or code has changed since.
        graph: the stages.

    Returns:
        The names of the stages that were run.

    Raises:
        StageError: the folder is in use, is no run's, cannot be written, or the target is switched off.
        StoppedError: SIGINT or SIGTERM came; what was finished, and the running stage's checkpoints, stay.
        HaechiError: what a stage says about its inputs.
    """
    plan = graph.plan(recipe, only)
    run_folder = Run(folder)
    if folder.is_dir() and not run_folder.recipe.is_file() and any(item.name != LOCK for item in folder.iterdir()):
        raise StageError(f"{folder}: not empty, and not a run. Fix: choose another folder with --folder.")
    with locked(folder), StopSignals() as signals:
        for stage in plan:
            if stage.check and run_folder.result(stage.name) is None:
                importlib.import_module(stage.check).check(recipe)
        before = {path: path.read_bytes() for path in (run_folder.recipe, run_folder.about) if path.is_file()}
        walk = _Walk(recipe, run_folder, progress or Silent(), graph, signals)
        earlier = by_field(_json_or_none(run_folder.recipe) or {})
        for field, value in by_field(recipe.model_dump(mode="json")).items():
            if earlier.get(field, value) != value:
                walk.progress.note(f"recipe: {field} was {earlier[field]}, is {value}")
        _describe(run_folder, recipe)
        ran: list[str] = []
        try:
            for index, stage in enumerate(plan, start=1):
                walk.progress.stage(stage.name, index, len(plan))
                is_target = stage.name == only
                if keep_finished and not is_target:
                    walk.accept(stage)
                elif walk.bring_up_to_date(stage, force and (is_target or only is None)):
                    ran.append(stage.name)
                if signals.received is not None and index < len(plan):
                    by = signal.Signals(signals.received).name
                    raise StoppedError(f"{by} came; stopped after {stage.name}", signals.received)
        except HaechiError as error:
            if not ran and not isinstance(error, StoppedError | DivergedError):  # a recipe that nothing came of
                for path, content in before.items():
                    write_bytes(path, content)
            raise
        return tuple(ran)


class _Walk:
    """The state of one walk along the stages: the fingerprints of those it has passed."""

    def __init__(self, recipe: Recipe, run: Run, progress: Progress, graph: Graph, signals: StopSignals) -> None:
        self.recipe, self.run, self.progress, self.graph, self.signals = recipe, run, progress, graph, signals
        self.fingerprints: dict[str, str] = {}
        self.stale: list[str] = []
        self.threads = thread_count(recipe.threads)
        self.versions = versions()

    def accept(self, stage: Stage) -> None:
        """Take a finished stage as it is."""
        result = self.run.result(stage.name)
        if result is None:
            raise StageError(f"{self.run.folder}: {stage.name} is not finished. Fix: haechi run {self.run.folder}.")
        depends = dependencies(stage, self.recipe, self.fingerprints)
        recorded = str(result["fingerprint"])
        if _expected(depends.fingerprint, recorded, force=False) != recorded:
            why = depends.changes(self.run.config(stage.name).get("dependencies", {}))
            self.stale.append(stage.name)
            self.progress.note(f"{stage.name}: taken as it is, although it is out of date ({why})")
        self.fingerprints[stage.name] = recorded

    def bring_up_to_date(self, stage: Stage, force: bool) -> bool:
        """Run the stage unless its result stands; says whether it ran."""
        depends = dependencies(stage, self.recipe, self.fingerprints)
        config = self.run.config(stage.name)
        fingerprint = _expected(depends.fingerprint, str(config.get("fingerprint", "")), force)
        self.fingerprints[stage.name] = fingerprint
        result = self.run.result(stage.name)
        if result is not None and result.get("fingerprint") == fingerprint:
            self.progress.note(f"{stage.name}: stands")
            return False
        folder = self.run.stage(stage.name)
        if result is None and config.get("fingerprint") == fingerprint:
            self._note_resume(stage, config)
        else:
            self._make_room(stage, depends, config)
            self._describe(stage, depends, fingerprint)
        require_space(folder)
        try:
            self._execute(stage, fingerprint)
        except StoppedError:
            raise
        except HaechiError:
            self._put_back(stage)
            raise
        shutil.rmtree(self.run.earlier(stage.name), ignore_errors=True)
        return True

    def _note_resume(self, stage: Stage, config: Mapping[str, Any]) -> None:
        self.progress.note(f"{stage.name}: goes on where it was interrupted")
        if (config.get("threads"), config.get("versions")) != (self.threads, self.versions):
            self.progress.note(
                f"{stage.name}: began with other threads or package versions; the last bits of its result may differ"
            )

    def _make_room(self, stage: Stage, depends: Dependencies, config: Mapping[str, Any]) -> None:
        folder, earlier = self.run.stage(stage.name), self.run.earlier(stage.name)
        if folder.exists():
            why = depends.changes(config.get("dependencies", {})) or "asked for"
            self.progress.note(f"{stage.name}: runs again ({why})")
            if self.run.result(stage.name) is None:
                _remove(folder)
            else:
                shutil.rmtree(earlier, ignore_errors=True)
                folder.rename(earlier)
        folder.mkdir()
        sync_folder(self.run.folder)

    def _put_back(self, stage: Stage) -> None:
        """Where a stage failed before its first checkpoint, what it had finished earlier stands again."""
        folder, earlier = self.run.stage(stage.name), self.run.earlier(stage.name)
        if any(folder.glob("checkpoints/*")):
            return
        _remove(folder)
        if earlier.exists():
            earlier.rename(folder)
            self.progress.note(f"{stage.name}: the earlier result stays")
        sync_folder(self.run.folder)

    def _describe(self, stage: Stage, depends: Dependencies, fingerprint: str) -> None:
        config = {
            "stage": stage.name,
            "fingerprint": fingerprint,
            "seed": stage_seed(self.recipe.seed, stage.name),
            "threads": self.threads,
            "versions": self.versions,
            "started": _now(),
            "dependencies": asdict(depends),
        }
        write_json(self.run.stage(stage.name) / CONFIG, config)

    def _execute(self, stage: Stage, fingerprint: str) -> None:
        folder = self.run.stage(stage.name)
        task = Task(
            recipe=self.recipe,
            folder=folder,
            inputs={before.name: self.run.stage(before.name) for before in self.graph.before(stage.name, self.recipe)},
            progress=self.progress,
            seed=stage_seed(self.recipe.seed, stage.name),
            threads=self.threads,
            stale=tuple(self.stale),
            received=lambda: self.signals.received,
        )
        runner: Runner = importlib.import_module(stage.module).run
        earlier = _json_or_none(folder / ATTEMPT) or {"seconds": 0.0, "peak_memory_mb": 0.0}
        with Meter() as meter:
            try:
                metrics = dict(runner(task))
            finally:
                write_json(folder / ATTEMPT, _spent(meter, earlier))
        trained = metrics.pop("trained_parameters", None)
        result = {
            "stage": stage.name,
            "fingerprint": fingerprint,
            **_spent(meter, earlier),
            "trained_parameters": trained,
            "metrics": metrics,
        }
        write_json(folder / RESULT, result)
        (folder / ATTEMPT).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Renamed before it is deleted: a kill half-way leaves no folder that looks like an interrupted stage."""
    rubbish = folder.with_name(f".removed-{folder.name}")
    shutil.rmtree(rubbish, ignore_errors=True)
    folder.rename(rubbish)
    shutil.rmtree(rubbish)


def stage_seed(seed: int, stage: str) -> int:
    """A stage's own seed below 2^32, so that no two stages draw the same random numbers."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stage}".encode()).digest()[:4], "big")


def _expected(fingerprint: str, recorded: str, force: bool) -> str:
    """The fingerprint that a result must have to stand.

    Forced repetitions of the same work are counted behind a dash: a new result must make what builds on it stale.
    """
    base, _, times = recorded.partition("-")
    repeated = int(times or 0) if base == fingerprint else 0
    repeated += force and base == fingerprint
    return f"{fingerprint}-{repeated}" if repeated else fingerprint


def _spent(meter: Meter, earlier: Mapping[str, float]) -> dict[str, float]:
    return {
        "seconds": round(meter.seconds + earlier["seconds"], 3),
        "peak_memory_mb": round(max(meter.peak_memory_mb, earlier["peak_memory_mb"]), 1),
    }


def _describe(run: Run, recipe: Recipe) -> None:
    write_json(run.recipe, recipe.model_dump(mode="json"))
    described = {
        "name": recipe.name,
        "seed": recipe.seed,
        "recipe_hash": recipe_hash(recipe),
        "versions": versions(),
        "threads": thread_count(recipe.threads),
        "started": _now(),
    }
    write_json(run.about, described)


def _json_or_none(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None where there is none that can be read: it was never finished."""
    try:
        return read_json(path)
    except InputError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
