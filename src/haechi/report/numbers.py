"""Numbers as a reader wants them: rates in percent, everything with the digits it deserves."""

from __future__ import annotations

from haechi.report.contract import Comparison, Number

# Shares of something, between 0 and 1, shown in percent.
RATES = frozenset({
    "correct", "abstention_precision", "abstention_recall", "over_refusal", "citation_precision", "citation_recall",
    "grounded", "accuracy", "clip_fraction", "eos_rate", "recall@1", "recall@k",
})  # fmt: skip

MISSING = "–"
_MINUS = "−"


def is_rate(name: str) -> bool:
    """Whether a metric or curve is a share."""
    return name.removeprefix("validation/") in RATES


def decimals(*values: float | None) -> int:
    """Decimals that give about three significant digits at the largest of the magnitudes."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 1 else 3


def plain(value: float | None, digits: int, *, sign: bool = False) -> str:
    """A number with fixed decimals, a true minus sign and thousands separated; a dash where it is missing."""
    if value is None:
        return MISSING
    text = f"{abs(value):,.{digits}f}"
    if not text.strip("0.,"):
        return text
    return f"{_MINUS if value < 0 else '+' if sign else ''}{text}"


def value(metric: str, number: Number, digits: int | None = None) -> str:
    """The mean of a metric: `78.4%` or `0.61`; `digits` are the decimals of what is not a rate."""
    if number.value is None:
        return MISSING
    if is_rate(metric):
        return f"{plain(100 * number.value, 1)}%"
    return plain(number.value, decimals(number.value) if digits is None else digits)


def interval(metric: str, number: Number | Comparison, digits: int | None = None, *, sign: bool = False) -> str:
    """The interval of a number or a difference, `[72.0, 84.1]`, in the unit of `value`; empty where there is none."""
    if number.low is None or number.high is None:
        return ""
    if is_rate(metric):
        factor, digits = 100, 1
    else:
        factor, digits = 1, decimals(number.value) if digits is None else digits
    return f"[{plain(factor * number.low, digits, sign=sign)}, {plain(factor * number.high, digits, sign=sign)}]"


def difference(comparison: Comparison, points: str) -> str:
    """A signed difference: `+6.3 points` for a rate (`points` is the suffix for it), `−0.21` otherwise."""
    if comparison.value is None:
        return MISSING
    if is_rate(comparison.metric):
        return f"{plain(100 * comparison.value, 1, sign=True)}{points}"
    return plain(comparison.value, decimals(comparison.value), sign=True)


def memory(megabytes: float | None) -> str:
    """Memory in MB, or GB from 1,000 MB on."""
    if megabytes is None:
        return MISSING
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def duration(seconds: float | None, units: tuple[str, str, str]) -> str:
    """Seconds as the two largest of hours, minutes and seconds; `units` are what follows the numbers, in that order."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f}{units[2]}" if seconds < 10 else f"{seconds:.0f}{units[2]}"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{units[1]} {rest}{units[2]}"
    return f"{minutes // 60}{units[0]} {minutes % 60}{units[1]}"
