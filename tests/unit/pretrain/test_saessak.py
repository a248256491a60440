"""The embedded base and its recipes belong together: what they would read is what the weights have read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.pipeline.reading import load_recipe
from haechi.stages.pretrain import rows_of

RECIPES = Path(__file__).parents[3] / "recipes"
# A step of each phase, without the public text, which is no part of the repository.
PINNED = {
    "saessak": {
        0: "ec765526828c",
        160: "46c93eb58eaf",
        700: "39fcfbc8ecd2",
        1500: "75395f43ff36",
        3000: "d9d05fbfbc34",
        4500: "727c26d827ad",
        6000: "afb04cf38e3c",
        9000: "e6b8af23bae9",
        11999: "652c5a10577b",
    },
    "saessak_on": {0: "1e116ef1a3f7", 4999: "6c3b7bcf7635", 5000: "91e33fc1ec87", 6999: "b5669f433630"},
}


@pytest.fixture(scope="module")
def embedded() -> SharedBase:
    return load_base("saessak", device="cpu")


@pytest.mark.parametrize(("recipe", "step"), [(name, step) for name, steps in PINNED.items() for step in steps])
def test_the_recipe_reads_what_the_weights_have_read(
    recipe: str, step: int, embedded: SharedBase, tmp_path: Path
) -> None:
    """Whoever changes the worlds, the tokenizer or the curriculum has to train the weights again, or go back."""
    text = (RECIPES / f"{recipe}.yaml").read_text("utf-8")
    (tmp_path / "recipe.yaml").write_text(text.replace("../runs/saessak/pretrain/model", "saessak"), "utf-8")
    settings = load_recipe(tmp_path / "recipe.yaml").pretrain
    assert settings is not None
    rows = rows_of(settings, embedded, 0).rows(step)
    read = [(list(row.tree.prompt), [list(answer) for answer in row.tree.answers], row.weight) for row in rows]
    assert hashlib.sha256(repr(read).encode()).hexdigest()[:12] == PINNED[recipe][step]
