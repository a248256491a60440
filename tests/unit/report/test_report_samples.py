"""Which answers are shown, in which order, and how they are counted."""

from __future__ import annotations

import pytest

from haechi.report.contract import AnswerRow
from haechi.report.samples import MOST_SHOWN, pair_of, pieces, sort_samples

Score = tuple[float | None, float]


def row(name: str, sft: Score, ppo: Score, cited: dict[str, list[int]] | None = None) -> AnswerRow:
    """A question with (correct, reward) of both systems."""
    systems = {
        system: {
            "text": f"{system} {name}",
            "correct": correct,
            "reward": reward,
            "citations": (cited or {}).get(system, []),
        }
        for system, (correct, reward) in (("sft", sft), ("ppo", ppo))
    }
    passages = [{"id": "p1", "title": "a", "text": "b"}, {"id": "p2", "title": "c", "text": "d"}]
    return AnswerRow.model_validate({"question_id": name, "question": name, "passages": passages, "systems": systems})


SYSTEMS = ("base", "sft", "ppo")


def test_wins_and_losses_are_sorted_by_the_size_of_the_change() -> None:
    rows = [
        row("small win", (0.0, 0.1), (1.0, 0.2)),
        row("loss", (1.0, 0.9), (0.0, 0.2)),
        row("big win", (0.0, 0.0), (1.0, 2.0)),
        row("hacked", (1.0, 0.2), (0.0, 1.2)),
        row("same", (1.0, 0.2), (1.0, 0.2)),
        row("moved", (0.0, 0.2), (0.0, -0.9)),
    ]
    samples = sort_samples(rows, SYSTEMS)
    assert samples is not None
    shown = {outcome: [one.row.question_id for one in group] for outcome, group in samples.shown}
    assert shown == {"won": ["big win", "small win"], "lost": ["hacked", "loss"], "same": ["moved", "same"]}
    assert (samples.won, samples.lost, samples.same, samples.hacked, samples.total) == (2, 2, 2, 1, 6)
    assert [one.hacked for _, group in samples.shown for one in group] == [False, False, True, False, False, False]


def test_an_unscored_answer_changes_nothing() -> None:
    samples = sort_samples([row("q", (None, 0.0), (1.0, 5.0))], SYSTEMS)
    assert samples is not None
    assert (samples.won, samples.lost, samples.same, samples.unscored, samples.total) == (0, 0, 0, 1, 1)
    assert [(outcome, len(group)) for outcome, group in samples.shown] == [("unscored", 1)]


def test_without_correctness_likeness_to_the_gold_answer_decides() -> None:
    rows = [row("q", (None, 0.0), (None, 5.0)), row("r", (None, 5.0), (None, 0.0))]
    likeness = {"q": {"sft": 0.75, "ppo": 0.5}, "r": {"sft": 0.5, "ppo": 0.75}}
    for one in rows:
        for system, answer in one.systems.items():
            one.systems[system] = answer.model_copy(update={"f1": likeness[one.question_id][system]})
    samples = sort_samples(rows, SYSTEMS, "f1")
    assert samples is not None
    shown = {outcome: [(one.row.question_id, one.hacked) for one in group] for outcome, group in samples.shown}
    assert shown == {"won": [("r", False)], "lost": [("q", True)]}


def test_all_are_counted_and_only_so_many_shown() -> None:
    rows = [row(f"q{index}", (0.0, 0.0), (1.0, index)) for index in range(MOST_SHOWN + 5)]
    samples = sort_samples(rows, SYSTEMS)
    assert samples is not None
    assert (samples.won, samples.total, samples.num_shown) == (MOST_SHOWN + 5, MOST_SHOWN + 5, MOST_SHOWN)
    assert samples.shown[0][1][0].row.question_id == f"q{MOST_SHOWN + 4}"


def test_passages_know_who_cites_them() -> None:
    samples = sort_samples([row("q", (1.0, 0.0), (1.0, 0.0), {"sft": [2, 9], "ppo": [2]})], SYSTEMS)
    assert samples is not None
    assert samples.shown[0][1][0].cited_by == ((), ("sft", "ppo"))


@pytest.mark.parametrize(
    ("systems", "pair"),
    [
        (("base", "sft", "best_of_n", "dpo", "ppo"), ("sft", "ppo")),
        (("base", "sft", "dpo"), ("sft", "dpo")),
        (("base", "sft"), None),
        (("base", "ppo"), ("base", "ppo")),
        ((), None),
    ],
)
def test_before_and_after(systems: tuple[str, ...], pair: tuple[str, str] | None) -> None:
    assert pair_of(systems) == pair


def test_marks_are_cut_out_and_nothing_is_lost() -> None:
    answer = "값은 3이다. [2] 또 [1, 3] [주]"
    assert pieces(answer) == [
        ("값은 3이다. ", False),
        ("[2]", True),
        (" 또 ", False),
        ("[1, 3]", True),
        (" [주]", False),
    ]
    assert "".join(piece for piece, _ in pieces(answer)) == answer
