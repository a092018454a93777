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


TOOLS = """def add(a: int, b: int) -> int:
    \"\"\"{word} two numbers.\"\"\"
    return a {sign} b
"""


@pytest.mark.parametrize("what", ["template", "prompt", "tools"])
def test_what_a_steps_options_name_is_part_of_the_run(mini, endpoint, what):
    """A template or a file named in ``options``, not by the generator: once edited, another run, and said so."""
    (mini / "prompts").mkdir()
    own = mini / "prompts" / "mine.yaml"
    own.write_text("name: mine\nvariables: [question]\nuser: 'Summarise {{question}}'\n")
    (mini / "tools.py").write_text(TOOLS.format(word="Add", sign="+"))
    steps = {
        "template": {"step": "s", "generator": "transform", "source": "problems", "options": {"template": "mine"}},
        "prompt": {"step": "s", "generator": "transform", "source": "problems", "options": {"template": "solve", "prompt": "mine"}},
        "tools": {"step": "s", "generator": "tool_calls", "source": "problems", "options": {"tools": "tools.py"}},
    }  # fmt: skip
    change(mini, engine={"kind": "openai"}, generate=[{**steps[what], "limit": 4}], solve={"draws": 1, "problems": 2})
    server = endpoint(mini / "problems.jsonl")
    first = run_cli(mini, "generate", env=server.env).stderr
    assert SAID not in first
    if what == "tools":
        (mini / "tools.py").write_text(TOOLS.format(word="Subtract", sign="-"))
    else:
        own.write_text(own.read_text().replace("Summarise", "Translate to German:"))
    told = run_cli(mini, "generate", env=server.env).stderr
    named = "file tools.py" if what == "tools" else "template mine"
    assert f"{named}. This is a new run" in told
    if what == "template":
        asked = sql(
            mini,
            "select run_id, left(messages ->> '$[0].content', 9) as word, count(*) as n from requests where step = 's' group by all",
        )
        assert sorted((a["word"], a["n"]) for a in asked) == [("Summarise", 4), ("Translate", 4)]
        assert len({a["run_id"] for a in asked}) == 2
        out = run_cli(
            mini,
            "export",
            "--format",
            "trl",
            "--what",
            "samples",
            "--where",
            "step = 's'",
            "--output",
            str(mini / "o.jsonl"),
            check=0,
        )
        assert "has samples of 2 runs, the latest first: " in out.stderr


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
