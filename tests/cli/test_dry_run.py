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


def test_imported_pairs_that_a_judge_has_to_pass_must_be_judged_before_the_run(tmp_path, endpoint):
    """Judges of a recipe judge what its steps make: every pair would be dropped, after all that is paid for."""
    judge = {"name": "kind", "kind": "rubric", "criteria": "Is it kind?"}
    folder = make_mini_project(
        tmp_path / "p", judges=[{**judge, "of": ["solve"]}], pairs={"kinds": [{"kind": "imported", "chosen_passes": ["kind"]}]},
        engine={"kind": "openai", "model": "m"},
    )  # fmt: skip
    env = endpoint(folder / "problems.jsonl", models="m").env
    look(folder, env=env)
    write_jsonl(folder / "rows.jsonl", [{"prompt": "Say hello.", "chosen": "Hello there.", "rejected": "Go away."}])
    run_cli(folder, "import", str(folder / "rows.jsonl"), "--yes", check=0)
    for command in (["--dry-run"], []):
        told = run_cli(folder, "run", *command, env=env, check=2).stderr
        assert "pairs.kinds.0.chosen_passes" in told and "every imported pair would be dropped" in told
    (folder / "kind.yaml").write_text(yaml.safe_dump(judge))
    run_cli(folder, "judge", "run", "--judge", str(folder / "kind.yaml"), "--step", "imported", env=env, check=0)
    look(folder, env=env)


JUDGED = {
    "engine": {"kind": "openai", "model": "m"},
    "solve": {"draws": 2, "problems": 10, "max_tokens": 40},
    "prices": {"prompt": 1.0, "completion": 10.0},
    "judges": [
        {"name": "clear", "kind": "rubric", "of": ["solve", "on-policy"], "criteria": "Clear.", "by_tokens": False, "max_tokens": 50},
        {"name": "duel", "kind": "pairwise", "of": ["solve"], "criteria": "Better.", "max_tokens": 30},
        {"name": "many", "kind": "rubric", "of": ["solve"], "criteria": "Kind.", "models": ["a", "b", "c"], "draws": 2, "temperature": 1.0},
        {"name": "code", "kind": "verifier", "verifier": "math", "of": ["solve"]},
    ],
}  # fmt: skip


def test_what_judges_would_ask_is_counted_and_what_they_judge_is_told(tmp_path, endpoint):
    folder = make_mini_project(tmp_path / "p", **JUDGED)
    server = endpoint(folder / "problems.jsonl")
    out = look(folder, env=server.env).stdout
    (line,) = {x for x in out.splitlines() if x.startswith("│ judge solve ")}
    for told in (
        "clear (rubric): each sample, by m", "duel (pairwise): completions of one prompt, two by two, by m",
        "many (rubric): each sample, by a, b, c", "code (verifier): each sample, by math, which asks nothing",
    ):  # fmt: skip
        assert told in line
    out = out[out.index("US$") :]
    rows = {
        name: cells(out, name) for name in ("solve", "judge clear: solve", "judge duel: solve", "judge many: solve")
    }
    asked = {name: [int(cell.replace(",", "")) for cell in row[1:5]] for name, row in rows.items()}
    assert [asked[name][:2] for name in rows] == [[10, 10], [20, 20], [10, 20], [20, 60]]
    assert [asked[name][3] for name in rows] == [10 * 2 * 40, 20 * 50, 10 * 2 * 30, 60 * 2 * 16]
    assert asked["judge clear: solve"][2] > 20 * (asked["solve"][2] / 10 + 40), (
        "the question, the answer and the template"
    )
    drawn = cells(out, "judge clear: on-policy")
    assert int(drawn[1]) > 0 and drawn[1] == drawn[2]
    total = cells(out, "total")
    others = [cells(out, name) for name in (*rows, "judge clear: on-policy")]
    assert int(total[2]) == sum(int(row[2]) for row in others)
    for row in (*others, total):  # 1 and 10 US$ a million
        assert float(row[5]) == pytest.approx((int(row[3]) + 10 * int(row[4])) / 1e6, rel=0.05) and float(row[5]) > 0
    assert server.answered() == [] and "names no prices" not in out


def test_rubrics_of_suites_and_labels_of_judges_are_counted(tmp_path):
    items = [
        {"prompt": "Say hello.", "checks": [{"rubric": "It greets."}, {"rubric": "It is short."}]},
        {"prompt": "Say 4.", "expected": "4"},
    ]
    labels = [{"question": "Say hello.", "completion": "Hello.", "label": "pass"}] * 60
    folder = make_mini_project(tmp_path / "p")
    (folder / "manners.yaml").write_text(yaml.safe_dump({"judge": {"model": "m"}, "items": items}))
    write_jsonl(folder / "labels.jsonl", labels)
    known = {"labels": "labels.jsonl", "minimum": {"accuracy": 0.5}}
    change(
        folder, engine=JUDGED["engine"], solve={"draws": 1, "problems": 5},
        suites=[*MINI["suites"], {"name": "manners", "task": "prompts", "gate": "manners.yaml"}],
        judges=[{"name": "clear", "of": ["solve"], "criteria": "Clear.", "calibration": known}],
    )  # fmt: skip
    out = look(folder, env={"OPENAI_API_KEY": "x"}).stdout
    assert cells(out, "rubrics of manners/gate")[1:3] == ["3", "6"], "the first model, SFT and DPO"
    assert cells(out, "judge clear: calibration.clear")[1:3] == ["60", "60"]
    assert cells(out, "judge clear: solve")[1:3] == ["5", "5"]
    assert "names no prices" in out and cells(out, "total")[5] == "0.00"


def test_judges_are_counted_where_rows_are_still_at_the_hub(tmp_path):
    folder = make_mini_project(tmp_path / "p", **JUDGED, problems={"source": "hub:owner/sums/main/train[0:30]"})
    out = look(folder, env={"OPENAI_API_KEY": "x"}).stdout
    assert cells(out, "judge clear: solve")[1:3] == ["20", "20"]
    assert not (folder / "flywheel.duckdb").exists()
