"""What freezes an iteration's snapshots, as the recipe has it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..config import Recipe
from ..errors import RecipeError
from ..eval import Split, load_grader, prepare_suites
from ..gen import SOLVE, Step
from ..judge import HERE, Decontaminator, EvalText, Freezer, Grader, Mapper, Rules
from ..prompts import load_template
from ..store import Project, Store
from ._embed import Embed, load_embed
from ._evaluate import GRADER


def find_shown(recipe: Recipe, root: Path) -> tuple[str, ...]:
    """Return the columns of problems that every prompt of theirs shows besides the question.

    One question with other sources before it is another question: only rows alike in these columns too can contradict each
    other. Steps of ``generate`` have prompts of their own; where they alone are trained on, the question decides.
    """
    if recipe.problems is None or not recipe.draws:
        return ()
    names = {recipe.solve.template, (recipe.on_policy or recipe.solve).template}
    shown = [set(load_template(name, root).variables) for name in names]
    return tuple(sorted(set.intersection(*shown) - {"question"}))


def make_rules(recipe: Recipe, grader: Grader, root: Path) -> Rules:
    """Return what chooses the rows of snapshots; ``root`` is the project's folder, which has its templates."""
    steps = recipe.select.steps or (SOLVE,)
    judges = [j for j in recipe.judges if set(steps) & set(j.of) and j.kind != "pairwise"]
    return Rules(
        recipe.curate, recipe.select, recipe.decontaminate, grader.judge, tuple(j.name for j in judges),
        tuple(j.name for j in judges if j.must_pass), find_shown(recipe, root),
    )  # fmt: skip


def make_mapper(recipe: Recipe, project: Project) -> Mapper:
    """Return what has the parts of curation done; the caller owns the project."""
    if recipe.executor.kind == "local":
        return HERE
    from ._cluster import RayMapper

    return RayMapper(recipe.executor, project.work)


def make_decontaminator(
    recipe: Recipe, splits: Sequence[Split], embed: Embed | None = None, mapper: Mapper = HERE
) -> Decontaminator:
    """Return what knows the items of every suite."""
    items = (EvalText(s.suite.name, s.name, item, text) for s in splits for item, text in s.texts())
    return Decontaminator(items, recipe.decontaminate, embed=embed, mapper=mapper)


def read_items(project: Project, recipe: Recipe, base: Path) -> Decontaminator:
    """Return what knows the items of a recipe's suites, to look for them outside a run.

    Raises:
        UserError: a suite or the embedding model cannot be read.
    """
    splits = prepare_suites(project, recipe.suites, base, load_grader(GRADER, project.root))
    return make_decontaminator(recipe, splits, load_embed(recipe, base))


def make_freezer(
    store: Store, recipe: Recipe, grader: Grader, decontaminator: Decontaminator, model: Path, scope: Step, *, seed: int,
    embed: Embed | None = None, mapper: Mapper = HERE,
) -> Freezer:  # fmt: skip
    """Return what freezes the snapshots of an iteration; tokens are those of ``model``, a folder."""
    counter = make_token_counter(recipe, model)
    rules = make_rules(recipe, grader, store.project.root)
    return Freezer(store, scope.run_id, scope.iteration, rules, decontaminator, seed, counter, embed, mapper)


def make_token_counter(recipe: Recipe, model: Path) -> Callable[[str], int] | None:
    """Return what counts tokens, where the recipe bounds a completion's.

    Raises:
        RecipeError: the model's folder has no ``tokenizer.json``.
    """
    length = recipe.curate.length
    if not (length.min_tokens or length.max_tokens):
        return None
    file = model / "tokenizer.json"
    if not file.is_file():
        raise RecipeError(
            "recipe, curate.length", expected=f"a tokenizer.json in {model}, to count tokens", received="none",
            cure="bound words or characters instead: max_words, max_chars",
        )  # fmt: skip
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
