"""Measuring a base: what counts as exact, cited and abstaining, and that SFT is what makes the difference."""

from __future__ import annotations

import json
import signal
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import InputError, StageError
from haechi.models.load import load_base
from haechi.pipeline.task import Silent, StoppedError, Task
from haechi.pretrain.model import build_model
from haechi.pretrain.text import read_corpus
from haechi.pretrain.worlds.korean.speech import _TABLES
from haechi.prompt.template import template
from haechi.recipe import Recipe
from haechi.stages import read_demo, read_prose, read_text, read_worlds
from haechi.stages.reading import Scores, _row, intervals, read_case, scored, taught

WORDS = template("ko", instructed=False)
PASSAGES = [("등대", "등대지기는 오누리이다."), ("나루", "나루의 폭은 23미터이다.")]


def task(folder: Path, base: Path | str, longest: int = 400, **reading: Any) -> Task:
    recipe = Recipe.model_validate(
        {
            "threads": 1,
            "base": {"name_or_path": str(base), "dtype": "float32"},
            "prompt": {"instructed": False, "max_prompt_tokens": longest, "max_answer_tokens": 12},
            "reading": reading,
        }
    )
    folder.mkdir(exist_ok=True)
    return Task(recipe=recipe, folder=folder, inputs={}, progress=Silent(), seed=3, threads=1)


def score(text: str, answer: str | None, gold: int | None) -> dict[str, Any]:
    return _row(read_case("q", "누구인가요?", PASSAGES, answer, gold, "ko").case, text, WORDS)


@pytest.mark.parametrize(
    ("text", "exact", "cited"),
    [
        ("오누리입니다. [1]", True, True),
        (" 오누리입니다 [1]", True, True),  # a full stop makes no difference
        ("오누리입니다. [2]", True, False),
        ("오누리입니다. [1] [2]", True, False),  # one citation too many
        ("오누리입니다.", True, False),
        ("오누리요입니다. [1]", False, True),
        ("등대지기는 오누리입니다. [1]", False, True),  # right, but not to the letter
        (WORDS.abstention, False, None),
    ],
)
def test_an_answer_is_exact_to_the_letter_and_cited_alone(text: str, exact: bool, cited: bool | None) -> None:
    row = score(text, "오누리입니다.", 1)
    assert (row["exact"], row["cited"], row["exact_cited"]) == (exact, cited, exact and bool(cited))
    assert row["answerable"] and row["abstained"] is (cited is None)


def test_scores_by_hand() -> None:
    """Two of three answerable ones exact; abstentions: two right, one wrong, one missed, so F1 = 2·2 / (3 + 3)."""
    rows = [
        score("오누리입니다. [1]", "오누리입니다.", 1),
        score("오누리입니다. [2]", "오누리입니다.", 1),
        score(WORDS.abstention, "오누리입니다.", 1),
        *(score(WORDS.abstention, None, None) for _ in range(2)),
        score("오누리입니다. [1]", None, None),
    ]
    found = {name: one.value for name, one in intervals(rows).items()}
    assert found["exact"] == pytest.approx(2 / 3) and found["exact_cited"] == pytest.approx(1 / 3)
    assert found["cited"] == pytest.approx(1 / 2), "a refusal cites nothing, rightly or wrongly"
    assert found["f1"] == pytest.approx(2 / 3), "a refusal shares letters by chance only"
    assert found["abstention_f1"] == pytest.approx(4 / 6)
    assert "abstention_f1" not in intervals(rows[:3]), "all have an answer: nothing to abstain from"
    assert intervals([]) == {}


def test_intervals_draw_topics() -> None:
    """Two topics, all right and all wrong: a resample of topics is 0, ½ or 1, so the interval is [0, 1]; of forty
    questions that stand alone it is far narrower."""
    right, wrong = score("오누리입니다. [1]", "오누리입니다.", 1), score("나루입니다. [1]", "오누리입니다.", 1)
    together = [right | {"topic": "a"}] * 20 + [wrong | {"topic": "b"}] * 20
    alone = [row | {"topic": str(number)} for number, row in enumerate(together)]
    exact = intervals(together)["exact"]
    assert (exact.value, exact.low, exact.high, exact.n, exact.topics) == (0.5, 0.0, 1.0, 40, 2)
    assert 0.3 < intervals(alone)["exact"].low < 0.4


