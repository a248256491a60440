"""Relations as their file writes them, and the deeds."""

from __future__ import annotations

import re

from haechi.pretrain.worlds.korean.relations import DEED_VERBS, EVERYDAY_RELATIONS, HOLDINGS, NAMED, RELATIONS, _read
from haechi.pretrain.worlds.words import word_lists


def test_a_relation_is_read_as_it_is_written() -> None:
    founder = RELATIONS[0]
    assert (founder.name, founder.kind) == ("founder", "person")
    assert founder.sentences[0] == "{V}(이/가) {E}(을/를) 세웠다."
    assert founder.questions[-1] == "{E}(을/를) 만든 사람이 누구예요?"


def test_one_is_made_of_every_verb() -> None:
    """In the forms that its line has: present, attributive and stem of a native verb."""
    made = {relation.name: relation for relation in RELATIONS}
    assert made["설계하다, who"].sentences[1] == "{E}(을/를) 설계한 사람은 {V}이다."
    assert made["캐다, what"].sentences[0] == "{E}에서는 {V}(을/를) 캔다."
    assert made["캐다, what"].questions[0] == "{E}에서는 무엇을 캐나요?"
    lists = word_lists("ko")
    verbs = sum(len(lists[f"verbs {of}"]) for of in ("of people", "of places", "in time"))
    assert len(RELATIONS) == len(EVERYDAY_RELATIONS) + verbs + len(lists["native verbs of places"])


def test_every_name_is_of_one_relation_and_every_pattern_whole() -> None:
    names = [relation.name for relation, _ in _read()]
    assert len(names) == len(set(names))
    for relation in (*RELATIONS, HOLDINGS, NAMED):
        assert len(relation.sentences) >= 3 and len(relation.questions) >= 3, "one of each is held out"
        extra = {HOLDINGS.name: "LC", NAMED.name: "L"}.get(relation.name, "")
        for pattern in (*relation.sentences, *relation.questions):
            assert set(re.findall(r"\{(.+?)\}", pattern)) <= {"E", "V", *extra} and "<" not in pattern
        assert all("{E}" in pattern and "{V}" in pattern for pattern in relation.sentences)
        assert all("{E}" in pattern and "{V}" not in pattern for pattern in relation.questions)


def test_a_verb_of_deeds_has_its_forms() -> None:
    forms = {verb.name: verb for verb in DEED_VERBS}
    assert len(forms) == len(DEED_VERBS)
    assert forms["세우다"][1:] == ("세웠", "세운") and forms["설계하다"][1:] == ("설계했", "설계한")
