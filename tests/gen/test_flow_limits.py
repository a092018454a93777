"""Steps that go wrong or are limited: broken generators, budgets, nothing to work on."""

import json

import pytest
from flywheel.cli._tables import order_funnel
from support import refused, run_cli, sql
from support_flow import ONE, OWN, STEPS, add_up, make_flow_project, write_recipe


def test_a_generators_bug_costs_the_item_and_says_so(tmp_path, endpoint, none):
    steps = [{**ONE[0], "options": {"fail_on": "Passage 3 "}}]
    folder = make_flow_project(tmp_path / "p", n=8, steps=steps)
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    (drop,) = sql(folder, "select reason, input_id from drops where step = 'notes' and reason like '%bug%'")
    assert drop["reason"] == "ValueError in generator note: this generator has a bug"
    assert add_up(folder)["notes"]["entered"] == 8


def test_a_generator_that_leaves_the_program_costs_the_item_too(tmp_path, endpoint, none):
    steps = [{**ONE[0], "options": {"fail_on": "Passage 3 "}}]
    folder = make_flow_project(tmp_path / "p", n=8, steps=steps)
    (folder / "own.py").write_text(OWN.replace('ValueError("this generator has a bug")', "SystemExit(7)"))
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    assert sql(folder, "select reason from drops where reason like 'SystemExit%'") == [
        {"reason": "SystemExit in generator note: 7"}
    ]
    assert add_up(folder)["notes"]["entered"] == 8


def test_a_budget_stops_cleanly_and_a_higher_one_goes_on(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, steps=ONE, budget={"requests": 15})
    server = endpoint(none)
    done = run_cli(folder, "generate", env=server.env, check=1)
    assert "budget.requests = 15 is spent" in done.stdout
    assert len(server.answered()) == 15
    assert sql(folder, "select count(distinct request_id) as n from requests")[0]["n"] == 15
    write_recipe(folder, ONE)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 40
    assert add_up(folder)["notes"]["entered"] == 40


def test_a_row_that_is_begun_goes_through_all_its_steps_before_others_begin(tmp_path, endpoint, none):
    steps = [{**ONE[0], "draws": 1}, STEPS[1]]
    folder = make_flow_project(tmp_path / "p", n=400, steps=steps, budget={"requests": 100})
    run_cli(folder, "generate", env=endpoint(none).env, check=1)
    asked = {r["step"]: r["n"] for r in sql(folder, "select step, count(*) as n from requests group by all")}
    (drops,) = sql(folder, "select count(*) as n from drops where step = 'notes'")
    behind = asked["notes"] - drops["n"] - asked["better"]
    assert behind <= 3 * 8, "8 requests may be open, 8 be answered and not handed on, 8 be sent meanwhile"


def test_steps_over_the_same_source_take_turns(tmp_path, endpoint, none):
    steps = [{**ONE[0], "draws": 1}, {**ONE[0], "step": "others", "draws": 1, "temperature": 0.5}]
    folder = make_flow_project(tmp_path / "p", n=400, steps=steps, budget={"requests": 100})
    run_cli(folder, "generate", env=endpoint(none).env, check=1)
    asked = {r["step"]: r["n"] for r in sql(folder, "select step, count(*) as n from requests group by all")}
    assert 40 <= asked["notes"] <= 60


def test_money_is_counted_by_the_price_table(tmp_path, endpoint, none):
    folder = make_flow_project(
        tmp_path / "p", n=200, steps=ONE, budget={"usd": 0.01}, prices={"prompt": 1.0, "completion": 10.0}
    )
    server = endpoint(none)
    done = run_cli(folder, "generate", env=server.env, check=1)
    assert "budget.usd = 0.01 is spent" in done.stdout
    each = (10 * 1.0 + 40 * 10.0) / 1e6
    assert 0.01 / each - 2 <= len(server.answered()) <= 0.01 / each + 2


