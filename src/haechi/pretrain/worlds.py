"""Small worlds of invented facts: passages, and questions whose answers stand in one of them or in none.

A base model that has read enough of them has learned to find, copy, cite and abstain, and knows no fact by heart: every
entity and value is random. Several questions share the passages of a world, which trains reading far faster than one
question a context does.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from haechi.pretrain.korean import Register, agree, in_register
from haechi.pretrain.lexicon import (
    ADJECTIVE_QUESTIONS,
    APPOSED,
    ASIDES,
    ATTRIBUTIVES,
    CLAUSE_ADVERBS,
    CLAUSE_VERBS,
    COINED_LABELS,
    COLOURS,
    COUNT_UNITS,
    COUNTED,
    DEED_PARTS,
    DEED_VERBS,
    ENTITY_ENDINGS,
    ERAS,
    FILLERS,
    HOLDINGS,
    LABEL_QUESTIONS,
    LABEL_SENTENCES,
    LABELS,
    MEASURED_TAILS,
    MODIFIERS,
    NAME_SYLLABLES,
    NAMED,
    NAMED_THINGS,
    NOUNS,
    OCCUPATIONS,
    OPENINGS,
    PARTS,
    PLACES,
    RELATIONS,
    SAME_MATTER,
    SEASONS,
    SURNAMES,
    TAILS,
    Kind,
    Relation,
    Verb,
)

_MATTER = {attribute: min(matter) for matter in SAME_MATTER for attribute in matter}

# A subject and what it is about, where synonyms count as one: what a world tells, and what it does not.
Matter = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, in one sentence of several values; the subject of its facts is one part of it.

    Attributes:
        verb: what was done.
        role: the part that the subject plays.
        parts: the other parts and their values.
    """

    verb: Verb
    role: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one attribute of a subject: an entity, or a part of one. Where a relation tells it with a verb,
    `label` is what is counted, or empty."""

    subject: str
    relation: Relation | None
    label: str
    kind: Kind
    value: str
    deed: Deed | None = None
    part: str = ""

    @property
    def matter(self) -> Matter:
        attribute = _deed_name(self.deed, self.part) if self.deed else self.relation.name if self.relation else ""
        if self.relation is HOLDINGS:
            attribute = f"{self.label}의 수"
        elif self.relation is NAMED:
            attribute = f"{self.label}의 이름"
        elif self.label:
            attribute = re.sub(r" (수|색|이름)$", r"의 \1", self.label)
        # `등대` and `열쇠의 길이` make the same words as `등대의 열쇠` and `길이`.
        if attribute in _MATTER:
            return self.subject, _MATTER[attribute]
        owner, _, attribute = f"{self.subject}의 {attribute}".rpartition("의 ")
        return owner, _MATTER.get(attribute, attribute)


def _deed_name(deed: Deed, part: str) -> str:
    """The name of the relation that would tell the same, where there is one."""
    verb = deed.verb.name
    match deed.role, part:
        case "object", "agent":
            return f"{verb}, who"
        case "object", "year":
            return f"{verb.replace('하다', '되다')}, when"
        case ("agent" | "place"), "object":
            return f"{verb}, what"
    return f"{verb}, {deed.role} {part}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a world, which asks for a `kind` of value. `passage` is the 1-based number of the passage that
    answers it, None if none does."""

    question: str
    kind: Kind
    answer: str | None
    passage: int | None


@dataclass(frozen=True, slots=True)
class World:
    """Passages as (title, text), questions on them, and wrong replies to some of these."""

    passages: tuple[tuple[str, str], ...]
    asked: tuple[Asked, ...]
    mistaken: tuple[Asked, ...]


def generate(
    rng: random.Random,
    *,
    passages: int,
    questions: int = 6,
    unanswerable: float = 0.15,
    mistakes: int = 4,
    unseen_templates: bool = False,
) -> World:
    """One random world.

    Args:
        passages: how many passages the questions share.
        unanswerable: share of questions that no passage answers; half of them ask for an attribute that another
            entity of the world does have.
        mistakes: how many wrong replies to these questions.
        unseen_templates: use only the held-out sentence and question patterns (for measuring), instead of only the
            others (for training).
    """
    register: Register = rng.choices(("plain", "formal", "polite"), (6, 2, 1))[0]
    titles = _titles(rng, passages)
    told: list[list[Fact]] = []
    known: set[Matter] = set()
    for title in titles:
        told.append(_facts(rng, title, known, count=rng.randint(2, 4)))
    texts = tuple(
        (title, _prose(rng, facts, register, unseen_templates)) for title, facts in zip(titles, told, strict=True)
    )
    asked = tuple(
        _unanswerable(rng, titles, told, known, unseen_templates)
        if rng.random() < unanswerable
        else _answerable(rng, told, unseen_templates)
        for _ in range(questions)
    )
    return World(texts, asked, tuple(_mistaken(rng, rng.choice(asked), told) for _ in range(mistakes)))


