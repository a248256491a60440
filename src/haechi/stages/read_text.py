"""How well a base predicts held-out public text, in bits per character."""

from __future__ import annotations

from typing import Any

from haechi.errors import InputError
from haechi.pipeline.task import Task
from haechi.pretrain.text import bits_per_character, read_corpus
from haechi.stages.models import base_of
from haechi.stages.reading import reading_of, watched


def run(task: Task) -> dict[str, Any]:
    """Bits per character by language, over the documents that `haechi pretrain` never trains on."""
    base = base_of(task)
    files = reading_of(task).text
    held_out = read_corpus(files, 0).held_out
    if not any(held_out.values()):
        raise InputError(files[0], "holds no document that is measured on", "give more: one document in fifty is")
    return {
        f"bits_per_character/{language}": bits_per_character(base, texts, progress=watched(task))
        for language, texts in held_out.items()
        if texts
    }
