"""``flywheel recipes`` and what ``flywheel init`` makes of a packaged recipe."""

from importlib import resources
from pathlib import Path

import pytest
from flywheel.cli._packaged import list_commands, list_recipes
from flywheel.config import Recipe, describe_training, list_needs, load_recipe
from support import MINI, run_cli

RECIPES = resources.files("flywheel.recipes")
SUITE = MINI["suites"][0]
STEP = {"step": "questions", "generator": "backtranslate"}


def recipe(**keys):
    return Recipe.model_validate({"name": "x", **keys})


def test_the_table_has_a_line_for_each_recipe(tmp_path):
    out = run_cli(tmp_path, "recipes", check=0, env={"COLUMNS": "500"}).stdout
    for name in list_recipes():
        (line,) = [x for x in out.splitlines() if x.startswith(f"│ {name} ")]
        assert load_recipe(RECIPES / name / "recipe.yaml").description in line
    assert "seed: SFT, DPO" in out and "data set openai/gsm8k" in out and "an endpoint, documents" in out


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_is_shown_and_copied_whole(tmp_path, name):
    shown = run_cli(tmp_path, "recipes", name, check=0).stdout
    readme = RECIPES / name / "README.md"
    assert readme.read_text().strip() in shown
    done = run_cli(tmp_path / "project", "init", "--recipe", name, check=0)
    source = Path(str(RECIPES / name))
    files = [f.relative_to(source) for f in source.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    assert all((tmp_path / "project" / f).is_file() for f in files)
    for file in [f for f in files if f.suffix == ".yaml" and len(f.parts) == 1]:
        if file.name == "recipe.yaml" or "extends:" in (source / file).read_text():
            load_recipe(tmp_path / "project" / file)
    own = load_recipe(RECIPES / name / "recipe.yaml").commands
    said = f"Now: in {tmp_path / 'project'}: flywheel {own[0]}" if own else f"Now: flywheel -C {tmp_path / 'project'} "
    assert said in done.stderr


def test_an_unknown_recipe_is_refused(tmp_path):
    done = run_cli(tmp_path, "recipes", "nope", check=2)
    assert "demo" in done.stderr and "flywheel recipes lists them" in done.stderr


@pytest.mark.parametrize(
    ("keys", "commands"),
    [
        ({"problems": {"source": "p.jsonl"}, "suites": [SUITE]}, ["run"]),
        ({"generate": [STEP]}, ["ingest FOLDER", "generate"]),
        ({"generate": [STEP], "problems": {"source": "p.jsonl"}, "suites": [SUITE]}, ["ingest FOLDER", "run"]),
        ({"generate": [{**STEP, "source": "imported"}]}, ["import FILE", "generate"]),
        ({"generate": [{**STEP, "source": "imported"}], "serve": {"ingest": True}}, ["generate"]),
        ({"train": {"rows": "r.jsonl"}}, ["train --method sft"]),
        ({"train": {"rows": "r.jsonl", "seq2seq": {}}, "suites": [SUITE]}, ["train --method seq2seq", "eval"]),
        ({"suites": [SUITE]}, ["eval"]),
    ],
)
def test_what_to_do_with_a_recipe_fits_its_kind(tmp_path, keys, commands):
    assert list_commands(recipe(**keys), tmp_path) == commands


def test_commands_of_a_recipe_are_what_init_says_and_no_part_of_a_run(tmp_path):
    done = run_cli(tmp_path, "init", "--recipe", "curriculum", check=0)
    assert (
        f"Now: in {tmp_path}: flywheel import words.jsonl --map prompt=task --yes, then flywheel generate --recipe rows.yaml, then"
        in done.stderr
    )
    assert recipe(suites=[SUITE], commands=["eval"]).identity() == recipe(suites=[SUITE]).identity()


def test_documents_that_come_with_a_recipe_are_what_is_ingested(tmp_path):
    done = run_cli(tmp_path, "init", "--recipe", "stories", check=0)
    assert f"ingest {tmp_path}/documents, then flywheel -C {tmp_path} generate" in done.stderr


def test_what_a_recipe_trains_and_needs_is_read_from_its_text(tmp_path):
    judge = {"name": "j", "of": ["solve"], "engine": {"kind": "openai", "model": "big"}}
    one = recipe(
        model="org/base", problems={"source": "hub:o/set/main/train[0:9]"}, judges=[judge],
        suites=[{**SUITE, "gate": "task:validation", "report": "hub:o/other/main/test"}],
        train={"dpo": None, "grpo": {}, "peft": {"r": 8}, "quantization": {"load_in_4bit": True}}, engine="vllm",
    )  # fmt: skip
    assert describe_training(one) == "org/base: SFT, GRPO with LoRA on a quantised model"
    assert list_needs(one, tmp_path) == [
        "an endpoint (big)", "vLLM", "bitsandbytes", "model org/base", "data set o/set", "data of the task word-problems",
        "data set o/other",
    ]  # fmt: skip
    assert list_needs(recipe(generate=[STEP]), tmp_path) == ["documents"]
    assert list_needs(recipe(generate=[STEP]), RECIPES / "stories") == []
    (tmp_path / "own").mkdir()
    assert list_needs(recipe(model="own", suites=[{**SUITE, "report": None}]), tmp_path) == []
