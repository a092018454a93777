"""``extends``: a recipe that names only what differs from another one."""

import shutil

import pytest
import yaml
from flywheel.config import load_recipe
from flywheel.errors import NotFoundError, RecipeError
from support import MINI, make_mini_project, refused, run_cli, sql


@pytest.fixture
def base(tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(MINI, sort_keys=False))
    return tmp_path


def over(folder, text, name="mini.yaml"):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_mappings_merge_key_by_key_and_all_else_replaces(base):
    path = over(
        base,
        "extends: recipe.yaml\nsolve: {draws: 9}\ntrain: {dpo: null, sft: {learning_rate: 1.0e-3}}\n"
        "suites:\n  - {name: other, task: word-problems, gate: gate.jsonl}\n",
    )
    recipe = load_recipe(path)
    assert (recipe.solve.draws, recipe.solve.problems, recipe.name) == (9, 40, "mini")
    assert recipe.train.dpo is None
    assert recipe.train.sft == {**MINI["train"]["sft"], "learning_rate": 1e-3}
    assert [s.name for s in recipe.suites] == ["other"] and recipe.suites[0].report is None


def test_chains_may_go_on_and_down_into_folders(base):
    over(base, "extends: ../recipe.yaml\nseed: 7\niterations: 4\n", "variants/grpo.yaml")
    path = over(base, "extends: variants/grpo.yaml\niterations: 1\n")
    recipe = load_recipe(path)
    assert (recipe.seed, recipe.iterations, recipe.solve.draws) == (7, 1, 4)


def test_a_run_is_known_by_what_the_merged_recipe_says(base):
    path = over(base, "extends: recipe.yaml\nsolve: {draws: 9}\n")
    whole = over(base, yaml.safe_dump({**MINI, "solve": {**MINI["solve"], "draws": 9}}), "whole.yaml")
    assert load_recipe(path) == load_recipe(whole)
    assert load_recipe(path).identity() == load_recipe(whole).identity() != load_recipe(base / "recipe.yaml").identity()


def test_flags_replace_the_merged_keys(base):
    assert load_recipe(over(base, "extends: recipe.yaml\nseed: 1\n"), {"seed": 9}).seed == 9


def test_an_alias_is_not_changed_where_it_is_not_overridden(tmp_path):
    over(tmp_path, yaml.safe_dump({k: v for k, v in MINI.items() if k != "on_policy"}), "plain.yaml")
    text = (tmp_path / "plain.yaml").read_text() + "on_policy: &draw {draws: 3, problems: 5}\nsolve: *draw\n"
    over(tmp_path, text.replace("solve:\n  draws: 4\n  max_tokens: 64\n  problems: 40\n", ""), "recipe.yaml")
    recipe = load_recipe(over(tmp_path, "extends: recipe.yaml\nsolve: {draws: 8}\n"))
    assert (recipe.solve.draws, recipe.solve.problems, recipe.on_policy.draws) == (8, 5, 3)


