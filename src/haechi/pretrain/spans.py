"""Reading tasks from real prose: a gap in a sentence, to be filled from the passage that has the sentence.

To fill it is to find the sentence and copy what stands there, which generated worlds teach on invented sentences alone;
the tasks cost nobody a question (cf. recurring spans, Ram et al. 2021, arXiv 2101.00438). Words of the question are
dropped at random, so that it is not the sentence to the letter.
"""

from __future__ import annotations

from collections.abc import Sequence

from haechi.pretrain.text import language_of
from haechi.pretrain.worlds.draw import Draw
from haechi.pretrain.worlds.facts import Asked
from haechi.pretrain.worlds.world import World
from haechi.prompt.template import Language, sentences_of

_GAP = "____"
_QUESTIONS: dict[Language, tuple[str, ...]] = {
    "ko": (
        "“{}”에서 빈칸에 들어갈 말은 무엇인가요?",
        "빈칸을 채워 주세요. {}",
        "{} 빈칸에 알맞은 말은?",
        "다음 빈칸에 들어갈 말을 찾아 주세요: {}",
    ),
    "en": (
        "What fills the gap in “{}”?",
        "Fill the gap: {}",
        "{} Which words are missing?",
        "Find the missing words: {}",
    ),
}
_DROPPED = 0.15  # chance of each word around the gap to be left out of the question
_AROUND = 7  # words on each side of the gap, at most
_LONGEST_SENTENCE = 200
_TRIES = 20


def span_world(
    rng: Draw, texts: Sequence[str], *, passages: int, questions: int = 6, unanswerable: float = 0.2
) -> World | None:
    """Passages of one to four sentences from random documents of one language, and gaps to fill; None where the
    documents that were drawn give no such passage."""
    parts: list[tuple[str, list[str]]] = []
    language: Language | None = None
    for _ in range(_TRIES):
        text = rng.choice(texts)
        if language_of(text) == (language or language_of(text)) and (some := _passage(rng, text)):
            language = language_of(text)
            parts.append((_title(text) if rng.random() < 0.7 else "", some))
        if len(parts) == passages + 1:
            break
    if language is None or len(parts) < passages + 1:
        return None
    *shown, (_, elsewhere) = parts  # the last is where unanswerable gaps come from
    page = " ".join(" ".join(words.split()) for title, some in shown for words in (title, *some))
    asked: list[Asked] = []
    for _ in range(questions * 3):
        answerable = rng.random() >= unanswerable
        number = rng.randrange(len(shown))
        gap = _gap(rng, rng.choice(shown[number][1] if answerable else elsewhere), language)
        if gap is None or page.count(gap[1]) != (1 if answerable else 0):
            continue
        question, span = gap
        if any(question == other.question for other in asked):
            continue
        asked.append(Asked(question, "thing", f"{span}." if answerable else None, number + 1 if answerable else None))
        if len(asked) == questions:
            break
    if not asked:
        return None
    return World(tuple((title, " ".join(some)) for title, some in shown), tuple(asked), (), language)


def _passage(rng: Draw, text: str) -> list[str]:
    """One to four sentences in a row, none of them overlong."""
    start = rng.randrange(max(len(text) - 600, 1))
    sentences = sentences_of(text[start : start + 600])[1:-1]  # the first and the last may be cut
    some: list[str] = []
    for sentence in sentences[: rng.randint(1, 4)]:
        if not 10 <= len(sentence) <= _LONGEST_SENTENCE:
            break
        some.append(sentence)
    return some


def _title(text: str) -> str:
    return text.split("\n", 1)[0][:40]


def _gap(rng: Draw, sentence: str, language: Language) -> tuple[str, str] | None:
    """A question with a gap, and what stands in the gap: one to three words."""
    words = sentence.split()
    if len(words) < 5:
        return None
    start = rng.randrange(len(words) - 1)
    end = min(start + rng.choice((1, 1, 2, 3)), len(words))
    span = " ".join(words[start:end]).strip(".,;:!?()[]\"'“”‘’·")
    if len(span) < 2 or not any(char.isalnum() for char in span):
        return None
    left = [word for word in words[max(start - _AROUND, 0) : start] if rng.random() >= _DROPPED]
    right = [word for word in words[end : end + _AROUND] if rng.random() >= _DROPPED]
    return rng.choice(_QUESTIONS[language]).format(" ".join([*left, _GAP, *right])), span
