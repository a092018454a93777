"""Places of a recipe that are not the project's own: shards of rows that leave the store's file (key ``store``), journals of workers."""

from pathlib import Path

from ..config import Recipe
from ..store import Bucket, Project, Store, check_place, move_to_shards
from ._report_to import Reporter
from ._words import count


def check_shards(recipe: Recipe, project: Project) -> None:
    """See that shards can be written where the recipe wants them.

    Raises:
        InputError: they cannot.
    """
    if recipe.shards:
        check_place(find_shards(recipe, project))


def check_journals(recipe: Recipe) -> None:
    """See that journals can be put where the recipe wants them.

    Raises:
        RecipeError: they cannot.
    """
    if recipe.executor.journals:
        Bucket(recipe.executor.journals).check()


def move_full_shards(store: Store, recipe: Recipe, reporter: Reporter) -> None:
    """Move the rows that fill shards out of the file, if the recipe wants it; between steps, since a step counts rows by their place.

    Raises:
        InputError: they cannot be written; the rows are in the file still.
    """
    if not recipe.shards:
        return
    where = find_shards(recipe, store.project)
    made = list(move_to_shards(store, where, only_full=True))
    if made:
        n = sum(shard.n_rows for shard in made)
        reporter.say(f"{count(n, 'row')} moved to {count(len(made), 'shard')} at {where}")


def find_shards(recipe: Recipe, project: Project) -> str:
    """Return the address of a recipe's shards; a relative folder is the project's."""
    return recipe.shards if "://" in recipe.shards else str(project.root / Path(recipe.shards).expanduser())