def test_sft_teaches_what_it_is_shown(tmp_path: Path, checkpoint_folder: Any) -> None:
    """A random base answers nothing; forty passes over two questions, and it answers these."""
    made = task(
        tmp_path / "stage",
        checkpoint_folder("llama"),
        examples=2,
        sft={"trainable": {"kind": "full"}, "epochs": 40, "batch_size": 2, "learning_rate": 1e-2},
    )
    base = load_base(str(checkpoint_folder("llama")), dtype="float32", device="cpu")
    asked = [
        read_case("a", "등대지기는 누구인가요?", PASSAGES, "오누리.", 1, "ko"),
        read_case("b", "배삯은 얼마인가요?", PASSAGES, None, None, "ko"),
    ]
    role, learned = taught(made, base, asked, made.folder / "sft")
    assert learned == 2
    assert scored(made, base, None, asked, made.folder / "base.jsonl").intervals["exact"].value == 0
    after = scored(made, base, role, asked, made.folder / "sft.jsonl")
    assert after.intervals["exact_cited"].value == 1
    rows = [json.loads(line) for line in (made.folder / "sft.jsonl").read_text("utf-8").splitlines()]
    assert rows[0]["answer"].strip() == "오누리. [1]" and rows[1]["gold"] is None


def test_worlds_under_each_condition(tmp_path: Path, tokenizer: Any) -> None:
    build_model(tokenizer, layers=2, width=32, heads=2, intermediate=32, seed=0).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    made = task(
        tmp_path / "stage", tmp_path / "base", 1900, worlds=1, passages=1, examples=4,
        sft={"trainable": {"kind": "full"}, "epochs": 1, "batch_size": 4},
    )  # fmt: skip
    found = read_worlds.run(made)
    conditions = {name.rsplit("/", 1)[0] for name in found}
    assert conditions == {
        f"{language}_{templates}/{system}"
        for language in ("ko", "en")
        for templates in ("seen", "unseen")
        for system in ("base", "sft")
    }
    rows = [json.loads(line) for line in (made.folder / "ko_unseen_sft.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 4 and len({row["topic"] for row in rows}) == 1, "questions on one world are one topic"
    scores = json.loads((made.folder / "scores.json").read_text("utf-8"))
    assert scores["ko_unseen/sft"]["questions"] == 4
    assert scores["ko_seen/base"]["f1"]["value"] == found["ko_seen/base/f1"]


def test_each_condition_is_of_its_names_and_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SFT learns from names and templates of the training; what is measured is of neither's, as its name says."""
    made = task(tmp_path / "stage", "saessak", worlds=3, passages=2, examples=5)
    drawn: dict[str, dict[str, dict[str, bool]]] = {}
    sizes: dict[str, set[Any]] = {}

    def noted(seed: str, *numbers: Any, **conditions: bool) -> list[Any]:
        drawn.setdefault(f"{numbers[-1]} {seed.split('-')[0]}", {})[seed] = conditions
        sizes.setdefault(seed.split("-")[0], set()).add(numbers[:-1])
        return []

    monkeypatch.setattr(read_worlds, "_asked", noted)
    monkeypatch.setattr(read_worlds, "base_of", lambda _: None)
    monkeypatch.setattr(read_worlds, "taught", lambda *_: (None, 0))
    monkeypatch.setattr(read_worlds, "scored", lambda *_: Scores(0, {}))
    read_worlds.run(made)
    assert sizes == {"sft": {(5, 1, 2)}, "measured": {(3, 2, 2)}}, "worlds, and their fewest and most passages"
    for language in ("ko", "en"):
        assert drawn[f"{language} sft"] == {f"sft-3-{language}": {}}
        assert drawn[f"{language} measured"] == {
            f"measured-3-{language}_{templates}": {"unseen_names": True, "unseen_templates": templates == "unseen"}
            for templates in ("seen", "unseen")
        }


def test_steps_are_told_while_answers_are_written(tmp_path: Path, checkpoint_folder: Any) -> None:
    """Of the stages inside the demo's measurement too, but not that they begin."""
    told: list[tuple[int, int | None]] = []

    class Noted(Silent):
        def update(self, step: int, total: int | None, **numbers: float) -> None:
            told.append((step, total))

        def stage(self, name: str, index: int, total: int) -> None:
            raise AssertionError("the stage outside is under way")

    inside = read_demo._Inside(Noted())
    inside.stage("ingest", 1, 3)
    inside.update(1, 9)
    made = replace(task(tmp_path / "stage", checkpoint_folder("llama")), progress=inside)
    base = load_base(str(checkpoint_folder("llama")), dtype="float32", device="cpu")
    asked = [read_case(name, "누구?", PASSAGES, "오누리.", 1, "ko") for name in "abc"]
    scored(made, base, None, asked, made.folder / "some.jsonl")
    assert told[0] == (1, 9) and told[-1] == (3, 3)


def test_what_does_not_fit_is_left_out_and_told(tmp_path: Path, checkpoint_folder: Any) -> None:
    made = task(tmp_path / "stage", checkpoint_folder("llama"), 60)
    base = load_base(str(checkpoint_folder("llama")), dtype="float32", device="cpu")
    short = read_case("a", "누구?", [("", "오누리이다.")], "오누리.", 1, "ko")
    long = read_case("b", "누구?", [("", "오누리이다. " * 20)], "오누리.", 1, "ko")
    found = scored(made, base, None, [short, long], made.folder / "some.jsonl")
    assert found.questions == 1 and "exact" in found.intervals
    assert scored(made, base, None, [long], made.folder / "none.jsonl") == Scores(0, {})
    with pytest.raises(StageError, match="none of the questions"):
        taught(made, base, [long], made.folder / "sft")


def test_an_answer_that_does_not_fit_is_not_learned_from(tmp_path: Path, checkpoint_folder: Any) -> None:
    """The base reads 512 tokens, and one of the written answers has more."""
    made = task(tmp_path / "stage", checkpoint_folder("llama"), sft={"trainable": {"kind": "full"}, "epochs": 1})
    base = load_base(str(checkpoint_folder("llama")), dtype="float32", device="cpu")
    short = read_case("a", "누구?", PASSAGES, "오누리.", 1, "ko")
    long = read_case("b", "누구?", PASSAGES, "오누리이다. " * 200, 1, "ko")
    assert taught(made, base, [long, short], made.folder / "sft")[1] == 1


def test_measured_worlds_have_names_and_templates_that_training_has_not() -> None:
    seen = read_worlds._asked("a", 20, 1, 3, "ko")
    unseen = read_worlds._asked("a", 20, 1, 3, "ko", unseen_names=True, unseen_templates=True)
    titles = [{p.title for read in some for p in read.case.context.passages} for some in (seen, unseen)]
    questions = [{read.case.question.text for read in some} for some in (seen, unseen)]
    assert titles[0] & titles[1] <= set(_TABLES), "only tables are called alike"
    assert not questions[0] & questions[1]
    assert all(1 <= len(read.case.context.passages) <= 3 for read in seen)
    for read in (*seen, *unseen):
        assert read.case.question.answerable == bool(read.case.context.gold_numbers)


def write_prose(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def prose(part: str, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"{part}-1",
        "question": "등대지기는 누구인가요?",
        "answer": "오누리",
        "passages": [{"title": title, "text": text} for title, text in PASSAGES],
        "gold": 1,
        "part": part,
        "language": "ko",
    }
    return row | changes


def test_prose_is_read_in_two_parts(tmp_path: Path, checkpoint_folder: Any) -> None:
    rows = [prose("train"), prose("test", topic="harbour"), prose("test", id="test-2", gold=2)]
    file = write_prose(tmp_path / "real.jsonl", rows)
    train, test = read_prose.read_prose(file)
    assert [read.case.question.id for read in train] == ["train-1"]
    assert [read.case.context.gold_numbers for read in test] == [(1,), (2,)]
    made = task(
        tmp_path / "stage", checkpoint_folder("llama"), prose=[str(file)],
        sft={"trainable": {"kind": "full"}, "epochs": 1},
    )  # fmt: skip
    found = read_prose.run(made)
    assert found["real/sft/questions"] == 2 and found["real/sft/examples"] == 1
    assert test[0].case.question.subject == "harbour" and test[1].case.question.subject == "test-2"
    assert {"real/sft/exact", "real/sft/f1"} <= found.keys() and "real/sft/abstention_f1" not in found


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (prose("dev"), r"real.jsonl:2: part 'dev' and language 'ko'"),
        (prose("test", language="fr"), r"real.jsonl:2: part 'test' and language 'fr'"),
        (prose("test", gold=3), r"real.jsonl:2: 'gold' is 3, and there are 2 passages"),
        (prose("test", gold=1.5), r"real.jsonl:2: 'gold' is 1.5, and there are 2 passages"),
        (prose("test", passages="등대"), r"real.jsonl:2: 'passages' is not a list"),
        (prose("test", passages=[{"title": "등대", "text": None}]), r"real.jsonl:2: 'text' is null, not text"),
        (prose("test", passages=[{"title": 3, "text": "가"}]), r"real.jsonl:2: 'title' is int, not text"),
        (prose("train"), r"real.jsonl: has no question of part 'test'"),
    ],
)
def test_what_is_no_question_on_prose_is_refused(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    file = write_prose(tmp_path / "real.jsonl", [prose("train"), row])
    with pytest.raises(InputError, match=message):
        read_prose.read_prose(file)


def test_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """Their answers would lie in one file, and the second be scored with what SFT learned from the first."""
    files = [tmp_path / folder / name for folder, name in (("a", "real.jsonl"), ("b", "real.jsonl.gz"))]
    with pytest.raises(InputError, match=r"b/real.jsonl.gz: goes by the name 'real', as .*a/real.jsonl does"):
        read_prose.named(files)
    assert list(read_prose.named([files[0], tmp_path / "other.jsonl"])) == ["real", "other"]


def test_a_passage_without_a_title_has_none(tmp_path: Path) -> None:
    """And Hangul spelt in letters is put together, as in questions and answers."""
    spelt = [{"title": None, "text": unicodedata.normalize("NFD", "등대지기는 오누리이다.")}]
    file = write_prose(tmp_path / "real.jsonl", [prose("train"), prose("test", passages=spelt)])
    (passage,) = read_prose.read_prose(file)[1][0].case.context.passages
    assert (passage.title, passage.text) == ("", "등대지기는 오누리이다.")


def test_text_of_which_nothing_is_held_out_is_told(tmp_path: Path, checkpoint_folder: Any) -> None:
    file = tmp_path / "few.jsonl"
    file.write_text('{"text": "등대는 높다."}\n', "utf-8")
    assert not any(read_corpus([file], 0).held_out.values())
    with pytest.raises(InputError, match=r"few\.jsonl: holds no document that is measured on\. Fix: give more"):
        read_text.run(task(tmp_path / "stage", checkpoint_folder("llama"), text=[str(file)]))


def test_a_folder_without_text_is_told(tmp_path: Path, checkpoint_folder: Any) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "page.json").write_text("{}")
    with pytest.raises(InputError, match=r"empty: holds no .jsonl or .jsonl.gz file"):
        read_text.run(task(tmp_path / "stage", checkpoint_folder("llama"), text=[str(tmp_path / "empty")]))


class Steps(Silent):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None]] = []

    def update(self, step: int, total: int | None, **numbers: float) -> None:
        self.told.append((step, total))


