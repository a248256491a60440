"""How facts are asked for in Korean, and what is asked in vain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Asked, Deed, Fact, Matter
from haechi.pretrain.worlds.korean.facts import random_entity, random_fact, random_scene
from haechi.pretrain.worlds.korean.lexicon import (
    ADJECTIVE_QUESTIONS,
    ENTITY_ENDINGS,
    LABEL_QUESTIONS,
    NOUNS,
    OCCUPATIONS,
    PARTS,
)
from haechi.pretrain.worlds.korean.matters import matter
from haechi.pretrain.worlds.korean.relations import DEED_PARTS, NAMED
from haechi.pretrain.worlds.korean.telling import fill, phrase, pick, topic


def unanswerable_question(
    rng: Draw,
    subjects: Sequence[str],
    told: Sequence[Sequence[Fact]],
    known: set[Matter],
    unseen: bool,
) -> Asked:
    """A question on an entity of the world (or, at times, a stranger) whose attribute the world does not tell."""
    while True:
        fact = rng.choice(rng.choice(told))
        subject = rng.choice(subjects) if rng.random() < 0.85 else random_entity(rng)
        shape = rng.random()
        if shape < 0.35:  # what is told of another, asked of this one
            fact = replace(fact, subject=subject)
        elif shape < 0.5:  # what is told of a thing, asked of its part
            fact = replace(fact, subject=f"{subject}의 {rng.choice(PARTS)}")
        else:  # another matter, of a subject that is spoken of or of the page's own
            subject = fact.subject if shape < 0.75 else subject
            scene = random_scene(rng, subject, unseen) if rng.prosaic(0.6) else []
            fact = rng.choice(scene) if scene else random_fact(rng, subject)
        if matter(fact) not in known:
            return Asked(ask(rng, fact, unseen), fact.kind, None, None)


def ask(rng: Draw, fact: Fact, unseen: bool) -> str:
    """A question for a fact."""
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


def _ask_deed(rng: Draw, fact: Fact, deed: Deed, unseen: bool) -> str:
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


def _narrow(rng: Draw, question: str, fact: Fact) -> str:
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
