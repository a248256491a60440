"""The stages' order, what their fingerprints cover, and the source they are made of."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from haechi.errors import StageError
from haechi.pipeline import fingerprint
from haechi.pipeline.fingerprint import dependencies, hash_files
from haechi.pipeline.graph import PRETRAIN, READING, STAGES, Graph, Stage, setting
from haechi.pipeline.sources import code_hash, modules_of
from haechi.pretrain import worlds
from haechi.recipe import Recipe
from haechi.recipe.bases import Reading
from haechi.recipe.fields import asset

if TYPE_CHECKING:
    from conftest import Toy


def test_the_order_up_to_a_target(toy: Toy) -> None:
    recipe = toy.recipe
    order = [stage.name for stage in STAGES.plan(recipe)]
    learned = ["sft", "sample", "compare", "reward", "dpo", "ppo", "merge"]
    assert order == ["ingest", "split", *learned, "evaluate", "report"]
    assert [stage.name for stage in STAGES.plan(recipe, "compare")] == ["ingest", "split", "sft", "sample", "compare"]
    without_dpo = ["ingest", "split", "sft", "sample", "compare", "reward", "ppo", "merge"]
    assert [stage.name for stage in STAGES.plan(recipe, "merge")] == without_dpo


def test_what_is_switched_off_is_left_out(toy: Toy) -> None:
    off = toy.with_(dpo={"enabled": False})
    assert "dpo" not in [stage.name for stage in STAGES.plan(off)]
    with pytest.raises(StageError, match=r"dpo is switched off in this recipe\. Fix: set dpo\.enabled to true"):
        STAGES.plan(off, "dpo")
    chain = [
        Stage(name="pairs", about="", module="m"),
        Stage(name="dpo", about="", module="m", needs=("pairs",), enabled_by="dpo.enabled"),
        Stage(name="merge", about="", module="m", needs=("dpo",)),
    ]
    assert [stage.name for stage in Graph(chain).plan(off, "merge")] == ["merge"], "nor does anything run for it alone"


def test_unknown_stages_and_wrong_orders(toy: Toy) -> None:
    with pytest.raises(StageError, match=r"rewrad: no such stage\. Did you mean reward\?"):
        STAGES.plan(toy.recipe, "rewrad")
    with pytest.raises(ValueError, match="a needs b, which must come before it"):
        Graph([Stage(name="a", about="", module="m", needs=("b",)), Stage(name="b", about="", module="m")])


def test_every_setting_of_the_recipe_that_matters_is_in_a_fingerprint(toy: Toy) -> None:
    recipe = toy.recipe
    covered = {name for stage in STAGES for name in (*stage.settings, *stage.files)}
    for name in covered:
        setting(recipe, name)
    for section in ("documents", "questions"):
        fields = {f"{section}.{name}" for name in type(getattr(recipe, section)).model_fields}
        assert fields <= covered
    whole = set(type(recipe).model_fields) - {"documents", "questions", "threads", "pretrain", "reading"}
    assert whole <= covered


def test_every_setting_that_measures_a_base_is_in_a_fingerprint() -> None:
    recipe = Recipe.model_validate({"reading": {}})
    covered = {name for stage in READING for name in (*stage.settings, *stage.files)}
    for name in covered:
        setting(recipe, name)
    assert {f"reading.{name}" for name in type(recipe.reading or Reading()).model_fields} <= covered
    assert {"base", "base.name_or_path"} <= covered
    assert [stage.name for stage in READING.plan(recipe)] == ["worlds", "demo"], "what needs files waits for them"


def test_a_fingerprint_knows_contents_and_not_places(toy: Toy, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "docs").mkdir(parents=True)
        (tmp_path / place / "questions.jsonl").write_text("same")
    first, second = (
        dependencies(toy.graph["first"], toy.recipe_in(tmp_path / place), {}).fingerprint for place in ("a", "b")
    )
    assert first == second
    (tmp_path / "b" / "questions.jsonl").write_text("other")
    assert dependencies(toy.graph["first"], toy.recipe_in(tmp_path / "b"), {}).fingerprint != first


def test_a_base_in_a_folder_is_known_by_its_contents_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "runs" / "model" / "weights"
    weights.parent.mkdir(parents=True)
    weights.write_text("one")
    recipe = Recipe.model_validate({"base": {"name_or_path": "runs/model"}, "reading": {}})
    before = dependencies(READING["worlds"], recipe, {}).files["base.name_or_path"]
    weights.write_text("another")
    assert dependencies(READING["worlds"], recipe, {}).files["base.name_or_path"] != before


def test_the_hash_of_a_folder_covers_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.md").write_text("a")
    seen = {hash_files([folder])}
    (folder / "sub" / "b.md").write_text("")
    seen.add(hash_files([folder]))
    (folder / "sub" / "b.md").rename(folder / "b.md")
    seen.add(hash_files([folder]))
    (folder / "b.md").write_text("b")
    seen.add(hash_files([folder]))
    seen.add(hash_files([tmp_path / "none"]))
    assert len(seen) == 5


def test_source_is_followed_through_imports_of_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "imported_toy"
    (package / "inner").mkdir(parents=True)
    files = {
        "__init__": "",
        "stage": "import os\nfrom . import near\nfrom .inner import deep\ndef f():\n    import imported_toy.late\n",
        "near": "x = 1\n",
        "late": "y = 1\n",
        "unused": "z = 1\n",
        "inner/__init__": "",
        "inner/deep": "from ..far import w\nimport imported_toy.stage\n",
        "far": "w = 1\n",
    }
    for name, source in files.items():
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    reached = ["", ".far", ".inner", ".inner.deep", ".late", ".near", ".stage"]
    assert modules_of("imported_toy.stage") == ["imported_toy" + name for name in reached]
    before = code_hash("imported_toy.stage")
    (package / "unused.py").write_text("z = 2\n")
    assert code_hash("imported_toy.stage") == before
    (package / "far.py").write_text("w = 22\n")
    assert code_hash("imported_toy.stage") != before
    assert "imported_toy" not in sys.modules, "source is read, not imported"


def test_a_missing_module_is_an_error() -> None:
    with pytest.raises(StageError, match=r"the module haechi\.stages\.none does not exist"):
        code_hash("haechi.stages.none")


def test_worlds_hang_on_every_file_that_they_are_written_from() -> None:
    """Each folder of assets that the rooms of worlds read is named by the stages that generate them."""
    room, assets = Path(worlds.__file__).parent, {folder.name for folder in asset("").iterdir() if folder.is_dir()}
    quoted = {name for file in room.rglob("*.py") for name in re.findall(r'"(\w+)"', file.read_text("utf-8"))}
    assert set(PRETRAIN["pretrain"].assets) == set(READING["worlds"].assets) == quoted & assets
    assert len(quoted & assets) == 4


def test_the_code_of_what_a_stage_runs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's measurement cuts, splits and trains by stages that it imports by name."""
    recipe = Recipe.model_validate({"reading": {}})
    stage = READING["demo"]
    before = dependencies(stage, recipe, {}).fingerprint
    assert dependencies(stage, recipe, {}).fingerprint == before
    monkeypatch.setattr(fingerprint, "code_hash", lambda module: f"{module}: other" * (module.endswith("split")))
    other = dependencies(stage, recipe, {}).fingerprint
    monkeypatch.setattr(fingerprint, "code_hash", lambda module: "")
    assert other != dependencies(stage, recipe, {}).fingerprint
