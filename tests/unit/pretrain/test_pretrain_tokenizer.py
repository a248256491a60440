"""The tokenizer that saessak is trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from haechi.pretrain.tokenizer import BOS, EOS, PAD, train_tokenizer
from haechi.pretrain.worlds.korean.grammar import SYLLABLES
from haechi.recipe.bases import PretrainSettings

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


def test_which_of_equally_common_characters_are_pieces_is_no_chance() -> None:
    """57 of them are: the commonest, and of the others, each seen once, the last."""
    rare = [chr(0x4E00 + number) for number in range(200)]
    vocabulary = train_tokenizer(["山" * 3, *rare], 2900).get_vocab()
    assert [character for character in rare if character in vocabulary] == rare[-56:] and "山" in vocabulary


def test_the_smallest_vocabulary_of_a_recipe_can_be_kept() -> None:
    """It holds what is a piece whatever the texts are, and nothing else; a smaller one would be exceeded."""
    texts = ["".join(chr(0x4E00 + number) for number in range(200)), "등대지기는 오누리이다." * 9]
    assert PretrainSettings(vocabulary_size=2_768).vocabulary_size == len(train_tokenizer(texts, 2_768))
    with pytest.raises(ValidationError, match="greater than or equal to 2768"):
        PretrainSettings(vocabulary_size=2_767)


@pytest.mark.parametrize("closing", ["는", "가", "입니다.", "이에요.", "에서는", "(이)라고"])
def test_a_name_is_cut_alike_whatever_closes_the_word(tokenizer: PreTrainedTokenizerFast, closing: str) -> None:
    """No piece holds the end of a name and a particle together, however often the two were seen side by side."""
    trained = train_tokenizer(["오누리는 오누리가 오누리입니다. 오누리에서는 오누리이에요."] * 50, 2900)
    alone = trained.tokenize(" 오누리")
    assert len(alone) < 4, "the name itself was never merged, and the test shows nothing"
    assert trained.tokenize(f" 오누리{closing}")[: len(alone)] == alone
    assert tokenizer.decode(tokenizer.encode(f" 오누리{closing}")) == f" 오누리{closing}"


@pytest.mark.parametrize(
    "text", ["아이가 이이의 은은한 의의는", "The tower isn't 은", "가이드는 가", "x는y 는", "\n는\t가 "]
)
def test_words_that_end_like_particles_come_back_whole(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text
