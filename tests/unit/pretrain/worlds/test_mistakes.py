"""Wrong replies: each is wrong, in all the ways in which readers err; a slip of the pen is one."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.speech import English
from haechi.pretrain.worlds.facts import Asked, Fact
from haechi.pretrain.worlds.forms import Speech
from haechi.pretrain.worlds.korean.lexicon import NAME_SYLLABLES
from haechi.pretrain.worlds.korean.speech import Korean
from haechi.pretrain.worlds.mistakes import _slip, mistaken_reply
from haechi.pretrain.worlds.world import World, generate
from haechi.prompt.template import Language


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_mistaken_reply_is_wrong(language: Language) -> None:
    close = "입니다." if language == "ko" else "."
    kinds: dict[str, int] = dict.fromkeys(("guess", "refusal", "uncited", "wrong passage", "other value"), 0)
    worlds: list[World] = [
        generate(Draw(f"{i}"), passages=1 + i % 5, language=language, mistakes=6) for i in range(200)
    ]
    for world in worlds:
        assert len(world.mistaken) == 6
        for reply in world.mistaken:
            (asked,) = {asked for asked in world.asked if asked.question == reply.question}
            assert (asked.answer, asked.passage) != (reply.answer, reply.passage)
            assert reply.passage is None or 1 <= reply.passage <= len(world.passages)
            if asked.answer is None:
                kinds["guess"] += 1
                assert reply.answer and reply.passage
                text = " ".join(world.passages[reply.passage - 1][1].split()).casefold()
                assert reply.answer.removesuffix(close).casefold() in text
            elif reply.answer is None:
                kinds["refusal"] += 1
            elif reply.answer != asked.answer:
                kinds["other value"] += 1
            else:
                kinds["uncited" if reply.passage is None else "wrong passage"] += 1
    assert min(kinds.values()) > 40, kinds


@pytest.mark.parametrize(
    ("speech", "question", "answer", "value", "texts"),
    [
        (
            Korean(Draw("speech"), unseen=False),
            "오누리 등대는 얼마나 높아요?",
            "23미터입니다.",
            "23미터",
            ["오누리 등대는 높이가 23미터이다.", "은빛 다리는 길이가 23미터인 등대보다 길어서, 날마다 수레가 다닌다."],
        ),
        (
            English(Draw("speech"), unseen=False),
            "How high is Stroln Tower?",
            "23 feet.",
            "23 feet",
            ["Stroln Tower is 23 feet high.", "Wider than the tower of 23 feet, the bridge shakes when carts cross."],
        ),
    ],
)
def test_a_scrap_is_no_value(speech: Speech, question: str, answer: str, value: str, texts: list[str]) -> None:
    """A piece of a text given for an answer: never right, and not always whole words."""
    asked = Asked(question, "length", answer, 1)
    fact = Fact("", None, "", "length", value)
    rng = Draw("4")
    drawn = [mistaken_reply(rng, asked, [[fact], []], texts, speech) for _ in range(600)]
    scraps = {one.answer.removesuffix(speech.close("")) for one in drawn if one.answer and one.passage == 2} - {value}
    assert len(scraps) > 15 and all(scrap in texts[1] for scrap in scraps)
    assert not any(value in scrap or scrap in value for scrap in scraps), scraps
    words = texts[1].replace(",", "").split()
    assert any(scrap in words for scrap in scraps)
    assert any(" " not in scrap and scrap not in words and scrap not in texts[1].split() for scrap in scraps)


def test_a_slip_changes_one_character() -> None:
    rng = Draw("2")
    for _ in range(300):
        slipped = _slip(rng, "여울력 342년", NAME_SYLLABLES)
        assert slipped != "여울력 342년" and abs(len(slipped) - 8) <= 1
        assert sum(block.size for block in SequenceMatcher(None, slipped, "여울력 342년").get_matching_blocks()) >= 7
    assert _slip(rng, "가", NAME_SYLLABLES) not in ("가", "")


def test_a_slip_is_written_in_the_letters_of_its_language() -> None:
    """What is put in is a letter of the language, a digit for a digit, or a letter once more."""
    rng = Draw("6")
    for letters, value in ((English.letters, "oak 7"), (NAME_SYLLABLES, "참나무 7")):
        for _ in range(200):
            assert set(_slip(rng, value, letters)) <= {*value, *letters, *"0123456789"}


def test_a_slip_is_more_than_a_blank_too_many() -> None:
    """A reply is squeezed when it is written: one with two blanks for one would be the right one, called wrong."""
    for seed in range(400):
        assert " ".join(_slip(Draw(f"{seed}"), "꽃 1년", " 가").split()) != "꽃 1년"
