"""English sentences: whole, with each value where it is told, in the patterns of their time."""

from __future__ import annotations

import re

import pytest

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.facts import (
    random_entity,
    random_facts,
)
from haechi.pretrain.worlds.english.telling import told
from haechi.pretrain.worlds.english.words import listed


def stands(value: str, text: str) -> bool:
    """Whether a value stands in a text, as it is or at the start of a sentence."""
    return value in text or value[:1].upper() + value[1:] in text


@pytest.mark.parametrize("unseen", [False, True])
def test_sentences_are_whole_and_tell_every_value(unseen: bool) -> None:
    """Each begins with a capital letter, a number or a quotation, ends as a sentence, and has no brace open."""
    for number in range(200):
        rng = Draw(f"whole-{number}")
        entity = random_entity(rng)
        facts = random_facts(rng, entity, set(), 5, unseen)
        sentences = told(rng, facts, unseen)
        text = " ".join(sentences)
        for sentence in sentences:
            assert re.match(r'"?[A-Z0-9]', sentence) and sentence.endswith((".", '."')), sentence
            assert not re.search(r"[{}]|  | ,|\.\.", sentence), sentence
        assert all(stands(fact.subject, text) and stands(fact.value, text) for fact in facts), (text, facts)


def test_a_scene_is_told_once() -> None:
    for number in range(100):
        rng = Draw(f"once-{number}", prose=1)
        facts = random_facts(rng, "Stroln Tower", set(), 6, False)
        scenes = {id(fact.scene) for fact in facts if fact.scene}
        sentences = told(rng, facts, False)
        alone = len(scenes) + sum(fact.scene is None for fact in facts)
        fillers = [
            re.sub(r"\{.\}", ".+", re.escape(one).replace(r"\{", "{").replace(r"\}", "}")) for one in listed("fillers")
        ]
        assert sum(not any(re.fullmatch(one, said) for one in fillers) for said in sentences) == alone


@pytest.mark.parametrize("unseen", [False, True])
def test_bare_facts_are_labels_told_with_no_words_around(unseen: bool) -> None:
    patterns = listed("label sentences")[-1:] if unseen else listed("label sentences")[:-1]
    for number in range(150):
        rng = Draw(f"bare-{number}", prose=0)
        facts = random_facts(rng, random_entity(rng), set(), 4, unseen)
        sentences = told(rng, facts, unseen)
        assert len(sentences) == len(facts) == 4 and all(fact.scene is None for fact in facts)
        for fact, sentence in zip(facts, sentences, strict=True):
            filled = {
                one.replace("{L}", fact.label).replace("{V}", fact.value).replace("{E}", fact.subject)
                for one in patterns
            }
            assert sentence in {one[:1].upper() + one[1:] for one in filled}, sentence