def _titles(rng: random.Random, count: int) -> list[str]:
    """Entities of the passages; a page cut in pieces gives several passages of one title, so titles repeat."""
    titles: list[str] = []
    while len(titles) < count:
        titles.append(rng.choice(titles) if titles and rng.random() < 0.3 else _entity(rng))
    rng.shuffle(titles)
    return titles


def _name(rng: random.Random, low: int, high: int) -> str:
    return "".join(rng.choice(NAME_SYLLABLES) for _ in range(rng.randint(low, high)))


def _person(rng: random.Random) -> str:
    return rng.choice(SURNAMES) + _name(rng, 1, 2) if rng.random() < 0.5 else _name(rng, 2, 4)


def _entity(rng: random.Random) -> str:
    shape = rng.random()
    if shape < 0.2:
        return _person(rng)
    ending = rng.choice(ENTITY_ENDINGS)
    if shape < 0.55:
        return _name(rng, 2, 3) + (" " if rng.random() < 0.5 else "") + ending
    if shape < 0.8:
        return (
            f"{rng.choice(MODIFIERS)} {rng.choice(NOUNS)} {ending}"
            if rng.random() < 0.5
            else f"{rng.choice(MODIFIERS)} {ending}"
        )
    return f"{rng.choice(NOUNS)}{ending}" if rng.random() < 0.5 else f"{_name(rng, 2, 3)} {rng.choice(NOUNS)} {ending}"


def _thing(rng: random.Random) -> str:
    shape = rng.random()
    if shape < 0.3:
        return rng.choice(NOUNS)
    if shape < 0.65:
        return f"{rng.choice(MODIFIERS)} {rng.choice(NOUNS)}"
    if shape < 0.8:
        return f"{_name(rng, 2, 3)} {rng.choice(NOUNS)}"
    if shape < 0.9:
        return rng.choice(NOUNS) + rng.choice(NOUNS)
    return _name(rng, 2, 4)


def _value(rng: random.Random, kind: Kind, label: str) -> str:
    match kind:
        case "person":
            return _person(rng)
        case "thing":
            return _thing(rng)
        case "place":
            return rng.choice(PLACES) if rng.random() < 0.4 else _entity(rng)
        case "year":
            era = rng.choice(ERAS) if rng.random() < 0.5 else f"{_name(rng, 2, 3)}력 "
            return f"{era}{rng.randint(2, 1999)}년"
        case "length":
            return f"{rng.randint(2, 999)}{rng.choice(('미터', '미터', '걸음', '뼘', '자', '킬로미터', '센티미터'))}"
        case "count":
            return f"{rng.randint(3, 9999)}{COUNT_UNITS.get(label, '명')}"
        case "days":
            return f"{rng.randint(2, 99)}{rng.choice(('일', '일', '시간', '년', '달', '분'))}"
        case "colour":
            return rng.choice(COLOURS) if rng.random() < 0.6 else rng.choice(NOUNS) + rng.choice(("색", "색", "빛"))
        case "season":
            return rng.choice(SEASONS) if rng.random() < 0.6 else f"{rng.randint(1, 12)}월 {rng.randint(1, 30)}일"
        case "price":
            return f"{rng.choice(('은화', '금화', '동전', '조개'))} {rng.randint(2, 300)}{rng.choice(('닢', '개'))}"


def _facts(rng: random.Random, entity: str, known: set[Matter], count: int) -> list[Fact]:
    facts: list[Fact] = []
    while len(facts) < count:
        subject = f"{entity}의 {rng.choice(PARTS)}" if rng.random() < 0.3 else entity
        found = _deed(rng, subject) if rng.random() < 0.25 else [_fact(rng, subject)]
        if not known & {fact.matter for fact in found}:
            known.update(fact.matter for fact in found)
            facts.extend(found)
    return facts


