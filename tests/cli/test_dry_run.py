"""``flywheel run --dry-run``: what a run would do, told before anything is asked, fetched or trained."""

import json
import re

import pytest
import yaml
from support import MINI, change, make_mini_project, run_cli, sql, write_jsonl

NO_HUB = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""A hub that nobody answers for: fetching would fail, and take its time."""
NO_KEY = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "AZURE_OPENAI_ENDPOINT": ""}
TABLES = "select table_name from information_schema.tables where table_type = 'BASE TABLE' and table_schema = 'main'"


def look(folder, *args, check=0, env=None):
    return run_cli(folder, "run", "--dry-run", *args, check=check, env={"COLUMNS": "300", **NO_HUB, **(env or {})})


def cells(out, first):
    """Return the cells of the row of a table that begins with ``first``."""
    (line,) = [x for x in out.splitlines() if x.startswith(f"│ {first} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def first_cells(out, title):
    table = out.partition(title)[2].partition("└")[0]
    return [line.strip("│").split("│")[0].strip() for line in table.splitlines() if line.startswith("│")]


def count_rows(folder):
    tables = [r["table_name"] for r in sql(folder, TABLES)]
    return {t: sql(folder, f'select count(*) as n from "{t}"')[0]["n"] for t in sorted(tables)}


def test_a_whole_turn_is_told_and_nothing_is_done(tmp_path):
    folder = make_mini_project(tmp_path / "a")
    out = look(folder).stdout
    assert first_cells(out, "stages of an iteration (2 iterations)") == [
        "baseline", "solve", "train sft", "gate sft", "on-policy", "pair", "train dpo", "gate dpo",
    ]  # fmt: skip
    assert cells(out, "problems")[:3] == ["problems", "problems.jsonl", "200"]
    assert cells(out, "suite heldout, gate")[2] == "40" and cells(out, "suite heldout, report")[2] == "20"
    assert f"It can start: flywheel -C {folder} run" in out
    other = make_mini_project(tmp_path / "b")
    asked = run_cli(other, "generate", "--dry-run", check=0, env={"COLUMNS": "300"}).stdout
    assert cells(out, "total") == cells(asked, "total")
    assert count_rows(folder) == count_rows(other)
    files = [sorted(str(f.relative_to(d)) for d in (p,) for f in p.rglob("*") if f.is_file()) for p in (folder, other)]
    assert files[0] == files[1]


def test_the_run_that_follows_is_the_one_that_was_told(tmp_path, endpoint):
    folder = make_mini_project(tmp_path / "p", engine={"kind": "openai"}, solve={"draws": 2, "problems": 10})
    server = endpoint(folder / "problems.jsonl")
    out = look(folder, env=server.env).stdout
    assert "2 completions of each of up to 10 problems, by the endpoint's model; verified by math" in out
    assert cells(out, "total")[2] == "10"
    assert server.answered() == []
    run_cli(folder, "generate", env=server.env, check=0)
    assert sql(folder, "select count(*) as n from runs") == [{"n": 1}]
    assert len(server.answered()) == 10


def test_all_that_is_missing_is_told_with_its_cure(tmp_path):
    folder = make_mini_project(tmp_path / "p")
    change(
        folder, problems={"source": "nowhere.jsonl"}, verifier="own.py", model="./no-model",
        suites=[{**MINI["suites"][0], "report": "gone.jsonl"}], train={"sft": {"learning_rat": 1}},
        judges=[{"name": "j", "of": ["solve"], "criteria": "good", "engine": {"kind": "openai", "model": "m"}}],
    )  # fmt: skip
    done = look(folder, check=2, env=NO_KEY)
    for told in ("nowhere.jsonl", "own.py", "no-model", "gone.jsonl", "did you mean 'learning_rate'", "OPENAI_API_KEY"):
        assert told in done.stderr, told
    assert done.stderr.count("cure:") == 6
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 6, "each in the same form"
    assert "It can start" not in done.stdout and cells(done.stdout, "problems")[3] == "cannot be read"
    assert not (folder / "flywheel.duckdb").exists()


def test_an_endpoint_without_a_key_keeps_a_run_from_starting_and_costs_are_told_all_the_same(tmp_path):
    folder = make_mini_project(tmp_path / "p", engine={"kind": "openai"})
    done = look(folder, check=2, env=NO_KEY)
    assert "OPENAI_API_KEY" in done.stderr and cells(done.stdout, "total")[2] == "40"


def test_what_the_hub_has_is_named_and_not_fetched(tmp_path):
    folder = make_mini_project(tmp_path / "p")
    suite = {**MINI["suites"][0], "report": "hub:owner/held/main/test"}
    change(folder, model="owner/model", problems={"source": "hub:owner/sums/main/train[0:30]"}, suites=[suite])
    out = look(folder).stdout
    assert cells(out, "problems")[2:] == ["", "named, not fetched"]
    assert "Fetched when it starts: model owner/model, data set owner/sums, data set owner/held" in out
    assert cells(out, "total")[2] == "30" and "It can start" in out
    assert not (folder / "flywheel.duckdb").exists()


def test_rows_of_ones_own_are_counted_and_their_training_is_named(tmp_path):
    rows = [{"prompt": "Say hello.", "completion": "Hello."}] * 3
    write_jsonl(tmp_path / "rows.jsonl", rows)
    (tmp_path / "rows.jsonl").write_text((tmp_path / "rows.jsonl").read_text() + "no row\n")
    recipe = {"name": "own", "train": {"rows": "rows.jsonl", "seq2seq": {"learning_rate": 1e-3}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    out = look(tmp_path).stdout
    assert first_cells(out, "own: stages") == ["train seq2seq"]
    assert cells(out, "train.rows")[2:] == ["3", "1 row cannot be used"]
    assert f"It can start: flywheel -C {tmp_path} train --method seq2seq\n" in out


def test_steps_over_documents_wait_for_documents(tmp_path):
    run_cli(tmp_path, "init", "--recipe", "stories", check=0)
    done = look(tmp_path, check=2)
    assert "flywheel ingest" in done.stderr and "generate revised" in done.stdout
    run_cli(tmp_path, "ingest", str(tmp_path / "documents"), check=0)
    out = look(tmp_path).stdout
    assert cells(out, "chunks")[2] == "120" and cells(out, "questions")[1] == "120"
    assert f"It can start: flywheel -C {tmp_path} generate\n" in out
    assert sql(tmp_path, "select count(*) as n from requests where step <> 'ingest'") == [{"n": 0}]


def test_a_variant_is_looked_at_by_its_name(tmp_path):
    folder = make_mini_project(tmp_path / "p")
    (folder / "mini.yaml").write_text(
        "extends: recipe.yaml\niterations: 1\nsolve: {problems: 7}\ntrain: {dpo: null, grpo: {}}\n"
    )
    out = look(folder, "--recipe", str(folder / "mini.yaml"), "--more", "1").stdout
    assert first_cells(out, "(1 iteration)")[-2:] == ["train grpo", "gate grpo"] and "dpo" not in out
    assert cells(out, "total")[2] == "7"
    assert out.rstrip().endswith(f"run --recipe {folder / 'mini.yaml'} --more 1")


@pytest.mark.slow
def test_a_run_that_is_complete_says_so_and_begins_no_other(tmp_path):
    folder = make_mini_project(
        tmp_path / "p", iterations=1, solve={"draws": 2, "problems": 6}, train={"dpo": None, "min_rows": 500}
    )
    run_cli(folder, "run", check=0)
    before = json.dumps(count_rows(folder))
    out = look(folder).stdout
    assert re.search(r"1 iteration complete, none is left to do: --more 1 adds one", out)
    assert json.dumps(count_rows(folder)) == before


def test_a_program_that_is_not_there_is_told_before_anything_begins(tmp_path):
    folder = make_mini_project(tmp_path / "p", programs={"sh": "", "cobc-of-nobody": "apt-get install nobody"})
    for command in (["run", "--dry-run"], ["run"], ["generate"]):
        told = run_cli(folder, *command, check=2).stderr
        assert (
            "recipe, programs: cobc-of-nobody" in told
            and "apt-get install nobody" in told
            and "programs: sh" not in told
        )
    change(folder, programs={"sh": ""})
    look(folder)


def test_a_set_that_is_trained_on_and_was_not_imported_is_missing(tmp_path):
    folder = make_mini_project(tmp_path / "p", select={"imported": ["seed"]})
    said = look(folder, check=2).stderr
    assert "'seed' with completions" in said and "flywheel import FILE --name seed" in said
    write_jsonl(folder / "rows.jsonl", [{"prompt": "Say hello.", "completion": "Hello."}])
    run_cli(folder, "import", str(folder / "rows.jsonl"), "--name", "seed", "--yes", check=0)
    assert cells(look(folder).stdout, "imported set seed")[2] == "1"