@pytest.mark.parametrize("when", ["first", "last"])
def test_a_wish_to_stop_is_heard_while_questions_are_asked(when: str, tmp_path: Path, checkpoint_folder: Any) -> None:
    """Unfinished answers are left, finished ones are kept: there they would be asked for once more."""
    steps = Steps()
    many = [read_case(str(n), "누구? " * 60, PASSAGES, "오누리.", 1, "ko") for n in range(90)]
    made = replace(
        task(tmp_path / "stage", checkpoint_folder("llama"), longest=900),
        progress=steps,
        received=lambda: signal.SIGTERM if steps.told and (when == "first" or len(set(steps.told[-1])) == 1) else None,
    )
    base = load_base(made.recipe.base.name_or_path, dtype="float32", device="cpu")
    file = made.folder / "some.jsonl"
    if when == "last":
        assert scored(made, base, None, many, file).questions == 90 and len(steps.told) > 1
        return
    with pytest.raises(StoppedError, match="SIGTERM came") as stopped:
        scored(made, base, None, many, file)
    assert stopped.value.exit_code == 143 and not file.exists()
    assert len(steps.told) == 1 and steps.told[0][0] < 90


def test_what_an_interrupted_measurement_has_asked_is_not_asked_again(
    tmp_path: Path, checkpoint_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = task(tmp_path / "stage", checkpoint_folder("llama"))
    base = load_base(made.recipe.base.name_or_path, dtype="float32", device="cpu")
    asked = [
        read_case("a", "누구?", PASSAGES, "오누리.", 1, "ko", topic="t"),
        read_case("b", "뭐?", PASSAGES, None, None, "ko"),
    ]
    first = scored(made, base, None, asked, made.folder / "some.jsonl")
    monkeypatch.delattr("haechi.stages.reading.sample")
    assert scored(made, base, None, asked, made.folder / "some.jsonl") == first


def test_bits_per_character_can_be_stopped(tmp_path: Path, checkpoint_folder: Any) -> None:
    file = write_prose(tmp_path / "text.jsonl", [{"text": f"{n}번 등대는 바다를 비춘다. " * 3} for n in range(400)])
    steps = Steps()
    made = task(tmp_path / "stage", checkpoint_folder("llama"), text=[str(file)])
    with pytest.raises(StoppedError):
        read_text.run(replace(made, progress=steps, received=lambda: signal.SIGINT))
    assert len(steps.told) == 1


def test_bits_are_told_of_held_out_text_alone(tmp_path: Path, checkpoint_folder: Any) -> None:
    rows = [{"text": f"{number}번 등대는 바다를 비춘다. " * 3} for number in range(200)]
    file = write_prose(tmp_path / "text.jsonl", rows)
    found = read_text.run(task(tmp_path / "stage", checkpoint_folder("llama"), text=[str(file)]))
    assert found.keys() == {"bits_per_character/ko"} and found["bits_per_character/ko"] > 1


def test_the_demo_is_measured_on_its_test_pages_before_and_after_sft(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_model(tokenizer, layers=2, width=32, heads=2, intermediate=32, seed=0).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    made = task(tmp_path / "stage", tmp_path / "base", sft={"trainable": {"kind": "full"}})
    made = replace(made, received=lambda: None)
    hearing: list[bool] = []

    def heard(inner: Task, *rest: Any) -> Scores:
        hearing.append(inner.received is made.received)
        return scored(inner, *rest)

    monkeypatch.setattr(read_demo, "scored", heard)
    whole = read_demo.demo_recipe(made.recipe).model_dump()
    whole["questions"]["limit"], whole["sft"]["learning_rate"] = 200, 1e-2
    monkeypatch.setattr(read_demo, "demo_recipe", lambda _: Recipe.model_validate(whole))
    found = read_demo.run(made)
    split = made.folder / "demo" / "split"
    asked = [json.loads(line)["question"]["text"] for line in (split / "test.jsonl").read_text("utf-8").splitlines()]
    answers = {
        system: [json.loads(line) for line in (made.folder / f"{system}.jsonl").read_text("utf-8").splitlines()]
        for system in ("base", "sft")
    }
    assert [row["question"] for row in answers["base"]] == [row["question"] for row in answers["sft"]] == asked
    assert found["base/questions"] == len(asked) > 10
    assert [row["answer"] for row in answers["base"]] != [row["answer"] for row in answers["sft"]]
    assert hearing == [True, True], "who asks to stop is heard inside too"


def test_a_base_that_reads_little_is_asked_shorter_prompts_of_the_demo() -> None:
    given = {"prompt": {"max_prompt_tokens": 200, "max_answer_tokens": 9}, "reading": {}}
    prompt = read_demo.demo_recipe(Recipe.model_validate(given)).prompt
    assert (prompt.max_prompt_tokens, prompt.max_answer_tokens) == (200, 9)


def test_the_demo_is_asked_as_the_recipe_of_the_demo_asks() -> None:
    """What this measurement repeats of recipes/demo.yaml is what stands there."""
    import yaml

    there = yaml.safe_load((Path(__file__).parents[3] / "recipes" / "demo.yaml").read_text("utf-8"))
    here = read_demo.demo_recipe(Recipe.model_validate({"prompt": {"instructed": False}, "reading": {}}))
    theirs = Recipe.model_validate(there | {"base": "saessak", "threads": 0}, context={"folder": Path("recipes")})
    for section in ("documents", "questions", "sft", "prompt"):
        assert getattr(here, section) == getattr(theirs, section), section