def _deed(rng: random.Random, subject: str) -> list[Fact]:
    """A deed with one to three further parts, a fact each."""
    role = rng.choice(("agent", "object", "object", "place"))
    others = [part for part in DEED_PARTS if part != role]
    # Without its object, or what it was done by, a deed says nothing.
    kept = {"agent" if role == "object" else "object", *rng.sample(others, rng.randint(0, 2))}
    values = tuple((part, _value(rng, DEED_PARTS[part][0], "")) for part in others if part in kept)
    deed = Deed(rng.choice(DEED_VERBS), role, values)
    return [Fact(subject, None, "", DEED_PARTS[part][0], value, deed, part) for part, value in values]


def _fact(rng: random.Random, subject: str) -> Fact:
    if rng.random() < 0.06:
        noun, counter = rng.choice(COUNTED)
        return Fact(subject, HOLDINGS, noun, "count", f"{rng.randint(2, 9999)}{counter}")
    if rng.random() < 0.08:
        noun = rng.choice(NAMED_THINGS)
        return Fact(subject, NAMED, noun, "thing", _given_name(rng, noun))
    relation = rng.choice(RELATIONS) if rng.random() < 0.5 else None
    kind: Kind = relation.kind if relation else rng.choices(list(LABELS), (6, 6, 3, 2, 2, 2, 1, 2, 1, 1))[0]
    label = "" if relation else _label(rng, kind)
    return Fact(subject, relation, label, kind, _value(rng, kind, label))


def _given_name(rng: random.Random, noun: str) -> str:
    shape = rng.random()
    if shape < 0.4:
        first = (_name(rng, 2, 3), rng.choice(NOUNS), rng.choice(MODIFIERS), rng.choice(MODIFIERS) + " ")
        return rng.choice(first) + noun
    return _name(rng, 2, 4) if shape < 0.7 else rng.choice(NOUNS) + rng.choice(NOUNS)


def _label(rng: random.Random, kind: Kind) -> str:
    """A word for an attribute; a third of them are coined, so that they have to be found, not known."""
    if rng.random() < 0.67:
        return rng.choice(LABELS[kind])
    stem = rng.choice(NOUNS) if rng.random() < 0.6 else _name(rng, 1, 3)
    return stem + rng.choice(COINED_LABELS[kind])


def _pick(rng: random.Random, patterns: Sequence[str], unseen: bool) -> str:
    return patterns[-1] if unseen else rng.choice(patterns[:-1])


def _fill(pattern: str, fact: Fact) -> str:
    counter = fact.value.lstrip("0123456789")
    return agree(
        pattern.replace("{E}", fact.subject)
        .replace("{L}", fact.label)
        .replace("{C}", counter)
        .replace("{V}", fact.value)
    )


def _before_value(rng: random.Random, kind: Kind) -> str:
    """Words before a value that are no part of the answer: none, an adjective, an occupation, a clause."""
    shape = rng.random()
    if shape < 0.45:
        return ""
    if kind in ("person", "thing", "place") and shape < 0.8:
        clause = rng.choice(CLAUSE_ADVERBS) + (rng.choice(NOUNS) if rng.random() < 0.7 else _name(rng, 2, 3))
        clause += rng.choice(CLAUSE_VERBS)
        return clause + (rng.choice(OCCUPATIONS) if kind == "person" and rng.random() < 0.3 else "")
    if kind == "person" and shape < 0.92:
        return rng.choice(OCCUPATIONS)
    return rng.choice(ATTRIBUTIVES[kind])


def _after_value(rng: random.Random, kind: Kind) -> str:
    """Words after a value that are no part of the answer: a comparison, or another clause."""
    other = _entity(rng) if rng.random() < 0.5 else f"{_entity(rng)}의 {rng.choice(PARTS)}"
    if kind in MEASURED_TAILS and rng.random() < 0.7:
        return f"(으로/로) {other}보다 {rng.choice(MEASURED_TAILS[kind])}."
    return rng.choice(TAILS).replace("{O}", other)


def _tell(rng: random.Random, fact: Fact, unseen: bool) -> str:
    pattern = _pick(rng, fact.relation.sentences if fact.relation else LABEL_SENTENCES, unseen)
    if not unseen and fact.relation is None and fact.kind in ("person", "thing", "place") and rng.random() < 0.15:
        pattern = rng.choice(("{E}의 {L} {V}(은/는) ", "{E}의 {L}인 {V}(은/는) "))
        pattern += rng.choice(APPOSED).replace("{O}", _entity(rng))
    elif fact.relation not in (HOLDINGS, NAMED):
        pattern = pattern.replace("{V}", _before_value(rng, fact.kind) + "{V}")
    if pattern.endswith("{V}이다.") and rng.random() < 0.25:
        pattern = pattern.removesuffix("이다.") + _after_value(rng, fact.kind)
    if rng.random() < 0.15:
        pattern = pattern.replace("(은/는) ", "(은/는) " + rng.choice(ASIDES), 1)
    if rng.random() < 0.15:
        pattern = rng.choice(OPENINGS) + pattern
    return _fill(pattern, fact)


