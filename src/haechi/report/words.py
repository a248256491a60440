"""The words of a report in one of its languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from haechi.report.english import ENGLISH
from haechi.report.korean import KOREAN

Language = Literal["ko", "en"]

_DICTIONARIES: dict[Language, dict[str, str]] = {"ko": KOREAN, "en": ENGLISH}


@dataclass(frozen=True, slots=True)
class Words:
    """Looks words up by key and fills in their values."""

    language: Language

    def __call__(self, key: str, /, **values: object) -> str:
        """The words of a key; raises KeyError if it is not in the dictionary."""
        text = _DICTIONARIES[self.language][key]
        return text.format(**values) if values else text

    def known(self, key: str, default: str, /, **values: object) -> str:
        """The words of a key, or `default` as it is for names that come from data and have no words of their own."""
        return self(key, **values) if key in _DICTIONARIES[self.language] else default

    def of(self, key: str, metric: str, /, **values: object) -> str:
        """The words of a key in their form for a metric other than correctness, where it has one."""
        own = f"{key}.{metric}"
        return self(own if own in _DICTIONARIES[self.language] else key, **values)

    def system(self, name: str) -> str:
        """What a system is called."""
        return self.known(f"system.{name}", name)

    def stage(self, name: str) -> str:
        """What a stage is called."""
        return self.known(f"stage.{name}", name)

    def units(self) -> tuple[str, str, str]:
        """What follows a number of hours, minutes and seconds; a space, where the language wants one, included."""
        return self("unit.hours"), self("unit.minutes"), self("unit.seconds")

    def glossary(self) -> list[tuple[str, str]]:
        """Terms with their meanings."""
        entries = [text for key, text in _DICTIONARIES[self.language].items() if key.startswith("glossary.")]
        return [(term, meaning) for term, _, meaning in (entry.partition("|") for entry in entries)]
