"""Progress for people: a live display on a terminal, a line now and then everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from haechi.pipeline.task import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

Clock = Callable[[], float]


@contextmanager
def progress_on(stream: TextIO) -> Iterator[Progress]:
    """The progress that fits the stream; the display ends with the block."""
    if not stream.isatty():
        yield TextProgress(stream)
        return
    with _bars(stream) as bars:
        display = LiveProgress(bars)
        yield display
        display.finish()


class Pace:
    """Remaining time from the steps done since the work began or resumed; a stage may do several works in turn."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._start: tuple[float, int] | None = None
        self._last: tuple[int, int | None] = (0, None)

    def eta(self, step: int, total: int | None) -> float | None:
        """Seconds until `total`, or None while nothing is known. The first call only marks the beginning."""
        now, before = self._clock(), self._last
        self._last = (step, total)
        if self._start is None or step < before[0] or total != before[1]:
            self._start = (now, step)
        began, first = self._start
        if total is None or step <= first:
            return None
        return max(0.0, (total - step) * (now - began) / (step - first))


class TextProgress:
    """A line for a stage's beginning, for every note, and for a step every few seconds and at the end.

    Args:
        stream: where the lines go.
        every: seconds between lines about steps.
        clock: seconds that only grow.
    """

    def __init__(self, stream: TextIO, every: float = 5.0, clock: Clock = time.monotonic) -> None:
        self._stream, self._every, self._clock = stream, every, clock
        self._name, self._written, self._pace = "", clock(), Pace(clock)

    def stage(self, name: str, index: int, total: int) -> None:
        """A stage begins."""
        self._name, self._written, self._pace = f"[{index}/{total}] {name}", self._clock(), Pace(self._clock)
        self._line(self._name)

    def update(self, step: int, total: int | None, **numbers: float) -> None:
        """The stage has done `step` of `total` steps."""
        eta = self._pace.eta(step, total)
        if step != total and self._clock() - self._written < self._every:
            return
        self._written = self._clock()
        done = f"{step}" if total is None else f"{step}/{total}"
        left = [] if eta is None else [f"{duration(eta)} left"]
        self._line("  ".join([self._name, f"step {done}", *left, *shown(numbers)]))

    def note(self, text: str) -> None:
        """A sentence that the reader should see."""
        self._line(f"      {text}")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class LiveProgress:
    """A bar for every stage: its place, steps, remaining time and the numbers worth watching."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._pace = Pace()
        self._task: int | None = None

    def stage(self, name: str, index: int, total: int) -> None:
        """A stage begins."""
        self.finish()
        self._pace = Pace()
        self._task = self._bars.add_task(f"{index}/{total} {name}", total=None, steps="", eta="", numbers="")

    def update(self, step: int, total: int | None, **numbers: float) -> None:
        """The stage has done `step` of `total` steps."""
        if self._task is None:
            return
        eta = self._pace.eta(step, total)
        self._bars.update(
            self._task,  # type: ignore[arg-type]
            completed=step,
            total=total,
            steps=f"{step}" if total is None else f"{step}/{total}",
            eta="" if eta is None else duration(eta),
            numbers="  ".join(shown(numbers)),
        )

    def note(self, text: str) -> None:
        """A sentence that the reader should see."""
        self._bars.console.print(text, markup=False, highlight=False, style="dim")

    def finish(self) -> None:
        """The stage is over: its bar is full and its remaining time gone."""
        if self._task is not None:
            self._bars.update(self._task, completed=1, total=1, eta="")  # type: ignore[arg-type]


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 s, 5:12, 2:03:40."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def shown(numbers: dict[str, float]) -> list[str]:
    """At most three numbers with their names, three digits each."""
    return [f"{name} {value:.3g}" for name, value in list(numbers.items())[:3]]


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    return Bars(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[steps]}"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[eta]}[/dim]"),
        TextColumn("{task.fields[numbers]}"),
        console=Console(file=stream),
    )
