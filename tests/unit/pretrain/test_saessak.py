"""The embedded base and its recipes belong together: what they would read is what the weights have read.

The public text is no part of the repository; invented documents stand in its place, so that the rows are not the very
ones, and are made of the same draws by the same rules.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from haechi.models.base import SharedBase
from haechi.models.load import load_base
from haechi.pipeline.reading import load_recipe
from haechi.pipeline.run import stage_seed
from haechi.pretrain.text import PackedText, pack_text
from haechi.pretrain.tokenizer import train_tokenizer
from haechi.recipe import Recipe
from haechi.stages.pretrain import rows_of

RECIPES = Path(__file__).parents[3] / "recipes"
# The first and the last step of each phase, and from where gaps and running text come one that has them.
PINNED: dict[str, dict[tuple[int, ...], str]] = {
    "saessak": {
        (0, 149): "02fc554049c7",
        (150, 299): "c3dc71b8b7c8",
        (300, 999): "cdb3d9b8b0d9",
        (1000, 1999): "aba7ef0ced84",
        (2000, 3499): "0433b43fe9a8",
        (3500, 4508, 4999): "fc88b7661863",
        (5000, 6008, 6999): "418a148bc306",
        (7000, 9002, 11950, 11999): "7239288922c8",
    },
    "saessak_on": {(0, 4932, 4999): "4e4849785327", (5000, 5006, 6950, 6999): "57facc17dbbb"},
}
TOKENIZER = "e74a535b46bf"
_ISLES = ("오누리", "다솔", "한여울", "미르내", "가람", "솔찬", "도래", "너울")
DOCUMENTS = tuple(
    f"{isle}섬 이야기\n"
    + " ".join(
        f"{isle}섬의 {number}번 등대는 {1800 + 7 * number}년에 세워졌고 높이가 {20 + 3 * number}미터이다. "
        f"그 등대를 지키는 {keeper}네는 해마다 소금 {number + 2}자루를 마을에 나누어 주었다."
        for number, keeper in enumerate(_ISLES)
    )
    for isle in _ISLES
) + tuple(
    f"The isle of {name}\n"
    + " ".join(
        f"The {kind} of {name} was built in {1700 + 9 * number} by {number + 3} fishermen from the northern shore. "
        f"Its keeper rang the bell {number + 2} times whenever the fog came down from the hills."
        for number, kind in enumerate(("lighthouse", "mill", "harbour", "chapel", "tower", "market"))
    )
    for name in ("Orrin", "Velda", "Caskell", "Tamsin")
)


@pytest.fixture(scope="module")
def embedded() -> SharedBase:
    return load_base("saessak", device="cpu")


@pytest.fixture(scope="module")
def packed(embedded: SharedBase, tmp_path_factory: pytest.TempPathFactory) -> PackedText:
    file = tmp_path_factory.mktemp("text") / "ids.safetensors"
    pack_text(DOCUMENTS, embedded.codec, file)
    return PackedText(file)


def recipe_of(name: str, folder: Path) -> Recipe:
    """The recipe; the second reads on from the embedded base here, since what the first makes is not at hand."""
    text = (RECIPES / f"{name}.yaml").read_text("utf-8")
    (folder / "recipe.yaml").write_text(text.replace("../runs/saessak/pretrain/model", "saessak"), "utf-8")
    return load_recipe(folder / "recipe.yaml")


def digest(something: Any) -> str:
    return hashlib.sha256(repr(something).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("name", "steps"), [(name, steps) for name, phases in PINNED.items() for steps in phases])
def test_the_recipe_reads_what_the_weights_have_read(
    name: str, steps: tuple[int, ...], embedded: SharedBase, packed: PackedText, tmp_path: Path
) -> None:
    """Whoever changes the worlds or the curriculum has to train the weights again, or go back."""
    recipe = recipe_of(name, tmp_path)
    assert recipe.pretrain is not None
    mixture = rows_of(recipe.pretrain, embedded, stage_seed(recipe.seed, "pretrain"), DOCUMENTS, packed)
    read = [
        (list(row.tree.prompt), [list(answer) for answer in row.tree.answers], list(row.tree.skip), row.weight)
        for step in steps
        for row in mixture.rows(step)
    ]
    assert digest(read) == PINNED[name][steps]


def test_the_tokenizer_is_made_as_the_shipped_one_was() -> None:
    assert digest(train_tokenizer(DOCUMENTS, 2_900).backend_tokenizer.to_str()) == TOKENIZER


def test_the_weights_have_the_shape_of_the_recipe(embedded: SharedBase, tmp_path: Path) -> None:
    asked, made = recipe_of("saessak", tmp_path).pretrain, embedded.model.config
    assert asked is not None
    assert (asked.layers, asked.width, asked.heads, asked.intermediate, asked.vocabulary_size) == (
        made.num_hidden_layers,
        made.hidden_size,
        made.num_attention_heads,
        made.intermediate_size,
        made.vocab_size,
    )


@pytest.mark.parametrize("name", ["saessak", "saessak_on"])
def test_the_curriculum_fills_the_run(name: str, tmp_path: Path) -> None:
    settings = recipe_of(name, tmp_path).pretrain
    assert settings is not None and sum(phase.steps for phase in settings.curriculum) == settings.steps
