"""The schema by which editors check recipes: that it is the models', that it lets recipes pass, and that it refuses faults."""

import json
from dataclasses import fields
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml
from flywheel.config._json_schema import make_recipe_schema, render_recipe_schema
from flywheel.config._judging import CODE
from flywheel.config._names import JUDGE_KEYS
from flywheel.gen import built_in as built_in_generators
from flywheel.judge.judges._make import KINDS
from flywheel.judge.verifiers._registry import built_in as built_in_verifiers
from flywheel.train._trainer_keys import list_trainer_keys
from support import MINI, run_cli

RECIPES = Path(str(resources.files("flywheel.recipes")))
SCHEMA = RECIPES / "recipe.schema.json"
FILES = sorted(
    file
    for file in RECIPES.glob("*/**/*.yaml")
    if file.name == "recipe.yaml" or "extends" in (yaml.safe_load(file.read_text()) or {})
)
SUITE = MINI["suites"][0]


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_shipped_file_is_what_the_models_say():
    assert SCHEMA.read_text() == render_recipe_schema(), (
        "python -m flywheel.config._json_schema > recipes/recipe.schema.json"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_every_packaged_recipe_fits_and_says_where_its_schema_is(validator, file):
    validator.validate(yaml.safe_load(file.read_text()))
    first = file.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve() == SCHEMA.resolve()


@pytest.mark.parametrize(
    "recipe",
    [
        MINI,
        {"extends": "recipe.yaml"},
        {"extends": "recipe.yaml", "problems": {"format": {"question": "q", "answer": None}}},
        {"name": "x", "engine": "vllm", "verifier": "own.py", "curate": False, "suites": [SUITE]},
        {
            "name": "x",
            "pairs": {"kinds": ["correct/incorrect", {"kind": "higher/lower", "judge": "j"}]},
            "suites": [SUITE],
        },
        {"name": "x", "hooks": {"fail": "./tell.sh", "keep": ["./a", "./b"]}, "engine": {"env": {"A": 1}}},
        {"name": "x", "curate": {"without": ["<a>"]}},
        {
            "name": "x",
            "judges": [{"name": "j", "of": ["solve"], "criteria": "anything of the judge's own", "models": ["a", "b"]}],
        },
        {
            "name": "x",
            "judges": [{"name": "j", "of": ["solve"], "kind": "checklist", "checks": ["a"], "passes_at": 0.5}],
        },
        {
            "name": "x",
            "train": {"kto": {"beta": 0.1}, "peft": {"r": 4, "lora_alpha": 8}, "quantization": {"load_in_4bit": True}},
        },
        {
            "name": "x",
            "verifier": "an-entry-point",
            "generate": [{"step": "s", "generator": "own.py:name"}, {"step": "t", "generator": "entry"}],
            "judges": [{"name": "j", "of": ["s"], "kind": "verifier", "verifier": "package.module:name"}],
        },
        {"name": "x", "train": {"dpo": None, "sft": {"learning_rate": "1e-5"}}, "watch": {"length": {"stop": 1}}},
    ],
)
def test_what_flywheel_reads_fits(validator, recipe):
    validator.validate(recipe)


@pytest.mark.parametrize(
    ("recipe", "path"),
    [
        ({**MINI, "sovle": {}}, []),
        ({**MINI, "solve": {"temprature": 1}}, ["solve"]),
        ({**MINI, "solve": {"draws": 0}}, ["solve", "draws"]),
        ({**MINI, "engine": "opnai"}, ["engine"]),
        ({**MINI, "suites": [{"name": "s", "task": "t"}]}, ["suites", 0]),
        ({"extends": ["a.yaml"]}, ["extends"]),
        ({"seed": 1}, []),
        ({**MINI, "judges": [{"name": "j", "of": ["solve"], "kind": "rubrik"}]}, ["judges", 0, "kind"]),
        ({**MINI, "judges": [{"name": "j", "of": ["solve"], "pases_at": 4}]}, ["judges", 0]),
        (
            {**MINI, "judges": [{"name": "j", "of": ["solve"], "kind": "checklist", "by_tokens": True}]},
            ["judges", 0],
        ),
        ({**MINI, "judges": [{"name": "j", "of": ["solve"], "checks": ["a"]}]}, ["judges", 0]),
        ({**MINI, "train": {"sft": {"lerning_rate": 1}}}, ["train", "sft"]),
        ({**MINI, "train": {"dpo": {"learning_rate": 1, "packing": True}}}, ["train", "dpo"]),
        ({**MINI, "train": {"peft": {"rr": 2}}}, ["train", "peft"]),
        ({**MINI, "train": {"quantization": {"load_in_4bits": True}}}, ["train", "quantization"]),
        (
            {**MINI, "train": {"curriculum": [{"rows": [0, 1], "args": {"max_step": 1}}]}},
            ["train", "curriculum", 0, "args"],
        ),
    ],
)
def test_faults_are_seen_where_they_are(validator, recipe, path):
    errors = list(validator.iter_errors(recipe))
    assert [list(e.absolute_path) for e in errors] == [path]


def test_editors_complete_the_names_that_the_registries_have():
    schema = make_recipe_schema()
    defs = schema["$defs"]
    offered = {
        "generators": defs["StepConfig"]["properties"]["generator"]["anyOf"][0]["enum"],
        "verifiers": schema["properties"]["verifier"]["anyOf"][0]["enum"],
        "judges": defs["JudgeConfig"]["properties"]["kind"]["enum"],
    }
    assert offered == {
        "generators": list(built_in_generators()),
        "verifiers": list(built_in_verifiers()),
        "judges": [*KINDS, CODE],
    }
    for name, key in (("VerifierConfig", "name"), ("JudgeConfig", "verifier"), ("RewardConfig", "verifier")):
        assert defs[name]["properties"][key]["anyOf"][0]["enum"] == offered["verifiers"]


def test_keys_of_judges_and_trainers_are_those_that_judges_and_trainers_have():
    own = {kind: tuple(f.name for f in fields(made) if f.name != "name") for kind, made in KINDS.items()}
    assert own == JUDGE_KEYS
    file = Path(str(resources.files("flywheel.config"))) / "trainer_keys.json"
    assert json.loads(file.read_text()) == list_trainer_keys(), (
        "python -m flywheel.train._trainer_keys > config/trainer_keys.json"
    )


def test_keys_are_explained_in_the_words_of_the_models():
    schema = make_recipe_schema()
    assert schema["properties"]["description"]["description"].startswith("What it is for, in one line")
    assert "most rows" in schema["$defs"]["StepConfig"]["properties"]["limit"]["description"].lower()
    assert schema["$defs"]["GuardConfig"]["properties"]["cluster"]["description"].startswith(
        "Column of the suite's rows"
    )
    assert schema["$defs"]["EngineConfig"]["description"] == "Which engine answers the prompts of `generate`."


def test_init_puts_it_where_editors_look_and_a_command_prints_it(tmp_path):
    assert run_cli(tmp_path, "recipes", "--schema", check=0).stdout == SCHEMA.read_text()
    run_cli(tmp_path, "init", "--recipe", "demo", check=0)
    first = (tmp_path / "recipe.yaml").read_text().splitlines()[0]
    assert (tmp_path / first.partition("$schema=")[2]).read_text() == SCHEMA.read_text()
    assert ".." not in first
