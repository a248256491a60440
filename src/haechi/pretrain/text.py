"""Public text for a small base: read, divided into training and held-out documents, packed as token ids.

Legend: T tokens.

What is held out is decided by a document's own words, so that no run ever trains on it. Packed ids are 16 bits wide
and lie on the disk; a row of training is a stretch of them, and bits per character are measured on the held-out ones.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from haechi.engine.forward import token_logps
from haechi.engine.trees import Tree
from haechi.errors import InputError, ModelError
from haechi.models.base import SharedBase
from haechi.prompt.template import Language
from haechi.prompt.tokens import Codec
from haechi.records.lines import read_rows

_HELD_OUT = 50  # one document in so many
# Bits per character are measured on so many characters of a language, and on so many of a document.
_MEASURED, _OF_A_DOCUMENT = 300_000, 2_000
_ROW = 512  # tokens that are scored at a time


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents of public text.

    Attributes:
        training: texts to learn from.
        held_out: by language, texts that nothing is ever trained on.
    """

    training: tuple[str, ...]
    held_out: Mapping[Language, tuple[str, ...]]


def read_corpus(paths: Sequence[Path], characters: int) -> Corpus:
    """Documents of files of `{"text": …}` rows, or of folders of such files.

    Args:
        characters: of training text from each file, at most.

    Raises:
        InputError: a file cannot be read, or a row has no text; names file and line.
    """
    training: list[str] = []
    held: dict[Language, list[str]] = {"ko": [], "en": []}
    for path in [file for place in paths for file in _files(place)]:
        left = characters
        for text in read_rows(path, lambda row: [row.text("text")]):
            if zlib.crc32(text.encode()) % _HELD_OUT == 0:
                held[language_of(text)].append(text)
            elif left > 0:
                training.append(text[:left])
                left -= len(text)
    return Corpus(tuple(training), {language: tuple(texts) for language, texts in held.items()})


def _files(place: Path) -> list[Path]:
    found = sorted([*place.glob("*.jsonl"), *place.glob("*.jsonl.gz")]) if place.is_dir() else [place]
    if not found:
        remedy = 'name files of {"text": …} rows, or a folder that holds some'
        raise InputError(place, "holds no .jsonl or .jsonl.gz file", remedy)
    return found


def language_of(text: str) -> Language:
    """Korean if a tenth of the letters are Hangul."""
    letters = [char for char in text[:2000] if char.isalpha()]
    return "ko" if sum("가" <= char <= "힣" for char in letters) * 10 >= max(len(letters), 1) else "en"


def pack_text(texts: Sequence[str], codec: Codec, file: Path) -> int:
    """Writes the ids of all texts, one behind the other with the end token between, 16 bits each; returns how many.

    Raises:
        ModelError: an id does not fit into 16 bits.
    """
    ids = [token for encoded in codec.encode_all(list(texts)) for token in (*encoded, codec.eos)]
    if ids and max(ids) >= 2**16:
        raise ModelError(f"token {max(ids)} of the text does not fit into 16 bits. Fix: leave pretrain.text out.")
    save_file({"ids_T": torch.tensor(ids, dtype=torch.int32).to(torch.uint16)}, file)
    return len(ids)


class PackedText:
    """Packed ids on the disk, of which stretches are read."""

    def __init__(self, file: Path) -> None:
        self._file = safe_open(str(file), framework="pt")
        self._ids_T = self._file.get_slice("ids_T")
        (self.num_tokens,) = self._ids_T.get_shape()

    def row(self, rng: random.Random, codec: Codec, length: int) -> Tree:
        """A random stretch of at most `length` tokens, all of them to be learned."""
        start = rng.randrange(max(self.num_tokens - length + 1, 1))
        stretch: Tensor = self._ids_T[start : start + length]
        return Tree(_start(codec), [stretch.to(torch.int32).tolist()])


def bits_per_character(
    base: SharedBase, texts: Sequence[str], *, progress: Callable[[int, int], None] = lambda done, total: None
) -> float:
    """Mean bits that the model needs for a character of the texts [bits/character].

    The beginnings of documents are measured, in an order that is random and always the same, so that every source has
    its share; each stretch of at most 512 tokens (or what the model can read) begins anew. Lower is better; models
    with other tokenizers can be compared by it on the same texts.

    Args:
        progress: told (characters measured, characters in all).
    """
    length = min(_ROW, (getattr(base.model.config, "max_position_embeddings", None) or _ROW + 1) - 1)
    nats = 0.0
    characters = 0
    measured = _measured(texts)
    for text in measured:
        ids = base.codec.encode(text)
        rows = [Tree(_start(base.codec), [ids[start : start + length]]) for start in range(0, len(ids), length)]
        for start in range(0, len(rows), 4):
            some = rows[start : start + 4]
            nats -= sum(float(logps.sum()) for logps in token_logps(base, None, some, [list(range(len(some)))]))
        characters += len(text)
        progress(characters, sum(map(len, measured)))
    return nats / math.log(2) / characters


def _measured(texts: Sequence[str]) -> list[str]:
    """The beginnings of as many texts as are measured, in their order."""
    beginnings: list[str] = []
    characters = 0
    for text in sorted(texts, key=lambda text: zlib.crc32(text.encode())):
        if characters >= _MEASURED:
            break
        beginnings.append(text[:_OF_A_DOCUMENT])
        characters += len(beginnings[-1])
    return beginnings


def _start(codec: Codec) -> list[int]:
    """What text is predicted from: the token that begins it, or where a tokenizer has none, the one that ends it."""
    return list(codec.bos) or [codec.eos]