def test_a_fault_is_told_in_the_file_and_line_where_it_was_written(base):
    recipe = base / "recipe.yaml"
    recipe.write_text("# first\n" + recipe.read_text().replace("  draws: 4", "  drawz: 4", 1))
    line = next(i for i, text in enumerate(recipe.read_text().splitlines(), 1) if "drawz" in text)
    path = over(base, "extends: recipe.yaml\n\nsolve: {temperature: -1}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.place == f"{recipe}:{line}: key solve.drawz"
    assert f"; then also {path}:3: key solve.temperature: -1" in caught.value.cure
    recipe.write_text(recipe.read_text().replace("drawz", "draws"))
    path.write_text("extends: recipe.yaml\n\nsolve: {temperature: -1, top_p: 7}\n")
    with pytest.raises(RecipeError, match=r"then also line 3: key solve\.top_p") as caught:
        load_recipe(path)
    assert caught.value.place == f"{path}:3: key solve.temperature"


def test_yaml_that_is_none_is_told_in_its_own_file(base):
    (base / "recipe.yaml").write_text("name: x\nseed: [1,\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(over(base, "extends: recipe.yaml\n"))
    assert caught.value.place == f"{base / 'recipe.yaml'}:3"


@pytest.mark.parametrize(
    ("files", "place", "received"),
    [
        ({"mini.yaml": "extends: mini.yaml\n"}, "mini.yaml:1: key extends", "mini.yaml → mini.yaml"),
        (
            {"mini.yaml": "name: a\nextends: b.yaml\n", "b.yaml": "extends: ./sub/../mini.yaml\n", "sub/x": ""},
            "b.yaml:1: key extends", "mini.yaml → b.yaml → mini.yaml",
        ),
        ({"mini.yaml": "extends: ../recipe.yaml\n"}, "mini.yaml:1: key extends", "'../recipe.yaml'"),
        ({"mini.yaml": "extends: sub/../../recipe.yaml\n"}, "mini.yaml:1: key extends", "'sub/../../recipe.yaml'"),
        ({"mini.yaml": "extends: /etc/hosts\n"}, "mini.yaml:1: key extends", "'/etc/hosts'"),
        ({"mini.yaml": "extends: [a.yaml]\n"}, "mini.yaml:1: key extends", "['a.yaml']"),
        ({"mini.yaml": "extends:\n"}, "mini.yaml:1: key extends", "nothing"),
        ({"mini.yaml": "extends: b.yaml\n", "b.yaml": "- 1\n"}, "b.yaml", "a list"),
    ],
)  # fmt: skip
def test_what_may_not_be_extended_is_refused(tmp_path, files, place, received):
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in files.items():
        over(folder, text, name)
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder / "mini.yaml")
    assert caught.value.place == f"{folder}/{place}"
    assert caught.value.received == received and caught.value.cure


def test_a_base_that_is_not_there_is_told_at_the_line_that_wants_it(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        load_recipe(over(tmp_path, "name: x\nextends: recipe.yaml\n"))
    assert caught.value.place == f"{tmp_path / 'mini.yaml'}:2: key extends"
    assert str(tmp_path) in caught.value.cure


def test_a_misspelt_extends_is_explained(base):
    with pytest.raises(RecipeError, match="did you mean 'extends'"):
        load_recipe(over(base, "extend: recipe.yaml\nname: x\n"))


def test_a_description_is_one_line_and_no_part_of_a_run(base):
    plain = load_recipe(base / "recipe.yaml")
    told = load_recipe(over(base, "extends: recipe.yaml\ndescription: ' Word problems. '\n"))
    assert told.description == "Word problems." and told.identity() == plain.identity()
    with pytest.raises(RecipeError, match="one line of text") as caught:
        load_recipe(over(base, "extends: recipe.yaml\ndescription: |\n  one\n  two\n"))
    assert caught.value.place.endswith("mini.yaml:2: key description")


@pytest.mark.slow
def test_a_variant_runs_and_its_bases_are_no_documents(tmp_path):
    """The whole path by the real command: paths of the base hold, and nothing of the recipe is ingested or overwritten."""
    project = make_mini_project(tmp_path / "project")
    (project / "sub").mkdir()
    shutil.move(project / "recipe.yaml", project / "sub" / "base.yaml")
    over(project, "extends: sub/base.yaml\niterations: 1\n", "recipe.yaml")
    over(project, "extends: recipe.yaml\nsolve: {problems: 8}\ntrain: {dpo: null}\n", "tiny.yaml")
    (project / "notes.md").write_text("Rivers carry sand, and sand settles where they slow down. " * 9)
    done = run_cli(project, "ingest", str(project), check=0)
    assert [r["source"] for r in sql(project, "select source from documents")] == ["notes.md"]
    for told in ("a recipe that recipe.yaml extends", "a recipe that extends another", "named by recipe.yaml"):
        assert told in done.stderr
    done = run_cli(project, "generate", "--recipe", str(project / "tiny.yaml"), check=0)
    assert sql(project, "select count(*) as n from requests where step = 'solve'") == [{"n": 8}]
    out = run_cli(project, "sql", "select 1", "--output", str(project / "sub" / "base.yaml"), "--force")
    refused(out, "the recipe, which a result would destroy")
