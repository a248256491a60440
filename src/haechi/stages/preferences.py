"""The file of people's preferences, read before anything is trained that it could turn out to be useless for."""

from __future__ import annotations

from pathlib import Path

from haechi.recipe import Recipe
from haechi.records.read import read_preferences


def check(recipe: Recipe) -> None:
    """Raises InputError at the first row of `compare.path` that is no preference."""
    if recipe.compare.source == "file" and recipe.compare.path is not None:
        read_preferences(Path(recipe.compare.path))
