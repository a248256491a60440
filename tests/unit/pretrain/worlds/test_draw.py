"""The random source: a function of its seed, with words that training sees apart from those it never does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from haechi.pretrain.worlds.draw import Draw, held_out

# By CRC-32 of UTF-8 modulo 20, worked out with `zlib` beside the code; a word must never change sides, or what was held
# out of a model that is published would be in the training of the next.
SIDES = {
    "오누리": False,
    "한바라": False,
    "하늘고래 등대": False,
    "23미터": False,
    "24미터": False,
    "Stroln Tower": False,
    "Brietnoux": False,
    "1234": False,
    "Year 17": True,
    "19미터": True,
    "37미터": True,
    "6명": True,
    "Stolm Tower": True,
    "오다온": True,
    "한누리": True,
}


def test_a_word_is_held_out_by_its_letters_alone() -> None:
    assert {text: held_out(text) for text in SIDES} == SIDES


def test_one_text_in_twenty_is_held_out() -> None:
    share = sum(held_out(f"{number}미터") for number in range(20_000)) / 20_000
    assert share == pytest.approx(1 / 20, abs=0.006)  # four deviations of √(0.05·0.95/20000)


@pytest.mark.parametrize("unseen", [False, True])
def test_a_word_is_the_first_on_its_side(unseen: bool) -> None:
    """Everything that is made before it lies on the other side, and nothing is made after it."""
    made = [text for text in SIDES if SIDES[text] is not unseen] + [text for text in SIDES if SIDES[text] is unseen]
    left = iter(made)
    assert Draw("1", unseen=unseen).word(lambda: next(left)) == made[-sum(side is unseen for side in SIDES.values())]
    assert next(left) == made[1 - sum(side is unseen for side in SIDES.values())]


@pytest.mark.parametrize(("prose", "expected"), [(0.0, 0.0), (0.5, 0.2), (1.0, 0.4)])
def test_prose_scales_the_chance_of_what_prose_does(prose: float, expected: float) -> None:
    rng = Draw("2", prose=prose)
    share = sum(rng.prosaic(0.4) for _ in range(4000)) / 4000
    assert share == pytest.approx(expected, abs=0.04)  # five deviations of √(0.24/4000)
    assert expected or share == 0


def test_the_same_seed_draws_the_same_whatever_the_side() -> None:
    assert [Draw("3").random() for _ in range(2)] == [Draw("3", unseen=True, prose=0).random() for _ in range(2)]
    assert Draw("3").random() != Draw("4").random()


def test_worlds_do_not_hang_on_the_hash_seed_of_the_process() -> None:
    """A run that is resumed in another process draws the same worlds."""
    code = (
        "import zlib\n"
        "from haechi.pretrain.worlds.draw import Draw\n"
        "from haechi.pretrain.worlds.world import generate\n"
        "worlds = [generate(Draw(f'{i}'), passages=3, language=l) for i in range(30) for l in ('ko', 'en')]\n"
        "print(zlib.crc32(repr(worlds).encode()))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1 and found.pop().strip().isdigit()
