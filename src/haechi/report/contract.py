"""What the report reads: the files of a run, checked once at this border and typed behind it.

The fields are those of docs/architecture.md. Unknown fields are ignored, so that a run written by a later version of
the same schema still reads; a number that is not finite is treated as missing.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from haechi.errors import InputError

SCHEMA = 1

Direction = Literal["higher", "lower", "neither"]


def _finite_or_none(raw: Any) -> Any:
    return None if isinstance(raw, float) and not math.isfinite(raw) else raw


Finite = Annotated[float | None, BeforeValidator(_finite_or_none)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_R = TypeVar("_R", bound=_Record)


class Number(_Record):
    """A mean with its 95 % interval over `n` questions. A bare JSON number reads as a value without an interval."""

    value: Finite = None
    low: Finite = None
    high: Finite = None
    n: int | None = None
    topics: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, raw: Any) -> Any:
        return {"value": raw} if raw is None or isinstance(raw, (int, float)) else raw


class Metric(_Record):
    """What a metric is called, which way is better, and what it means."""

    title: str = ""
    better: Direction = "neither"
    about: str = ""


class Comparison(_Record):
    """The difference a − b of one metric, paired by question."""

    metric: str
    a: str
    b: str
    value: Finite = None
    low: Finite = None
    high: Finite = None
    n: int | None = None
    topics: int | None = None
    verdict: str = ""

    def reversed(self) -> Comparison:
        """The same difference seen from b: b − a. The words are dropped, for they speak of a − b."""
        return Comparison(
            metric=self.metric, a=self.b, b=self.a, value=_negated(self.value), low=_negated(self.high),
            high=_negated(self.low), n=self.n, topics=self.topics,
        )  # fmt: skip


def _negated(value: float | None) -> float | None:
    return None if value is None else -value


class Bin(_Record):
    """One bin of a calibration figure: mean predicted probability, observed share, pairs."""

    predicted: float
    observed: float
    n: int


class Scores(_Record):
    """The reward model's scores of held-out preferred and rejected answers."""

    chosen: list[Finite] = Field(default_factory=list)
    rejected: list[Finite] = Field(default_factory=list)


class RewardModel(_Record):
    """How well the reward model agrees with held-out comparisons."""

    accuracy: Number = Number()
    ceiling: Number = Number()
    realised_ceiling: Number = Number()
    true_accuracy: Number = Number()
    margin: Number = Number()
    by_kind: dict[str, Number] = Field(default_factory=dict)
    length_only_accuracy: Number = Number()
    calibration: list[Bin] = Field(default_factory=list)
    scores: Scores = Scores()


class StageCost(_Record):
    """What a stage took."""

    seconds: Finite = None
    peak_memory_mb: Finite = None
    trained_parameters: int | None = None


class Results(_Record):
    """results.json."""

    schema_: int = Field(alias="schema")
    name: str
    seed: int | None = None
    recipe_hash: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    threads: int | None = None
    started: str = ""
    systems: dict[str, dict[str, Number]]
    metrics: dict[str, Metric] = Field(default_factory=dict)
    comparisons: list[Comparison] = Field(default_factory=list)
    reward_model: RewardModel | None = None
    retrieval: dict[str, Number] | None = None
    stages: dict[str, StageCost] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


class AnswerPassage(_Record):
    """A passage as a question's prompt held it."""

    id: str = ""
    title: str = ""
    text: str


class SystemAnswer(_Record):
    """What one system answered, and its scores."""

    text: str
    citations: list[int] = Field(default_factory=list)
    correct: Finite = None
    abstained: bool = False
    grounded: Finite = None
    f1: Finite = None
    reward: Finite = None
    kl: Finite = None
    length: Finite = None


class AnswerRow(_Record):
    """One test question with every system's answer: a line of evaluate/answers.jsonl."""

    question_id: str
    question: str
    gold: str | None = None
    answerable: bool = True
    passages: list[AnswerPassage] = Field(default_factory=list)
    gold_numbers: list[int] | None = None
    systems: dict[str, SystemAnswer]


def read_results(path: Path) -> Results:
    """results.json as a typed record.

    Raises:
        InputError: the file is not JSON, is of another schema, or breaks the contract.
    """
    raw = read_json(path)
    if raw.get("schema") != SCHEMA:
        raise InputError(
            path, f"its schema is {raw.get('schema')!r}, this report reads {SCHEMA}",
            "use the version of haechi that wrote the run, or run it again",
        )  # fmt: skip
    return _checked(Results, raw, path, None)


def read_answers(path: Path) -> list[AnswerRow]:
    """evaluate/answers.jsonl, in the file's order; raises InputError with the line that breaks the contract."""
    return [_checked(AnswerRow, raw, path, line) for line, raw in read_lines(path)]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises InputError if the file holds anything else."""
    return _object(_text(path), path, None)


def read_lines(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The JSON objects of a JSON-lines file with their 1-based lines; empty lines are skipped."""
    lines = _text(path).split("\n")
    return [(number, _object(line, path, number)) for number, line in enumerate(lines, start=1) if line.strip()]


_AGAIN = "delete the folder of the stage that wrote it and run the recipe again"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 at byte {error.start}", _AGAIN) from error


def _object(text: str, path: Path, line: int | None) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON: {error.msg}", _AGAIN, line or error.lineno) from error
    if not isinstance(raw, dict):
        raise InputError(path, "not a JSON object", _AGAIN, line)
    return raw


def _checked(kind: type[_R], raw: dict[str, Any], path: Path, line: int | None) -> _R:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(path, f"`{field}`: {first['msg']}", _AGAIN, line) from error
