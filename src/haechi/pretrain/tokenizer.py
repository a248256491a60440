"""The embedded base's tokenizer: byte-level fallback, one token for nearly every Korean syllable, digits apart.

A syllable is the unit that names are copied by, so all common ones are in the alphabet and merges are few: frequent
endings and particles only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from haechi.pretrain.korean import SYLLABLES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS = "<pad>", "<s>", "</s>"


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Byte-fallback BPE over texts. Decoding an encoding gives the text back; nothing is unknown.

    Args:
        vocabulary_size: pieces in all; the 256 bytes, the alphabet and three control tokens are among them.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]|\s"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    bytes_as_tokens = [f"<0x{value:02X}>" for value in range(256)]
    printable = [chr(code) for code in range(0x20, 0x7F)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, BOS, EOS, *bytes_as_tokens],
        initial_alphabet=[*printable, "\n", "“", "”", "‘", "’", "·", "…", *SYLLABLES],
        limit_alphabet=len(SYLLABLES) + len(printable) + 64,
        max_token_length=5,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Byte pieces are ordinary tokens: only the three control tokens are special.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in (PAD, BOS, EOS)]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=AddedToken(PAD, special=True),
        bos_token=AddedToken(BOS, special=True),
        eos_token=AddedToken(EOS, special=True),
        clean_up_tokenization_spaces=False,
    )
