"""How facts are asked for in English, and what is asked in vain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.english.facts import matter, random_entity, random_fact, random_scene
from haechi.pretrain.worlds.english.words import listed
from haechi.pretrain.worlds.facts import Asked, Fact, Matter


def unanswerable_question(
    rng: Draw, subjects: Sequence[str], told: Sequence[Sequence[Fact]], known: set[Matter], unseen: bool
) -> Asked:
    """A question on an entity of the world (or, at times, a stranger) whose matter the world does not tell."""
    while True:
        fact = rng.choice(rng.choice(told))
        subject = rng.choice(subjects) if rng.random() < 0.85 else random_entity(rng)
        shape = rng.random()
        if shape < 0.4:  # what is told of another, asked of this one
            fact = replace(fact, subject=subject)
        elif shape < 0.5:  # what is told of a thing, asked of its part
            fact = replace(fact, subject=f"the {rng.choice(listed('parts'))} of {subject}")
        else:  # another matter
            subject = fact.subject if shape < 0.75 else subject
            fact = rng.choice(random_scene(rng, subject, unseen)) if rng.prosaic(0.7) else random_fact(rng, subject)
        if matter(fact) not in known:
            return Asked(ask(rng, fact, unseen), fact.kind, None, None)


def ask(rng: Draw, fact: Fact, unseen: bool) -> str:
    """A question for a fact."""
    patterns = fact.slot.questions if fact.scene else listed(f"label questions {fact.kind}")
    pattern = patterns[-1] if unseen else rng.choice(patterns[:-1])
    return pattern.replace("{E}", fact.subject).replace("{L}", fact.label)
