"""The verbs. What is heavy is imported by the verb that needs it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.cli.arguments import Options, asks_for_help, exactly, one, only_options, parse
from haechi.errors import RecipeError

if TYPE_CHECKING:
    from haechi.pipeline.graph import Graph
    from haechi.recipe import Recipe

NEW_HELP = """\
usage: haechi new NAME [--language ko|en]

Makes the folder NAME with recipe.yaml (commented), documents/ and questions.jsonl. Replace the documents and questions
by yours, then: haechi run NAME/recipe.yaml

  --language ko|en   language of the comments, of the example and of the answers (default: ko); `en` also names a base
                     that knows English, Qwen/Qwen3-0.6B, fetched once from the Hub
"""

ASK_HELP = """\
usage: haechi ask RUN ["QUESTION"]

Answers from the run's documents with the run's model, and cites them. Without a question, reads one a line from the
standard input until it ends.

  haechi ask runs/library "When does the library open?"
  haechi ask runs/library < questions.txt
"""

EXPORT_HELP = """\
usage: haechi export RUN FILE.gguf

Writes the merged model of a run as one GGUF file, for llama.cpp and what builds on it. RUN may also be a folder that
holds a model, or saessak. Plain Llamas with a byte-fallback BPE can be written; needs pip install 'haechi[gguf]'.

  haechi export runs/library library.gguf
"""

REPORT_HELP = """\
usage: haechi report RUN

