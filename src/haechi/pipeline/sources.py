"""Which source a stage runs, found by following its imports, and a hash of what that source does."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from haechi.errors import StageError

# What these hold reaches a stage as values (its settings) or as display, and is covered or without effect.
_WITHOUT_EFFECT = ("haechi.pipeline", "haechi.recipe", "haechi.errors", "haechi.cli")


@dataclass(frozen=True, slots=True)
class _Source:
    meaning: str
    imports: frozenset[str]


def code_hash(module: str) -> str:
    """A hash of the module and of everything of its own top-level package that it imports, directly or not.

    Imports inside functions count; comments, docstrings and layout do not, so that explaining a method better does not
    train it again. Raises StageError if the module does not exist.
    """
    digest = hashlib.sha256()
    for name, source in sorted(_closure(module).items()):
        digest.update(f"{name}\0{source.meaning}\0".encode())
    return digest.hexdigest()[:32]


def modules_of(module: str) -> list[str]:
    """The names of the modules that count towards `code_hash(module)`."""
    return sorted(_closure(module))


def _closure(module: str) -> dict[str, _Source]:
    root = module.partition(".")[0]
    found: dict[str, _Source] = {}
    waiting = {module}
    while waiting:
        name = waiting.pop()
        path = None if name == "haechi" or name.startswith(_WITHOUT_EFFECT) else _file_of(name)
        if path is None:
            continue
        found[name] = _read(name, path, path.stat().st_mtime_ns)
        related = {imported for imported in found[name].imports if imported.partition(".")[0] == root}
        waiting |= (related | {name.rpartition(".")[0] or root}) - found.keys()
    if module not in found:
        raise StageError(f"the module {module} does not exist. Fix: install haechi again.")
    return found


def _file_of(module: str) -> Path | None:
    # Found from the root package's folder, so that nothing has to be imported.
    root, *rest = module.split(".")
    spec = importlib.util.find_spec(root)
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    base = Path(spec.origin).parent.joinpath(*rest)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@lru_cache(maxsize=1024)
def _read(module: str, path: Path, _modified: int) -> _Source:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    imports = frozenset(name for node in ast.walk(tree) for name in _imported(node, package))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [child for child in body if not _is_text(child)]
    return _Source(ast.dump(tree), imports)


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        relative = "." * node.level + (node.module or "")
        source = importlib.util.resolve_name(relative, package)
        yield source
        # `from package import module` and `from module import name` look alike; what is no module is ignored later.
        yield from (f"{source}.{alias.name}" for alias in node.names)


def _is_text(node: ast.AST) -> bool:
    """Whether the statement is a bare constant: the docstring of a module, class, function or attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
