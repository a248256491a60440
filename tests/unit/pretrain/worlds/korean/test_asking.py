"""Questions without an answer ask for what is not told."""

from __future__ import annotations

from dataclasses import replace

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.korean.asking import unanswerable_question
from haechi.pretrain.worlds.korean.facts import random_entity, random_facts, random_table
from haechi.pretrain.worlds.korean.lexicon import ADJECTIVE_QUESTIONS, LABEL_QUESTIONS
from haechi.pretrain.worlds.korean.telling import fill
from haechi.pretrain.worlds.world import _titles


def _calls(subject: str) -> list[str]:
    """The ways in which a question names a subject."""
    return [between.join(subject.rsplit("의 ", 1)) for between in ("의 ", " ", "에 있는 ")]


def test_what_is_called_unanswerable_is_not_told() -> None:
    """No question without an answer is one that something told could be asked by, in any of its words."""
    rng = Draw("4")
    for _ in range(300):
        titles, known = _titles(rng, 3, lambda: random_entity(rng)), set[tuple[str, str]]()
        told = [random_facts(rng, title, known, 3) for title in titles]
        _, rows = random_table(rng, known)
        told.append([fact for row in rows for fact in row])
        subjects = [*titles, *(row[0].subject for row in rows)]
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
            asked = unanswerable_question(rng, subjects, told, known, rng.random() < 0.5)
            assert asked.answer is None and asked.passage is None
            assert asked.question not in could_ask, asked
