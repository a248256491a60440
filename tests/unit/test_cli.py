"""The command line: help, exit codes, and one line about every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi import __version__
from haechi.cli import HELP, STAGE_VERBS, main
from haechi.cli.arguments import parse
from haechi.errors import RecipeError
from haechi.pipeline.graph import STAGES, Graph, Stage
from haechi.pipeline.reading import dotted_keys, load_recipe
from haechi.pipeline.summary import summary
from haechi.recipe import Recipe
from haechi.records.questions import read_questions

RECIPE = Recipe.model_validate({"documents": {"paths": ["documents"]}, "questions": {"path": "questions.jsonl"}})

Output = pytest.CaptureFixture[str]


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    """Two stages under haechi's names, as modules on disk; the working directory is empty but for a recipe."""
    (tmp_path / "cli_toy").mkdir()
    (tmp_path / "cli_toy" / "__init__.py").touch()
    (tmp_path / "cli_toy" / "sft.py").write_text("def run(task):\n    return {'epochs': task.recipe.sft.epochs}\n")
    (tmp_path / "cli_toy" / "report.py").write_text(
        "def run(task):\n    (task.folder.parent / 'report.html').write_text('page')\n    return {}\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    assert main(["new", str(work / "library"), "--language", "en"]) == 0
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield Graph(
        (
            Stage(name="sft", about="", module="cli_toy.sft", settings=("sft",)),
            Stage(name="report", about="", module="cli_toy.report", needs=("sft",)),
        )
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "cli_toy"]:
        del sys.modules[name]


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["new", "--help"], ["run", "--help"], ["ppo", "--help"]])
def test_help_imports_no_torch(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from haechi.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "heavy = {'torch', 'transformers'} | ({'pydantic', 'tyro', 'rich', 'yaml'} if len(sys.argv) == 2 else set())\n"
        "loaded = heavy & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_pipeline_imports_no_torch() -> None:
    script = (
        "import sys\n"
        "import haechi.pipeline.run, haechi.pipeline.progress, haechi.pipeline.reading, haechi.pipeline.summary\n"
        "assert 'torch' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_top_help_names_every_verb(capsys: Output) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == HELP
    assert [stage.name for stage in STAGES] == [*STAGE_VERBS, "report"]
    for verb in (*STAGE_VERBS, "new", "run", "report", "ask", "pretrain", "export"):
        assert verb in HELP.split()
        assert main([verb, "--help"]) == 0
        assert verb in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"haechi {__version__}\n"


def test_run_help_shows_every_field_with_its_default(capsys: Output) -> None:
    main(["run", "--help"])
    words = capsys.readouterr().out
    keys = [key for key in dotted_keys(Recipe) if not key.startswith(("pretrain.", "reading."))]
    assert [key for key in keys if f"--{key} " not in words] == []
    assert "Strength of the tie to the SFT model. (default: 0.1)" in " ".join(words.replace("│", " ").split())
    main(["pretrain", "--help"])
    words = capsys.readouterr().out
    assert [key for key in dotted_keys(Recipe) if key.startswith("pretrain.") and f"--{key} " not in words] == []
    main(["evaluate", "--base", "--help"])
    words = capsys.readouterr().out
    assert [key for key in dotted_keys(Recipe) if key.startswith("reading.") and f"--{key} " not in words] == []


def test_options_of_every_form() -> None:
    words = ["r.yaml", "--a.b-c", "1", "--x=-2", "--force", "--list", "p", "q", "--negative", "-3"]
    arguments = parse(words, frozenset({"force"}))
    assert arguments.alone == ("r.yaml",)
    assert arguments.options == {"a.b_c": "1", "x": "-2", "force": "", "list": ["p", "q"], "negative": "-3"}
    with pytest.raises(RecipeError, match="--a is given twice"):
        parse(["--a", "1", "--a", "2"])
    with pytest.raises(RecipeError, match=r"--a has no value\. Fix: write --a VALUE"):
        parse(["--a"])


@pytest.mark.parametrize("language", ["ko", "en"])
def test_new_makes_a_folder_that_works_as_it_is(tmp_path: Path, capsys: Output, language: str) -> None:
    folder = tmp_path / "library"
    assert main(["new", str(folder), "--language", language]) == 0
    recipe = load_recipe(folder / "recipe.yaml")
    assert (recipe.name, recipe.language) == ("library", language)
    assert recipe.documents.paths == (folder / "documents",)
    assert recipe.questions.path is not None
    questions = read_questions(recipe.questions.path)
    text = (folder / "documents" / "example.md").read_text(encoding="utf-8")
    assert [question.answerable for question in questions] == [True, True, False]
    assert all(any(part in text for part in question.accepted) for question in questions if question.answerable)
    assert str(folder / "recipe.yaml") in capsys.readouterr().out
    assert main(["new", str(folder)]) == 2
    assert capsys.readouterr().err == f"haechi: {folder} exists already. Fix: choose another name.\n"


def test_a_whole_run_then_one_stage_then_the_report(stages: Graph, capsys: Output) -> None:
    assert main(["run", "library/recipe.yaml"], stages) == 0
    done = capsys.readouterr()
    assert done.out.endswith("report  runs/library/report.html\n")
    assert done.err.startswith("[1/2] sft\n")
    assert main(["sft", "runs/library", "--sft.epochs", "7"], stages) == 0
    result = json.loads(Path("runs/library/sft/result.json").read_text(encoding="utf-8"))
    assert result["metrics"] == {"epochs": 7}
    Path("runs/library/report.html").unlink()
    assert main(["report", "runs/library"], stages) == 0
    assert Path("runs/library/report.html").is_file()
    assert main(["run", "runs/library"], stages) == 0
    assert "sft: stands" in capsys.readouterr().err
    assert main(["run", "library/recipe.yaml", "--name", "other", "--only", "sft"], stages) == 0
    assert not Path("runs/other/report").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rnu", "x"], "rnu: unknown verb. Did you mean haechi run?"),
        (["run"], "one RECIPE is needed before the options, got nothing. Fix: haechi run recipe.yaml."),
        (["run", "library/recipe.yaml", "--ppo.clpi", "1"], "--ppo.clpi: unknown option. Did you mean --ppo.clip?"),
        (["run", "library/recipe.yaml", "--only", "ppo", "dpo"], "--only takes one value, got ppo dpo. Fix: give one."),
        (["run", "library/recipe.yaml", "--only", "stf"], "stf: no such stage. Did you mean sft?"),
        (["run", "library/bad.yaml"], "library/bad.yaml:2: unknown key sedd. Did you mean seed?"),
        (["run", "library/pretrain.yaml"], "library/pretrain.yaml: documents.paths or questions.path is not given. "),
        (["new", "x", "--language", "fr"], "--language should be ko or en, got fr. Fix: choose one of the two."),
        (["new", "x y"], "'x y' cannot name a run. Fix: use letters, digits, `_`, `-` and `.`."),
        (["pretrain", "library/recipe.yaml"], "library/recipe.yaml: it has no section pretrain. Fix: add one; see "),
        (["report", "library", "--deep", "1"], "--deep: unknown option. This verb has none."),
    ],
)
def test_mistakes_are_one_line_exit_2_and_write_nothing(
    stages: Graph, capsys: Output, words: list[str], expected: str
) -> None:
    Path("library/bad.yaml").write_text("name: bad\nsedd: 1\n", encoding="utf-8")
    Path("library/pretrain.yaml").write_text("pretrain: {steps: 3}\n", encoding="utf-8")
    capsys.readouterr()
    before = sorted(Path().rglob("*"))
    assert main(words, stages) == 2
    done = capsys.readouterr()
    assert done.err.startswith(f"haechi: {expected}")
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert sorted(Path().rglob("*")) == before


