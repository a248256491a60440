"""The walk along the stages: what is skipped, what is run again, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from haechi.errors import DivergedError, StageError
from haechi.pipeline.graph import Graph
from haechi.pipeline.lock import LOCK, locked
from haechi.pipeline.machine import StopSignals, require_space
from haechi.pipeline.run import Run, run, stage_seed
from haechi.pipeline.task import StoppedError

if TYPE_CHECKING:
    from conftest import Toy

ALL = ("first", "second", "side", "third")


class Notes:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.notes: list[str] = []

    def stage(self, name: str, index: int, total: int) -> None:
        self.stages.append((name, index, total))

    def update(self, step: int, total: int | None, **numbers: float) -> None:
        raise AssertionError("no toy stage reports steps")

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_writes_the_contract_and_is_not_run_twice(toy: Toy, tmp_path: Path) -> None:
    folder, progress = tmp_path / "run", Notes()
    assert run(toy.recipe, folder, graph=toy.graph, progress=progress) == ALL
    assert progress.stages == [("first", 1, 4), ("second", 2, 4), ("side", 3, 4), ("third", 4, 4)]
    result = json.loads((folder / "second" / "result.json").read_text())
    config = json.loads((folder / "second" / "config.json").read_text())
    assert list(result) == ["stage", "fingerprint", "seconds", "peak_memory_mb", "trained_parameters", "metrics"]
    assert (result["stage"], result["trained_parameters"], result["metrics"]) == ("second", 12, {"value": 0})
    assert result["fingerprint"] == config["fingerprint"]
    assert result["peak_memory_mb"] > 1
    assert json.loads((folder / "run.json").read_text())["versions"]["python"] == sys.version.split()[0]
    assert run(toy.recipe, folder, graph=toy.graph) == ()
    assert not list(folder.glob("**/*.partial")) + list(folder.glob(".removed*")) + list(folder.glob("*/attempt.json"))


def test_inputs_are_all_stages_behind_and_seeds_differ(toy: Toy, tmp_path: Path) -> None:
    run(toy.recipe, tmp_path / "run", graph=toy.graph)
    third, first = Run(tmp_path / "run").result("third"), Run(tmp_path / "run").result("first")
    assert third is not None
    assert third["metrics"]["inputs"] == ["first", "second", "side"]
    assert first is not None
    assert first["metrics"]["seed"] == stage_seed(0, "first")
    assert len({stage_seed(seed, name) for seed in range(50) for name in ALL}) == 200


def rewrite_shared(toy: Toy) -> None:
    toy.rewrite("shared", "def double(x):\n    return x + x\n")


def rewrite_comments(toy: Toy) -> None:
    toy.rewrite("shared", '"""Doubles."""\n\n\ndef double(x):\n    """Twice x."""\n    return 2 * x  # a sum\n')


def rewrite_questions(toy: Toy) -> None:
    toy.questions.write_text("{}\n{}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "sections", "ran", "why"),
    [
        (None, {"seed": 1}, ALL, "first: runs again (seed)"),
        (None, {"sft": {"epochs": 9}}, ("second", "third"), "second: runs again (sft.epochs)"),
        (None, {"ppo": {"iterations": 9}}, ("third",), "third: runs again (ppo.iterations)"),
        (None, {"sft": {"checkpoint_every": 9}}, (), "first: stands"),
        (None, {"name": "other", "threads": 2}, (), "first: stands"),
        (rewrite_shared, {}, ("second", "third"), "second: runs again (the code)"),
        (rewrite_comments, {}, (), "second: stands"),
        (rewrite_questions, {}, ALL, "first: runs again (the files of questions.path)"),
        (None, {"dpo": {"enabled": False}}, ("third",), "third: runs again (the result of side)"),
    ],
)
def test_a_change_runs_only_what_depends_on_it(
    toy: Toy,
    tmp_path: Path,
    change: Callable[[Toy], None] | None,
    sections: dict[str, object],
    ran: tuple[str, ...],
    why: str,
) -> None:
    run(toy.recipe, tmp_path / "run", graph=toy.graph)
    if change is not None:
        change(toy)
    progress = Notes()
    assert run(toy.with_(**sections), tmp_path / "run", graph=toy.graph, progress=progress) == ran
    assert why in progress.notes


def test_a_recipe_that_is_no_longer_the_runs_is_told(toy: Toy, tmp_path: Path) -> None:
    """Options of an earlier command do not stay: who forgets to give them again should know."""
    first, again, back = Notes(), Notes(), Notes()
    run(toy.with_(dpo={"enabled": False}), tmp_path / "run", graph=toy.graph, progress=first)
    run(toy.with_(dpo={"enabled": False}), tmp_path / "run", graph=toy.graph, progress=again)
    run(toy.recipe, tmp_path / "run", graph=toy.graph, progress=back)
    told = [[note for note in notes.notes if note.startswith("recipe:")] for notes in (first, again, back)]
    assert told == [[], [], ["recipe: dpo.enabled was False, is True"]]


def test_a_stage_that_runs_again_starts_with_an_empty_folder(toy: Toy, tmp_path: Path) -> None:
    run(toy.recipe, tmp_path / "run", graph=toy.graph)
    (tmp_path / "run" / "second" / "weights").write_text("old")
    run(toy.with_(sft={"epochs": 9}), tmp_path / "run", graph=toy.graph)
    assert sorted(item.name for item in (tmp_path / "run" / "second").iterdir()) == ["config.json", "result.json"]


def test_only_runs_a_stage_and_what_it_builds_on(toy: Toy, tmp_path: Path) -> None:
    assert run(toy.recipe, tmp_path / "run", only="second", graph=toy.graph) == ("first", "second")
    assert run(toy.with_(seed=1), tmp_path / "run", only="second", graph=toy.graph) == ("first", "second")
    assert run(toy.with_(seed=1), tmp_path / "run", graph=toy.graph) == ("side", "third")


def test_force_repeats_the_target_and_then_what_builds_on_it(toy: Toy, tmp_path: Path) -> None:
    run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert run(toy.recipe, tmp_path / "run", only="second", force=True, graph=toy.graph) == ("second",)
    assert run(toy.recipe, tmp_path / "run", only="second", force=True, graph=toy.graph) == ("second",)
    assert run(toy.recipe, tmp_path / "run", graph=toy.graph) == ("third",)
    assert run(toy.recipe, tmp_path / "run", graph=toy.graph) == ()
    assert run(toy.recipe, tmp_path / "run", force=True, graph=toy.graph) == ALL


def test_keep_finished_takes_stale_stages_but_not_missing_ones(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(toy.recipe, folder, only="second", graph=toy.graph)
    stale = toy.with_(seed=1)
    with pytest.raises(StageError, match=r"side is not finished\. Fix: haechi run "):
        run(stale, folder, only="third", keep_finished=True, graph=toy.graph)
    run(toy.recipe, folder, graph=toy.graph)
    told = Notes()
    assert run(stale, folder, "third", force=True, progress=told, keep_finished=True, graph=toy.graph) == ("third",)
    assert any("taken as it is, although it is out of date (" in note for note in told.notes)


def test_a_stage_that_fails_leaves_no_result_and_resumes_with_its_files(toy: Toy, tmp_path: Path) -> None:
    source = (
        "def run(task):\n"
        "    saved = task.folder / 'checkpoint'\n"
        "    if not saved.exists():\n"
        "        saved.write_text('step 3')\n"
        "        raise RuntimeError('power')\n"
        "    return {'resumed_from': saved.read_text()}\n"
    )
    toy.rewrite("second", source)
    with pytest.raises(RuntimeError, match="power"):
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    stage = tmp_path / "run" / "second"
    assert sorted(item.name for item in stage.iterdir()) == ["attempt.json", "checkpoint", "config.json"]
    (stage / "attempt.json").write_text('{"seconds": 1000.0, "peak_memory_mb": 1e6}')
    progress = Notes()
    assert run(toy.recipe, tmp_path / "run", graph=toy.graph, progress=progress) == ("second", "side", "third")
    assert "second: goes on where it was interrupted" in progress.notes
    result = Run(tmp_path / "run").result("second")
    assert result is not None
    assert result["metrics"] == {"resumed_from": "step 3"}
    assert result["seconds"] >= 1000, "earlier attempts count"
    assert result["peak_memory_mb"] == 1e6


REFUSING = (
    "from haechi.errors import DivergedError, StageError\n"
    "def run(task):\n"
    "    (task.folder / 'half').touch()\n"
    "    raise StageError('no. Fix: it.')\n"
)


def whole(folder: Path) -> dict[str, bytes]:
    """All files of a run but its lock, which says since when."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_stage_that_refuses_leaves_its_earlier_result_and_the_earlier_recipe(toy: Toy, tmp_path: Path) -> None:
    folder, progress = tmp_path / "run", Notes()
    run(toy.recipe, folder, graph=toy.graph)
    before = whole(folder)
    toy.rewrite("first", REFUSING)
    for _ in range(2):
        with pytest.raises(StageError, match="no"):
            run(toy.with_(seed=1), folder, graph=toy.graph, progress=progress)
        assert whole(folder) == before
    assert progress.notes.count("first: the earlier result stays") == 2


