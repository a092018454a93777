import subprocess
import sys

import pytest
import yaml
from flywheel.cli import COMMANDS, cli
from flywheel.cli._packaged import list_recipes
from flywheel.config import load_recipe
from support import HERE, make_mini_project, run_cli, sql

HEAVY = (
    "torch",
    "transformers",
    "trl",
    "lm_eval",
    "datasets",
    "openai",
    "matplotlib",
    "duckdb",
    "pyarrow",
    "rich",
    "lxml",
    "pypdfium2",
    "docx",
    "pptx",
)


def test_importing_the_command_line_loads_nothing_heavy():
    code = f"import flywheel.cli, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("args", [["sql", "select 1"], ["status"], ["init", "--recipe", "demo"], ["ingest", __file__]])
def test_commands_that_need_no_model_load_no_torch(tmp_path, args):
    code = (
        "import sys; from flywheel.cli import cli\n"
        f"try: cli({['-C', str(tmp_path), *args]!r})\n"
        "except SystemExit: pass\n"
        "print('LOADED', [m for m in ('torch', 'transformers', 'trl', 'lm_eval') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "LOADED []" in done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_and_stands_in_the_readme(name):
    command = cli.get_command(None, name)
    assert command is not None
    assert command.help
    assert f"flywheel {name}" in (HERE.parent / "README.md").read_text(), "document it"


def test_help_lists_every_command(tmp_path):
    out = run_cli(tmp_path, "--help", check=0).stdout
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", ["demo", "gsm8k"])
def test_init_writes_a_commented_recipe_that_loads(tmp_path, name):
    folder = tmp_path / "new" / "project"
    done = run_cli(folder, "init", "--recipe", name, check=0)
    text = (folder / "recipe.yaml").read_text()
    assert text.count("#") > 10
    assert load_recipe(folder / "recipe.yaml").name == name
    assert str(folder / "recipe.yaml") in done.stdout
    again = run_cli(folder, "init", "--recipe", name)
    assert again.returncode == 2
    assert "--force" in again.stderr
    run_cli(folder, "init", "--recipe", name, "--force", check=0)


def test_every_packaged_recipe_is_named_by_help(tmp_path):
    shown = run_cli(tmp_path, "init", "--help", check=0).stdout
    assert all(name in "".join(shown.split()) for name in list_recipes()), "lines end at hyphens too"


def test_init_refuses_an_unknown_recipe(tmp_path):
    done = run_cli(tmp_path, "init", "--recipe", "nope", check=2)
    assert "demo" in done.stderr


def test_doctor_imports_vllm_in_the_interpreter_that_is_named(tmp_path):
    python = tmp_path / "python"
    for script, found in (("echo 9.9.9", "9.9.9"), ("echo broken >&2; exit 1", "broken"), (None, "no program")):
        python.unlink(missing_ok=True)
        if script:
            python.write_text(f"#!/bin/sh\n{script}\n")
            python.chmod(0o755)
        done = run_cli(tmp_path, "doctor", env={"FLYWHEEL_VLLM_PYTHON": str(python), "COLUMNS": "300"}, check=0)
        (line,) = [x for x in done.stdout.splitlines() if "engine.kind: vllm" in x or "9.9.9" in x]
        assert found in line


def test_an_endpoint_is_a_teacher_with_the_same_recipe(tmp_path, endpoint):
    """Prompt to completion over the chat endpoint with n draws, verified, all in the store."""
    folder = make_mini_project(tmp_path / "taught", engine={"kind": "openai"}, solve={"draws": 4, "problems": 25})
    run_cli(folder, "generate", env=endpoint(folder / "problems.jsonl").env, check=0)
    (request,) = sql(folder, "select distinct engine, model, n_draws, prompt_tokens, completion_tokens from requests")
    assert request == {
        "engine": "openai",
        "model": "fake-teacher",
        "n_draws": 4,
        "prompt_tokens": 10,
        "completion_tokens": 80,
    }
    (share,) = sql(folder, "select count(*) as n, avg(passed::int) as share from verdicts")
    assert share["n"] == 100
    assert 0.3 < share["share"] < 0.7


def test_generate_alone_continues_where_it_was(tmp_path, endpoint):
    folder = make_mini_project(tmp_path / "again", engine={"kind": "openai"}, solve={"draws": 1, "problems": 10})
    server = endpoint(folder / "problems.jsonl")
    run_cli(folder, "generate", env=server.env, check=0)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 10


def test_another_seed_is_another_run(tmp_path, endpoint):
    folder = make_mini_project(tmp_path / "seeds", engine={"kind": "openai"}, solve={"draws": 1, "problems": 10})
    server = endpoint(folder / "problems.jsonl")
    run_cli(folder, "generate", env=server.env, check=0)
    run_cli(folder, "generate", "--seed", "99", env=server.env, check=0)
    assert sql(folder, "select count(distinct run_id) as runs, count(*) as n from samples") == [{"runs": 2, "n": 20}]


def test_packaged_recipes_use_only_keys_that_trl_knows():
    from importlib import resources

    from flywheel.train import check_keys

    for folder in resources.files("flywheel.recipes").iterdir():
        recipe = folder / "recipe.yaml"
        if recipe.is_file():
            train = yaml.safe_load(recipe.read_text()).get("train", {})
            check_keys("sft", train.get("sft") or {})
            check_keys("dpo", train.get("dpo") or {})
