"""Recipe files: YAML to :class:`Recipe`."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ._explain import explain_faults
from ._extends import WRITE_ONE, read_recipe_file
from ._recipe import Recipe

RECIPE_FILE = "recipe.yaml"


def load_recipe(path: Path, overrides: dict[str, Any] | None = None, *, cure: str = WRITE_ONE) -> Recipe:
    """Read with what it extends, complete with ``overrides`` (top-level keys, from flags of the same names), and validate a recipe.

    Args:
        path: the recipe file.
        overrides: values of flags.
        cure: what to do when there is no such file.

    Raises:
        NotFoundError: there is no such file.
        FileAccessError: it cannot be read.
        RecipeError: not YAML, an unknown key, a value that is not allowed, or it extends what it may not.
    """
    node, data = read_recipe_file(path, cure=cure)
    given = overrides or {}
    try:
        return Recipe.model_validate({**data, **given})
    except ValidationError as error:
        raise explain_faults(path, node, error, flags=given) from None