def _prose(rng: random.Random, facts: Sequence[Fact], register: Register, unseen: bool) -> str:
    sentences: list[str] = []
    waiting = list(facts)
    while waiting:
        fact = waiting.pop(0)
        # Now and then one sentence tells two labelled facts, as prose does.
        twins = [other for other in waiting if _labelled(other) and other.subject == fact.subject]
        twin = twins[0] if twins and _labelled(fact) else None
        if twin and rng.random() < 0.4:
            waiting.remove(twin)
            joined = "{E}의 " + f"{fact.label}(은/는) {fact.value}(이고/고) {twin.label}(은/는) {twin.value}이다."
            sentences.append(_fill(joined, fact))
        elif fact.deed:
            waiting = [other for other in waiting if other.deed is not fact.deed]
            sentences.append(_tell_deed(rng, fact.subject, fact.deed, unseen))
        else:
            sentences.append(_tell(rng, fact, unseen))
        if rng.random() < 0.15:
            sentences.append(_fill(rng.choice(FILLERS), fact))
    return " ".join(in_register(sentence, register) for sentence in sentences)


def _labelled(fact: Fact) -> bool:
    return bool(fact.label) and fact.relation is None


def _phrase(part: str, value: str) -> str:
    return value + DEED_PARTS[part][1]


def _topic(role: str, subject: str) -> str:
    return subject + ("에서는" if role == "place" else "(은/는)")


def _tell_deed(rng: random.Random, subject: str, deed: Deed, unseen: bool) -> str:
    """The parts in any order, the object mostly last; a cleft in unseen templates."""
    told = [
        (part, _phrase(part, _before_value(rng, DEED_PARTS[part][0]) + value if part != "year" else value))
        for part, value in deed.parts
    ]
    rng.shuffle(told)
    told.sort(key=lambda pair: pair[0] == "object" and rng.random() < 0.8)
    if unseen:
        last, value = rng.choice(deed.parts)
        words = [phrase for part, phrase in told if part != last]
        words.insert(rng.randint(0, len(words)), _phrase(deed.role, subject))
        noun = DEED_PARTS[last][3]
        return agree(f"{' '.join(words)} {deed.verb.attributive} {noun}(은/는) {value}이다.")
    words = [phrase for _, phrase in told]
    if rng.random() < 0.6:
        words.insert(0, _topic(deed.role, subject))
    else:
        words.insert(rng.randint(0, len(words)), _phrase(deed.role, subject))
    return agree(f"{' '.join(words)} {deed.verb.past}다.")


def _ask_deed(rng: random.Random, fact: Fact, deed: Deed, unseen: bool) -> str:
    """Asks for one part, naming the subject and now and then other parts."""
    words = [
        _phrase(part, value)
        for part, value in deed.parts
        if part != fact.part and rng.random() < (0.6 if part == "object" else 0.25)
    ]
    _, _, asks, noun, what = DEED_PARTS[fact.part]
    cleft = f"{' '.join([_phrase(deed.role, fact.subject), *words])} {deed.verb.attributive} {noun}"
    if unseen:
        return f"{cleft}(을/를) 알려 주세요."
    if rng.random() < 0.4:
        end = rng.choice(("인가요?", "입니까?", "(이야/야)?", "(이에요/예요)?"))
        return f"{cleft}(은/는) {what}{end}"
    words.insert(rng.randint(0, len(words)), asks)
    first = _topic(deed.role, fact.subject) if rng.random() < 0.7 else _phrase(deed.role, fact.subject)
    end = rng.choice(("나요?", "습니까?", "어?", "어요?"))
    return f"{' '.join([first, *words])} {deed.verb.past}{end}"


def _ask(rng: random.Random, fact: Fact, unseen: bool) -> str:
    if fact.deed:
        question = _ask_deed(rng, fact, fact.deed, unseen)
    else:
        question = _pick(rng, fact.relation.questions if fact.relation else LABEL_QUESTIONS[fact.kind], unseen)
    if not unseen and fact.relation is None and fact.label in ADJECTIVE_QUESTIONS and rng.random() < 0.4:
        question = rng.choice(ADJECTIVE_QUESTIONS[fact.label])
    if not unseen and rng.random() < 0.25:
        question = _narrow(rng, question, fact)
    if "의 " in fact.subject and not unseen and rng.random() < 0.3:  # 성 성벽, 성에 있는 성벽 for 성의 성벽
        fact = replace(fact, subject=rng.choice((" ", "에 있는 ")).join(fact.subject.rsplit("의 ", 1)))
    return _fill(question, fact)


