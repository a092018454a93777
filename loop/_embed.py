"""The recipe's embedding model: a function of the user's, from texts to vectors."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Recipe
from ..errors import NotFoundError, RecipeError
from ..plugins import load_user_module
from ..schema import hash_files

PLACE = "recipe, curate.embed"
Embed = Callable[[Sequence[str]], Any]
"""Texts to vectors: an array of shape (texts, dimensions)."""


def load_embed(recipe: Recipe, base: Path) -> Embed | None:
    """Return the function that ``curate.embed`` names, with what it returns checked; None where none is named.

    Raises:
        NotFoundError: there is no such file, module or function.
        RecipeError: the file cannot be run, or what is named is no function.
    """
    name = recipe.curate.embed
    if name is None:
        return None
    where, _, attribute = name.partition(":")
    module = load_user_module(base / where, PLACE) if where.endswith(".py") else _import(where)
    function = getattr(module, attribute, None)
    if not callable(function):
        raise NotFoundError(
            f"{PLACE} {name!r}",
            expected=f"a function {attribute!r} of {where}",
            received="none of that name",
            cure="check the name",
        )
    return lambda texts: _checked(function(list(texts)), texts)


def describe_embed(recipe: Recipe, base: Path) -> dict[str, str]:
    """Return the content id of the file that defines the function, if it is a user's file."""
    where = (recipe.curate.embed or "").partition(":")[0]
    return {f"embedding {recipe.curate.embed}": hash_files([base / where])} if where.endswith(".py") else {}


def _import(where: str) -> Any:
    try:
        return importlib.import_module(where)
    except ImportError as error:
        raise NotFoundError(
            f"{PLACE} {where!r}", expected="a module that can be imported", received=str(error),
            cure="install its package, or give a file: own.py:embed",
        ) from error  # fmt: skip


def _checked(found: Any, texts: Sequence[str]) -> Any:
    try:
        vectors = np.asarray(found, np.float32)
    except (TypeError, ValueError):
        vectors = np.zeros(0, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise RecipeError(
            PLACE, expected=f"finite vectors of shape ({len(texts)}, dimensions) for {len(texts)} texts",
            received=f"{type(found).__name__} of shape {getattr(vectors, 'shape', '')}", cure="mend the function",
        )  # fmt: skip
    return vectors
