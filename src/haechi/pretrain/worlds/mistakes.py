"""How a reader errs: wrong replies to questions on a world, from which a judge can learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Asked, Fact
from haechi.pretrain.worlds.forms import Speech


def mistaken_reply(
    rng: Draw, asked: Asked, told: Sequence[Sequence[Fact]], texts: Sequence[str], speech: Speech
) -> Asked:
    """The question with a reply that is wrong as readers err: another value, a scrap of the `texts` that tell the
    facts, a slip of the pen, another passage or none cited, an answer where there is none, none where there is one."""
    value = (asked.answer or "").removesuffix(speech.close(""))
    if rng.random() < 0.15:
        number = rng.randrange(len(texts))
        return replace(asked, answer=speech.close(_scrap(rng, texts[number], value)), passage=number + 1)
    facts = [(fact, number) for number, facts in enumerate(told, start=1) for fact in facts]
    others = [(fact, number) for fact, number in facts if speech.close(fact.value) != asked.answer]
    alike = [(fact, number) for fact, number in others if fact.kind == asked.kind]
    shape = rng.random()
    if asked.answer is None or asked.passage is None or (shape < 0.4 and others):
        fact, number = rng.choice(alike if alike and rng.random() < 0.7 else others)
        passage = asked.passage if asked.passage and rng.random() < 0.3 else number
        return replace(asked, answer=speech.close(fact.value), passage=passage)
    if shape < 0.52 and len(told) > 1:
        elsewhere = [number + 1 for number in range(len(told)) if number + 1 != asked.passage]
        return replace(asked, passage=rng.choice(elsewhere))
    if shape < 0.62:
        return replace(asked, passage=None)
    if shape < 0.85:
        return replace(asked, answer=None, passage=None)
    return replace(asked, answer=speech.close(_slip(rng, value, speech.letters)))


def _scrap(rng: Draw, text: str, value: str) -> str:
    """One to three words of a text, as they stand or the last of them cut; neither the value nor a part of it nor
    more than it."""
    words = text.split()
    while True:
        start = rng.randrange(len(words))
        scrap = " ".join(words[start : start + rng.randint(1, 3)]).rstrip(".,")
        if rng.random() < 0.4:
            scrap = scrap[: rng.randint(1, len(scrap))].rstrip()
        if scrap and not (value and (value in scrap or scrap in value)):
            return scrap


def _slip(rng: Draw, value: str, letters: Sequence[str]) -> str:
    """The value with one character replaced, left out or doubled, or without its end; never the value itself."""
    if len(value) > 3 and not any(char.isdigit() for char in value) and rng.random() < 0.3:
        return value[: rng.randint(2, len(value) - 1)].rstrip()
    while True:
        at = rng.randrange(len(value))
        new = str(rng.randrange(10)) if value[at].isdigit() else rng.choice(letters)
        slipped = value[:at] + rng.choice((new, new, "", value[at] * 2)) + value[at + 1 :]
        if slipped.strip() and slipped != value and " ".join(slipped.split()) != value:
            return slipped
