"""The tokenizer that saessak is trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haechi.pretrain.korean import SYLLABLES
from haechi.pretrain.tokenizer import BOS, EOS, PAD, train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def test_syllables_of_the_standard() -> None:
    assert len(SYLLABLES) == len(set(SYLLABLES)) == 2350
    assert (SYLLABLES[0], SYLLABLES[-1]) == ("가", "힝")


def test_control_tokens_come_first_and_nothing_else_is_special(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_tokens_to_ids([PAD, BOS, EOS]) == [0, 1, 2]
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2]
    assert len(tokenizer) == 2900


def test_a_common_syllable_is_one_token_and_digits_stand_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    assert all(len(tokenizer.encode(syllable, add_special_tokens=False)) == 1 for syllable in SYLLABLES)
    assert tokenizer.tokenize("1963") == ["1", "9", "6", "3"]
    assert tokenizer.tokenize("뷁") == ["<0xEB>", "<0xB7>", "<0x81>"]


def test_training_is_deterministic() -> None:
    texts = ["등대지기는 오누리이다.", "나루는 강 북쪽에 있다."] * 5
    assert train_tokenizer(texts, 2860).get_vocab() == train_tokenizer(texts, 2860).get_vocab()
