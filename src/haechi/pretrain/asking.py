"""How facts are asked for, what is asked in vain, and how a reader errs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from haechi.pretrain.facts import Deed, Fact, Matter, random_entity, random_fact, random_scene
from haechi.pretrain.lexicon import (
    ADJECTIVE_QUESTIONS,
    DEED_PARTS,
    ENTITY_ENDINGS,
    LABEL_QUESTIONS,
    NAME_SYLLABLES,
    NAMED,
    NOUNS,
    OCCUPATIONS,
    PARTS,
    Kind,
)
from haechi.pretrain.telling import fill, phrase, pick, topic


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a world, which asks for a `kind` of value. `passage` is the 1-based number of the passage that
    answers it, None if none does."""

    question: str
    kind: Kind
    answer: str | None
    passage: int | None


def answerable_question(rng: random.Random, told: Sequence[Sequence[Fact]], unseen: bool) -> Asked:
    """A question on something told, with its answer and where it stands."""
    passage = rng.randrange(len(told))
    fact = rng.choice(told[passage])
    return Asked(_ask(rng, fact, unseen), fact.kind, f"{fact.value}입니다.", passage + 1)


def unanswerable_question(
    rng: random.Random,
    titles: Sequence[str],
    told: Sequence[Sequence[Fact]],
    known: set[Matter],
    unseen: bool,
) -> Asked:
    """A question on an entity of the world (or, at times, a stranger) whose attribute the world does not tell."""
    while True:
        fact = rng.choice(rng.choice(told))
        subject = rng.choice(titles) if rng.random() < 0.85 else random_entity(rng)
        shape = rng.random()
        if shape < 0.35:  # what is told of another, asked of this one
            fact = replace(fact, subject=subject)
        elif shape < 0.5:  # what is told of a thing, asked of its part
            fact = replace(fact, subject=f"{subject}의 {rng.choice(PARTS)}")
        else:  # another matter, of a subject that is spoken of or of the page's own
            subject = fact.subject if shape < 0.75 else subject
            scene = random_scene(rng, subject, unseen) if rng.random() < 0.6 else []
            fact = rng.choice(scene) if scene else random_fact(rng, subject)
        if fact.matter not in known:
            return Asked(_ask(rng, fact, unseen), fact.kind, None, None)


def mistaken_reply(
    rng: random.Random, asked: Asked, told: Sequence[Sequence[Fact]], texts: Sequence[str]
) -> Asked:
    """The question with a reply that is wrong as readers err: another value, a scrap of the `texts` that tell the
    facts, a slip of the pen, another passage or none cited, an answer where there is none, none where there is one."""
    value = (asked.answer or "").removesuffix("입니다.")
    if rng.random() < 0.15:
        number = rng.randrange(len(texts))
        return replace(asked, answer=f"{_scrap(rng, texts[number], value)}입니다.", passage=number + 1)
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
    return replace(asked, answer=f"{_slip(rng, value)}입니다.")


def _scrap(rng: random.Random, text: str, value: str) -> str:
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


def _slip(rng: random.Random, value: str) -> str:
    """The value with one character replaced, left out or doubled, or without its end; never the value itself."""
    if len(value) > 3 and not any(char.isdigit() for char in value) and rng.random() < 0.3:
        return value[: rng.randint(2, len(value) - 1)].rstrip()
    while True:
        at = rng.randrange(len(value))
        new = str(rng.randrange(10)) if value[at].isdigit() else rng.choice(NAME_SYLLABLES)
        slipped = value[:at] + rng.choice((new, new, "", value[at] * 2)) + value[at + 1 :]
        if slipped.strip() and slipped != value and " ".join(slipped.split()) != value:
            return slipped


def _ask(rng: random.Random, fact: Fact, unseen: bool) -> str:
    if "의 " in fact.subject and not unseen and rng.random() < 0.3:  # 성 성벽, 성에 있는 성벽 for 성의 성벽
        fact = replace(fact, subject=rng.choice((" ", "에 있는 ")).join(fact.subject.rsplit("의 ", 1)))
    if fact.scene:
        return fill(pick(rng, fact.slot.questions, unseen), fact)
    if fact.deed:
        question = _ask_deed(rng, fact, fact.deed, unseen)
    elif not unseen and fact.relation is None and fact.label in ADJECTIVE_QUESTIONS and rng.random() < 0.4:
        question = rng.choice(ADJECTIVE_QUESTIONS[fact.label])
    else:
        question = pick(rng, fact.relation.questions if fact.relation else LABEL_QUESTIONS[fact.kind], unseen)
    # A name is not asked for by what it names.
    if not unseen and fact.relation is not NAMED and "무엇이라" not in question and rng.random() < 0.25:
        question = _narrow(rng, question, fact)
    return fill(question, fact)


def _ask_deed(rng: random.Random, fact: Fact, deed: Deed, unseen: bool) -> str:
    """Asks for one part, naming the subject and now and then other parts."""
    words = [
        phrase(part, value)
        for part, value in deed.parts
        if part != fact.part and rng.random() < (0.6 if part == "object" else 0.25)
    ]
    _, _, asks, noun, what = DEED_PARTS[fact.part]
    cleft = f"{' '.join([phrase(deed.role, fact.subject), *words])} {deed.verb.attributive} {noun}"
    if unseen:
        return f"{cleft}(을/를) 알려 주세요."
    if rng.random() < 0.4:
        end = rng.choice(("인가요?", "입니까?", "(이야/야)?", "(이에요/예요)?"))
        return f"{cleft}(은/는) {what}{end}"
    words.insert(rng.randint(0, len(words)), asks)
    first = topic(deed.role, fact.subject) if rng.random() < 0.7 else phrase(deed.role, fact.subject)
    end = rng.choice(("나요?", "습니까?", "어?", "어요?"))
    return f"{' '.join([first, *words])} {deed.verb.past}{end}"


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