def test_a_generator_that_fails_on_everything_stops_the_run_and_is_asked_again_once_mended(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=60, steps=[{**ONE[0], "options": {"fail_on": "Passage"}}])
    server = endpoint(none)
    done = run_cli(folder, "generate", env=server.env, check=2)
    assert "received: ValueError in generator note: this generator has a bug" in done.stderr
    assert "Traceback" not in done.stderr
    own = folder / "own.py"
    own.write_text(own.read_text().replace('raise ValueError("this generator has a bug")', "pass"))
    told = run_cli(folder, "generate", env=server.env, check=0).stderr
    assert "Changed since run" in told
    assert "generator own.py:note" in told
    (kept,) = sql(folder, "select count(distinct input_id) as n from samples where step = 'notes'")
    assert kept["n"] > 50


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("yield 42", "TypeError in generator note: yielded int, not what completion.made() or .fail() returns"),
        ("yield ask", "TypeError in generator note: yielded StageAsk"),
        ("yield (await ask('note', text='x'))[0].made(prompt=[object()])", "in generator note"),
    ],
)
def test_what_is_no_row_costs_the_item(tmp_path, endpoint, none, code, reason):
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE)
    own = folder / "own.py"
    own.write_text(own.read_text().replace("    for completion in await", f"    {code}\n    for completion in await"))
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    reasons = [r["reason"] for r in sql(folder, "select reason from drops where step = 'notes'")]
    assert len(reasons) == 3
    assert all(reason in r for r in reasons), reasons


def test_fields_may_hold_numbers_of_any_size_and_keys_that_are_no_text(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE)
    own = folder / "own.py"
    own.write_text(own.read_text().replace("note=completion.text)", "note=completion.text, big=10**24, counts={1: 2})"))
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    (row,) = sql(folder, "select fields::varchar as f from samples where step = 'notes' limit 1")
    assert json.loads(row["f"])["big"] == 10**24
    assert json.loads(row["f"])["counts"] == {"1": 2}


@pytest.mark.parametrize("code", ["return 1", "pass"])
def test_a_function_that_is_no_generator_is_refused_before_anything_is_asked(tmp_path, code):
    folder = make_flow_project(tmp_path / "p", n=3, steps=[{"step": "notes", "generator": "bad.py"}])
    (folder / "bad.py").write_text(
        f"from flywheel.gen import generator\n\n@generator('bad')\nasync def bad(item, ask):\n    {code}\n"
    )
    done = run_cli(folder, "generate", check=2)
    assert "async def" in done.stderr
    assert "yield" in done.stderr


def test_a_misspelt_template_in_the_options_is_found_before_anything_is_asked(tmp_path):
    steps = [{"step": "tries", "generator": "solve", "source": "chunks", "options": {"template": "cto"}}]
    folder = make_flow_project(tmp_path / "p", n=3, steps=steps)
    done = run_cli(folder, "generate", check=2)
    assert "template 'cto'" in done.stderr


def test_templates_are_replaced_by_name_and_may_leave_variables_out(tmp_path, endpoint, none):
    steps = [{**ONE[0], "templates": {"note": "short"}}]
    folder = make_flow_project(tmp_path / "p", n=2, steps=steps)
    (folder / "prompts" / "short.yaml").write_text("name: short\nuser: 'Say something.'\n")
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    (row,) = sql(folder, "select any_value(messages::varchar) as m from requests")
    assert "Say something." in row["m"]
    write_recipe(folder, [{**ONE[0], "templates": {"nota": "short"}}])
    assert "of generator note: note" in run_cli(folder, "generate", check=2).stderr
    (folder / "prompts" / "short.yaml").write_text("name: short\nvariables: [texts]\nuser: 'Say {{texts}}.'\n")
    write_recipe(folder, steps)
    assert "variables among text" in run_cli(folder, "generate", check=2).stderr


def test_a_budget_of_tokens_holds_from_the_first_request_on(tmp_path, endpoint, none):
    steps = [{**ONE[0], "max_tokens": 60}]
    folder = make_flow_project(tmp_path / "p", n=200, steps=steps, engine={"concurrency": 64}, budget={"tokens": 1000})
    server = endpoint(none, latency=0.2)
    done = run_cli(folder, "generate", env=server.env, check=1)
    assert "budget.tokens = 1,000 is spent" in done.stdout
    assert "Raise it in the recipe" in done.stdout
    (spent,) = sql(folder, "select sum(prompt_tokens + completion_tokens)::bigint as n from requests")
    assert 900 <= spent["n"] <= 1100


def test_money_without_prices_is_refused(tmp_path):
    folder = make_flow_project(tmp_path / "p", n=2, steps=ONE, budget={"usd": 0.5})
    assert "prices" in run_cli(folder, "generate", check=2).stderr


