"""Sentences: a deed is one, and held-out patterns are never told in training."""

from __future__ import annotations

import random

from haechi.pretrain.asking import _ask_deed
from haechi.pretrain.facts import random_deed
from haechi.pretrain.lexicon import DEED_PARTS, HOLDINGS, LABEL_SENTENCES, NAMED, RELATIONS
from haechi.pretrain.telling import _tell_deed, fill, pick


def test_a_deed_is_one_sentence_and_each_part_can_be_asked_for() -> None:
    rng = random.Random(7)
    parts: set[tuple[str, str]] = set()
    for _ in range(400):
        facts = random_deed(rng, "등대")
        deed = facts[0].deed
        assert deed is not None and 1 <= len(facts) <= 3 and all(fact.deed is deed for fact in facts)
        for unseen in (False, True):
            sentence = _tell_deed(rng, "등대", deed, unseen)
            assert sentence.count(".") == 1
            assert "등대" in sentence and all(fact.value in sentence for fact in facts), sentence
            for fact in facts:
                question = fill(_ask_deed(rng, fact, deed, unseen), fact)
                assert "등대" in question
                assert len(fact.value) < 4 or fact.value not in question, question
        parts.update((deed.role, fact.part) for fact in facts)
    assert parts == {(role, part) for role in ("agent", "object", "place") for part in DEED_PARTS if part != role}


def test_held_out_sentences_are_never_told_in_training() -> None:
    """By the patterns that are picked: in training the last of a list never is, in measuring only the last."""
    rng = random.Random(0)
    for patterns in [LABEL_SENTENCES, *(r.sentences for r in (*RELATIONS, HOLDINGS, NAMED))]:
        assert {pick(rng, patterns, False) for _ in range(300)} == set(patterns[:-1])
        assert {pick(rng, patterns, True) for _ in range(20)} == {patterns[-1]}
        assert patterns[-1] not in patterns[:-1]
