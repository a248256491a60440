"""Files to rows: JSON lines, JSON arrays and CSV, plain or gzipped, with the line on which every row stands.

A fault is reported where it is: path, line and, for bytes that are not UTF-8, the byte offset.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from haechi.errors import InputError

T = TypeVar("T")

_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(r"\s*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder()
_NAMED = 3


@dataclass(slots=True)
class ReadingLog:
    """What readers noticed; pass one to a reader to keep it, and the same one to several to add up.

    Attributes:
        formats: by file, the name of the format that was recognised.
        skipped: the bad rows that were left out because of `skip_bad`, as the errors they would have raised.
        passed_over: what was left out although nothing is wrong with it (ties, files of other types): by reason, where.
        misspelt: fields that look like another one's name, by name, with the first place.
    """

    formats: dict[Path, str] = field(default_factory=dict)
    skipped: list[InputError] = field(default_factory=list)
    passed_over: dict[str, list[str]] = field(default_factory=dict)
    misspelt: dict[str, str] = field(default_factory=dict)

    def pass_over(self, reason: str, where: str) -> None:
        """Notes one thing that was left out for `reason`."""
        self.passed_over.setdefault(reason, []).append(where)

    def told(self) -> list[str]:
        """A line for each reason, with the first things that it left out, and one for each misspelt field."""
        lines = []
        for reason, places in self.passed_over.items():
            named = [*places[:_NAMED], "…"] if len(places) > _NAMED else places
            lines.append(f"passed over: {len(places)} ({reason}): {', '.join(named)}")
        return lines + list(self.misspelt.values())


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file. The accessors check what they return and raise `InputError` at this row."""

    path: Path
    line: int
    fields: Mapping[str, Any]

    @property
    def place(self) -> str:
        """File name and line, for messages."""
        return f"{self.path.name}:{self.line}"

    def fault(self, problem: str, fix: str) -> InputError:
        """An error that points at this row."""
        return InputError(self.path, problem, fix, line=self.line)

    def text(self, name: str, *, blank: bool = False) -> str:
        """A text that must be there; `blank=True` lets it be empty."""
        if name not in self.fields:
            found = ", ".join(sorted(self.fields)) or "none"
            raise self.fault(f"field {name!r} is missing (fields: {found})", f"add {name!r} to the row")
        return self.check_text(self.fields[name], name, blank=blank)

    def check_text(self, value: object, name: str, *, blank: bool = False) -> str:
        """`value` in NFC, if it is a text that can be stored as UTF-8; `name` is what the error calls it."""
        if not isinstance(value, str):
            what = "null" if value is None else type(value).__name__
            raise self.fault(f"{name!r} is {what}, not text", f"give {name!r} as a string, or delete the row")
        if not blank and not value.strip():
            raise self.fault(f"{name!r} is empty", f"fill in {name!r}, or delete the row")
        if _SURROGATE.search(value):
            raise self.fault(f"{name!r} holds half of a surrogate pair", "write the character out, or delete it")
        return unicodedata.normalize("NFC", value)  # some file systems and keyboards spell Hangul in letters

    def optional_text(self, name: str) -> str | None:
        """A text, or None where the field is absent, null or blank."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return self.check_text(value, name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text counts as a list of one, and absent or null as none."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            one = self.optional_text(name)
            return () if one is None else (one,)
        return tuple(self.check_text(item, f"{name}[{index}]") for index, item in enumerate(value))

    def identifier(self, name: str = "id") -> str | None:
        """An id given as text or as a whole number, None where there is none."""
        value = self.fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.optional_text(name)

    def number(self, name: str, default: float) -> float:
        """A finite number; `default` where the field is absent or null."""
        value = self.fields.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.fault(f"{name!r} is {value!r}, not a finite number", f"give {name!r} as a number")
        return float(value)

    def boolean(self, name: str, default: bool) -> bool:
        """True or false, also as the words (a CSV has only words); `default` where absent, null or blank."""
        value = self.fields.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        raise self.fault(f"{name!r} is {value!r}, not true or false", f"write true or false for {name!r}")


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked where its name ends in `.gz`, without a byte order mark.

    Raises:
        InputError: the file is missing, a folder, unreadable, or damaged gzip.
    """
    if path.is_dir():
        raise InputError(path, "is a folder, not a file", "name a file")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(path, f"no such file ({path.absolute()})", "check the name") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(path, f"is not complete gzip ({error})", "copy or download it again") from error
    return data.removeprefix(_BOM)


def decode(data: bytes, path: Path, *, first_line: int = 1, offset: int = 0) -> str:
    """UTF-8 bytes to text; `first_line` and `offset` say where in the file `data` begins.

    Raises:
        InputError: with the line and the offset of the first byte that is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        problem = f"byte 0x{data[error.start]:02x} at offset {offset + error.start} is not UTF-8"
        raise InputError(path, problem, _as_utf8(data, error.start), line=line) from None


def _as_utf8(data: bytes, bad: int) -> str:
    """How to make UTF-8 of it, also where it is what Korean programs on Windows write: CP949 from its first Hangul on,
    while a damaged file is UTF-8 up to the damage."""
    if data[:bad].isascii():
        with suppress(UnicodeDecodeError):
            data.decode("cp949")
            return "it reads as CP949 (EUC-KR): save it as UTF-8, for example with iconv -f cp949 -t utf-8"
    return "save the file as UTF-8"


def scan(path: Path) -> Iterator[Row | InputError]:
    """The rows of a `.jsonl`, `.json` or `.csv` file (also with `.gz`), a bad row as the error it amounts to.

    What a file holds is seen from its content: a `.jsonl` file that is really one JSON array (KoChatGPT is published
    so) is read as one. Of a JSON object the first member that is a list of objects is read.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    data = read_bytes(path)
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if kind == ".csv":
        yield from _csv_rows(path, decode(data, path))
    elif kind == ".json" or data.lstrip()[:1] == b"[":
        yield from _array_rows(path, decode(data, path))
    elif kind == ".jsonl":
        yield from _line_rows(path, data)
    else:
        raise InputError(path, f"{kind or 'no suffix'} is not a known file type", "use .jsonl, .json or .csv")


