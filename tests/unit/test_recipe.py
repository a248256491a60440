"""Recipes: what is read from YAML and the command line, and what is said about every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from haechi.errors import RecipeError
from haechi.pipeline.reading import dotted_keys, load_recipe, load_saved, override
from haechi.recipe import Recipe, recipe_hash
from haechi.recipe.fields import Section, asset

GOOD = """\
name: small
seed: 7
documents:
  paths: [docs]
questions:
  path: questions.jsonl
sft:
  learning_rate: 1e-6
  trainable:
    kind: lora
    rank: 4
ppo:
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "questions.jsonl").write_text("{}\n", encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def message(folder: Path, text: str) -> str:
    path = write(folder, text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    return str(caught.value).replace(str(path), "recipe.yaml").replace(str(folder), "HERE")


def test_a_recipe_is_read_with_types_defaults_and_resolved_paths(folder: Path) -> None:
    recipe = load_recipe(write(folder, GOOD))
    assert (recipe.name, recipe.seed, recipe.sft.learning_rate, recipe.sft.trainable.rank) == ("small", 7, 1e-6, 4)
    assert recipe.documents.paths == (folder / "docs",)
    assert recipe.questions.path == folder / "questions.jsonl"
    assert recipe.ppo == type(recipe.ppo)(), "a section with nothing in it means the defaults"


def test_a_base_may_be_its_name_alone(folder: Path) -> None:
    assert load_recipe(write(folder, GOOD + "base: Qwen/Qwen3-0.6B\n")).base.name_or_path == "Qwen/Qwen3-0.6B"
    assert load_recipe(write(folder, GOOD + "base: saessak\n")).base.name_or_path == "saessak"
    (folder / "base").mkdir()
    assert load_recipe(write(folder, GOOD + "base: ./base\n")).base.name_or_path == str(folder / "base")


def test_paths_count_from_the_recipe_not_from_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, GOOD.replace("[docs]", "docs"))
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert load_recipe(Path("..") / path.name).documents.paths == (folder / "docs",)


def test_package_paths_are_the_package_s_own_files() -> None:
    assert asset("demo/documents").parts[-4:] == ("haechi", "assets", "demo", "documents")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("  kind", "  knid"), "recipe.yaml:10: unknown key knid in sft.trainable. Did you mean kind?"),
        (("seed: 7", "sede: 7"), "recipe.yaml:2: unknown key sede. Did you mean seed?"),
        (("1e-6", "-1"), "recipe.yaml:8: sft.learning_rate should be greater than 0, got -1. Fix: "),
        (("1e-6", ".nan"), "recipe.yaml:8: sft.learning_rate should be a finite number, got nan. Fix: "),
        (("rank: 4", "rank: many"), "recipe.yaml:11: sft.trainable.rank should be a valid integer, got 'many'. Fix: "),
        (("kind: lora", "kind: lor"), "recipe.yaml:10: sft.trainable.kind should be 'full', 'lora', 'top_layers' or"),
        (("seed: 7", "seed: 7\nseed: 8"), "recipe.yaml:3: `seed` is already on line 2. Fix: remove one of the two."),
        (("seed: 7", "seed: [7"), "recipe.yaml:3: not valid YAML: expected ',' or ']', but got ':'. Fix: "),
        (("[docs]", "[dcos]"), "recipe.yaml:4: documents.paths.0: HERE/dcos does not exist. Fix: correct the path"),
        (("questions.jsonl", "docs"), "recipe.yaml:6: questions.path: HERE/docs is a directory, not a file. Fix: "),
        (("kind: lora", "kind: head"), "recipe.yaml:1: sft.trainable.kind is head, but only the reward model has one."),
        (
            ("ppo:", "compare: {without_gold: 0.5, constructed: 0}\nppo:"),
            "recipe.yaml:12: compare: without_gold makes comparisons of constructed answers, and there are none. Fix: ",
        ),
        (
            ("ppo:", "ppo: {prompts: 1, samples: 2, minibatches: 3}"),
            "recipe.yaml:12: ppo: 3 minibatches cannot",
        ),
        (("ppo:", "compare: {source: file}"), "recipe.yaml:12: compare: source is file, but path is not given. Fix: "),
        (("ppo:", "dpo: {loss: ipo, label_smoothing: 0.1}"), "recipe.yaml:12: dpo: label_smoothing has no meaning"),
        (("ppo:", "reward: {probe: false, evidence: false, epochs: 0}"), "recipe.yaml:12: reward: with neither probe"),
        (("ppo:", "reward: {probe: false}"), "recipe.yaml:12: reward: evidence needs the probe"),
        (
            ("ppo:", "reward: {probe: false, evidence: false, interpolate: 0.5}"),
            "recipe.yaml:12: reward: interpolate goes back to the probe",
        ),
        (
            ("ppo:", "base: {quantise: nf4}\nreward: {trainable: {kind: full}}"),
            "recipe.yaml:1: reward.trainable.kind is",
        ),
        (
            ("ppo:", "base: {name_or_path: ./none}"),
            "recipe.yaml:12: base.name_or_path: HERE/none does not exist.",
        ),
        (
            ("ppo:", "base: {quantise: nf4}\nreward: {trainable: {rank: 0}}"),
            "recipe.yaml:1: reward.trainable.kind is full, but nf4 weights cannot change.",
        ),
        (("ppo:", "ppo: {kl_coefficient: 0, adaptive: {enabled: true}}"), "recipe.yaml:12: ppo: adaptive moves"),
        (("ppo:", "ppo: {rewards: {learned: 0}}"), "recipe.yaml:12: ppo.rewards: no term rewards an answer. Fix: "),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(folder: Path, change: tuple[str, str], expected: str) -> None:
    assert message(folder, GOOD.replace(*change)).startswith(expected)


