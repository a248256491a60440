"""What the package declares is what it uses."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import haechi

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}


def pins() -> dict[str, str]:
    """Version by distribution in constraints.txt."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"^([^#\s=]+)==(\S+)$", text, re.M)}


def imported() -> set[str]:
    """Top-level modules that the sources import from elsewhere, also inside functions."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"haechi"}


def test_every_import_is_declared_and_every_dependency_imported() -> None:
    distributions = packages_distributions()
    used = {canonicalize_name(distributions[module][0]) for module in imported()}
    core = {canonicalize_name(requirement.name) for requirement in CORE}
    optional = {canonicalize_name(requirement.name) for name in ("gguf", "ko", "nf4") for requirement in EXTRAS[name]}
    assert core <= used
    # pydantic_core belongs to pydantic, which pins its version.
    assert used - core - optional == {"pydantic-core"}


def test_pins_are_exact_and_within_the_declared_bounds() -> None:
    versions = pins()
    for requirement in [*CORE, *(each for extra in EXTRAS.values() for each in extra)]:
        if requirement.name != "haechi":
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## [{haechi.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
