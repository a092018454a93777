"""``flywheel eval`` as a new user gives it: in a folder without a recipe, and as docs/eval.md shows it."""

import re
import shutil

import pytest
from flywheel.llm import seed_model_path
from support import HERE, give_shell, refused, run_cli, sql

TEXT = (HERE.parent / "docs" / "eval.md").read_text(encoding="utf-8")
COMMANDS, SHOWN = re.search(
    r"### From an empty folder\n.*?```console\n(.*?)```\n\n```\n(.*?)```", TEXT, re.DOTALL
).groups()
ITEM = "- {prompt: x, expected: y}"


def test_the_documented_path_ends_as_it_says(tmp_path):
    (tmp_path / "try").mkdir()
    none = {"COLUMNS": None, "OPENAI_BASE_URL": None}
    done = give_shell(tmp_path / "try", COMMANDS, {**none, "HF_HUB_OFFLINE": "1"})
    assert [line.rstrip() for line in done.stdout.splitlines()] == [line.rstrip() for line in SHOWN.splitlines()]


def test_without_a_recipe_the_message_says_what_would_do(tmp_path):
    (tmp_path / "quick.yaml").write_text(ITEM)
    way = "flywheel eval --checkpoint seed --suite FILE.yaml"
    for args, missing in (
        ((), "no --checkpoint or --suite"), (("--suite", "quick.yaml"), "no --checkpoint"), (("--checkpoint", "seed"), "no --suite"),
        (("--checkpoint", "champion", "--suite", "quick.yaml"), "'champion' is no model's folder"),
        (("--compare", "first", "champion", "--suite", "quick.yaml"), "'first' or 'champion' is no model's folder"),
    ):  # fmt: skip
        refused(run_cli(tmp_path, "eval", *args), f"no such file, and {missing}", way, "init")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["quick.yaml"], "nothing is left behind"
    refused(run_cli(tmp_path, "eval", "--checkpoint", "seed", "--suite", "quik.yaml"), "did you mean 'quick.yaml'?")


def test_two_models_are_compared_without_a_recipe(tmp_path):
    (tmp_path / "quick.yaml").write_text(ITEM)
    shutil.copytree(seed_model_path(), tmp_path / "copy")
    (tmp_path / "copy" / "note.txt").write_text("another model than the seed")
    names = ("seed", str(tmp_path / "copy"))
    told = run_cli(tmp_path, "eval", "--compare", *names, "--suite", "quick.yaml", check=0).stdout
    assert "against seed" in told and (tmp_path / "before_after.md").is_file()
    assert sql(tmp_path, "select count(distinct checkpoint_id) as n from scores") == [{"n": 2}]


@pytest.mark.parametrize("recipe", ["name: e\nmodel: seed\n", "name: e\nmodel: copy\n"])
def test_seed_is_a_name_in_every_project(tmp_path, recipe):
    shutil.copytree(seed_model_path(), tmp_path / "copy")
    (tmp_path / "copy" / "note.txt").write_text("another model than the seed")
    (tmp_path / "recipe.yaml").write_text(recipe + "suites: [{name: q, task: prompts, gate: quick.yaml}]\n")
    (tmp_path / "quick.yaml").write_text(ITEM)
    run_cli(tmp_path, "eval", "--checkpoint", "seed", check=0)
    (row,) = sql(tmp_path, "select distinct k.path from scores join checkpoints k using (checkpoint_id)")
    assert row["path"] == str(seed_model_path())
