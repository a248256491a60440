"""A small library about a fictional lighthouse, and Kiwi loaded once for the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.records.types import Document
from haechi.retrieval.library import Library
from haechi.retrieval.tokens import tokenize

DOCUMENTS = (
    Document(id="lamp", title="하늘고래 등대", text="등대지기는 오누리이다. 등대는 바다 위에 떠 있다.", source="a.md"),
    Document(id="ferry", title="은빛 나루", text="나루는 강 북쪽에 있다. 배는 3시간마다 떠난다. 뱃삯은 500원이다."),
    Document(id="leave", title="휴가 규정", text="육아휴직은 1년까지 쓸 수 있다. 연차휴가는 15일이다."),
    Document(id="tower", title="Glass Tower", text="The keeper of the Glass Tower is Mira. It has 13 floors."),
    Document(id="twin", title="", text="바다 안개. 바다 안개. 바다 안개. 바다 안개."),
)


@pytest.fixture(scope="session", autouse=True)
def kiwi() -> None:
    tokenize("등대")


@pytest.fixture(scope="session")
def documents() -> tuple[Document, ...]:
    return DOCUMENTS


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """One sentence or two to a passage."""
    folder: Path = tmp_path_factory.mktemp("libraries") / "small"
    with Library.build(folder, DOCUMENTS, max_chars=20) as built:
        yield built
