"""Reading preferences: single pairs (TRL, HH-RLHF, our own) and several ranked answers to one prompt.

A file of single pairs must not hold a pair of equal answers: there it is damage, and an error. Of ranked answers every
pair is made of which one is better; ties and equal texts are no preference and are passed over, counted in the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from itertools import combinations
from pathlib import Path

from haechi.records.conversations import (
    Message,
    answer_text,
    check_order,
    messages_of,
    parse_transcript,
    prompt_text,
    transcript,
)
from haechi.records.formats import IdRegister, content_id, matching, read_as
from haechi.records.lines import ReadingLog, Row
from haechi.records.types import Preference

TIE = "tie"
EQUAL_ANSWERS = "equal answers"

_COMPLETION = re.compile(r"completion_(\d+)")
_ANSWER = re.compile(r"answer(\d+)")
_ANNOTATORS = ("human", "simulated", "ai", "file")


class PreferenceFormat(StrEnum):
    """The forms in which preferences are read."""

    EXPLICIT = "explicit prompt"
    IMPLICIT = "implicit prompt"
    BEST_FIRST = "KoChatGPT ranking"
    RANKED = "ranked answers"
    VOTES = "votes on pairs"


_SHAPES = {
    PreferenceFormat.EXPLICIT: "prompt chosen rejected",
    PreferenceFormat.IMPLICIT: "chosen rejected",
    PreferenceFormat.BEST_FIRST: "prompt completion_0 completion_1 ranking",
    PreferenceFormat.VOTES: "question answers preferences",
    PreferenceFormat.RANKED: "question answer1 answer2 | question answer01 answer02",
}


def recognise_preferences(fields: Iterable[str]) -> PreferenceFormat | None:
    """The format that a row of preferences with these field names is in, None if none."""
    return matching(fields, _SHAPES)


def read_preferences(path: Path, *, skip_bad: bool = False, log: ReadingLog | None = None) -> list[Preference]:
    """The preferences of a `.jsonl`, `.json` or `.csv` file (also with `.gz`), whose format is seen from its fields.

    Args:
        skip_bad: leave bad rows out and keep their errors in `log`, instead of raising the first.
        log: notes the format, and counts ties and equal answers among ranked ones.

    Raises:
        InputError: the format is not known, or a row is bad; a pair of equal answers is bad.
    """
    ids = IdRegister()
    parsers = {name: partial(parse, ids) for name, parse in _PARSERS.items()}
    return read_as(path, _SHAPES, parsers, skip_bad=skip_bad, log=log)


def _explicit(ids: IdRegister, row: Row, _: ReadingLog) -> list[Preference]:
    prompt = prompt_text(row, "prompt")
    chosen, rejected = (answer_text(row, name, blank=True) for name in ("chosen", "rejected"))
    return [_single(ids, row, prompt, chosen, rejected)]


def _implicit(ids: IdRegister, row: Row, _: ReadingLog) -> list[Preference]:
    chosen, rejected = (_conversation(row, name) for name in ("chosen", "rejected"))
    if chosen[:-1] != rejected[:-1]:
        raise row.fault(
            "'chosen' and 'rejected' differ before their last answer",
            "let both hold the same conversation up to the answer that was compared",
        )
    return [_single(ids, row, transcript(chosen[:-1]), chosen[-1].content, rejected[-1].content)]


def _conversation(row: Row, name: str) -> list[Message]:
    """A conversation, as messages or as a transcript, that ends with an answer."""
    value = row.fields.get(name)
    is_list = isinstance(value, list)
    messages = messages_of(row, value, name) if is_list else parse_transcript(row, row.text(name), name)
    check_order(row, messages, name)
    if messages[-1].role != "assistant" or len(messages) < 2:
        raise row.fault(f"{name!r} does not end with an answer to the user", "end it with the assistant's message")
    return messages


def _single(ids: IdRegister, row: Row, prompt: str, chosen: str, rejected: str) -> Preference:
    if chosen == rejected:
        raise row.fault("'chosen' and 'rejected' are equal", "delete the row: it prefers nothing")
    weight = row.number("weight", 1.0)
    if weight <= 0.0:
        raise row.fault(f"'weight' is {weight:g}", "give a weight above 0, or delete the row")
    annotator = row.optional_text("annotator") or "file"
    if annotator not in _ANNOTATORS:
        raise row.fault(f"'annotator' is {annotator!r}", f"use one of {', '.join(_ANNOTATORS)}")
    return Preference(
        id=ids.claim(row, row.identifier(), content_id("p", prompt, chosen, rejected)),
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        margin=row.number("margin", 0.0),
        weight=weight,
        kind=row.optional_text("kind") or "",
        annotator=annotator,
        question_id=row.identifier("question_id"),
    )


def _best_first(ids: IdRegister, row: Row, log: ReadingLog) -> list[Preference]:
    """`ranking` lists the indices of the completions, the best first: [2, 0, 1] says 2 beats 0 beats 1."""
    answers = _numbered(row, _COMPLETION)
    texts = {index: row.text(name, blank=True) for index, name in answers.items()}
    ranking = row.fields.get("ranking")
    if not isinstance(ranking, list) or not all(type(i) is int for i in ranking) or sorted(ranking) != sorted(texts):
        raise row.fault(
            f"'ranking' is {ranking!r}, not an order of {sorted(texts)}",
            "list the number of every completion once, the best first",
        )
    return _pairs(ids, row, row.text("prompt"), texts, list(combinations(ranking, 2)), log)


def _ranked(ids: IdRegister, row: Row, log: ReadingLog) -> list[Preference]:
    """Every answer is `{"contents", "ranking"}`; the lower ranking is the better, equal ones are a tie."""
    texts: dict[int, str] = {}
    ranks: dict[int, int] = {}
    for index, name in _numbered(row, _ANSWER).items():
        answer = row.fields[name]
        if not isinstance(answer, dict):
            raise row.fault(f"{name!r} is not an object", f'write "{name}": {{"contents": "…", "ranking": 1}}')
        rank = answer.get("ranking")
        if type(rank) is not int:
            raise row.fault(f"the ranking of {name!r} is {rank!r}", "give a whole number, 1 for the best")
        texts[index] = row.check_text(answer.get("contents"), f"{name}.contents", blank=True)
        ranks[index] = rank
    order: list[tuple[int, int]] = []
    for a, b in combinations(sorted(texts), 2):
        if ranks[a] == ranks[b]:
            log.pass_over(TIE, row.place)
        else:
            order.append((a, b) if ranks[a] < ranks[b] else (b, a))
    return _pairs(ids, row, row.text("question"), texts, order, log)


def _votes(ids: IdRegister, row: Row, log: ReadingLog) -> list[Preference]:
    """`preferences` holds `{"a", "b", "preferred"}`: two indices into `answers`, and "a", "b" or "tie"."""
    answers, votes = row.fields["answers"], row.fields["preferences"]
    if not isinstance(answers, list) or not isinstance(votes, list):
        raise row.fault("'answers' or 'preferences' is not a list", "give both as lists")
    texts = {i: row.check_text(answer, f"answers[{i}]", blank=True) for i, answer in enumerate(answers)}
    order: list[tuple[int, int]] = []
    for number, vote in enumerate(votes):
        match vote:
            case {"a": int(a), "b": int(b), "preferred": "a" | "b" | "tie" as preferred} if (
                a != b and {a, b} <= texts.keys()
            ):
                if preferred == "tie":
                    log.pass_over(TIE, row.place)
                else:
                    order.append((a, b) if preferred == "a" else (b, a))
            case _:
                raise row.fault(
                    f"preferences[{number}] is {vote!r}",
                    "give two different indices of 'answers' as a and b, and a, b or tie as preferred",
                )
    return _pairs(ids, row, row.text("question"), texts, order, log)


def _numbered(row: Row, pattern: re.Pattern[str]) -> dict[int, str]:
    """Number to field name, for the fields that `pattern` matches, in order of number."""
    found = {int(matched[1]): name for name in row.fields if (matched := pattern.fullmatch(name))}
    return dict(sorted(found.items()))


def _pairs(
    ids: IdRegister, row: Row, prompt: str, texts: dict[int, str], order: list[tuple[int, int]], log: ReadingLog
) -> list[Preference]:
    """One preference for each (better, worse) in `order`."""
    question_id = row.identifier()
    base = question_id or content_id("p", prompt, *texts.values())
    pairs = []
    for better, worse in order:
        if texts[better] == texts[worse]:
            log.pass_over(EQUAL_ANSWERS, row.place)
            continue
        pairs.append(
            Preference(
                id=ids.claim(row, None, f"{base}-{better}-{worse}"),
                prompt=prompt,
                chosen=texts[better],
                rejected=texts[worse],
                question_id=question_id,
            )
        )
    return pairs


_PARSERS: dict[PreferenceFormat, Callable[[IdRegister, Row, ReadingLog], list[Preference]]] = {
    PreferenceFormat.EXPLICIT: _explicit,
    PreferenceFormat.IMPLICIT: _implicit,
    PreferenceFormat.BEST_FIRST: _best_first,
    PreferenceFormat.VOTES: _votes,
    PreferenceFormat.RANKED: _ranked,
}
