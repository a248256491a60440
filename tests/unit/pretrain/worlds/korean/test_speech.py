"""One world's Korean: one register, one memory of what was told, and how people answer."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Fact
from haechi.pretrain.worlds.korean.matters import matter
from haechi.pretrain.worlds.korean.speech import Korean

BARE = [Fact("등대", None, "높이", "length", "3미터")]


def test_a_world_keeps_one_register_and_most_are_plain() -> None:
    """By the ending of one bare sentence, told many times: it never changes within a world."""
    endings: Counter[str] = Counter()
    for number in range(600):
        speech = Korean(Draw(f"register-{number}", prose=0), unseen=False)
        told = [sentence for _ in range(40) for sentence in speech.sentences(BARE)]
        (ending,) = {
            found[1] for one in told if (found := re.fullmatch(r"(?:등대의 높이는|등대는 높이가) 3미터(\S+)", one))
        }
        endings[ending] += 1
    # 10 : 4 : 3 : 1 : 1, with a deviation of at most 0.02.
    expected = {"이다.": 10 / 19, "입니다.": 4 / 19, "예요.": 3 / 19, "임.": 1 / 19, "야.": 1 / 19}
    assert {ending: count / 600 for ending, count in endings.items()} == pytest.approx(expected, abs=0.08)


def test_what_is_said_holds_the_value_with_endings_that_agree() -> None:
    speech = Korean(Draw("said"), unseen=False)
    assert {speech.say("오누리") for _ in range(200)} == {
        "오누리입니다.",
        "오누리예요.",
        "오누리야.",
        "오누리라고 들었어요.",
        "아마 오누리일 거예요.",
        "오누리라고 적혀 있습니다.",
    }
    assert {"하늘산이에요.", "하늘산이야.", "하늘산이라고 들었어요."} < {speech.say("하늘산") for _ in range(200)}
    assert speech.close("오누리") == "오누리입니다."


def test_nothing_is_told_twice_in_a_world_nor_asked_in_vain() -> None:
    """Passages and tables of one world share what they know; what has no answer is on none of their matters."""
    for number in range(60):
        speech = Korean(Draw(f"memory-{number}"), unseen=False)
        told = [speech.facts("오누리 등대", 4), speech.facts("오누리 등대", 4), speech.table()[1]]
        matters = [matter(fact) for facts in told for fact in facts]
        assert len(set(matters)) == len(matters)
        assert all(speech.unanswerable(told).answer is None for _ in range(5))


def test_unseen_templates_are_held_out_ones() -> None:
    speech = Korean(Draw("unseen", prose=0), unseen=True)
    register = "이다.|입니다.|예요.|이에요.|임.|야."
    assert re.fullmatch(rf"기록에 따르면 등대의 높이는 3미터({register})", " ".join(speech.sentences(BARE)))
    assert {speech.ask(BARE[0]) for _ in range(20)} == {"등대의 높이는 얼마나 됩니까?"}
