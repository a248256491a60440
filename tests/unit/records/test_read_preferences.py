"""Preferences from every format that is known; who wins is worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import InputError
from haechi.records.conversations import user_turns
from haechi.records.lines import ReadingLog
from haechi.records.preferences import PreferenceFormat, read_preferences, recognise_preferences


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_explicit_with_all_fields(rows_file: Callable[..., Path]) -> None:
    row = {"id": "p1", "prompt": "P", "chosen": "C", "rejected": "", "margin": 2, "weight": 0.5, "kind": "citation"}
    log = ReadingLog()
    path = rows_file(row | {"annotator": "human", "question_id": 4})
    (pair,) = read_preferences(path, log=log)
    assert (pair.id, pair.prompt, pair.chosen, pair.rejected) == ("p1", "P", "C", "")
    assert (pair.margin, pair.weight, pair.kind, pair.annotator, pair.question_id) == (
        2.0,
        0.5,
        "citation",
        "human",
        "4",
    )
    assert log.formats == {path: PreferenceFormat.EXPLICIT}


def test_explicit_messages(rows_file: Callable[..., Path]) -> None:
    row = {
        "prompt": [said("user", "P")],
        "chosen": [said("assistant", "C")],
        "rejected": [said("assistant", "R")],
    }
    (pair,) = read_preferences(rows_file(row))
    assert (pair.prompt, pair.chosen, pair.rejected, pair.margin, pair.weight) == ("P", "C", "R", 0.0, 1.0)


def test_hh_transcripts_and_messages_agree(rows_file: Callable[..., Path]) -> None:
    shared = "\n\nHuman: 안녕?\n\nAssistant: 네.\n\nHuman: 어디야?\nAssistant: 라고 하면?"
    transcripts = {"chosen": f"{shared}\n\nAssistant: 집.\n\n밖.", "rejected": f"{shared}\n\nAssistant: 몰라."}
    turns = [said("user", "안녕?"), said("assistant", "네."), said("user", "어디야?\nAssistant: 라고 하면?")]
    messages = {
        "chosen": [*turns, said("assistant", "집.\n\n밖.")],
        "rejected": [*turns, said("assistant", "몰라.")],
    }
    first, second = (read_preferences(rows_file(row))[0] for row in (transcripts, messages))
    assert first == second
    assert first.prompt == "Human: 안녕?\n\nAssistant: 네.\n\nHuman: 어디야?\nAssistant: 라고 하면?"
    assert (first.chosen, first.rejected) == ("집.\n\n밖.", "몰라.")


def test_hh_of_one_turn_has_the_bare_question_as_prompt(rows_file: Callable[..., Path]) -> None:
    row = {"chosen": "\n\nHuman: Q\n\nAssistant: A", "rejected": "\n\nHuman: Q\n\nAssistant: B"}
    assert read_preferences(rows_file(row))[0].prompt == "Q"


def test_kochatgpt_ranking_is_a_best_first_list_of_indices(rows_file: Callable[..., Path]) -> None:
    """[2, 0, 1]: completion 2 is best, then 0, then 1. Read as ranks it would say that completion 1 is best."""
    row = {"prompt": "P", "completion_0": "mid", "completion_1": "worst", "completion_2": "best", "ranking": [2, 0, 1]}
    pairs = read_preferences(rows_file(row))
    assert [(p.chosen, p.rejected) for p in pairs] == [("best", "mid"), ("best", "worst"), ("mid", "worst")]
    assert len({p.id for p in pairs}) == 3


@pytest.mark.parametrize("ranking", list(permutations(range(4))))
def test_every_ranking_puts_its_first_index_on_top(rows_file: Callable[..., Path], ranking: tuple[int, ...]) -> None:
    row = {f"completion_{i}": f"c{i}" for i in range(4)} | {"prompt": "P", "ranking": list(ranking)}
    wins = {f"c{i}": 0 for i in range(4)}
    for pair in read_preferences(rows_file(row)):
        wins[pair.chosen] += 1
    assert [wins[f"c{i}"] for i in ranking] == [3, 2, 1, 0]


@pytest.mark.parametrize("names", [("answer1", "answer2", "answer3"), ("answer01", "answer02", "answer03")])
def test_ranked_answers_lower_is_better_and_ties_are_counted(
    rows_file: Callable[..., Path], names: tuple[str, ...]
) -> None:
    contents = [("long", 2), ("short", 1), ("other", 2)]
    answers = {name: {"contents": text, "ranking": rank} for name, (text, rank) in zip(names, contents, strict=True)}
    log = ReadingLog()
    pairs = read_preferences(rows_file({"question": "Q"} | answers), log=log)
    assert [(p.prompt, p.chosen, p.rejected) for p in pairs] == [("Q", "short", "long"), ("Q", "short", "other")]
    assert log.passed_over == {"tie": ["rows.jsonl:1"]}


def test_votes_on_pairs(rows_file: Callable[..., Path]) -> None:
    row = {
        "id": "fg-1",
        "question": "Q",
        "passages": [],
        "answers": ["zero", "one", "two", "one"],
        "preferences": [
            {"a": 0, "b": 1, "preferred": "b"},
            {"a": 0, "b": 2, "preferred": "a"},
            {"a": 1, "b": 2, "preferred": "tie"},
            {"a": 1, "b": 3, "preferred": "a"},
        ],
    }
    log = ReadingLog()
    pairs = read_preferences(rows_file(row), log=log)
    assert [(p.id, p.chosen, p.rejected) for p in pairs] == [("fg-1-1-0", "one", "zero"), ("fg-1-0-2", "zero", "two")]
    assert {p.question_id for p in pairs} == {"fg-1"}
    assert log.passed_over == {"tie": ["rows.jsonl:1"], "equal answers": ["rows.jsonl:1"]}


EXPLICIT = {"prompt": "P", "chosen": "C", "rejected": "R"}
HH = {"chosen": "\n\nHuman: Q\n\nAssistant: A", "rejected": "\n\nHuman: Q\n\nAssistant: B"}
RANKING = {"prompt": "P", "completion_0": "a", "completion_1": "b", "ranking": [1, 0]}
VOTES = {"question": "Q", "answers": ["a", "b"], "preferences": [{"a": 0, "b": 1, "preferred": "a"}]}
RANKED = {"question": "Q", "answer1": {"contents": "a", "ranking": 1}, "answer2": {"contents": "b", "ranking": 2}}


@pytest.mark.parametrize(
    ("good", "change", "problem"),
    [
        (EXPLICIT, {"rejected": "C"}, "'chosen' and 'rejected' are equal"),
        (EXPLICIT, {"chosen": None}, "'chosen' is null"),
        (EXPLICIT, {"margin": "big"}, "'margin' is 'big'"),
        (EXPLICIT, {"margin": float("nan")}, "'margin' is nan"),
        (EXPLICIT, {"weight": 0}, "'weight' is 0"),
        (EXPLICIT, {"annotator": "nobody"}, "'annotator' is 'nobody'"),
        (HH, {"chosen": HH["rejected"]}, "are equal"),
        (HH, {"chosen": "\n\nHuman: other\n\nAssistant: A"}, "differ before their last answer"),
        (HH, {"chosen": "\n\nHuman: Q\n\nHuman: Q"}, r"chosen\[1\] is from the user"),
        (HH, {"chosen": "\n\nHuman: Q"}, "does not end with an answer"),
        (HH, {"chosen": "The sky is blue."}, "no transcript"),
        (HH, {"chosen": [said("assistant", "A")]}, r"chosen\[0\] is from the assistant"),
        (RANKING, {"ranking": [1, 1]}, r"'ranking' is \[1, 1\], not an order of \[0, 1\]"),
        (RANKING, {"ranking": [1, 2]}, "not an order"),
        (RANKING, {"ranking": None}, "'ranking' is None"),
        (RANKING, {"completion_1": None}, "'completion_1' is null"),
        (VOTES, {"preferences": [{"a": 0, "b": 2, "preferred": "a"}]}, r"preferences\[0\] is"),
        (VOTES, {"preferences": [{"a": 0, "b": 1, "preferred": "c"}]}, r"preferences\[0\] is"),
        (VOTES, {"answers": ["a", None]}, r"'answers\[1\]' is null"),
        (RANKED, {"answer2": {"contents": "b"}}, "ranking of 'answer2' is None"),
        (RANKED, {"answer2": {"contents": None, "ranking": 2}}, "'answer2.contents' is null"),
    ],
)
def test_bad_rows_are_named_or_skipped(
    rows_file: Callable[..., Path], good: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    path = rows_file(good, good | change)
    with pytest.raises(InputError, match=problem) as caught:
        read_preferences(path)
    assert caught.value.line == 2
    log = ReadingLog()
    assert len(read_preferences(path, skip_bad=True, log=log)) == 1
    assert len(log.skipped) == 1


def test_unknown_fields(rows_file: Callable[..., Path]) -> None:
    assert recognise_preferences(["prompt", "completion", "label"]) is None
    with pytest.raises(InputError, match="fields completion, label, prompt fit no known format"):
        read_preferences(rows_file({"prompt": "P", "completion": "C", "label": True}))


def test_what_the_user_says_in_a_prompt() -> None:
    assert user_turns("높이는?") == ["높이는?"]
    talk = "System: 짧게.\n\nHuman: 안녕?\n\nAssistant: 네.\n\nHuman: 높이는?\n\n정말?"
    assert user_turns(talk) == ["안녕?", "높이는?\n\n정말?"]