def read_rows(
    path: Path, parse: Callable[[Row], Iterable[T]], *, skip_bad: bool = False, log: ReadingLog | None = None
) -> list[T]:
    """Everything `parse` makes of the rows of a file.

    Args:
        parse: a row to any number of records; raises `InputError` for a bad row.
        skip_bad: leave bad rows out and keep their errors in `log`, instead of raising the first.

    Raises:
        InputError: a bad row; or no row at all, or none that is good.
    """
    log = ReadingLog() if log is None else log
    records: list[T] = []
    good, bad = 0, list[InputError]()
    for item in scan(path):
        try:
            if isinstance(item, InputError):
                raise item
            records.extend(parse(item))
            good += 1
        except InputError as fault:
            if not skip_bad:
                raise
            bad.append(fault)
    if bad and not good:
        raise InputError(path, f"all {len(bad)} rows are bad; the first: {bad[0].problem}", "repair the file")
    if not good:
        raise InputError(path, "holds no rows", "give a file with at least one row")
    log.skipped.extend(bad)
    return records


def line_of(path: Path, identifier: str) -> int | None:
    """The line of the row with this id, to point at it long after it was read; None where no row has it."""
    rows = (row for row in scan(path) if isinstance(row, Row))
    return next((row.line for row in rows if str(row.fields.get("id")) == identifier), None)


def _line_rows(path: Path, data: bytes) -> Iterator[Row | InputError]:
    offset = 0
    # Only \n ends a line: U+2028 and the like may stand inside a JSON string.
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if raw.strip():
            try:
                text = decode(raw, path, first_line=number, offset=offset)
                yield _object(path, number, json.loads(text))
            except InputError as fault:
                yield fault
            except json.JSONDecodeError as error:
                yield _broken_json(path, number, error)
            except RecursionError:
                yield InputError(path, "the JSON is nested too deeply", "flatten the row", line=number)
        offset += len(raw) + 1


def _array_rows(path: Path, text: str) -> Iterator[Row | InputError]:
    """Objects of a JSON array one by one, so that each knows its line."""
    line, counted = 1, 0
    try:
        at = _blank(text, _array_start(path, text) + 1)
        if text[at : at + 1] == "]":
            return
        while True:
            line, counted = line + text.count("\n", counted, at), at
            value, at = _DECODER.raw_decode(text, at)
            yield _object(path, line, value)
            at = _blank(text, at)
            if text[at : at + 1] == "]":
                return
            if text[at : at + 1] != ",":
                raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
            at = _blank(text, at + 1)
    except json.JSONDecodeError as error:
        yield _broken_json(path, error.lineno, error)
    except RecursionError:
        yield InputError(path, "the JSON is nested too deeply", "flatten the row", line=line)


def _array_start(path: Path, text: str) -> int:
    """Where the array of rows begins: at the top, or as a member of the object at the top."""
    at = _blank(text, 0)
    if text[at : at + 1] == "[":
        return at
    if text[at : at + 1] == "{":
        at = _blank(text, at + 1)
        while text[at : at + 1] == '"':
            _, at = _DECODER.raw_decode(text, at)
            at = _blank(text, at)
            if text[at : at + 1] != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
            start = _blank(text, at + 1)
            value, at = _DECODER.raw_decode(text, start)
            if isinstance(value, list) and value and isinstance(value[0], dict):
                return start
            at = _blank(text, at)
            if text[at : at + 1] == ",":
                at = _blank(text, at + 1)
    raise InputError(
        path, "holds no list of rows", "give a JSON array of objects, or one object a line in a .jsonl file"
    )


def _csv_rows(path: Path, text: str) -> Iterator[Row | InputError]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    header: list[str] | None = None
    try:
        for cells in reader:
            if header is None and cells:
                header = [cell.strip() for cell in cells]
            elif header is not None and cells:
                if len(cells) == len(header):
                    yield Row(path, line, dict(zip(header, cells, strict=True)))
                else:
                    problem = f"{len(cells)} cells under {len(header)} headings"
                    yield InputError(path, problem, "quote cells that hold commas or line breaks", line=line)
            line = reader.line_num + 1
    except csv.Error as error:
        yield InputError(path, f"is not valid CSV ({error})", "close every quote", line=line)


def _object(path: Path, line: int, value: object) -> Row | InputError:
    if isinstance(value, dict):
        return Row(path, line, value)
    return InputError(path, f"the row is a {type(value).__name__}, not an object", "write {...} rows", line=line)


def _broken_json(path: Path, line: int, error: json.JSONDecodeError) -> InputError:
    problem = f"is not complete JSON ({error.msg}, column {error.colno})"
    return InputError(path, problem, "repair or delete the row", line=line)


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return at if match is None else match.end()
