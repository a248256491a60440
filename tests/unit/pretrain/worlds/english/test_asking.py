"""English questions: in the patterns of their time, and on what nobody tells."""

from __future__ import annotations

import re

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.asking import ask, unanswerable_question
from haechi.pretrain.worlds.english.facts import (
    random_entity,
    random_facts,
    random_table,
)
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Fact, Matter


def _questions(fact: Fact) -> tuple[str, ...]:
    patterns = fact.slot.questions if fact.scene else listed(f"label questions {fact.kind}")
    return tuple(one.replace("{E}", fact.subject).replace("{L}", fact.label) for one in patterns)


def test_held_out_sentences_and_questions_are_for_measuring() -> None:
    for number in range(200):
        rng = Draw(f"held-{number}")
        for unseen in (False, True):
            for fact in random_facts(rng, "Stroln Tower", set(), 3, unseen):
                questions = _questions(fact)
                asked = ask(rng, fact, unseen)
                assert asked == questions[-1] if unseen else asked in questions[:-1]
                if fact.scene:
                    frame, slots = fact.scene.frame, [slot for slot, _ in fact.scene.values]
                    held = re.sub(r"\\\{[OPNY\\#]+\\\}", ".+", re.escape(frame.sentences[-1])).replace(r"\#", "#")
                    like_held = bool(re.fullmatch(held, fact.scene.sentence))
                    assert like_held == unseen, (frame.name, fact.scene.sentence, slots)


def test_what_is_called_unanswerable_is_not_told() -> None:
    """No question without an answer is one that something told could be asked by, in any of its words."""
    rng = Draw("untold")
    for _ in range(200):
        titles, known = [random_entity(rng) for _ in range(3)], set[Matter]()
        told_facts = [random_facts(rng, title, known, 3, False) for title in titles]
        _, rows = random_table(rng, known)
        told_facts.append([fact for row in rows for fact in row])
        subjects = [*titles, *(row[0].subject for row in rows)]
        could_ask = {question for facts in told_facts for fact in facts for question in _questions(fact)}
        for _ in range(6):
            asked = unanswerable_question(rng, subjects, told_facts, known, rng.random() < 0.5)
            assert asked.answer is None and asked.passage is None
            assert asked.question not in could_ask, asked
