"""What English says around a value."""

from __future__ import annotations

import re

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.speech import English


def test_what_is_said_holds_the_value_and_answers_end_in_a_full_stop() -> None:
    rng = Draw("said")
    speech = English(rng, unseen=False)
    said = {speech.say("oak wine") for _ in range(200)}
    assert said == {
        "Oak wine.",
        "It is oak wine.",
        "That would be oak wine.",
        "I was told oak wine.",
        "Oak wine, as far as I know.",
        "The sign says oak wine.",
    }
    assert speech.close("oak wine") == "oak wine."
    assert all(re.fullmatch(r"[A-Z][a-z]+", speech.speaker()) for _ in range(50))
