"""What holds for every packaged recipe, without doing any."""

import importlib.util
from pathlib import Path

import pytest
from flywheel.cli._packaged import RECIPES, list_recipes
from flywheel.config import load_recipe
from support import run_cli

HERE = Path(__file__).parent
KEY = {"OPENAI_API_KEY": "not-used-by-a-dry-run", "HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize("name", [n for n in list_recipes() if (RECIPES / n / "mini.yaml").is_file()])
def test_a_recipe_that_has_a_miniature_is_done_by_a_test(name):
    assert (HERE / f"test_{name.replace('-', '_')}.py").is_file()


@pytest.mark.recipes
@pytest.mark.parametrize("name", list_recipes())
def test_a_fresh_copy_lacks_nothing_but_rows_to_bring_in(tmp_path, name):
    """``flywheel init --recipe NAME && flywheel run --dry-run``: it could start, or says which rows to bring in first (or to make, where a
    command of the recipe writes that very file), or that bitsandbytes or a program (a compiler) is not installed here.
    """
    run_cli(tmp_path, "init", "--recipe", name, check=0)
    done = run_cli(tmp_path, "run", "--dry-run", env=KEY)
    assert "stages" in done.stdout
    if done.returncode == 0:
        assert "It can start: " in done.stdout
        return
    assert done.returncode == 2
    places = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if importlib.util.find_spec("bitsandbytes") is None:
        places = [place for place in places if not place.endswith("train.quantization")] or ["error: step 'none'"]
    there = [place for place in places if not place.startswith("error: recipe, programs: ")]
    places = there or ["error: step 'none'"] * (len(places) > 0)
    written = [
        c.partition(" --output ")[2].split()[0]
        for c in load_recipe(tmp_path / "recipe.yaml").commands
        if " --output " in c
    ]
    to_come = (
        " step '",
        *(f" data file {tmp_path / name}" for name in written),
        *[" recipe, select.imported"] * bool(brings(tmp_path)),
    )
    assert places and all(any(rows in f" {place}" for rows in to_come) for place in places), done.stderr


def brings(folder):
    """Return the sets that the recipe's own commands import."""
    recipe = load_recipe(folder / "recipe.yaml")
    named = {
        c.partition(" --name ")[2].split()[0] for c in recipe.commands if c.startswith("import ") and " --name " in c
    }
    return named if named >= set(recipe.select.imported) else set()
