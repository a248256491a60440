"""Questions without an answer ask for what is not told; a slip of the pen is one."""

from __future__ import annotations

import random
from dataclasses import replace
from difflib import SequenceMatcher

from haechi.pretrain.asking import _slip, unanswerable_question
from haechi.pretrain.facts import random_facts
from haechi.pretrain.lexicon import ADJECTIVE_QUESTIONS, LABEL_QUESTIONS
from haechi.pretrain.telling import fill
from haechi.pretrain.worlds import _titles


def _calls(subject: str) -> list[str]:
    """The ways in which a question names a subject."""
    return [between.join(subject.rsplit("의 ", 1)) for between in ("의 ", " ", "에 있는 ")]


def test_what_is_called_unanswerable_is_not_told() -> None:
    """No question without an answer is one that something told could be asked by, in any of its words."""
    rng = random.Random(4)
    for _ in range(300):
        titles, known = _titles(rng, 3), set[tuple[str, str]]()
        told = [random_facts(rng, title, known, 3) for title in titles]
        could_ask: set[str] = set()
        for fact in (fact for facts in told for fact in facts if fact.deed is None):
            if fact.scene:
                patterns = fact.slot.questions
            else:
                patterns = fact.relation.questions if fact.relation else LABEL_QUESTIONS[fact.kind]
                patterns += ADJECTIVE_QUESTIONS.get(fact.label, ())
            for subject in _calls(fact.subject):
                could_ask.update(fill(pattern, replace(fact, subject=subject)) for pattern in patterns)
        for _ in range(6):
            asked = unanswerable_question(rng, titles, told, known, rng.random() < 0.5)
            assert asked.answer is None and asked.passage is None
            assert asked.question not in could_ask, asked


def test_a_slip_changes_one_character() -> None:
    rng = random.Random(2)
    for _ in range(300):
        slipped = _slip(rng, "여울력 342년")
        assert slipped != "여울력 342년" and abs(len(slipped) - 8) <= 1
        assert sum(block.size for block in SequenceMatcher(None, slipped, "여울력 342년").get_matching_blocks()) >= 7
    assert _slip(rng, "가") not in ("가", "")
