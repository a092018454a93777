"""What the packages of a child process accept, read from their source: a recipe is checked without importing torch."""

import ast
import functools
import importlib.util
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError


def package_folder(package: str, what: str, extra: str) -> Path:
    """Return the folder of an installed package.

    Args:
        package: its import name.
        what: what it is needed for.
        extra: the extra of flywheel that brings it.

    Raises:
        MissingExtraError: it is not installed.
    """
    found: Any = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        cure = f"pip install 'llm-flywheel[{extra}]'"
        raise MissingExtraError(what, expected=f"the package {package}", received="it is not installed", cure=cure)
    return Path(found.submodule_search_locations[0])


@functools.cache
def read_module(file: Path) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse(file.read_text(encoding="utf-8"))


@functools.cache
def class_fields(file: Path, class_name: str) -> dict[str, str]:
    """Return the annotated fields of a class, name to annotation.

    Raises:
        LookupError: the file has no such class.
    """
    for node in read_module(file).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            named = {f.target.id: ast.unparse(f.annotation) for f in fields if isinstance(f.target, ast.Name)}
            return {name: annotation for name, annotation in named.items() if not name.startswith("_")}
    raise LookupError(f"{file} has no class {class_name}")


@functools.cache
def enum_values(file: Path, class_name: str) -> tuple[str, ...]:
    """Return the text values of an enumeration; none when the file does not define it."""
    for node in read_module(file).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            values = [item.value for item in node.body if isinstance(item, ast.Assign)]
            return tuple(v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str))
    return ()


@functools.cache
def mapping_keys(file: Path, name: str) -> tuple[str, ...]:
    """Return the texts that are keys of the mapping ``name`` of a module; none when the file does not define it."""
    for node in read_module(file).body:
        is_named = isinstance(node, ast.Assign) and any(_name_of(target) == name for target in node.targets)
        if is_named and isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return tuple(k.value for k in node.value.keys if isinstance(k, ast.Constant) and isinstance(k.value, str))
    return ()


@functools.cache
def compared_values(file: Path, name: str) -> tuple[str, ...]:
    """Return the texts that a file's code compares the variable or attribute ``name`` with, in order."""
    found: dict[str, None] = {}
    for node in ast.walk(read_module(file)):
        if isinstance(node, ast.Compare) and _name_of(node.left) == name:
            for part in node.comparators:
                found |= dict.fromkeys(
                    c.value for c in ast.walk(part) if isinstance(c, ast.Constant) and isinstance(c.value, str)
                )
    return tuple(found)


def _name_of(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


@functools.cache
def init_arguments(file: Path, class_name: str) -> dict[str, str]:
    """Return what a class's ``__init__`` takes by name, with a type that the default tells: name to annotation.

    Raises:
        LookupError: the file has no such class, or that no ``__init__``.
    """
    for node in read_module(file).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    names = [a.arg for a in item.args.args[1:]]
                    defaults = [None] * (len(names) - len(item.args.defaults)) + [*item.args.defaults]
                    return {name: _type_of(default) for name, default in zip(names, defaults, strict=True)}
    raise LookupError(f"{file} has no class {class_name} with an __init__")


def _type_of(default: ast.expr | None) -> str:
    value = default.value if isinstance(default, ast.Constant) else None
    return "Any" if value is None else type(value).__name__
