"""Recipes from YAML and the command line; every mistake is named with its file, line and remedy."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from haechi.errors import RecipeError
from haechi.pipeline.files import read_json
from haechi.recipe import Recipe

Location = tuple[int | str, ...]


def load_recipe(path: Path, overrides: Mapping[str, str | Sequence[str]] | None = None) -> Recipe:
    """A recipe from a YAML file, then changed by overrides.

    Args:
        path: the YAML file. Relative paths in it count from its folder.
        overrides: dotted keys to values as typed, like {"reward.trainable.rank": "16"}; a value is read as YAML, and
            several values make a list. Relative paths in it count from the working directory.

    Raises:
        RecipeError: the file or an override is not valid; the message names the line or the option.
    """
    text = _text(path)
    root, data = _parse(path, text)
    try:
        recipe = Recipe.model_validate({} if data is None else data, context={"folder": path.resolve().parent})
    except ValidationError as error:
        raise RecipeError(_message(error, lambda at: f"{path}:{_line(root, at)}: ")) from error
    return override(recipe, overrides or {})


def load_saved(path: Path, overrides: Mapping[str, str | Sequence[str]] | None = None) -> Recipe:
    """The resolved recipe that a run keeps as JSON, then changed by overrides."""
    try:
        recipe = Recipe.model_validate(read_json(path))
    except ValidationError as error:
        raise RecipeError(_message(error, lambda _: f"{path}: ")) from error
    return override(recipe, overrides or {})


def override(recipe: Recipe, overrides: Mapping[str, str | Sequence[str]]) -> Recipe:
    """The recipe with some values replaced; see `load_recipe`."""
    if not overrides:
        return recipe
    data = recipe.model_dump()
    keys = list(dotted_keys(Recipe))
    for key, typed in overrides.items():
        if key not in keys:
            raise RecipeError(f"--{key}: unknown option. {_hint(key, keys, '--', ' See haechi run --help.')}")
        *parents, last = key.split(".")
        section = data
        for parent in parents:
            if section[parent] is None:
                section[parent] = {}
            section = section[parent]
        section[last] = _value(key, typed)
    try:
        return Recipe.model_validate(data, context={"folder": Path.cwd()})
    except ValidationError as error:
        raise RecipeError(_message(error, lambda at: "--" if at else "")) from error


def dotted_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a section that holds a value, like `ppo.rewards.length`."""
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is None:
            yield prefix + name
        else:
            yield from dotted_keys(section, f"{prefix}{name}.")


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds (or may hold), or None for a value."""
    if get_origin(annotation) is tuple:  # a list of sections, like a curriculum, is one value
        return None
    return _model_in(annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    candidates = (annotation, *get_args(annotation))
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        fix = "check the path, or make one with haechi new NAME"
        raise RecipeError(f"{path.absolute()}: no such recipe. Fix: {fix}.") from error
    except IsADirectoryError as error:
        raise RecipeError(f"{path}: a directory, not a recipe. Fix: name the YAML file in it.") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}). Fix: check path and permissions.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start}. Fix: save the file as UTF-8.") from error


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, Any]:
    """The YAML's nodes, which know their lines, and its data. Raises RecipeError for what is no mapping of distinct
    keys."""
    try:
        root, data = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except ValueError as error:  # a date or a number that there is not
        raise RecipeError(f"{path}: not valid YAML: {error}. Fix: put quotes around such a text.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        problem = getattr(error, "problem", None) or "cannot be read"
        raise RecipeError(f"{where}: not valid YAML: {problem}. Fix: check indentation, quotes and colons.") from error
    if root is not None and not isinstance(root, yaml.MappingNode):
        _refuse(path, root, "a recipe is a mapping of sections. Fix: write lines like `seed: 0`")
    if root is not None:
        _check_keys(path, root)
    return root, data


def _check_keys(path: Path, node: yaml.Node) -> None:
    # PyYAML would let the last of two equal keys win in silence.
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        if key.tag != "tag:yaml.org,2002:str":
            _refuse(path, key, f"the key {key.value!r} is not a word. Fix: remove or quote it")
        if key.value in seen:
            _refuse(path, key, f"`{key.value}` is already on line {seen[key.value]}. Fix: remove one of the two")
        seen[key.value] = key.start_mark.line + 1
        _check_keys(path, value)


def _refuse(path: Path, node: yaml.Node, problem: str) -> NoReturn:
    raise RecipeError(f"{path}:{node.start_mark.line + 1}: {problem}.")


def _line(root: yaml.Node | None, location: Location) -> int:
    """The line of the innermost part of `location` that stands in the file."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _value(key: str, typed: str | Sequence[str]) -> object:
    if not isinstance(typed, str):
        return [_value(key, item) for item in typed]
    if typed == "None":
        return None
    try:
        return yaml.safe_load(typed)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"--{key}: {typed!r} cannot be read. Fix: put quotes around it.") from error


def _message(error: ValidationError, where: Callable[[Location], str]) -> str:
    """One line for the first mistake, and how many there are."""
    first, *others = error.errors()
    at = first["loc"]
    more = f" ({len(others)} more)" if others else ""
    return f"{where(at)}{_problem(first, at)}{more}"


def _problem(details: ErrorDetails, at: Location) -> str:
    name = _dotted(at)
    if details["type"] == "extra_forbidden":
        keys = list(dotted_keys(Recipe))
        *parents, last = at
        known = _names_at(tuple(parents))
        near = difflib.get_close_matches(str(last), known, n=1)
        inside = f" in {_dotted(tuple(parents))}" if parents else ""
        hint = f"Did you mean {near[0]}?" if near else _hint(name, keys, "", f" Known here: {', '.join(known)}.")
        return f"unknown key {last}{inside}. {hint}"
    if details["type"] == "missing":
        return f"{name} is not given. Fix: add it."
    if details["type"] == "value_error":
        text = str(details["ctx"]["error"]) if "ctx" in details else details["msg"]
        return text if text.startswith(name) else f"{name}: {text}" if name else text
    should = re.sub(r"^\w+ should|, unable to parse.*$", lambda match: "should" * (match.start() == 0), details["msg"])
    return f"{name} {should}, got {reprlib.repr(details['input'])}. Fix: haechi run --help shows what it means."


def _names_at(parents: Location) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in parents:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _hint(key: str, keys: Sequence[str], prefix: str, otherwise: str) -> str:
    """The known key nearest to a wrong one: by its last word within the same section, or else by its spelling."""
    section, last = key.split(".")[0], key.split(".")[-1]
    within = {known.split(".")[-1]: known for known in reversed(keys) if known.split(".")[0] == section}
    near = [within[word] for word in difflib.get_close_matches(last, within, n=1)]
    near = near or difflib.get_close_matches(key, keys, n=1)
    return f"Did you mean {prefix}{near[0]}?" if near else otherwise.strip()


def _dotted(location: Location) -> str:
    return ".".join(str(part) for part in location)