def _narrow(rng: random.Random, question: str, fact: Fact) -> str:
    """The question asked more narrowly: 어느 탑에 for 어디에, 어떤 비단을 for 무엇을, 세운 석공 for 세운 사람."""
    if fact.kind == "person":
        return question.replace("사람(은/는)", rng.choice(OCCUPATIONS).strip() + "(은/는)")
    last = fact.value.split()[-1]
    noun = last if last in NOUNS else next((ending for ending in ENTITY_ENDINGS if last.endswith(ending)), None)
    if noun is None or fact.kind not in ("thing", "place"):
        return question
    for plain, agreeing in (("을", "(을/를)"), ("이 ", "(이/가) "), ("으로", "(으로/로)")):
        question = question.replace(f"무엇{plain}", f"어떤 {noun}{agreeing}")
    return question.replace("무엇", f"어떤 {noun}").replace("어디", f"어느 {noun}")


def _answerable(rng: random.Random, told: Sequence[Sequence[Fact]], unseen: bool) -> Asked:
    passage = rng.randrange(len(told))
    fact = rng.choice(told[passage])
    return Asked(_ask(rng, fact, unseen), fact.kind, f"{fact.value}입니다.", passage + 1)


def _unanswerable(
    rng: random.Random,
    titles: Sequence[str],
    told: Sequence[Sequence[Fact]],
    known: set[Matter],
    unseen: bool,
) -> Asked:
    """A question on an entity of the world (or, at times, a stranger) whose attribute the world does not tell."""
    while True:
        fact = rng.choice(rng.choice(told))
        subject = rng.choice(titles) if rng.random() < 0.85 else _entity(rng)
        shape = rng.random()
        if shape < 0.35:  # what is told of another, asked of this one
            fact = replace(fact, subject=subject)
        elif shape < 0.5:  # what is told of a thing, asked of its part
            fact = replace(fact, subject=f"{subject}의 {rng.choice(PARTS)}")
        elif shape < 0.75:  # another matter of a subject that is spoken of
            fact = _fact(rng, fact.subject)
        else:
            fact = _fact(rng, subject)
        if fact.matter not in known:
            return Asked(_ask(rng, fact, unseen), fact.kind, None, None)


def _mistaken(rng: random.Random, asked: Asked, told: Sequence[Sequence[Fact]]) -> Asked:
    """The question with a reply that is wrong as readers err: another value, a slip of the pen, another passage or none
    cited, an answer where there is none, none where there is one."""
    facts = [(fact, number) for number, facts in enumerate(told, start=1) for fact in facts]
    others = [(fact, number) for fact, number in facts if f"{fact.value}입니다." != asked.answer]
    alike = [(fact, number) for fact, number in others if fact.kind == asked.kind]
    shape = rng.random()
    if asked.answer is None or asked.passage is None or (shape < 0.4 and others):
        fact, number = rng.choice(alike if alike and rng.random() < 0.7 else others)
        passage = asked.passage if asked.passage and rng.random() < 0.3 else number
        return replace(asked, answer=f"{fact.value}입니다.", passage=passage)
    if shape < 0.52 and len(told) > 1:
        elsewhere = [number + 1 for number in range(len(told)) if number + 1 != asked.passage]
        return replace(asked, passage=rng.choice(elsewhere))
    if shape < 0.62:
        return replace(asked, passage=None)
    if shape < 0.85:
        return replace(asked, answer=None, passage=None)
    return replace(asked, answer=_slip(rng, asked.answer.removesuffix("입니다.")) + "입니다.")


def _slip(rng: random.Random, value: str) -> str:
    """The value with one character replaced, left out or doubled; never the value itself."""
    while True:
        at = rng.randrange(len(value))
        new = str(rng.randrange(10)) if value[at].isdigit() else rng.choice(NAME_SYLLABLES)
        slipped = value[:at] + rng.choice((new, new, "", value[at] * 2)) + value[at + 1 :]
        if slipped.strip() and slipped != value and " ".join(slipped.split()) != value:
            return slipped


def random_string(rng: random.Random, vocabulary: Sequence[int], length: int) -> list[int]:
    """Random token ids, to be repeated: copying is learned first."""
    return [rng.choice(vocabulary) for _ in range(length)]
