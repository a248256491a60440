"""Files of rows to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RowsFile = Callable[..., Path]


@pytest.fixture
def rows_file(tmp_path: Path) -> RowsFile:
    """`rows_file(row, …, name="rows.jsonl")` writes one JSON object a line and gives the path."""

    def write(*rows: dict[str, Any], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    return write
