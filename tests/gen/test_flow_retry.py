"""``flywheel generate --retry``: what failed or was cut off is done over, and all that later steps made of it."""

from support import make_mini_project, refused, run_cli, sql
from support_flow import ONE, add_up, make_flow_project, write_recipe


def test_failed_rows_are_retried_alone(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=60, steps=ONE, engine={"max_attempts": 1})
    run_cli(folder, "generate", env=endpoint(none, faults="500=0.15").env, check=0)
    (failed,) = sql(folder, "select count(*) as n from drops where reason = 'HTTP 500'")
    assert failed["n"] > 0
    server = endpoint(none)
    run_cli(folder, "generate", "--retry", "failed", env=server.env, check=0)
    assert len(server.answered()) == failed["n"]
    assert sql(folder, "select count(*) as n from drops where reason = 'HTTP 500'") == [{"n": 0}]
    assert sql(folder, "select count(*) as n from retired where tbl = 'drops'")[0]["n"] == failed["n"]
    assert add_up(folder)["notes"]["entered"] == 60
    done = run_cli(folder, "generate", "--retry", "failed", env=server.env, check=2)
    assert "received: none" in done.stderr


def test_truncated_rows_are_retried_with_more_tokens(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, steps=ONE)
    run_cli(folder, "generate", env=endpoint(none, faults="length=0.3").env, check=0)
    cut = "select count(distinct request_id) as n from samples where finish_reason = 'length'"
    before = sql(folder, cut)[0]["n"]
    assert before > 0
    same = run_cli(folder, "generate", "--retry", "truncated", env=endpoint(none).env)
    refused(same, "the same limit, which would cut the same answers", "--max-tokens 2048")
    lower = run_cli(folder, "generate", "--retry", "truncated", "--max-tokens", "20", env=endpoint(none).env)
    refused(lower, "20, which would cut the same answers")
    server = endpoint(none)
    run_cli(folder, "generate", "--retry", "truncated", "--max-tokens", "4096", env=server.env, check=0)
    assert sql(folder, cut) == [{"n": 0}]
    assert before <= len(server.answered()) <= before + 10
    for again in (["truncated"], ["truncated", "--max-tokens", "8192"], ["failed,truncated"]):
        left = run_cli(folder, "generate", "--retry", *again, env=server.env)
        refused(left, "nothing is left to do over")
        assert "the same limit" not in left.stderr
    assert add_up(folder)["notes"]["entered"] == 40


def test_a_failed_question_of_an_input_that_made_rows_is_done_over_with_all_that_follows(tmp_path, endpoint, none):
    steps = [
        {"step": "notes", "generator": "own.py:twice"},
        {"step": "better", "generator": "own.py:polish", "source": "notes"},
    ]
    folder = make_flow_project(tmp_path / "p", n=40, steps=steps, engine={"max_attempts": 1})
    run_cli(folder, "generate", env=endpoint(none, faults="500=0.2").env, check=0)
    half = sql(folder, "select count(*) as n from drops where step = 'notes/items' and reason = 'HTTP 500'")[0]["n"]
    assert half > 0
    add_up(folder)
    run_cli(folder, "generate", "--retry", "failed", env=endpoint(none).env, check=0)
    assert sql(folder, "select count(*) as n from drops where reason = 'HTTP 500'") == [{"n": 0}]
    rows = add_up(folder)
    assert rows["notes/items"]["entered"] == 80
    assert (
        rows["better"]["entered"]
        == rows["notes/items"]["kept"]
        == sql(folder, "select count(*) as n from samples where step = 'notes'")[0]["n"]
    )


def test_a_retry_that_was_interrupted_goes_on_with_the_same_command(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=60, steps=ONE, engine={"max_attempts": 1})
    run_cli(folder, "generate", env=endpoint(none, faults="500=0.4").env, check=0)
    failed = sql(folder, "select count(*) as n from drops where reason = 'HTTP 500'")[0]["n"]
    write_recipe(folder, ONE, {"max_attempts": 1}, budget={"requests": 60 - failed + failed // 2})
    done = run_cli(folder, "generate", "--retry", "failed", env=endpoint(none).env, check=1)
    assert "budget.requests" in done.stdout
    write_recipe(folder, ONE, {"max_attempts": 1})
    server = endpoint(none)
    run_cli(folder, "generate", "--retry", "failed", env=server.env, check=0)
    assert len(server.answered()) == failed - failed // 2
    assert add_up(folder)["notes"]["entered"] == 60


STRICT = """
from flywheel.gen import Fault, generator

@generator("strict", consumes=("completion",), templates=("solve",))
async def strict(item, ask):
    if not item.text("completion").rpartition("#### ")[1]:
        yield Fault("no end")
        return
    for completion in await ask("solve", question=item.text("question")):
        yield completion.made()
"""


def test_with_the_embedded_model_what_follows_from_the_inputs_done_over_is_done_too(tmp_path):
    steps = [
        {"step": "tries", "generator": "solve", "source": "problems", "max_tokens": 20, "limit": 40,
         "options": {"template": "solve"}},
        {"step": "again", "generator": "strict.py", "source": "tries", "max_tokens": 8},
    ]  # fmt: skip
    folder = make_mini_project(tmp_path / "p", generate=steps, solve={"draws": 1, "problems": 4})
    (folder / "strict.py").write_text(STRICT)
    run_cli(folder, "generate", check=0)
    before = add_up(folder)
    (cut,) = sql(folder, "select count(*) as n from samples where step = 'tries' and finish_reason = 'length'")
    assert 0 < cut["n"] == before["again"]["dropped"] < 40
    run_cli(folder, "generate", "--retry", "truncated", "--max-tokens", "120", check=0)
    asked = sql(folder, "select count(*) as n from requests where step = 'tries'")[0]["n"]
    assert asked == 40 + cut["n"], "only what was cut is asked again"
    after = add_up(folder)
    assert after["tries"]["entered"] == after["again"]["entered"] == after["again"]["kept"] == 40
