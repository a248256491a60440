"""The command line. Nothing heavy is imported before a verb needs it: `haechi --help` answers at once."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from haechi import __version__
from haechi.cli import verbs
from haechi.cli.verbs import say
from haechi.errors import HaechiError, RecipeError

if TYPE_CHECKING:
    from haechi.pipeline.graph import Graph

STAGE_VERBS = ("ingest", "split", "sft", "sample", "compare", "reward", "dpo", "ppo", "merge", "evaluate")

HELP = """\
haechi: documents and people's judgement, turned into a question-answering model that can be trusted.

usage: haechi VERB ...

start
  new NAME               make a folder with a commented recipe, documents and questions to replace by yours
  run RECIPE             run everything the recipe describes; again, to go on after an interruption
  report RUN             draw the report again
  ask RUN "QUESTION"     ask the model that came out; without a question, ask several

one stage of a run, after whatever it builds on
  ingest   split   sft   sample   compare   reward   dpo   ppo   merge   evaluate

more
  pretrain RECIPE        make a small base model from nothing
  evaluate --base NAME   measure how well a base reads, before and after SFT
  export RUN FILE.gguf   write the model for llama.cpp and what builds on it
  --version              print the version

examples
  haechi new library --language en
  haechi run library/recipe.yaml
  haechi run library/recipe.yaml --name strict --ppo.kl_coefficient 0.2
  haechi ppo runs/library --ppo.iterations 100

haechi VERB --help explains a verb; `haechi run --help` every field of a recipe.
HAECHI_DEBUG=1 shows where in the code an error arose.
"""


def main(argv: Sequence[str] | None = None, graph: Graph | None = None) -> int:
    """Run a verb; returns the exit code: 0, 2 for what the user can put right, 130 or 143 after a signal.

    Args:
        argv: the words after `haechi`; those of the process if None.
        graph: the stages of a run; haechi's own if None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words, graph)
    except HaechiError as error:
        return _fail(error, str(error), error.exit_code)
    except BrokenPipeError:
        # The reader left (`haechi run --help | head`); Python's own flush at exit must not fail over it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(error, f"{place}{error.strerror or error}. Fix: check path, permissions and free space.", 2)
    except KeyboardInterrupt as error:
        return _fail(error, "interrupted", 130)


def _dispatch(words: list[str], graph: Graph | None) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        say(HELP.rstrip())
        return 0
    if words[0] in ("-V", "--version"):
        say(f"haechi {__version__}")
        return 0
    verb, rest = words[0], words[1:]
    known: dict[str, Callable[[list[str]], int]] = {
        "new": verbs.new,
        "run": partial(verbs.run, graph=graph),
        "report": partial(verbs.report, graph=graph),
        "ask": verbs.ask,
        "pretrain": verbs.pretrain,
        "export": verbs.export,
    }
    if verb in STAGE_VERBS:
        return verbs.stage(verb, rest, graph)
    if verb not in known:
        near = difflib.get_close_matches(verb, [*known, *STAGE_VERBS], n=1)
        hint = f"Did you mean haechi {near[0]}?" if near else "See haechi --help."
        raise RecipeError(f"{verb}: unknown verb. {hint}")
    return known[verb](rest)


def _fail(error: BaseException, message: str, code: int) -> int:
    if os.environ.get("HAECHI_DEBUG") == "1":
        raise error
    sys.stderr.write(f"haechi: {' '.join(message.split())}\n")
    return code
