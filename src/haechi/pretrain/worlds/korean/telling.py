"""How facts are told: sentences in five registers, with words around a value as prose has them."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Deed, Fact, Scene
from haechi.pretrain.worlds.kinds import Kind
from haechi.pretrain.worlds.korean.facts import random_entity, random_name, with_noise
from haechi.pretrain.worlds.korean.grammar import Register, agree, in_register, linked, reported
from haechi.pretrain.worlds.korean.lexicon import (
    APPOSED,
    ASIDES,
    CLAUSE_ADVERBS,
    CLAUSE_VERBS,
    FILLERS,
    LABEL_SENTENCES,
    LINKED,
    MEASURED_TAILS,
    NOUNS,
    OCCUPATIONS,
    OPENINGS,
    PARTS,
    REPORTS,
    TAILS,
)
from haechi.pretrain.worlds.korean.phrases import before_values
from haechi.pretrain.worlds.korean.relations import DEED_PARTS, HOLDINGS, NAMED

_CLAUSED = ("person", "thing", "place")  # kinds of values before which clauses stand often
_MEASURES = {"length": "measure", "count": "measure", "days": "measure"}


def told(rng: Draw, facts: Sequence[Fact], register: Register, unseen: bool) -> list[str]:
    """Sentences that tell the facts, in held-out patterns only if `unseen`."""
    sentences: list[str] = []
    waiting = list(facts)
    while waiting:
        fact = waiting.pop(0)
        # Now and then one sentence tells two labelled facts, as prose does.
        twins = [other for other in waiting if _labelled(other) and other.subject == fact.subject]
        twin = twins[0] if twins and _labelled(fact) else None
        if twin and not unseen and rng.prosaic(0.4):
            waiting.remove(twin)
            joined = "{E}의 " + f"{fact.label}(은/는) {fact.value}(이고/고) {twin.label}(은/는) {twin.value}이다."
            sentences.append(fill(joined, fact))
        elif fact.scene:
            waiting = [other for other in waiting if other.scene is not fact.scene]
            sentences.append(_tell_scene(rng, fact, fact.scene))
        elif fact.deed:
            waiting = [other for other in waiting if other.deed is not fact.deed]
            sentences.append(_tell_deed(rng, fact.subject, fact.deed, unseen))
        else:
            sentences.append(_tell(rng, fact, unseen))
        if not fact.scene and rng.prosaic(0.15):
            sentences[-1] = _and_more(rng, sentences[-1])
        if rng.prosaic(0.15):
            sentences.append(fill(rng.choice(FILLERS), fact))
    return [_in_register(rng, sentence, register) for sentence in sentences]


def _in_register(rng: Draw, sentence: str, register: Register) -> str:
    """In its register, and now and then as what somebody says."""
    if sentence.endswith("다.") and rng.prosaic(0.05):
        sentence = reported(sentence, with_noise(rng, rng.choice(REPORTS)))
    return in_register(sentence, register)


def _and_more(rng: Draw, sentence: str) -> str:
    """The sentence as the first half of a longer one."""
    more = agree(rng.choice(LINKED).replace("{O}", random_entity(rng)))
    return f"{linked(sentence, rng.choice(('고', '며', '지만')))} {more}"


def _tell(rng: Draw, fact: Fact, unseen: bool) -> str:
    pattern = pick(rng, fact.relation.sentences if fact.relation else LABEL_SENTENCES, unseen)
    if not unseen and fact.relation is None and fact.kind in ("person", "thing", "place") and rng.prosaic(0.15):
        pattern = rng.choice(("{E}의 {L} {V}(은/는) ", "{E}의 {L}인 {V}(은/는) "))
        pattern += rng.choice(APPOSED).replace("{O}", random_entity(rng))
    elif fact.relation not in (HOLDINGS, NAMED):
        pattern = pattern.replace("{V}", _before_value(rng, fact.kind) + "{V}")
    if pattern.endswith("{V}이다.") and rng.prosaic(0.25):
        pattern = pattern.removesuffix("이다.") + _after_value(rng, fact.kind)
    if rng.prosaic(0.15):
        pattern = pattern.replace("(은/는) ", "(은/는) " + rng.choice(ASIDES), 1)
    if rng.prosaic(0.15):
        pattern = rng.choice(OPENINGS) + pattern
    return fill(pattern, fact)


def _tell_deed(rng: Draw, subject: str, deed: Deed, unseen: bool) -> str:
    """The parts in any order, the object mostly last; a cleft in unseen templates."""
    told = [
        (part, phrase(part, _before_value(rng, DEED_PARTS[part][0]) + value if part != "year" else value))
        for part, value in deed.parts
    ]
    rng.shuffle(told)
    told.sort(key=lambda pair: pair[0] == "object" and rng.random() < 0.8)
    if unseen:
        last, value = rng.choice(deed.parts)
        words = [phrase for part, phrase in told if part != last]
        words.insert(rng.randint(0, len(words)), phrase(deed.role, subject))
        noun = DEED_PARTS[last][3]
        return agree(f"{' '.join(words)} {deed.verb.attributive} {noun}(은/는) {value}이다.")
    words = [phrase for _, phrase in told]
    if rng.random() < 0.6:
        words.insert(0, topic(deed.role, subject))
    else:
        words.insert(rng.randint(0, len(words)), phrase(deed.role, subject))
    return agree(f"{' '.join(words)} {deed.verb.past}다.")


def _tell_scene(rng: Draw, fact: Fact, scene: Scene) -> str:
    """The sentence that was chosen for it, now and then with an opening and more words before a value."""
    sentence = scene.sentence
    for slot, value in scene.values:
        told = scene.frame.slots[slot]
        more = ""
        if told.name_like and rng.prosaic(0.15):
            # One word before a name would read as a part of it.
            more = _phrase_before(rng, "name")
        elif not told.name_like and rng.prosaic(0.5 if told.kind in _CLAUSED else 0.2):
            more = _before_value(rng, told.kind)
        sentence = sentence.replace("{" + slot + "}", more + value)
    return fill((rng.choice(OPENINGS) if rng.prosaic(0.1) else "") + sentence, fact)


def _labelled(fact: Fact) -> bool:
    return bool(fact.label) and fact.relation is None


def _before_value(rng: Draw, kind: Kind) -> str:
    """Words before a value that are no part of the answer: none, a phrase, an occupation, a clause put together."""
    if not rng.prosaic(0.6):
        return ""
    shape = rng.random()
    if shape < 0.65 or kind not in _CLAUSED:
        return _phrase_before(rng, _MEASURES.get(kind, kind))
    if kind == "person" and shape < 0.75:
        return rng.choice(OCCUPATIONS)
    clause = rng.choice(CLAUSE_ADVERBS) + (rng.choice(NOUNS) if rng.random() < 0.7 else random_name(rng, 2, 3))
    clause += rng.choice(CLAUSE_VERBS)
    return clause + (rng.choice(OCCUPATIONS) if kind == "person" and rng.random() < 0.3 else "")


def _phrase_before(rng: Draw, kind: str) -> str:
    return with_noise(rng, rng.choice(before_values()[kind])) + " "


def _after_value(rng: Draw, kind: Kind) -> str:
    """Words after a value that are no part of the answer: a comparison, or another clause."""
    other = random_entity(rng) if rng.random() < 0.5 else f"{random_entity(rng)}의 {rng.choice(PARTS)}"
    if kind in MEASURED_TAILS and rng.random() < 0.7:
        return f"(으로/로) {other}보다 {rng.choice(MEASURED_TAILS[kind])}."
    return rng.choice(TAILS).replace("{O}", other)


def pick(rng: Draw, patterns: Sequence[str], unseen: bool) -> str:
    """A pattern for training, or the last of them, which is held out."""
    return patterns[-1] if unseen else rng.choice(patterns[:-1])


def fill(pattern: str, fact: Fact) -> str:
    """The pattern with the fact's words and the particles that agree with them."""
    counter = fact.value.lstrip("0123456789")
    return agree(
        pattern.replace("{E}", fact.subject)
        .replace("{L}", fact.label)
        .replace("{C}", counter)
        .replace("{V}", fact.value)
    )


def phrase(part: str, value: str) -> str:
    """A value with the particle of its part in a deed, still to agree."""
    return value + DEED_PARTS[part][1]


def topic(role: str, subject: str) -> str:
    """The subject of a deed as its sentence's topic."""
    return subject + ("에서는" if role == "place" else "(은/는)")
