"""The embedded base's tokenizer: byte-level fallback, one token for nearly every Korean syllable, digits and particles
apart.

To answer is to copy, so a name should be cut into the same tokens wherever it stands. A Korean word is therefore cut
before the particle or ending that closes it, and no piece reaches over the cut: `오누리는`, `오누리입니다` begin alike.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from haechi.pretrain.worlds.korean.grammar import SYLLABLES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# What closes a word behind a noun. Some words merely end so (`아이`); they are cut too, and no harm is done.
_PARTICLES = (
    "은", "는", "이", "가", "을", "를", "의", "에", "에서", "에서는", "에서도", "에는", "에도", "에게", "에게는",
    "에게서", "으로", "로", "으로는", "로는", "으로서", "로서", "으로써", "로써", "와", "과", "도", "만", "까지",
    "까지는", "부터", "보다", "처럼", "마다", "이나", "나", "이란", "란", "이든", "든", "이다", "이며", "며", "이고",
    "고", "이었다", "였다", "이었고", "였고", "이었지만", "였지만", "이지만", "지만", "인", "일", "임", "입니다",
    "입니까", "이에요", "예요", "이야", "야", "인가요", "인가", "이라", "라", "이라고", "라고", "이라는", "라는",
    "이라서", "라서", "이라고도", "라고도", "들", "들은", "들이", "들을", "들의",
)  # fmt: skip
_PIECES = (
    rf" ?[가-힣]+?(?=(?:{'|'.join(_PARTICLES)})(?![\p{{L}}\p{{M}}]))"
    r"| ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]|\s"
)

PAD, BOS, EOS = "<pad>", "<s>", "</s>"

# What is a piece of its own whatever the texts are, and how many other characters are; the rest are bytes.
_ALPHABET = (*map(chr, range(0x20, 0x7F)), *"\n“”‘’·…", *SYLLABLES)
_OTHERS = 57


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> PreTrainedTokenizerFast:
    """Byte-fallback BPE over texts. Decoding an encoding gives the text back; nothing is unknown.

    Args:
        vocabulary_size: pieces in all; the 256 bytes, the alphabet and three control tokens are among them.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    bytes_as_tokens = [f"<0x{value:02X}>" for value in range(256)]
    texts = list(texts)
    alphabet = [*_ALPHABET, *_commonest(texts)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, BOS, EOS, *bytes_as_tokens],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
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


def _commonest(texts: Sequence[str]) -> list[str]:
    """The other characters that are pieces. Left to itself the trainer chooses among equally common ones by chance, and
    no two vocabularies are the same; here those win that came up last."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    for character in _ALPHABET:
        counts.pop(character, None)
    return sorted(counts, key=counts.__getitem__)[-_OTHERS:]
