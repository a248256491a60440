"""How well a base predicts held-out public text, in bits per character."""

from __future__ import annotations

from typing import Any

from haechi.pipeline.task import Task
from haechi.pretrain.text import bits_per_character, read_corpus
from haechi.stages.models import base_of
from haechi.stages.reading import reading_of


def run(task: Task) -> dict[str, Any]:
    """Bits per character by language, over the documents that `haechi pretrain` never trains on."""
    base = base_of(task)
    held_out = read_corpus(reading_of(task).text, 0).held_out
    return {
        f"bits_per_character/{language}": bits_per_character(base, texts)
        for language, texts in held_out.items()
        if texts
    }
