"""Help of the verbs that take a recipe: every field with its default, range of choices and meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, make_dataclass
from typing import Annotated, Any

import tyro
from tyro.conf import AvoidSubcommands, FlagConversionOff, Positional, arg

from haechi.recipe import Recipe
from haechi.recipe.bases import PretrainSettings, Reading


def print_help(
    verb: str, about: str, target: tuple[str, str] | None, options: Mapping[str, str], sections: Sequence[str]
) -> None:
    """Print the help of a verb.

    Args:
        verb: the verb.
        about: what it does, with examples.
        target: name and meaning of its argument; None where it has none.
        options: by name the meaning of its own options.
        sections: the recipe's fields that it shows.
    """
    own: list[Any] = []
    if target:
        own.append(("target", Annotated[Positional[str], arg(metavar=target[0], help=target[1])]))
    for name, text in options.items():
        shown = arg(help=text, metavar=name.upper() if name != "force" else "", help_behavior_hint="")
        own.append((name, Annotated[str, shown], ""))
    command = make_dataclass("Command", own + [_field(name) for name in sections])
    config = (FlagConversionOff, AvoidSubcommands)
    program = f"haechi {verb}"
    try:
        tyro.cli(command, prog=program, description=about, args=["--help"], config=config, use_underscores=True)
    except SystemExit:
        return


def _field(name: str) -> tuple[str, Any, Any]:
    described = Recipe.model_fields[name]
    for optional, section in (("pretrain", PretrainSettings), ("reading", Reading)):
        if name == optional:
            return name, Annotated[section, arg(help=described.description)], field(default=section())
    kind = Annotated[described.annotation, arg(help=described.description), *described.metadata]  # type: ignore[misc]
    return name, kind, field(default=described.default)
