"""What a waiting person reads."""

from __future__ import annotations

import io

import pytest

from haechi.pipeline.progress import Pace, TextProgress, duration, progress_on, shown


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_remaining_time_counts_from_where_the_stage_resumed() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.eta(40, 100) is None
    clock.now += 20
    assert pace.eta(50, 100) == 100.0  # 10 steps in 20 s: 50 steps in 100 s
    clock.now += 80
    assert pace.eta(100, 100) == 0.0
    assert pace.eta(101, None) is None


def test_remaining_time_counts_anew_for_each_work_of_a_stage() -> None:
    """A training of 75 steps, 69 questions, and a training of 75 again: none is timed by another's steps."""
    clock = Clock()
    pace = Pace(clock)
    for step in (1, 75):
        clock.now += 50
        pace.eta(step, 75)
    assert pace.eta(9, 69) is None, "the training's steps are no questions"
    clock.now += 10
    assert pace.eta(19, 69) == 50.0
    assert pace.eta(69, 69) == 0.0
    clock.now += 300
    assert pace.eta(1, 75) is None
    clock.now += 2
    assert pace.eta(3, 75) == 72.0
    assert pace.eta(1, 75) is None, "of as many steps, and from the first again"


def test_text_has_a_line_a_few_seconds_and_one_at_the_end() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = TextProgress(stream, every=5.0, clock=clock)
    progress.stage("sft", 3, 11)
    for step in range(1, 11):
        clock.now += 1
        progress.update(step, 10, loss=1 / step, learning_rate=2e-4)
    progress.note("saved")
    assert stream.getvalue().splitlines() == [
        "[3/11] sft",
        "[3/11] sft  step 5/10  5 s left  loss 0.2  learning_rate 0.0002",
        "[3/11] sft  step 10/10  0 s left  loss 0.1  learning_rate 0.0002",
        "      saved",
    ]


def test_unknown_totals_have_no_remaining_time() -> None:
    clock, stream = Clock(), io.StringIO()
    progress = TextProgress(stream, every=5.0, clock=clock)
    progress.stage("ingest", 1, 1)
    for step in (1, 2):
        clock.now += 6
        progress.update(step, None)
    assert stream.getvalue().splitlines()[1:] == ["[1/1] ingest  step 1", "[1/1] ingest  step 2"]


@pytest.mark.parametrize(("seconds", "words"), [(7.6, "8 s"), (59.6, "1:00"), (312, "5:12"), (7420, "2:03:40")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_three_numbers_at_most() -> None:
    assert shown({"a": 1.0, "b": 0.12345, "c": 1e-5, "d": 4.0}) == ["a 1", "b 0.123", "c 1e-05"]


def test_the_display_fits_the_stream() -> None:
    plain = io.StringIO()
    with progress_on(plain) as progress:
        progress.stage("sft", 1, 2)
    assert plain.getvalue() == "[1/2] sft\n"
    terminal = Terminal()
    with progress_on(terminal) as progress:
        progress.stage("sft", 1, 2)
        progress.update(1, 4, loss=0.5)
        progress.note("[bold] is not markup")
        progress.stage("ppo", 2, 2)
    text = terminal.getvalue()
    assert all(piece in text for piece in ("1/2 sft", "1/4", "loss 0.5", "[bold] is not markup", "2/2 ppo"))