def test_shares_must_sum_to_one_and_the_line_is_the_split_s(folder: Path) -> None:
    text = GOOD.replace("path: questions.jsonl", "path: questions.jsonl\n  split:\n    train: 0.8\n    test: 0.3")
    assert message(folder, text) == (
        "recipe.yaml:7: questions.split: the shares sum to 1.2, not 1. Fix: change one of train, validation and test."
    )


def test_what_a_run_cannot_do_without_is_asked_for(folder: Path) -> None:
    assert message(folder, "seed: 1\n") == (
        "recipe.yaml:1: documents.paths is not given. Fix: name the files or folders that hold your documents."
    )
    assert "recipe.yaml:1: a recipe is a mapping" in message(folder, "- 1\n")


def test_several_mistakes_are_counted_on_one_line(folder: Path) -> None:
    text = message(folder, GOOD.replace("1e-6", "-1").replace("rank: 4", "rank: -1"))
    assert text.endswith("(1 more)")
    assert "\n" not in text


def test_unreadable_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"/none\.yaml: no such recipe\. Fix: check the path"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="a directory, not a recipe"):
        load_recipe(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(RecipeError, match=r"not UTF-8 at byte 6\. Fix: save"):
        load_recipe(tmp_path / "bytes.yaml")


def test_a_byte_order_mark_is_accepted(folder: Path) -> None:
    path = folder / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_recipe(path).name == "small"


def test_overrides_are_typed(folder: Path) -> None:
    typed = {
        "reward.trainable.rank": "8",
        "dpo.enabled": "False",
        "sft.learning_rate": "3e-5",
        "questions.limit": "None",
        "evaluate.systems": ["base", "ppo"],
        "name": "other",
    }
    recipe = load_recipe(write(folder, GOOD), typed)
    assert recipe.reward.trainable.rank == 8
    assert recipe.dpo.enabled is False
    assert recipe.sft.learning_rate == 3e-5
    assert recipe.questions.limit is None
    assert recipe.evaluate.systems == ("base", "ppo")
    assert recipe.name == "other"
    assert recipe.sft.trainable.rank == 4, "what is not overridden stays as the file has it"


def test_paths_in_overrides_count_from_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "here").mkdir()
    (folder / "here" / "q.jsonl").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(folder / "here")
    assert load_recipe(write(folder, GOOD), {"questions.path": "q.jsonl"}).questions.path == folder / "here" / "q.jsonl"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("reward.rank", "8", "--reward.rank: unknown option. Did you mean --reward.trainable.rank?"),
        ("ppo.lenght", "8", "--ppo.lenght: unknown option. Did you mean --ppo.rewards.length?"),
        ("zzz", "8", "--zzz: unknown option. See haechi run --help."),
        ("ppo.clip", "2", "--ppo.clip should be less than 1, got 2. Fix: haechi run --help shows what it means."),
        ("ppo.minibatches", "65", "--ppo: 65 minibatches cannot be made of 16 prompts (a prompt's answers stay "),
        ("ppo.clip", "[", "--ppo.clip: '[' cannot be read. Fix: put quotes around it."),
    ],
)
def test_a_wrong_override_is_named(folder: Path, key: str, value: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(folder, GOOD), {key: value})
    assert str(caught.value).startswith(expected)


