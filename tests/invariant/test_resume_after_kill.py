"""A run that is killed, again and again, ends with the same bytes as one that is not."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from haechi.engine.checkpoint import newest_checkpoint
from haechi.engine.loop import Hooks
from haechi.errors import StageError

SCRIPT = Path(__file__).with_name("learning_to_be_killed.py")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("learning_to_be_killed", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def whole(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a learner's uninterrupted run."""
    folders: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("whole") / name
            script.learn(name, folders[name], Hooks())
        return folders[name]

    return folder_of


def run_and_kill(name: str, folder: Path, step: int) -> None:
    """Starts the run in a process of its own and kills it once it says that a step is over."""
    command = [sys.executable, str(SCRIPT), name, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            if int(line) >= step:
                process.send_signal(signal.SIGKILL)
                break
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == -signal.SIGKILL


def rows_of(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def newest_bytes(folder: Path) -> dict[str, bytes]:
    newest = max((folder / "checkpoints").glob("checkpoint-*"))
    return {path.name: path.read_bytes() for path in newest.iterdir()}


@pytest.mark.parametrize(("name", "kills"), [("sft", (3, 10)), ("reward", (7,)), ("ppo", (5, 11))])
def test_killed_runs_end_as_uninterrupted_ones(
    tmp_path: Path, script: ModuleType, whole: Callable[[str], Path], name: str, kills: tuple[int, ...]
) -> None:
    for step in kills:
        run_and_kill(name, tmp_path / "killed", step)
        found, damaged = newest_checkpoint(tmp_path / "killed" / "checkpoints")
        assert found is not None and damaged == [] and step - 2 <= found.step < script.STEPS
    notes: list[str] = []
    script.learn(name, tmp_path / "killed", Hooks(note=notes.append))
    assert [note.rpartition(" ")[0] for note in notes] == ["resumed after step"]
    assert newest_bytes(tmp_path / "killed") == newest_bytes(whole(name))
    assert rows_of(tmp_path / "killed") == rows_of(whole(name))
    assert [row["step"] for row in rows_of(tmp_path / "killed")] == list(range(1, script.STEPS + 1))


@pytest.mark.parametrize("name", ["sft", "reward", "ppo"])
@pytest.mark.parametrize("step", [1, 8])
def test_stopped_runs_end_as_uninterrupted_ones(
    tmp_path: Path, script: ModuleType, whole: Callable[[str], Path], name: str, step: int
) -> None:
    steps: list[int] = []
    with pytest.raises(StageError):
        script.learn(
            name,
            tmp_path / "stopped",
            Hooks(progress=lambda done, *_: steps.append(done), stopping=lambda: steps[-1] == step),
        )
    script.learn(name, tmp_path / "stopped", Hooks())
    assert newest_bytes(tmp_path / "stopped") == newest_bytes(whole(name))
    assert rows_of(tmp_path / "stopped") == rows_of(whole(name))


def test_values_are_fitted_to_something(whole: Callable[[str], Path]) -> None:
    """What a killed PPO brings back is a critic that explains something."""
    assert rows_of(whole("ppo"))[0]["critic_fit"] > 0.05
