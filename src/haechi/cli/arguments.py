"""What stands after a verb: words that stand alone, and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from haechi.errors import RecipeError

Options = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Arguments:
    """A verb's arguments: what stands alone, and options with their values as typed."""

    alone: tuple[str, ...]
    options: Options


def parse(words: Sequence[str], flags: frozenset[str] = frozenset()) -> Arguments:
    """Split words into arguments and options.

    `--key value`, `--key=value` and `--key a b` (a list) are options; hyphens in keys count as underscores. A flag
    takes no value. Raises RecipeError for an option without a value or given twice.
    """
    alone: list[str] = []
    options: dict[str, str | list[str]] = {}
    position = 0
    while position < len(words):
        word, position = words[position], position + 1
        if not word.startswith("--"):
            alone.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        key = name.replace("-", "_")
        values = [value] if equals else []
        while not equals and key not in flags and position < len(words) and not words[position].startswith("--"):
            values.append(words[position])
            position += 1
        if key in options:
            raise RecipeError(f"--{key} is given twice. Fix: remove one of the two.")
        if not values and key not in flags:
            raise RecipeError(f"--{key} has no value. Fix: write --{key} VALUE.")
        options[key] = values if len(values) > 1 else "".join(values)
    return Arguments(tuple(alone), options)


def one(options: Options, key: str) -> str | None:
    """The value of an option that takes one; None where it is not given. Raises RecipeError for several."""
    value = options.get(key)
    if isinstance(value, list):
        raise RecipeError(f"--{key} takes one value, got {' '.join(value)}. Fix: give one.")
    return value


def exactly(arguments: Arguments, name: str, example: str) -> tuple[str]:
    """The one word that a verb needs before its options. Raises RecipeError, with an example, where it is not one."""
    if len(arguments.alone) != 1:
        given = " ".join(arguments.alone) or "nothing"
        raise RecipeError(f"one {name} is needed before the options, got {given}. Fix: {example}.")
    return (arguments.alone[0],)


def only_options(arguments: Arguments, *known: str) -> None:
    """Raises RecipeError for an option that the verb does not know."""
    for key in arguments.options:
        if key not in known:
            hint = f"Options: --{', --'.join(known)}." if known else "This verb has none."
            raise RecipeError(f"--{key}: unknown option. {hint}")


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether the words ask to be explained."""
    return "--help" in words or "-h" in words
