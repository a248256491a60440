"""A question to a finished run, answered in the terminal with the passages it cites."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

from haechi.engine.rollout import Sampling, sample
from haechi.errors import StageError
from haechi.models.base import SharedBase
from haechi.models.llama.decoding import Memory
from haechi.models.load import load_base
from haechi.pipeline.reading import load_saved
from haechi.prompt.citations import citations
from haechi.recipe import Recipe
from haechi.records.types import Passage
from haechi.retrieval.library import Library
from haechi.stages.cases import words_of

_NOTHING = {"ko": "(모델이 아무 말도 하지 않았습니다)", "en": "(the model said nothing)"}


def ask(folder: Path, question: str) -> str:
    """The merged model's answer, and below it each passage that it cites.

    Raises:
        StageError: the run has no merged model or no library yet.
    """
    recipe, base, library, memory = _opened(folder)
    words = words_of(recipe)
    question = unicodedata.normalize("NFC", question)
    passages = [hit.passage for hit in library.search(question, recipe.documents.k)]
    made = base.codec.prompt(words, question, passages, recipe.prompt.max_prompt_tokens)
    read = passages[: len(passages) - made.dropped_passages]
    greedy = Sampling(temperature=0, max_new_tokens=recipe.prompt.max_answer_tokens)
    text = base.codec.decode(sample(base, None, [made.ids], greedy, memory=memory)[0][0].ids)
    said = text.strip() or _NOTHING[recipe.language]
    return "\n".join([said, *(_quoted(number, read) for number in citations(text))])


@lru_cache(maxsize=1)
def _opened(folder: Path) -> tuple[Recipe, SharedBase, Library, Memory]:
    model, library = folder / "merge" / "model", folder / "ingest" / "library"
    for path in (model, library):
        if not path.exists():
            raise StageError(f"{path}: not there yet. Fix: haechi run {folder}.")
    return load_saved(folder / "recipe.json"), load_base(str(model)), Library.open(library), Memory()


def _quoted(number: int, passages: list[Passage]) -> str:
    if not 1 <= number <= len(passages):
        return f"  [{number}] –"
    passage = passages[number - 1]
    return f"  [{number}] {passage.title} ({passage.document_id}, {passage.start}–{passage.end}): {passage.text}"