Draws the report of a finished run again. Nothing is trained, even if the recipe or the code has changed since.
"""

_FORCE_ONE = "Run this stage again although its result stands. Takes no value."
_BASE_OPTIONS = {
    "base": "The base: saessak, a folder, or a name on the Hub.",
    "folder": "Folder of the results; runs/reading-NAME if not given.",
    "text": "Files or folders of public text.",
    "prose": "Files of questions on real prose.",
}
_BASE_SECTIONS = ("seed", "threads", "base", "prompt", "reading", "evaluate")
_RUN_OPTIONS = {
    "folder": "Folder of the run; runs/NAME if not given.",
    "only": "End with this stage.",
    "force": "Run again what stands already; with --only, that stage. Takes no value.",
}


def new(words: list[str]) -> int:
    """Make a folder with a commented recipe, documents and questions."""
    if asks_for_help(words):
        say(NEW_HELP.rstrip())
        return 0
    arguments = parse(words)
    (name,) = exactly(arguments, "NAME", "haechi new library")
    only_options(arguments, "language")
    language = one(arguments.options, "language") or "ko"
    if language not in ("ko", "en"):
        raise RecipeError(f"--language should be ko or en, got {language}. Fix: choose one of the two.")
    from haechi.pipeline.starter import make_starter

    recipe = make_starter(Path(name), "ko" if language == "ko" else "en")
    say(f"{recipe}\nReplace documents and questions by yours, then: haechi run {recipe}")
    return 0


def run(words: list[str], graph: Graph | None) -> int:
    """Run everything that a recipe describes."""
    if asks_for_help(words):
        from haechi.pipeline.help import print_help
        from haechi.recipe import Recipe

        about = (
            "Run everything the recipe describes.\n\nWhat has run already and still stands is skipped; what was "
            "interrupted goes on.\nRECIPE may also be the folder of a run: its own recipe is taken.\n\n"
            "  haechi run recipe.yaml\n  haechi run recipe.yaml --only sft --sft.epochs 3\n  haechi run runs/library"
        )
        sections = [name for name in Recipe.model_fields if name not in ("pretrain", "reading")]
        print_help("run", about, ("RECIPE", "A YAML file, or the folder of a run."), _RUN_OPTIONS, sections)
        return 0
    arguments = parse(words, frozenset({"force"}))
    (target,) = exactly(arguments, "RECIPE", "haechi run recipe.yaml")
    recipe, folder = _recipe_and_folder(target, arguments.options, tuple(_RUN_OPTIONS))
    if not recipe.documents.paths or recipe.questions.path is None:
        raise RecipeError(f"{target}: documents.paths or questions.path is not given. Fix: add it, or use pretrain.")
    only = one(arguments.options, "only")
    return _walk(recipe, folder, graph, only=only, force="force" in arguments.options)


def _evaluate_base(words: list[str]) -> int:
    if asks_for_help(words):
        from haechi.pipeline.help import print_help

        about = (
            "Measure how well a base reads, before and after SFT: generated worlds of names that the embedded base "
            "never saw, in templates that it saw and in others, the demo, and, where they are given, held-out text and "
            "real prose. Prompts may have 1,750 tokens and answers 280, unless the options below say otherwise. A base "
            "that `haechi pretrain` made wants --prompt.instructed false.\n\n"
            "  haechi evaluate --base saessak\n"
            "  haechi evaluate --base Qwen/Qwen3-0.6B --folder runs/qwen --prose build/reading/covid.jsonl\n"
            "  haechi evaluate --base runs/saessak/pretrain/model --prompt.instructed false --text DATA"
        )
        print_help("evaluate", about, None, _BASE_OPTIONS, ["seed", "threads", "prompt", "reading"])
        return 0
    arguments = parse(words)
    if arguments.alone:
        raise RecipeError(
            f"with --base, evaluate takes no run, got {arguments.alone[0]}. Fix: leave one of the two out."
        )
    from haechi.pipeline.graph import READING
    from haechi.pipeline.reading import override
    from haechi.recipe import Recipe
    from haechi.recipe.inputs import EMBEDDED_BASE

    name = one(arguments.options, "base") or ""
    given = {key: value for key, value in arguments.options.items() if key not in ("base", "folder")}
    for key in ("text", "prose"):
        if key in given:
            given[f"reading.{key}"] = given.pop(key)
    # The embedded base was trained on the bare form, and learns to read in a few hundred tokens.
    prompt = {"instructed": name != EMBEDDED_BASE, "max_prompt_tokens": 1750, "max_answer_tokens": 280}
    recipe = Recipe.model_validate({"name": "reading", "base": {"dtype": "float32"}, "prompt": prompt, "reading": {}})
    recipe = override(recipe, {"base.name_or_path": name, **given})
    if idle := [key for key in given if key.split(".")[0] not in _BASE_SECTIONS]:
        raise RecipeError(
            f"--{idle[0]}: measuring a base does not read it. Fix: leave it out; see haechi evaluate --base --help."
        )
    called = "-".join(part for part in Path(name).parts if part.strip("./~"))
    folder = Path(one(arguments.options, "folder") or f"runs/reading-{called}")
    return _walk(recipe, folder, READING, again=shlex.join(["evaluate", *words]))


def stage(stage: str, words: list[str], graph: Graph | None) -> int:
    """Run one stage, after whatever it builds on; `evaluate --base` measures a base."""
    if stage == "evaluate" and any(word == "--base" or word.startswith("--base=") for word in words):
        return _evaluate_base(words)
    if asks_for_help(words):
        _stage_help(stage)
        return 0
    arguments = parse(words, frozenset({"force"}))
    (target,) = exactly(arguments, "RUN", f"haechi {stage} runs/library")
    recipe, folder = _saved(Path(target), arguments.options)
    if recipe.reading is not None and not recipe.documents.paths:
        raise RecipeError(
            f"{target}: holds what a base was measured with, and no run. Fix: haechi evaluate --base "
            f"{recipe.base.name_or_path} --folder {target}."
        )
    return _walk(recipe, folder, graph, only=stage, force="force" in arguments.options)


def _stage_help(stage: str) -> None:
    from haechi.pipeline.graph import STAGES
    from haechi.pipeline.help import print_help

    described = STAGES[stage]
    about = (
        f"{described.about[0].upper()}{described.about[1:]}.\n\nWhatever it builds on runs before, where it has not "
        f"run yet or no longer stands.\nAn option changes the run's recipe.\n\n  haechi {stage} runs/library"
    )
    if stage == "evaluate":
        about += "\n  haechi evaluate --base saessak      measure a base alone; see haechi evaluate --base --help"
    sections = dict.fromkeys(name.split(".")[0] for name in described.settings)
    print_help(stage, about, ("RUN", "The folder of a run."), {"force": _FORCE_ONE}, list(sections))


def report(words: list[str], graph: Graph | None) -> int:
    """Draw the report of a run again."""
    if asks_for_help(words):
        say(REPORT_HELP.rstrip())
        return 0
    arguments = parse(words)
    (target,) = exactly(arguments, "RUN", "haechi report runs/library")
    only_options(arguments)
    recipe, folder = _saved(Path(target), {})
    return _walk(recipe, folder, graph, only="report", force=True, keep_finished=True)


def ask(words: list[str]) -> int:
    """Ask the model of a run."""
    if asks_for_help(words):
        say(ASK_HELP.rstrip())
        return 0
    arguments = parse(words)
    only_options(arguments)
    if not 1 <= len(arguments.alone) <= 2 or arguments.alone[-1].strip() == "":
        raise RecipeError(
            'ask takes a run and a question in quotes. Fix: haechi ask runs/library "When does it open?".'
        )
    from haechi.pipeline.run import Run

    folder = Path(arguments.alone[0])
    Run(folder).require()
    from haechi.stages import ask as answering

    if arguments.alone[1:]:
        say(answering.ask(folder, arguments.alone[1]))
        return 0
    for question in filter(None, map(str.strip, sys.stdin)):
        say(f"{question}\n{answering.ask(folder, question)}\n")
    return 0


def export(words: list[str]) -> int:
    """Write a model as one GGUF file."""
    if asks_for_help(words):
        say(EXPORT_HELP.rstrip())
        return 0
    arguments = parse(words)
    only_options(arguments)
    if len(arguments.alone) != 2:
        raise RecipeError("export takes a run and a file. Fix: haechi export runs/library library.gguf.")
    from haechi.stages import export as exporting

    source, file = arguments.alone
    exporting.export(source, Path(file))
    say(file)
    return 0


def pretrain(words: list[str]) -> int:
    """Make a small base."""
    if asks_for_help(words):
        from haechi.pipeline.help import print_help

        about = (
            "Make a small base model from nothing, or go on from one, on generated worlds and public text.\n\n"
            "  haechi pretrain recipes/saessak.yaml --pretrain.text TEXT\n"
            '  haechi pretrain r.yaml --pretrain.steps 9 --pretrain.curriculum "[{steps: 9, passages_min: 1, '
            'passages_max: 2}]"'
        )
        options = {"folder": _RUN_OPTIONS["folder"], "force": _FORCE_ONE}
        sections = ["name", "seed", "threads", "pretrain"]
        print_help("pretrain", about, ("RECIPE", "A YAML file, or the folder of a run."), options, sections)
        return 0
    arguments = parse(words, frozenset({"force"}))
    (target,) = exactly(arguments, "RECIPE", "haechi pretrain recipe.yaml")
    recipe, folder = _recipe_and_folder(target, arguments.options, ("folder", "force"))
    if recipe.pretrain is None:
        raise RecipeError(f"{target}: it has no section pretrain. Fix: add one; see haechi pretrain --help.")
    from haechi.pipeline.graph import PRETRAIN

    return _walk(recipe, folder, PRETRAIN, verb="pretrain", force="force" in arguments.options)


def _walk(
    recipe: Recipe, folder: Path, graph: Graph | None, *, verb: str = "run", again: str = "", **how: Any
) -> int:
    """Runs the stages and says what came out; `again` is what goes on after a stop, where `verb` and folder do not."""
    from haechi.pipeline.graph import STAGES
    from haechi.pipeline.machine import thread_count
    from haechi.pipeline.progress import progress_on
    from haechi.pipeline.run import run as walk
    from haechi.pipeline.summary import summary
    from haechi.pipeline.task import StoppedError

    # Libraries read this when they are first imported, which happens in the stages.
    os.environ.setdefault("OMP_NUM_THREADS", str(thread_count(recipe.threads)))
    try:
        with progress_on(sys.stderr) as progress:
            walk(recipe, folder, progress=progress, graph=graph or STAGES, **how)
    except StoppedError as error:
        raise StoppedError(f"{error}. Go on with: haechi {again or f'{verb} {folder}'}", error.received) from error
    say(summary(folder, recipe))
    return 0


def _recipe_and_folder(target: str, options: Options, own: tuple[str, ...]) -> tuple[Recipe, Path]:
    overrides = {key: value for key, value in options.items() if key not in own}
    if Path(target).is_dir():
        if "folder" in options:
            raise RecipeError(f"{target} is a run already. Fix: leave --folder out, or name a recipe's YAML file.")
        return _saved(Path(target), overrides)
    from haechi.pipeline.reading import load_recipe

    recipe = load_recipe(Path(target), overrides)
    return recipe, Path(one(options, "folder") or f"runs/{recipe.name}")


def _saved(folder: Path, options: Options) -> tuple[Recipe, Path]:
    from haechi.pipeline.reading import load_saved
    from haechi.pipeline.run import Run

    Run(folder).require()
    overrides = {key: value for key, value in options.items() if key != "force"}
    return load_saved(Run(folder).recipe, overrides), folder


def say(text: str) -> None:
    """Write a line to the standard output."""
    sys.stdout.write(text + "\n")
