"""The word lists: whole, without doubles, with all that the worlds ask them for."""

from __future__ import annotations

import re

import pytest

from haechi.pretrain.worlds.english.facts import LABELLED
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.kinds import ENTITIES
from haechi.pretrain.worlds.words import word_lists
from haechi.prompt.template import Language


def test_words_stand_under_their_heading_in_their_order() -> None:
    assert listed("endings place")[:3] == ("Tower", "Harbour", "Island")
    assert listed("codas")[:4] == ("", "", "", "n"), "`-` is no letter at all"
    with pytest.raises(KeyError):
        listed("endings planet")


@pytest.mark.parametrize(("language", "often"), [("en", {"codas", "lengths"}), ("ko", {"eras", "clause adverbs"})])
def test_no_list_has_a_word_twice(language: Language, often: set[str]) -> None:
    """But for some, in which what stands twice is drawn twice as often."""
    lists = word_lists(language)
    assert {name for name, words in lists.items() if len(set(words)) < len(words)} == often
    assert all(word == word.strip() for words in lists.values() for word in words)


def test_braces_are_filled_by_those_who_use_the_list() -> None:
    allowed = {"label sentences": {"E", "L", "V"}, "fillers": {"E", "O"}, "spots": {"O"}, "acts": {"N"}}
    for name, words in word_lists("en").items():
        braces = {"E", "L"} if name.startswith("label questions") else allowed.get(name, set())
        for word in words:
            found = re.findall(r"\{(.+?)\}", word)
            assert set(found) <= braces and word.count("{") == len(found), word
            if name.startswith("label "):
                assert set(found) == braces and len(found) == len(braces), f"{word} names each of them once"


def test_every_kind_has_its_labels_and_questions_some_of_them_held_out() -> None:
    for kind in LABELLED:
        assert len(listed(f"labels {kind}")) >= 3
        assert len(listed(f"label questions {kind}")) >= 3
    labels = [label for kind in LABELLED for label in listed(f"labels {kind}")]
    assert len(set(labels)) == len(labels), "a label is of one kind"
    assert len(listed("label sentences")) >= 3


def test_an_entity_is_of_one_kind_by_its_ending() -> None:
    endings = [ending for kind in ENTITIES for ending in listed(f"endings {kind}")]
    assert len(set(endings)) == len(endings)


def test_what_may_stand_low_after_an_opening_is_no_name() -> None:
    names = {*listed("modifiers"), *(noun.title() for noun in listed("nouns"))}
    assert not names & set(listed("lower after an opening"))
    assert all(opening.endswith(",") for opening in listed("openings"))