def test_a_folder_that_is_no_run(stages: Graph, capsys: Output) -> None:
    for words in (["sft", "library"], ["ask", "library", "?"], ["report", "library"], ["run", "library"]):
        assert main(words, stages) == 2
        said = capsys.readouterr().err
        assert said.endswith("/library: not a run. Fix: make one with haechi run library/recipe.yaml.\n")


def test_debug_shows_where_an_error_arose(stages: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_DEBUG", "1")
    with pytest.raises(RecipeError, match="unknown verb"):
        main(["rnu"], stages)


def test_a_signal_ends_with_its_code_and_the_command_to_go_on(stages: Graph, tmp_path: Path, capsys: Output) -> None:
    source = "import os\ndef run(task):\n    os.kill(os.getpid(), 15)\n    raise task.stopped()\n"
    (tmp_path / "cli_toy" / "sft.py").write_text(source)
    capsys.readouterr()
    assert main(["run", "library/recipe.yaml"], stages) == 143
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "haechi: SIGTERM came; sft saved its state and stopped. Go on with: haechi run runs/library"


def test_a_measured_base_goes_on_by_the_same_words(
    stages: Graph, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "import os\ndef run(task):\n    os.kill(os.getpid(), 15)\n    raise task.stopped()\n"
    (tmp_path / "cli_toy" / "sft.py").write_text(source)
    monkeypatch.setattr("haechi.pipeline.graph.READING", stages)
    words = ["evaluate", "--base", "saessak", "--folder", "two words", "--reading.worlds", "3"]
    assert main(words) == 143
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("Go on with: haechi evaluate --base saessak --folder 'two words' --reading.worlds 3")


@pytest.mark.parametrize(
    ("words", "instructed"),
    [(["saessak"], False), (["owner/model"], True), (["owner/model", "--prompt.instructed", "false"], False)],
)
def test_only_the_embedded_base_is_asked_without_an_instruction(
    words: list[str], instructed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []
    monkeypatch.setattr("haechi.pipeline.run.run", lambda recipe, *_, **__: asked.append(recipe))
    assert main(["evaluate", "--base", *words]) == 0
    assert asked[0].prompt.instructed is instructed and asked[0].prompt.max_prompt_tokens == 1750


@pytest.mark.parametrize(("base", "folder"), [("saessak", "saessak"), ("../made/model", "made-model")])
def test_each_base_is_measured_in_a_folder_of_its_own(
    base: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made" / "model").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    used: list[Path] = []
    monkeypatch.setattr("haechi.pipeline.run.run", lambda _, path, **__: used.append(path))
    assert main(["evaluate", "--base", base]) == 0
    assert used == [Path("runs") / f"reading-{folder}"]


def test_what_a_base_was_measured_with_is_no_run(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "recipe.json").write_text('{"reading": {}}')
    assert main(["evaluate", str(tmp_path / "measured")]) == 2
    assert "Fix: haechi evaluate --base saessak --folder" in capsys.readouterr().err


def test_an_option_that_measuring_a_base_does_not_read_is_refused(capsys: Output) -> None:
    assert main(["evaluate", "--base", "saessak", "--sft.epochs", "9"]) == 2
    assert "--sft.epochs: measuring a base does not read it. Fix: leave it out" in capsys.readouterr().err


def test_the_summary_has_a_column_a_system(tmp_path: Path) -> None:
    number = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    results = {"systems": {"sft": {"correct": number}, "ppo": {"correct": number | {"value": None}, "kl": number}}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert summary(tmp_path, RECIPE).splitlines()[:3] == [
        "           sft          ppo",
        "correct %  50 [25, 75]  –",
        "KL, nats   –            0.5 [0.2, 0.8]",
    ]


def test_the_summary_shows_likeness_where_correctness_could_not_be_told(tmp_path: Path) -> None:
    number = {"value": 0.25, "low": 0.125, "high": 0.5, "n": 8}
    likeness = ["character F1  0.25 [0.12, 0.50]"]
    for scores, told in (({"f1": number}, likeness), ({"f1": number, "correct": number}, [])):
        (tmp_path / "results.json").write_text(json.dumps({"systems": {"sft": scores}}))
        assert [line for line in summary(tmp_path, RECIPE).splitlines() if "F1" in line] == told