def test_an_empty_checkpoints_folder_is_no_checkpoint(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(toy.recipe, folder, graph=toy.graph)
    before = whole(folder)
    toy.rewrite("first", REFUSING.replace("'half').touch()", "'checkpoints').mkdir()"))
    with pytest.raises(StageError, match="no"):
        run(toy.with_(seed=1), folder, graph=toy.graph)
    assert whole(folder) == before


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (REFUSING.replace("StageError", "DivergedError"), DivergedError),
        ("import os\ndef run(task):\n    os.kill(os.getpid(), 15)\n    raise task.stopped()\n", StoppedError),
    ],
    ids=["diverged", "stopped"],
)
def test_a_stage_that_ran_keeps_the_recipe_it_ran_under(
    toy: Toy, tmp_path: Path, source: str, error: type[Exception]
) -> None:
    folder = tmp_path / "run"
    run(toy.recipe, folder, graph=toy.graph)
    before = Run(folder).recipe.read_bytes()
    toy.rewrite("first", source)
    with pytest.raises(error):
        run(toy.with_(seed=1), folder, graph=toy.graph)
    assert Run(folder).recipe.read_bytes() != before


def test_an_earlier_result_that_a_kill_left_gives_way(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(toy.recipe, folder, graph=toy.graph)
    shutil.copytree(folder / "first", Run(folder).earlier("first"))
    assert "first" in run(toy.with_(seed=1), folder, graph=toy.graph)
    assert not Run(folder).earlier("first").exists()


def test_what_a_stage_is_given_is_checked_before_the_first_one_runs(toy: Toy, tmp_path: Path) -> None:
    """And not again once the stage has finished: its files may be gone."""
    refusing = "from haechi.errors import StageError\ndef check(recipe):\n    raise StageError('no. Fix: it.')\n"
    toy.rewrite("checking", refusing)
    run(toy.recipe, tmp_path / "run", graph=toy.graph)
    stages = (replace(stage, check="toy_stages.checking" if stage.name == "third" else "") for stage in toy.graph)
    graph = Graph(tuple(stages))
    run(toy.recipe, tmp_path / "run", graph=graph)
    with pytest.raises(StageError, match="no"):
        run(toy.recipe, tmp_path / "other", graph=graph)
    assert not [item for item in (tmp_path / "other").iterdir() if item.name != LOCK]


def test_a_stage_that_refuses_leaves_nothing_where_nothing_was(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite("second", REFUSING)
    with pytest.raises(StageError, match="no"):
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert sorted(item.name for item in (tmp_path / "run").iterdir() if item.is_dir()) == ["first"]
    assert Run(tmp_path / "run").result("first") is not None


def test_a_stage_that_diverges_after_a_checkpoint_keeps_it(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite(
        "first",
        "from haechi.errors import DivergedError\n"
        "def run(task):\n"
        "    (task.folder / 'checkpoints' / 'checkpoint-3').mkdir(parents=True, exist_ok=True)\n"
        "    raise DivergedError('nan. Fix: it.')\n",
    )
    with pytest.raises(DivergedError):
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert (tmp_path / "run" / "first" / "checkpoints" / "checkpoint-3").is_dir()


def test_an_earlier_result_stays_until_the_new_one_stands(toy: Toy, tmp_path: Path) -> None:
    """A crash in between keeps both, a refusal then brings the earlier one back, a finished run keeps the new alone."""
    folder = tmp_path / "run"
    run(toy.recipe, folder, graph=toy.graph)
    result = (folder / "first" / "result.json").read_bytes()
    toy.rewrite("first", "def run(task):\n    1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        run(toy.recipe, folder, graph=toy.graph)
    assert (Run(folder).earlier("first") / "result.json").read_bytes() == result
    toy.rewrite("first", REFUSING)
    with pytest.raises(StageError, match="no"):
        run(toy.recipe, folder, graph=toy.graph)
    assert (folder / "first" / "result.json").read_bytes() == result
    toy.rewrite("first", "def run(task):\n    (task.folder / 'out').write_text('7')\n    return {}\n")
    assert "first" in run(toy.recipe, folder, graph=toy.graph)
    assert not list(folder.glob(".earlier*")) + list(folder.glob(".removed*"))


def test_an_interrupted_stage_whose_recipe_changed_starts_anew(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite("second", "def run(task):\n    (task.folder / 'checkpoint').touch(exist_ok=False)\n    1 / 0\n")
    for recipe in (toy.recipe, toy.with_(sft={"epochs": 9})):
        with pytest.raises(ZeroDivisionError):
            run(recipe, tmp_path / "run", graph=toy.graph)
    with pytest.raises(FileExistsError):
        run(recipe, tmp_path / "run", graph=toy.graph)


def test_a_resume_under_other_threads_says_so(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite("first", "def run(task):\n    1 / 0\n")
    progress = Notes()
    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            run(toy.with_(threads=threads), tmp_path / "run", graph=toy.graph, progress=progress)
    assert any("other threads or package versions" in note for note in progress.notes)


def test_a_half_written_result_counts_as_none(toy: Toy, tmp_path: Path) -> None:
    run(toy.recipe, tmp_path / "run", graph=toy.graph)
    (tmp_path / "run" / "third" / "result.json").write_text('{"stage": "thi')
    assert run(toy.recipe, tmp_path / "run", graph=toy.graph) == ("third",)


def test_numbers_that_are_not_finite_never_become_a_result(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite("first", "def run(task):\n    return {'loss': float('nan')}\n")
    with pytest.raises(ValueError, match="JSON"):
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert Run(tmp_path / "run").result("first") is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_stage_save_and_stops_the_run(toy: Toy, tmp_path: Path, number: signal.Signals) -> None:
    toy.rewrite(
        "second",
        "import os\n"
        "def run(task):\n"
        "    if (task.folder / 'checkpoint').exists():\n"
        "        return {}\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    assert task.stopping()\n"
        "    (task.folder / 'checkpoint').touch()\n"
        "    raise task.stopped()\n",
    )
    before = signal.getsignal(number)
    with pytest.raises(StoppedError, match=f"{number.name} came; second saved its state") as caught:
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
    assert run(toy.recipe, tmp_path / "run", graph=toy.graph) == ("second", "side", "third")


def test_a_stage_that_finishes_in_spite_of_a_signal_is_done(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite("first", "import os\ndef run(task):\n    os.kill(os.getpid(), 15)\n    return {}\n")
    with pytest.raises(StoppedError, match="SIGTERM came; stopped after first"):
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert Run(tmp_path / "run").result("first") is not None
    assert not (tmp_path / "run" / "second").exists()


def test_a_second_signal_interrupts_at_once(toy: Toy, tmp_path: Path) -> None:
    kill = "    os.kill(os.getpid(), 2)\n"
    toy.rewrite("first", f"import os\ndef run(task):\n{kill}{kill}    return {{}}\n")
    with pytest.raises(KeyboardInterrupt):
        run(toy.recipe, tmp_path / "run", graph=toy.graph)
    assert Run(tmp_path / "run").result("first") is None


KILLED = """\
import sys
from pathlib import Path
from typing import TYPE_CHECKING
sys.path[:0] = {paths!r}
from conftest import toy_graph, toy_recipe
from haechi.pipeline.run import run
run(toy_recipe(Path({home!r})), Path({home!r}) / "run", graph=toy_graph())
"""


def test_sigkill_in_a_stage_leaves_no_result_frees_the_lock_and_resumes(toy: Toy, tmp_path: Path) -> None:
    toy.rewrite(
        "second",
        "import signal\n"
        "def run(task):\n"
        "    saved = task.folder / 'checkpoint'\n"
        "    if saved.exists():\n"
        "        return {'resumed': True}\n"
        "    saved.touch()\n"
        "    print('saved', flush=True)\n"
        "    signal.pause()\n",
    )
    paths = [str(toy.modules.parent), str(Path(__file__).parent), *sys.path]
    script = KILLED.format(paths=paths, home=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "saved\n"
            with pytest.raises(StageError, match=rf"in use by process {process.pid} on .+ since 20\d\d-.+Fix: wait"):
                run(toy.recipe, tmp_path / "run", graph=toy.graph)
        finally:
            process.kill()
    assert Run(tmp_path / "run").result("first") is not None
    assert Run(tmp_path / "run").result("second") is None
    assert run(toy.recipe, tmp_path / "run", graph=toy.graph) == ("second", "side", "third")
    second = Run(tmp_path / "run").result("second")
    assert second is not None
    assert second["metrics"] == {"resumed": True}


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StageError, match=f"in use by process {os.getpid()} on"), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_folders_that_cannot_hold_a_run(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StageError, match=r"cannot be written .+ Fix: choose another folder"):
        run(toy.recipe, tmp_path / "file" / "run", graph=toy.graph)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "draft.txt").touch()
    with pytest.raises(StageError, match="not empty, and not a run"):
        run(toy.recipe, tmp_path / "thesis", graph=toy.graph)
    assert [item.name for item in (tmp_path / "thesis").iterdir()] == ["draft.txt"]
    with pytest.raises(StageError, match=r"/none: not a run\. Fix: make one with haechi run"):
        Run(tmp_path / "none").require()


def test_a_full_disk_is_seen_before_a_stage(tmp_path: Path) -> None:
    require_space(tmp_path, megabytes=0)
    with pytest.raises(StageError, match=r"\d+ MB free, 1000000000000 MB needed\. Fix: make room"):
        require_space(tmp_path, megabytes=10**12)


def test_signals_outside_the_main_thread_are_left_alone(toy: Toy, tmp_path: Path) -> None:
    ran: list[tuple[str, ...]] = []
    thread = threading.Thread(target=lambda: ran.append(run(toy.recipe, tmp_path / "run", graph=toy.graph)))
    thread.start()
    thread.join()
    assert ran == [ALL]


METERED = """\
from haechi.pipeline.machine import Meter
with Meter() as large:
    block = bytearray(b"x") * (200 * 2**20)  # written to, so that it is really there
    del block
with Meter() as small:
    pass
assert 200 < large.peak_memory_mb < 400, large.peak_memory_mb
assert 1 < small.peak_memory_mb < large.peak_memory_mb - 100, small.peak_memory_mb
assert 0 < small.seconds < large.seconds
"""


def test_a_stage_s_peak_is_its_own_and_counts_memory_given_back() -> None:
    # A process of its own: in a large test session the kernel's peak may be far above anything reached here.
    assert subprocess.run([sys.executable, "-c", METERED], check=False).returncode == 0


def test_a_signal_within_a_run_within_a_stage_reaches_both() -> None:
    """It came in the inner run's last step, which has no later stage to stop before."""
    with StopSignals() as outer:
        with StopSignals() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
        assert inner.received == outer.received == signal.SIGTERM
    with StopSignals() as outer:
        with StopSignals() as inner:
            pass
        assert inner.received is outer.received is None
