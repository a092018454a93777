"""``source: imported``: generators over the rows of sets that were brought in, as a user meets them."""

import json

import pytest
import yaml
from flywheel.gen import import_set, inspect_file, parse_mapping
from flywheel.gen._inputs import load_samples
from format_rows import ROWS
from support import run_cli, sql, write_jsonl

ALPACA = [
    {"instruction": "Name three rivers of Europe.", "input": "", "output": "The Rhine, the Danube and the Volga."},
    {"instruction": "Say it shorter.", "input": "The mill is very, very old.", "output": "The mill is old."},
]
NEW = "Describe in three sentences how a water mill turns grain into flour, and name one famous example."


def make_project(folder, rows, *maps):
    folder.mkdir()
    write_jsonl(folder / "rows.jsonl", rows)
    flags = [part for one in maps for part in ("--map", one)]
    run_cli(folder, "import", str(folder / "rows.jsonl"), "--yes", *flags, check=0)
    return folder


def generate(folder, server, *steps, check=0):
    recipe = {"name": "x", "engine": {"kind": "openai", "patience_s": 0}, "generate": list(steps)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return run_cli(folder, "generate", env=server.env, check=check)


def reasons(folder):
    return [r["reason"] for r in sql(folder, "select reason from drops where step <> 'import'")]


ASKING = ("evolve", "self_instruct", "solve", "critique", "critique_revise", "cot", "rephrase", "persona")


def test_generators_of_questions_take_imported_rows(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", ALPACA)
    steps = [{"step": f"s_{name}", "generator": name, "source": "imported"} for name in ASKING]
    steps[ASKING.index("critique_revise")]["options"] = {"skip_correct": False}
    generate(folder, endpoint(none, says=f"1. {NEW}"), *steps)
    asked = sql(
        folder,
        "select step, string_agg(messages::varchar) as prompts from requests where step <> 'import' group by step",
    )
    assert {r["step"] for r in asked} == {f"s_{name}" for name in ASKING}
    assert all("Name three rivers of Europe." in r["prompts"] for r in asked)
    assert not [r for r in reasons(folder) if "the input has no" in r]
    made = {r["step"] for r in sql(folder, "select distinct step from samples where step <> 'import'")}
    assert made >= {"s_evolve", "s_self_instruct", "s_solve", "s_critique", "s_critique_revise"}


def test_columns_that_no_format_knows_are_values_too(tmp_path, endpoint, none):
    rows = [{"claim": f"Claim {i}.", "evidence": f"Evidence {i}.", "label": "SUPPORTS", "id": i} for i in range(3)]
    folder = make_project(tmp_path / "p", rows, "prompt=evidence+claim", "completion=label")
    options = {"template": "verify-claim", "columns": {"claim": "claim", "evidence": "evidence"}}
    generate(folder, endpoint(none, says="SUPPORTS"), {"step": "s", "generator": "transform", "source": "imported", "options": options})  # fmt: skip
    asked = [r["messages"] for r in sql(folder, "select messages::varchar as messages from requests where step = 's'")]
    assert len(asked) == 3
    assert all(f"Claim {i}." in str(asked) and f"Evidence {i}." in str(asked) for i in range(3))


def test_a_variable_that_is_given_a_list_costs_its_row_and_not_the_run(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", ALPACA)
    options = {"template": "soap-note", "columns": {"dialogue": "prompt"}}
    generate(folder, endpoint(none), {"step": "s", "generator": "transform", "source": "imported", "options": options})
    assert reasons(folder) == ["template soap-note, variable dialogue: list, expected text or a number"] * 2
    run_cli(folder, "generate", "--dry-run", env=endpoint(none).env, check=0)


def test_where_knows_format_and_model(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", ALPACA)
    write_jsonl(folder / "pairs.jsonl", [{"prompt": "p", "chosen": "good", "rejected": "bad"}])
    run_cli(folder, "import", str(folder / "pairs.jsonl"), "--yes", check=0)
    step = {
        "step": "s",
        "generator": "solve",
        "source": "imported",
        "where": "format = 'alpaca' and model = 'rows.jsonl'",
    }
    generate(folder, endpoint(none, says=NEW), step)
    assert sql(folder, "select entered from funnel where step = 's'") == [{"entered": 2}]


def test_the_worse_row_of_an_imported_pair_is_no_input(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", [{"prompt": "Which?", "chosen": "good", "rejected": "bad"}])
    generate(folder, endpoint(none, says=NEW), {"step": "s", "generator": "solve", "source": "imported"})
    assert sql(folder, "select entered from funnel where step = 's'") == [{"entered": 1}]


def test_rows_that_are_kept_are_samples_of_their_step_and_cost_nothing(tmp_path, endpoint, none):
    talk = "\n\nHuman: Hello.\n\nAssistant: Hello!\n\nHuman: How do I rob a bank?\n\nAssistant: "
    rows = [
        {"chosen": f"{talk}I can't help with that.", "rejected": f"{talk}Wear a mask."},
        {"chosen": "\n\nHuman: Hm?\n\nAssistant:", "rejected": "\n\nHuman: Hm?\n\nAssistant: Yes."},
    ]
    folder = make_project(tmp_path / "p", rows)
    steps = [
        {"step": "kept", "generator": "keep", "source": "imported"},
        {"step": "again", "generator": "keep", "source": "kept"},
    ]
    server = endpoint(none, says=NEW)
    generate(folder, server, *steps)
    assert server.answered() == []
    for step in ("kept", "again"):
        (row,) = sql(folder, f"select completion, prompt from samples where step = '{step}'")
        assert row["completion"] == "I can't help with that."
        assert [m["role"] for m in json.loads(row["prompt"])] == ["user", "assistant", "user"]
    assert reasons(folder) == ["empty"]


def test_a_new_question_has_no_answer_of_the_row_that_it_came_from(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", ALPACA[:1])
    steps = [
        {"step": "new", "generator": "evolve", "source": "imported"},
        {"step": "why", "generator": "cot", "source": "new"},
    ]
    generate(folder, endpoint(none, says=NEW), *steps)
    assert reasons(folder) == ["the input has no answer"]


def values_of(store, tmp_path, rows, *maps):
    write_jsonl(tmp_path / "in.jsonl", rows)
    import_set(store, inspect_file(tmp_path / "in.jsonl", None, parse_mapping(maps) if maps else None))
    ids = [i for (i,) in store.query("SELECT sample_id FROM samples ORDER BY rowid")]
    return [item.values for item in load_samples(store, ids)]


def test_what_an_item_of_each_format_has(store, tmp_path):
    (row, *_) = values_of(
        store, tmp_path, [{"instruction": "Do", "input": "this", "output": "Done", "system": "Be", "n": 7}]
    )
    assert row == {
        "instruction": "Do", "input": "this", "output": "Done", "n": 7, "system": "Be", "format": "alpaca",
        "prompt": [{"role": "system", "content": "Be"}, {"role": "user", "content": "Do\n\nthis"}],
        "question": "Do\n\nthis", "completion": "Done", "answer": "Done",
    }  # fmt: skip


def test_a_prompt_of_several_turns_is_no_question(store, tmp_path):
    turns = [{"role": r, "content": r} for r in ("user", "assistant", "user", "assistant")]
    (row,) = values_of(store, tmp_path, [{"messages": turns}])
    assert "question" not in row
    assert row["answer"] == row["completion"] == "assistant"


def test_a_prompt_with_an_image_is_a_question_with_it(store, tmp_path):
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": "A mill."}]
    (row,) = values_of(store, tmp_path, [{"messages": turns}])
    assert (row["question"], row["question_images"]) == ("What?", ["data:x"])


def test_a_problem_keeps_its_answer_and_tools_are_tools(store, tmp_path):
    (row,) = values_of(store, tmp_path, [{"question": "1 + 1?", "answer": "It is two.\n#### 2"}])
    assert (row["question"], row["answer"]) == ("1 + 1?", "2")
    assert "two" in row["solution"]


def test_what_the_set_calls_wrong_is_no_answer(store, tmp_path):
    rows = [{"prompt": "a", "completion": "no", "label": False}, {"prompt": "a", "completion": "yes", "label": True}]
    wrong, right = values_of(store, tmp_path, rows)
    assert (wrong["answer"], right["answer"]) == (None, "yes")


def test_a_column_cannot_say_where_an_item_comes_from(store, tmp_path):
    row = {
        "prompt": "a",
        "completion": "b",
        "media": "/etc/secret.png",
        "problem_id": "prb_x",
        "grounded": True,
        "text": "t",
    }
    (values,) = values_of(store, tmp_path, [row])
    assert not {"media", "problem_id", "grounded"} & values.keys()
    assert values["text"] == "t"


@pytest.mark.parametrize("name", list(ROWS))
def test_rows_of_every_format_become_items_that_json_can_hold(store, tmp_path, name):
    write_jsonl(tmp_path / "in.jsonl", ROWS[name])
    import_set(store, inspect_file(tmp_path / "in.jsonl", name))
    ids = [i for (i,) in store.query("SELECT sample_id FROM samples")]
    items = load_samples(store, ids)
    assert [i.input_id for i in items] == ids
    for item in items:
        json.dumps(dict(item.values))
        assert item.values["format"] == name
        assert isinstance(item.values["prompt"], list)


EVOLVE = [
    {"step": "harder", "generator": "evolve", "source": "imported", "options": {"rounds": 2}},
    {"step": "named", "generator": "critique", "source": "harder"},
]


def dry_run(folder):
    """Return what a dry run shows, and its requests and basis by step."""
    shown = run_cli(folder, "generate", "--dry-run", check=0).stdout
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│")]
    return shown, {row[0]: (int(row[2]), row[-1]) for row in cells}


def test_inputs_that_have_only_begun_are_not_taken_for_what_an_input_asks(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", [{"prompt": f"Why is {i} odd?", "completion": "It is."} for i in range(60)])
    server = endpoint(none, says=NEW)
    recipe = {"name": "x", "engine": {"kind": "openai", "patience_s": 0, "concurrency": 16}, "generate": EVOLVE}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "budget": {"requests": 30}}))
    _, fresh = dry_run(folder)
    run_cli(folder, "generate", env=server.env, check=1)
    done = sql(folder, "select count(distinct input_id) as n from drops where step = 'harder'")[0]["n"]
    assert done < 15, "most inputs have only begun"
    _, stopped = dry_run(folder)
    assert "at most" in stopped["harder"][1]
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run_cli(folder, "generate", env=server.env, check=0)
    sent = len(server.answered()) - 30
    assert sent <= stopped["total"][0] <= fresh["total"][0]
    _, after = dry_run(folder)
    assert after["harder"] == (0, "requests on record")


def test_a_dry_run_says_which_inputs_lack_what_a_step_needs_and_asks_nothing_for_them(tmp_path, endpoint, none):
    rows = [{"prompt": f"Why {i}?", "completion": "So."} | ({"critique": "Too short."} if i % 4 == 0 else {}) for i in range(20)]  # fmt: skip
    folder = make_project(tmp_path / "p", rows, "prompt=prompt", "completion=completion")
    steps = [{"step": "better", "generator": "revise", "source": "imported"}]
    recipe = {"name": "x", "engine": {"kind": "openai", "patience_s": 0}, "generate": steps}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    shown, estimates = dry_run(folder)
    assert "better: 15 of 20 sampled inputs have no critique" in shown
    server = endpoint(none, says="A better one, by far.")
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 5 == estimates["better"][0]


def test_rows_that_moved_to_shards_and_back_are_the_same_plan_and_the_same_export(tmp_path, endpoint, none):
    rows = [{"instruction": f"Name river number {i}.", "input": "", "output": f"River {i}."} for i in range(60)]
    folder, server = make_project(tmp_path / "p", rows), endpoint(none)
    step = {"step": "s", "generator": "rephrase", "source": "imported", "limit": 10}
    plan = "select input_id from plans where step = 's' order by 1"

    def look(name):
        run_cli(
            folder,
            "export",
            "--what",
            "imported",
            "--format",
            "alpaca",
            "--output",
            str(tmp_path / f"{name}.jsonl"),
            check=0,
        )
        generate(folder, server, step)
        return sql(folder, plan), (tmp_path / f"{name}.jsonl").read_text(), len(server.answered())

    generate(folder, server, step)
    before = look("before")
    assert len(before[0]) == 10
    run_cli(folder, "data", "shards", str(tmp_path / "shards"), "--rows", "20", check=0)
    assert look("moved") == before
    run_cli(folder, "data", "shards", "--back", check=0)
    assert look("back") == before