def test_nothing_to_work_on_is_said_before_the_endpoint_is_asked(tmp_path):
    folder = make_flow_project(tmp_path / "p", n=0, steps=ONE)
    done = run_cli(folder, "generate", env={"OPENAI_BASE_URL": "http://127.0.0.1:9"}, check=2)
    assert "flywheel ingest" in done.stderr


def test_a_condition_that_no_row_meets_is_said(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=2, steps=[{**ONE[0], "where": "source = 'b.txt'"}])
    assert "received: no row that does" in run_cli(folder, "generate", env=endpoint(none).env, check=2).stderr


def test_a_fault_costs_nothing_that_was_asked_and_leaves_it_readable(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", steps=ONE)
    broken = OWN.replace(
        "        if completion.text", "        if 'Passage 9 ' in item.text('text'):\n            raise RecipeError('own.py', "
        "expected='a note', received='none', cure='mend it')\n        if completion.text", 1,
    )  # fmt: skip
    (folder / "own.py").write_text(f"from flywheel.errors import RecipeError\n{broken}")
    server = endpoint(none, latency=0.1)
    refused(run_cli(folder, "generate", env=server.env), "own.py", "what is in flight is finished and kept")
    (kept,) = sql(folder, "select count(*) as n from requests")
    assert kept["n"] == len(server.answered()) > 8, "those in flight when the fault came up too"
    (folder / "own.py").write_text(OWN)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == len(set(server.answered())) == 40


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"requests": 5}, "budget.requests = 5"),
        ({"tokens": 300}, "budget.tokens = 300"),
        ({"usd": 0.002}, "budget.usd = 0.002"),
    ],
)
def test_a_budget_that_stops_ends_with_1_until_it_is_raised(tmp_path, endpoint, none, budget, said):
    prices = {"prompt": 1.0, "completion": 10.0}
    folder = make_flow_project(tmp_path / "p", n=12, steps=ONE, engine={"concurrency": 2}, budget=budget, prices=prices)
    server = endpoint(none)
    done = run_cli(folder, "generate", env=server.env, check=1)
    assert (
        f"Stopped early: {said} is spent. Raise it in the recipe; then the same command goes on from here."
        in done.stdout
    )
    assert "notes" in done.stdout and "error:" not in done.stderr, "the funnel so far, and no fault"
    asked = len(server.answered())
    assert 0 < asked < 12
    assert f"{said} is spent" in run_cli(folder, "generate", env=server.env, check=1).stdout
    assert len(server.answered()) == asked, "what is spent stays spent"
    write_recipe(folder, ONE, prices=prices)
    assert "Stopped" not in run_cli(folder, "generate", env=server.env, check=0).stdout
    assert len(server.answered()) == 12


def shown_steps(done):
    return [line.split("│")[2].strip() for line in done.stdout.splitlines() if line.startswith("│")]


def test_the_closing_funnel_is_in_the_recipes_order(tmp_path, endpoint, none):
    steps = [
        {"step": "zebra", "generator": "own.py:note"},
        {"step": "moth", "generator": "own.py:polish", "source": "zebra"},
        {"step": "ant", "generator": "own.py:twice"},
        {"step": "yak", "generator": "own.py:polish", "source": "ant"},
    ]
    folder = make_flow_project(tmp_path / "p", n=3, steps=steps)
    server = endpoint(none)
    order = [line for step in ("zebra", "moth", "ant", "yak") for line in (step, f"{step}/items")]
    assert shown_steps(run_cli(folder, "generate", env=server.env, check=0)) == order
    write_recipe(folder, [steps[2], steps[3], steps[0], steps[1]])
    assert shown_steps(run_cli(folder, "generate", env=server.env, check=0)) == [*order[4:], *order[:4]]
    assert [s for s in shown_steps(run_cli(folder, "status", check=0)) if s in order] == [*order[4:], *order[:4]]


def test_a_funnel_puts_verdicts_behind_their_step_and_other_steps_last():
    names = ["ant", "ant/items", "ant/verify", "moth", "problems", "solve", "solve/verify", "zebra", "zebra/items"]
    rows = [{"iteration": i, "step": name} for i in (1, 2) for name in names]
    ordered = ["zebra", "zebra/items", "ant", "ant/items", "ant/verify", "moth", "problems", "solve", "solve/verify"]
    assert [r["step"] for r in order_funnel(rows, ["zebra", "ant"])] == ordered * 2
