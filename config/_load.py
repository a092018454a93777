"""Recipe files: YAML to :class:`Recipe`."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import RecipeError
from ._explain import explain_faults
from ._recipe import Recipe
from ._text import parse_yaml, read_text

RECIPE_FILE = "recipe.yaml"
WRITE_ONE = "write one with: flywheel init"


def load_recipe(path: Path, overrides: dict[str, Any] | None = None, *, cure: str = WRITE_ONE) -> Recipe:
    """Read, complete with ``overrides`` (top-level keys, from flags of the same names), and validate a recipe.

    Args:
        path: the recipe file.
        overrides: values of flags.
        cure: what to do when there is no such file.

    Raises:
        NotFoundError: there is no such file.
        FileAccessError: it cannot be read.
        RecipeError: not YAML, an unknown key, or a value that is not allowed.
    """
    node, data = parse_yaml(read_text(path, f"recipe {path}", expected="a recipe file", cure=cure), str(path))
    if not isinstance(data, dict):
        raise RecipeError(
            str(path),
            expected="a mapping of recipe keys",
            received="nothing" if data is None else f"a {type(data).__name__}",
            cure=WRITE_ONE,
        )
    given = overrides or {}
    try:
        return Recipe.model_validate({**data, **given})
    except ValidationError as error:
        raise explain_faults(path, node, error, flags=given) from None
