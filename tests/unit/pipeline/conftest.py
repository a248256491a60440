"""A pipeline of three small stages whose modules are written to disk, so that their source can be changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haechi.pipeline.graph import Graph, Stage
from haechi.recipe import Recipe

PACKAGE = "toy_stages"

SOURCES = {
    "__init__": "",
    "shared": "def double(x):\n    return 2 * x\n",
    "first": (
        "def run(task):\n    (task.folder / 'out').write_text(str(task.recipe.seed))\n    return {'seed': task.seed}\n"
    ),
    "second": (
        "def run(task):\n"
        "    from toy_stages.shared import double\n"
        "    value = double(int((task.inputs['first'] / 'out').read_text()))\n"
        "    return {'value': value, 'trained_parameters': 12}\n"
    ),
    "side": "def run(task):\n    return {}\n",
    "third": "def run(task):\n    return {'inputs': sorted(task.inputs)}\n",
}


@dataclass(frozen=True)
class Toy:
    """The modules' folder, the graph over them and a recipe."""

    modules: Path
    graph: Graph
    recipe: Recipe
    questions: Path

    def rewrite(self, module: str, source: str) -> None:
        """Change a stage's source as an editor would: a later process would import it anew."""
        (self.modules / f"{module}.py").write_text(source, encoding="utf-8")
        sys.modules.pop(f"{PACKAGE}.{module}", None)

    def with_(self, **sections: object) -> Recipe:
        """The recipe with some values replaced."""
        return Recipe.model_validate(self.recipe.model_dump() | sections)

    def recipe_in(self, folder: Path) -> Recipe:
        """A recipe whose documents and questions are in `folder`."""
        return toy_recipe(folder)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    modules = tmp_path / "modules" / PACKAGE
    modules.mkdir(parents=True)
    for name, source in SOURCES.items():
        (modules / f"{name}.py").write_text(source, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    questions = tmp_path / "questions.jsonl"
    questions.write_text("{}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(modules.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Toy(modules, toy_graph(), toy_recipe(tmp_path), questions)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def toy_graph() -> Graph:
    """first ▶ second ▶ third, and side (switched by dpo.enabled) ▶ third."""
    return Graph(
        (
            Stage(name="first", about="", module=f"{PACKAGE}.first", settings=("seed",), files=("questions.path",)),
            Stage(name="second", about="", module=f"{PACKAGE}.second", needs=("first",), settings=("sft",)),
            Stage(name="side", about="", module=f"{PACKAGE}.side", needs=("first",), enabled_by="dpo.enabled"),
            Stage(name="third", about="", module=f"{PACKAGE}.third", needs=("second", "side"), settings=("ppo",)),
        )
    )


def toy_recipe(folder: Path) -> Recipe:
    """A recipe whose questions are in `folder`."""
    return Recipe.model_validate(
        {"documents": {"paths": [folder / "docs"]}, "questions": {"path": folder / "questions.jsonl"}, "threads": 1}
    )
