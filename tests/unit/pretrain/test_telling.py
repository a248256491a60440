"""Sentences: a deed is one, and held-out patterns are never told in training."""

from __future__ import annotations

import random
import re
from typing import get_args

from haechi.pretrain.asking import _ask_deed
from haechi.pretrain.facts import random_deed, with_noise
from haechi.pretrain.korean import agree
from haechi.pretrain.lexicon import DEED_PARTS, HOLDINGS, LABEL_SENTENCES, NAMED, RELATIONS, Kind
from haechi.pretrain.phrases import before_values, spoken_values
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


def test_phrases_stand_before_values_and_are_no_part_of_them() -> None:
    """Of every kind there are some, and none leaves a brace or a particle open."""
    rng = random.Random(3)
    assert set(before_values()) == {"name", "measure", *(set(get_args(Kind)) - {"length", "count", "days"})}
    for kind, phrases in before_values().items():
        assert len(set(phrases)) == len(phrases) >= 15, kind
        for phrase in phrases:
            filled = agree(with_noise(rng, phrase) + " 값")
            assert not re.search(r"[{}()/]", filled), phrase
        assert kind != "name" or all(" " in phrase for phrase in phrases), "a lone word would read as part of a name"
    for kind, values in spoken_values().items():
        assert len(set(values)) == len(values) > 200, kind
        assert all(not re.search(r"[{}()/.]", agree(with_noise(rng, value))) for value in values)
