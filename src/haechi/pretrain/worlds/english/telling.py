"""How English tells facts. It needs no particles that agree, and has one register."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.facts import with_noise
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Fact, Scene
from haechi.pretrain.worlds.kinds import Kind


def told(rng: Draw, facts: Sequence[Fact], unseen: bool) -> list[str]:
    """Sentences that tell the facts, a scene's in one, with what prose puts between them."""
    sentences: list[str] = []
    scenes: list[Scene] = []
    for fact in facts:
        if fact.scene and any(fact.scene is scene for scene in scenes):
            continue
        if fact.scene:
            scenes.append(fact.scene)
        sentences.append(_tell(rng, fact, unseen))
        if rng.prosaic(0.15):
            sentences.append(sentence_of(with_noise(rng, rng.choice(listed("fillers"))).replace("{E}", fact.subject)))
    return sentences


def _tell(rng: Draw, fact: Fact, unseen: bool) -> str:
    if fact.scene is None:
        sentence = listed("label sentences")[-1] if unseen else rng.choice(listed("label sentences")[:-1])
        sentence = sentence.replace("{L}", fact.label).replace("{V}", _introduced(rng, fact.kind, fact.value))
    else:
        sentence = fact.scene.sentence
        for slot, text in fact.scene.values:
            kind = fact.scene.frame.slots[slot].kind
            sentence = sentence.replace("{" + slot + "}", _introduced(rng, kind, text))
    sentence = sentence.replace("{E}", fact.subject)
    first = sentence.partition(" ")[0]
    if rng.prosaic(0.1) and first in listed("lower after an opening"):
        return f"{rng.choice(listed('openings'))} {first.lower()}{sentence.removeprefix(first)}"
    return sentence_of(sentence)


def _introduced(rng: Draw, kind: Kind, text: str) -> str:
    return f"{rng.choice(listed('occupations'))} {text}" if kind == "person" and rng.prosaic(0.12) else text


def sentence_of(text: str) -> str:
    """The text with a capital letter at its beginning."""
    start = 1 if text.startswith('"') else 0
    return text[:start] + text[start : start + 1].upper() + text[start + 1 :]
