"""Documents cut into passages at sentence ends, with stable ids and character offsets."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator

from haechi.records.types import Document, Passage

Span = tuple[int, int]

# The sentence boundaries of `haechi.prompt.template`: a passage has to fall into the same sentences in the prompt.
_SENTENCE_END = re.compile(r"(?<=[.!?。…])\s+|(?<=[.!?。…][\"'”’)])\s+|\n+")


def split_document(document: Document, *, max_chars: int = 160, overlap_sentences: int = 0) -> list[Passage]:
    """Pack the whole sentences of a document into passages of at most `max_chars` characters, in order.

    A passage that is at least half full ends at a blank line. A sentence longer than `max_chars` is split at its last
    space that fits, or mid-word where it has none.

    Args:
        max_chars: upper limit of `end - start`, in characters; at least 1.
        overlap_sentences: how many sentences at the end of a passage are repeated at the start of the next, as far as
            they fit.

    Returns:
        Passages with `text == document.text[start:end]`, none blank; every character of the document that is not
        white space lies in at least one. No passage lies within its neighbour.
    """
    if max_chars < 1 or overlap_sentences < 0:
        raise ValueError(f"need max_chars >= 1 and overlap_sentences >= 0, got {max_chars} and {overlap_sentences}")
    seen: Counter[str] = Counter()
    passages = []
    for start, end in _pack(document.text, max_chars, overlap_sentences):
        text = document.text[start:end]
        stem = f"{document.id}#{hashlib.sha256(text.encode()).hexdigest()[:10]}"
        seen[stem] += 1
        passage_id = stem if seen[stem] == 1 else f"{stem}-{seen[stem]}"
        passages.append(
            Passage(id=passage_id, document_id=document.id, title=document.title, text=text, start=start, end=end)
        )
    return passages


def sentence_spans(text: str) -> list[Span]:
    """Offsets of the sentences and lines that `haechi.prompt.template.sentences_of` returns."""
    spans, begin = [], 0
    for gap in _SENTENCE_END.finditer(text):
        spans.append(_trimmed(text, begin, gap.start()))
        begin = gap.end()
    spans.append(_trimmed(text, begin, len(text)))
    return [(start, end) for start, end in spans if start < end]


def _pack(text: str, max_chars: int, overlap: int) -> Iterator[Span]:
    """Spans of passages: greedy, so each takes as many sentences as fit."""
    current: list[Span] = []
    for start, end in _pieces(text, max_chars):
        if current:
            first, last = current[0][0], current[-1][1]
            # What lies between two pieces is white space, so two line breaks there are a blank line.
            ends_paragraph = text.count("\n", last, start) >= 2
            if end - first > max_chars or (ends_paragraph and 2 * (last - first) >= max_chars):
                yield first, last
                # Never the first sentence: the next passage would contain this one.
                current = current[1:][-overlap:] if overlap else []
                while current and end - current[0][0] > max_chars:
                    current.pop(0)
        current.append((start, end))
    if current:
        yield current[0][0], current[-1][1]


def _pieces(text: str, max_chars: int) -> Iterator[Span]:
    """Sentences, the long ones in several pieces."""
    for start, end in sentence_spans(text):
        while end - start > max_chars:
            limit = start + max_chars
            cut = next((at for at in range(limit, start, -1) if text[at].isspace()), limit)
            yield _trimmed(text, start, cut)
            start, end = _trimmed(text, cut, end)
        yield start, end


def _trimmed(text: str, start: int, end: int) -> Span:
    """The span without white space at either edge; an empty span at `end` if there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
