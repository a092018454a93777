"""Files that change under a recipe: a new run, said so, never two measurements under one name."""

import json

import pytest
from flywheel.eval import prepare_suites
from flywheel.store import Project
from support import change, run_cli, sql

SAID = "Changed since run run_"


@pytest.fixture
def taught(mini, endpoint):
    """A project whose completions come from a fake teacher; returns it with its ``generate`` command."""
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 20}, train={"sft": {}, "dpo": None})
    server = endpoint(mini / "problems.jsonl")
    return mini, lambda: run_cli(mini, "generate", env=server.env, check=0).stderr


def runs(folder):
    return [r["run_id"] for r in sql(folder, "select run_id from runs order by started_at")]


def assert_every_funnel_adds_up(folder):
    for step in sql(folder, "select * from funnel"):
        assert step["entered"] == step["kept"] + step["dropped"], step


def test_other_problems_are_another_run_and_the_old_ones_again_the_old_run(taught):
    folder, generate = taught
    generate()
    path = folder / "problems.jsonl"
    before = path.read_text().splitlines()
    new = [json.dumps({"question": f"What is {i} + 1?", "answer": f"#### {i + 1}"}) for i in range(12)]
    path.write_text("\n".join([*before[12:], *new, "torn {"]))
    told = generate()
    (old,) = runs(folder)[:1]
    assert f"Changed since run {old}: problems problems.jsonl. This is a new run" in told
    assert len(runs(folder)) == 2
    assert_every_funnel_adds_up(folder)
    steps = sql(folder, "select run_id, entered, kept, dropped from funnel where step = 'problems'")
    assert {(s["entered"], s["kept"], s["dropped"]) for s in steps} == {(200, 200, 0), (201, 200, 1)}
    assert SAID not in generate(), "the same files again are the same run"
    path.write_text("\n".join(before))
    assert SAID not in generate()
    assert len(runs(folder)) == 2


def test_another_order_of_the_evaluation_items_is_another_run(taught):
    folder, generate = taught
    generate()
    gate = folder / "gate.jsonl"
    gate.write_text("\n".join(reversed(gate.read_text().splitlines())))
    assert "suite heldout, gate split. This is a new run" in generate()
    assert len(runs(folder)) == 2
    assert_every_funnel_adds_up(folder)


def test_another_template_under_the_same_name_is_another_run(taught):
    folder, generate = taught
    (folder / "prompts").mkdir()
    template = folder / "prompts" / "solve.yaml"
    template.write_text("name: solve\nvariables: [question]\nuser: '{{question}}'\n")
    generate()
    template.write_text("name: solve\nvariables: [question]\nuser: 'Solve: {{question}}'\n")
    assert "template solve. This is a new run" in generate()
    assert_every_funnel_adds_up(folder)


def test_spaces_and_blank_lines_change_nothing(taught):
    folder, generate = taught
    generate()
    path = folder / "problems.jsonl"
    path.write_text(
        "\n".join(
            json.dumps(json.loads(line), indent=None, separators=(",", ":")) for line in path.read_text().splitlines()
        )
    )
    assert SAID not in generate()
    assert len(runs(folder)) == 1


def test_another_seed_is_no_changed_file(taught):
    folder, generate = taught
    generate()
    change(folder, engine={"kind": "openai"}, solve={"draws": 1, "problems": 20}, seed=99)
    assert SAID not in generate()
    assert len(runs(folder)) == 2


def test_another_lm_eval_measures_anew_within_the_same_run(mini, monkeypatch):
    from flywheel.config import load_recipe
    from flywheel.eval import _task_files

    recipe = load_recipe(mini / "recipe.yaml")
    before = prepare_suites(Project(mini), recipe.suites, mini)
    monkeypatch.setattr(_task_files.metadata, "version", lambda name: "99.0")
    after = prepare_suites(Project(mini), recipe.suites, mini)
    assert [s.content_id for s in before] == [s.content_id for s in after]
    assert all(b.suite_hash != a.suite_hash for b, a in zip(before, after, strict=True))
