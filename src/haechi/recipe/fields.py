"""What sections of a recipe are made of: the types of their fields, and how paths in them are found.

A relative path is resolved against the folder in the validation context (the recipe file's), and must exist there;
without a context (a recipe saved with a run) paths are taken as they stand.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


def asset(name: str) -> Path:
    """The path of something that comes with the package: what `package:name` means in a recipe."""
    return Path(str(files("haechi").joinpath("assets", *name.split("/"))))


def _resolve(value: str, folder: Path) -> Path:
    if value.startswith("package:"):
        return asset(value.removeprefix("package:"))
    return (folder / Path(value).expanduser()).resolve()


def _source(path: Path, info: ValidationInfo) -> Path:
    if not info.context:
        return path
    found = _resolve(str(path), info.context["folder"])
    if not found.exists():
        raise ValueError(f"{found} does not exist. Fix: correct the path; it counts from {info.context['folder']}.")
    return found


def _file(path: Path, info: ValidationInfo) -> Path:
    found = _source(path, info)
    if info.context and found.is_dir():
        raise ValueError(f"{found} is a directory, not a file. Fix: name the file itself.")
    return found


def _model(name: str, info: ValidationInfo) -> str:
    is_path = name.startswith(("./", "../", "~", "/", "package:"))
    return str(_source(Path(name), info)) if is_path else name


def _several(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


Source = Annotated[Path, AfterValidator(_source)]
OneOrSeveral = BeforeValidator(_several)
Sources = Annotated[tuple[Source, ...], OneOrSeveral]
File = Annotated[Path, AfterValidator(_file)]
Files = Annotated[tuple[File, ...], OneOrSeveral]
Model = Annotated[str, Field(min_length=1), AfterValidator(_model)]


class Section(BaseModel):
    """Part of a recipe: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