def test_pretrain_stands_without_documents_and_takes_overrides(folder: Path) -> None:
    recipe = load_recipe(
        write(folder, "pretrain: {steps: 3, curriculum: [{steps: 3, passages_min: 1, passages_max: 1}]}")
    )
    assert recipe.pretrain is not None
    assert recipe.pretrain.curriculum[0].copy_share == 0.0
    assert override(recipe, {"pretrain.width": "64"}).pretrain == recipe.pretrain.model_copy(update={"width": 64})
    text = message(folder, "pretrain:\n  steps: 4\n  curriculum:\n  - {steps: 3, passages_min: 0, passages_maxx: 1}\n")
    assert text == ("recipe.yaml:4: pretrain.curriculum.0.passages_max is not given. Fix: add it. (1 more)")
    text = message(folder, "pretrain: {steps: 3, curriculum: [{steps: 3, passages_min: 0, passages_max: 1}]}")
    assert "passages_min is 0, but a world has a passage" in text


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "{steps: 3, curriculum: [{steps: 3, passages_min: 1, passages_max: 1, copy_share: 0.7, span_share: 0.4}]}",
            "copy_share, span_share and text_share sum to 1.1. Fix: let them sum to 1 or less.",
        ),
        (
            "{steps: 3, curriculum: [{steps: 3, passages_min: 0, passages_max: 0, text_share: 0.1}]}",
            "a phase of 0 passages only copies. Fix: leave out span_share and text_share.",
        ),
        ("{width: 18, heads: 2}", "a head of 9 numbers cannot be turned by its position, which takes pairs."),
    ],
)
def test_what_pretraining_cannot_do_is_told(folder: Path, settings: str, expected: str) -> None:
    assert expected in message(folder, f"pretrain: {settings}")


def test_a_base_is_measured_by_sft_that_it_can_learn(folder: Path) -> None:
    """And by files of prose, not by a folder."""
    text = message(folder, "reading: {sft: {trainable: {kind: head}}}")
    assert "reading.sft.trainable.kind is head, but only the reward model has one. Fix: take lora." in text
    text = message(folder, "base: {quantise: nf4}\nreading: {}")
    assert "reading.sft.trainable.kind is full, but nf4 weights cannot change. Fix: take lora." in text
    assert "is a directory, not a file" in message(folder, "reading: {prose: docs}")
    load_recipe(write(folder, "base: {quantise: nf4}\nreading: {sft: {trainable: {kind: lora}}}"))


def test_a_saved_recipe_reads_back_equal_even_when_its_files_are_gone(folder: Path) -> None:
    recipe = load_recipe(write(folder, GOOD))
    saved = folder / "recipe.json"
    saved.write_text(recipe.model_dump_json(), encoding="utf-8")
    (folder / "questions.jsonl").unlink()
    assert load_saved(saved) == recipe


def test_the_hash_depends_on_values_and_not_on_the_place(tmp_path: Path, folder: Path) -> None:
    def made(folder: Path, **changes: object) -> Recipe:
        return Recipe.model_validate(
            {"documents": {"paths": [folder / "docs"]}, "questions": {"path": folder / "q.jsonl"}, **changes}
        )

    first = recipe_hash(made(tmp_path))
    assert recipe_hash(made(Path("/elsewhere"))) == first
    assert recipe_hash(made(tmp_path, seed=1)) != first
    assert len(first) == 16


def test_recipes_are_frozen(folder: Path) -> None:
    recipe = load_recipe(write(folder, GOOD))
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]


def test_every_field_of_every_section_is_documented() -> None:
    def undocumented(section: type[Section]) -> list[str]:
        return [f"{section.__name__}.{name}" for name, field in section.model_fields.items() if not field.description]

    sections, waiting = set(), [Section]
    while waiting:
        kind = waiting.pop()
        sections.add(kind)
        waiting += kind.__subclasses__()
    assert [name for section in sections for name in undocumented(section)] == []
    assert {"ppo.rewards.length_budget", "questions.split.train", "pretrain.curriculum"} <= set(dotted_keys(Recipe))


@pytest.mark.parametrize("name", ["demo", "saessak", "saessak_on"])
def test_the_recipes_of_the_repository_can_be_read(name: str, tmp_path: Path) -> None:
    """The model that saessak_on goes on from is made by saessak, and is no part of the repository."""
    text = (Path(__file__).parents[2] / "recipes" / f"{name}.yaml").read_text("utf-8")
    (tmp_path / "recipe.yaml").write_text(text.replace("../runs/saessak/pretrain/model", "saessak"), "utf-8")
    assert load_recipe(tmp_path / "recipe.yaml").name == name
