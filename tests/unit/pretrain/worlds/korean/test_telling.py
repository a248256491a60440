"""Sentences: a deed is one, and held-out patterns are never told in training."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Fact
from haechi.pretrain.worlds.kinds import Kind
from haechi.pretrain.worlds.korean.asking import _ask_deed
from haechi.pretrain.worlds.korean.facts import random_deed, random_entity, random_facts, with_noise
from haechi.pretrain.worlds.korean.grammar import Register, agree, in_register
from haechi.pretrain.worlds.korean.lexicon import LABEL_SENTENCES, REPORTS
from haechi.pretrain.worlds.korean.phrases import before_values, spoken_values
from haechi.pretrain.worlds.korean.relations import DEED_PARTS, HOLDINGS, NAMED, RELATIONS
from haechi.pretrain.worlds.korean.telling import _in_register, _tell_deed, fill, pick, told


def test_a_deed_is_one_sentence_and_each_part_can_be_asked_for() -> None:
    rng = Draw("7")
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
    rng = Draw("0")
    for patterns in [LABEL_SENTENCES, *(r.sentences for r in (*RELATIONS, HOLDINGS, NAMED))]:
        assert {pick(rng, patterns, False) for _ in range(300)} == set(patterns[:-1])
        assert {pick(rng, patterns, True) for _ in range(20)} == {patterns[-1]}
        assert patterns[-1] not in patterns[:-1]


def test_phrases_stand_before_values_and_are_no_part_of_them() -> None:
    """Of every kind there are some, and none leaves a brace or a particle open."""
    rng = Draw("3")
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


@pytest.mark.parametrize("unseen", [False, True])
def test_bare_facts_are_told_a_sentence_each_with_no_words_around(unseen: bool) -> None:
    """Where nothing is prose, each sentence is a pattern with the fact's own words in it, in the order of the facts."""
    for number in range(150):
        rng = Draw(f"bare-{number}", prose=0)
        facts = random_facts(rng, random_entity(rng), set(), 4)
        sentences = told(rng, facts, "plain", unseen)
        assert len(sentences) == len(facts)
        for fact, sentence in zip(facts, sentences, strict=True):
            patterns = fact.relation.sentences if fact.relation else LABEL_SENTENCES
            assert sentence in {fill(one, fact) for one in (patterns[-1:] if unseen else patterns[:-1])}, sentence


def test_every_fact_is_told_whatever_the_register() -> None:
    """Prose leaves no fact out and no brace open, and tells a deed and a scene once."""
    for number in range(200):
        rng = Draw(f"told-{number}")
        entity = random_entity(rng)
        facts = random_facts(rng, entity, set(), 5)
        register: Register = rng.choice(get_args(Register))
        sentences = told(rng, facts, register, False)
        text = " ".join(sentences)
        assert not re.search(r"[{}()/]", text), text
        assert all(fact.subject in text and fact.value in text for fact in facts), (text, facts)
        assert all(sentence.endswith(".") for sentence in sentences)
        for scene in {id(fact.scene): fact.scene for fact in facts if fact.scene}.values():
            assert all(sum(value in sentence for sentence in sentences) >= 1 for _, value in scene.values)


def test_two_labelled_facts_may_share_a_sentence() -> None:
    facts = [Fact("등대", None, "높이", "length", "3미터"), Fact("등대", None, "지기", "person", "오누리")]
    found = [told(Draw(f"{number}"), facts, "plain", False) for number in range(300)]
    assert ["등대의 높이는 3미터고 지기는 오누리이다."] in found
    assert any("높이" in one and "지기" in other for one, other, *_ in (told for told in found if len(told) > 1))
    assert all(len(told(Draw(f"{number}", prose=0), facts, "plain", False)) == 2 for number in range(100))


def test_what_is_measured_is_told_in_the_held_out_pattern() -> None:
    """Neither in a sentence of two facts nor with the value as its topic: these are patterns of the training."""
    facts = [Fact("등대", None, "높이", "length", "3미터"), Fact("등대", None, "지기", "person", "오누리")]
    for number in range(200):
        sentences = told(Draw(f"{number}"), facts, "plain", True)
        assert not any("3미터" in one and "오누리" in one for one in sentences)
        assert not any("지기인 오누리" in one or "지기 오누리" in one for one in sentences)
    assert any("지기 오누리" in one for number in range(400) for one in told(Draw(f"{number}"), facts, "plain", False))


def test_reports_carry_the_sentence_whole() -> None:
    """One sentence in twenty is what somebody says, where prose is told; then the register is the report's."""
    rng = Draw("reports")
    found = [_in_register(rng, "종을 고쳤다.", "formal") for _ in range(2000)]
    said = [sentence for sentence in found if sentence != "종을 고쳤습니다."]
    assert len(said) / len(found) == pytest.approx(0.05, abs=0.02)  # four deviations of √(0.05·0.95/2000)
    assert all("종을 고쳤다" in sentence and sentence.endswith("니다.") for sentence in said)
    assert {_in_register(Draw(f"{i}", prose=0), "종을 고쳤다.", "formal") for i in range(200)} == {"종을 고쳤습니다."}
    assert all(in_register(report.replace("{}", "종을 고쳤다"), "formal").endswith("니다.") for report in REPORTS)
