"""How large the embedded base's vocabulary should be: what a size saves in tokens, and costs in copying and parameters.

    python benchmarks/vocabulary.py FOLDER

For each size a tokenizer is trained as `haechi pretrain` trains it. Tokens per character are counted on held-out text
and on worlds of held-out names. `copied` is the share of answers whose value stands in the passages in the very tokens
that the answer begins with: where it does not, a reader has to spell it instead of copying it.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Sequence
from pathlib import Path

from haechi.pretrain.mixture import WORDS
from haechi.pretrain.text import read_corpus
from haechi.pretrain.tokenizer import train_tokenizer
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.template import Language
from haechi.prompt.tokens import Codec
from haechi.stages.pretrain import tokenizer_texts

_SIZES = (3072, 4096, 6144, 8192, 12_288)
_WORLDS = 250
_DOCUMENTS, _CHARACTERS = 60, 4000


def main() -> None:
    """Prints a row a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="+", help="files or folders of public text")
    parser.add_argument("--width", type=int, default=256, help="numbers of an embedding")
    parser.add_argument("--english", type=float, default=0.15, help="share of English worlds")
    arguments = parser.parse_args()
    corpus = read_corpus(arguments.text, 1_000_000)
    texts = list(tokenizer_texts(0, arguments.english, corpus))
    languages: tuple[Language, ...] = ("ko", "en")
    held = {language: some_of(corpus.held_out[language]) for language in languages}
    worlds = {language: held_out_worlds(language) for language in languages}
    print("pieces   embeddings  tokens a character: text ko, en   worlds ko, en   copied: ko, en")
    for size in _SIZES:
        codec = Codec(train_tokenizer(texts, size))
        numbers = [
            *(tokens_a_character(codec, held[language]) for language in languages),
            *(tokens_a_character(codec, [page(world) for world in worlds[language]]) for language in languages),
            *(copied(codec, worlds[language]) for language in languages),
        ]
        shown = "   ".join(f"{number:.3f}" for number in numbers)
        print(f"{size:6}   {size * arguments.width / 1e6:6.2f} M    {shown}", flush=True)


def some_of(texts: Sequence[str]) -> list[str]:
    """The beginnings of a few documents, in an order of chance that is always the same: of each source some."""
    return [text[:_CHARACTERS] for text in sorted(texts, key=lambda text: zlib.crc32(text.encode()))[:_DOCUMENTS]]


def held_out_worlds(language: Language) -> list[World]:
    """Worlds of two passages whose names and values training never sees."""
    rng = Draw("vocabulary", unseen=True)
    return [generate(rng, passages=2, language=language, mistakes=0) for _ in range(_WORLDS)]


def page(world: World) -> str:
    """The passages as a prompt shows them."""
    return WORDS[world.language].context(world.passages)


def tokens_a_character(codec: Codec, texts: Sequence[str]) -> float:
    """Tokens over characters of all texts."""
    return sum(map(len, codec.encode_all(list(texts)))) / sum(map(len, texts))


def copied(codec: Codec, worlds: Sequence[World]) -> float:
    """The share of the answers whose value can be copied token by token."""
    whole = answered = 0
    for world in worlds:
        words = WORDS[world.language]
        shown = _joined(codec.encode(page(world)))
        for asked in world.asked:
            if asked.answer is not None:
                reply = codec.encode(words.reply(asked.answer, asked.passage))
                count = next(n for n in range(len(reply), -1, -1) if _joined(reply[:n]) in shown)
                value = asked.answer.removesuffix("입니다.").removesuffix(".")
                whole += codec.decode(reply[:count]).strip().startswith(value)
                answered += 1
    return whole / answered


def _joined(ids: Sequence[int]) -> str:
    """Tokens between commas, so that none is found in a longer number."""
    return "," + "".join(f"{token}," for token in ids)


if __name__ == "__main__":
    main()
