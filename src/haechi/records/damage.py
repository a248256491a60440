"""Text that something went wrong with: lost encodings, control characters, stuck keys, tails of an export."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Damage(StrEnum):
    """What is wrong with a text."""

    REPLACEMENT = "replacement character"
    CONTROL = "control character"
    MOJIBAKE = "mojibake"
    REPEATED = "one character repeated"
    EXPORT_TAIL = "tail of an export"


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageLimits:
    """From which share of a text on it counts as damaged.

    Attributes:
        mojibake: share of characters that look like UTF-8 or CP949 bytes read as Latin-1.
        repeated: share of the longest run of one character.
        repeated_run: the least length of such a run; a shorter one is emphasis (ㅋㅋㅋㅋ, ----).
    """

    mojibake: float = 0.1
    repeated: float = 0.5
    repeated_run: int = 10


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# The bytes 0x80-0xBF as Latin-1 and as Windows-1252 shows them (five of them it leaves undefined).
_TRAIL = "\u0080-\u00bf" + bytes(range(0x80, 0xA0)).decode("cp1252", errors="ignore")
_MOJIBAKE = re.compile(
    f"[\u00c2-\u00df][{_TRAIL}]|[\u00e0-\u00ef][{_TRAIL}]{{2}}|[\u00f0-\u00f4][{_TRAIL}]{{3}}"  # UTF-8
    "|[\u00a1-\u00fe]{4,}"  # CP949: Hangul becomes pairs of such letters, and no language writes four in a row
)
_RUN = re.compile(r"(\S)\1+")
# KoChatGPT: …합니다.", 'token': 280}
_EXPORT_TAIL = re.compile(r"""["']\s*,\s*["']tokens?["']\s*:\s*\d+\s*\}?\s*\Z""")


def damage_of(text: str, limits: DamageLimits | None = None) -> Damage | None:
    """The first kind of damage found in a text, None if it is sound."""
    limits = DamageLimits() if limits is None else limits
    if "\ufffd" in text:
        return Damage.REPLACEMENT
    if _CONTROL.search(text):
        return Damage.CONTROL
    if not text.isascii():
        suspect = sum(len(found[0]) for found in _MOJIBAKE.finditer(text))
        if suspect and suspect >= limits.mojibake * len(text):
            return Damage.MOJIBAKE
    longest = max((len(found[0]) for found in _RUN.finditer(text)), default=0)
    if longest >= limits.repeated_run and longest >= limits.repeated * len(text.strip()):
        return Damage.REPEATED
    if _EXPORT_TAIL.search(text):
        return Damage.EXPORT_TAIL
    return None
