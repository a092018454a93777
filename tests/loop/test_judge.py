"""``flywheel judge run`` against the fake endpoint: the driver's guarantees hold for judges too."""

import json

import pytest
import yaml
from flywheel.config import EngineConfig, JudgeConfig
from flywheel.errors import RecipeError
from flywheel.loop._judges import _make
from support import refused, run_cli, sql, start_cli, wait_for
from support_flow import make_flow_project

OWN = """
from flywheel.gen import generator


@generator("answers", consumes=("text",), templates=("note",))
async def answers(item, ask):
    \"\"\"An answer of known quality to each passage.\"\"\"
    (completion,) = await ask("note", text=item.text("text"))
    number = int(item.text("text").split()[1])
    said = "mumble" if number % 5 == 4 else f"quality={number % 5 + 1}"
    yield completion.made(said, prompt=item.text("text"), question=item.text("text"))
"""
STEPS = [{"step": "answers", "generator": "own.py:answers"}]
RUBRIC = {"kind": "rubric", "name": "quality", "criteria": "It is right.", "by_tokens": False}
VERDICTS = "select s.completion, v.* from verdicts v join samples s using (sample_id) order by s.completion, sample_id"


@pytest.fixture
def judged(tmp_path, endpoint, none):
    """A project with 20 answers, a judge, and an endpoint."""
    folder = make_flow_project(tmp_path / "p", n=20, steps=STEPS, engine={"model": "fake-teacher"})
    (folder / "own.py").write_text(OWN)
    write_judge(folder, RUBRIC)
    server = endpoint(none, latency=0.02, models="harsh/Judge:1")
    run_cli(folder, "generate", env=server.env, check=0)
    return folder, server


def write_judge(folder, settings):
    (folder / "judge.yaml").write_text(yaml.safe_dump(settings))


def judge(folder, env, **options):
    return run_cli(
        folder, "judge", "run", "--judge", str(folder / "judge.yaml"), "--step", "answers", env=env, **options
    )


def test_samples_are_judged_with_their_requests_on_record_and_never_twice(judged):
    folder, server = judged
    before = len(server.answered())
    shown = judge(folder, server.env, check=0).stdout
    assert "unparsable" in shown
    rows = sql(folder, VERDICTS)
    assert len(rows) == 20
    for row in rows:
        evidence = json.loads(row["evidence"])
        (request,) = evidence["requests"]
        assert sql(folder, f"select 1 as one from requests where request_id = '{request}'") == [{"one": 1}]
        if row["completion"] == "mumble":
            assert (row["passed"], row["score"], row["reason"]) == (None, None, "unparsable")
            assert evidence["opinions"][0]["text"] == "I would rather not say."
        else:
            assert row["score"] == (int(row["completion"][-1]) - 1) / 4
    asked = len(server.answered()) - before
    assert asked == 20
    judge(folder, server.env, check=0)
    assert len(server.answered()) - before == asked
    assert sql(folder, VERDICTS) == rows
    (line,) = sql(
        folder, "select entered, kept, dropped from funnel where step like 'judge.quality%' and step not like '%/%'"
    )
    assert line == {"entered": 20, "kept": 20, "dropped": 0}


def test_a_kill_costs_only_what_was_in_flight(judged):
    folder, server = judged
    before = len(server.answered())
    process = start_cli(
        folder, "judge", "run", "--judge", str(folder / "judge.yaml"), "--step", "answers", env=server.env
    )
    wait_for(lambda: len(server.answered()) > before + 4)
    process.kill()
    process.communicate()
    judge(folder, server.env, check=0)
    assert len(sql(folder, "select distinct sample_id from verdicts")) == len(sql(folder, VERDICTS)) == 20
    assert len(server.answered()) - before <= 20 + 8


def test_another_criterion_is_another_judge(judged):
    folder, server = judged
    judge(folder, server.env, check=0)
    write_judge(folder, {**RUBRIC, "criteria": "It is short."})
    judge(folder, server.env, check=0)
    names = [r["judge"] for r in sql(folder, "select distinct judge from verdicts")]
    assert len(names) == 2
    assert all(n.startswith("quality@") for n in names)


def test_token_probabilities_are_kept_with_the_request(judged):
    folder, server = judged
    write_judge(folder, {**RUBRIC, "by_tokens": True})
    judge(folder, server.env, check=0)
    by_hand = ((4 * 0.6 + 5 * 0.25 + 3 * 0.1) / 0.95 - 1) / 4
    (row,) = sql(
        folder,
        "select distinct v.score from verdicts v join samples s using (sample_id) where completion = 'quality=4'",
    )
    assert row["score"] == pytest.approx(by_hand)
    (kept,) = sql(
        folder, "select count(*) as n from requests where details like '%tokens%' and sampling like '%top_logprobs%'"
    )
    assert kept["n"] == 20


def test_what_lacks_a_column_is_a_drop_with_its_reason(judged):
    folder, server = judged
    write_judge(folder, {"kind": "reference", "name": "right"})
    judge(folder, server.env, check=0)
    (row,) = sql(folder, "select reason, sum(n) as n from drops where step like 'judge.right%' group by reason")
    assert (row["reason"], int(row["n"])) == ("no reference", 20)


def test_a_panel_stores_each_members_verdict_and_its_own_that_names_them(judged):
    folder, server = judged
    before = len(server.answered())
    write_judge(
        folder, {**RUBRIC, "name": "jury", "models": ["fake-teacher", "harsh/Judge:1"], "vote": "mean", "passes_at": 4}
    )
    shown = judge(folder, server.env, check=0).stdout
    assert "jury/harsh-judge-1@" in shown
    assert len(server.answered()) - before == 2 * 20
    asked = sql(
        folder,
        "select model, requests, prompt_tokens > 0 as counted from cost where step like 'judge.jury.%' order by model",
    )
    assert asked == [{"model": m, "requests": 20, "counted": True} for m in ("fake-teacher", "harsh/Judge:1")]
    rows = sql(folder, VERDICTS)
    panel = [r for r in rows if r["judge"].startswith("jury@")]
    members = {r["verdict_id"]: r for r in rows if r["judge"].startswith("jury/")}
    assert (len(panel), len(members)) == (20, 40)
    for row in panel:
        evidence = json.loads(row["evidence"])
        named = [members[i] for i in evidence["verdicts"].values()]
        assert {n["sample_id"] for n in named} == {row["sample_id"]}
        assert len(evidence["requests"]) == 2
        scores = [n["score"] for n in named]
        if row["completion"] == "mumble":
            assert (row["passed"], row["score"], row["reason"], evidence["unread"]) == (None, None, "unparsable", 2)
        else:
            assert row["score"] == pytest.approx(sum(scores) / 2)
            assert abs(scores[0] - scores[1]) == (0 if row["completion"] == "quality=1" else 0.25)
            assert row["passed"] is False  # a mean of 3.5 for the best: passes_at 4
    judge(folder, server.env, check=0)
    assert sql(folder, VERDICTS) == rows
    assert len(server.answered()) - before == 2 * 20
    (line,) = sql(
        folder,
        "select entered, kept, dropped from funnel where step like 'judge.jury.________' and step not like '%/%'",
    )
    assert line == {"entered": 20, "kept": 20, "dropped": 0}
    assert not sql(folder, "select 1 from funnel where entered <> kept + dropped")
    assert sum(m["passed"] for m in members.values() if m["passed"] is not None) == 4
    assert not sql(folder, "select 1 from sft")  # no member accepts by itself


def test_of_what_no_member_can_judge_the_panel_has_a_drop(judged):
    folder, server = judged
    write_judge(folder, {"kind": "reference", "name": "right", "models": ["fake-teacher", "harsh/Judge:1"]})
    judge(folder, server.env, check=0)
    judge(folder, server.env, check=0)
    rows = sql(
        folder,
        "select step, entered, kept, dropped, reason from funnel where step like 'judge.right%' and step not like '%/items'",
    )
    assert [(r["entered"], r["kept"], r["dropped"], r["reason"]) for r in rows] == [(20, 0, 20, "no reference: 20")] * 3


def test_where_nothing_can_be_compared_it_is_told_and_nothing_breaks(judged):
    folder, server = judged
    before = len(server.answered())
    write_judge(folder, {"kind": "pairwise", "name": "better", "criteria": "It is right."})
    judge(folder, server.env, check=0)
    done = judge(folder, server.env, check=0)  # one answer to each passage
    assert "no prompt of answers has two different completions" in done.stderr
    assert len(server.answered()) == before
    (row,) = sql(folder, "select entered, kept, reason from funnel where step = 'compare.answers.1'")
    assert row == {"entered": 20, "kept": 0, "reason": "one completion of its prompt: 20"}
    write_judge(folder, {"kind": "pairwise", "name": "better", "criteria": "It is right.", "compare": 0})
    refused(judge(folder, server.env), "key compare")


def test_what_cannot_be_judged_is_refused(judged):
    folder, server = judged
    write_judge(folder, {**RUBRIC, "models": ["a", "a"]})
    refused(judge(folder, server.env), "two models or more, each once")
    write_judge(folder, {**RUBRIC, "criterion": "x"})
    refused(judge(folder, server.env), "did you mean 'criteria'")
    write_judge(folder, RUBRIC)
    done = run_cli(folder, "judge", "run", "--judge", str(folder / "judge.yaml"), "--step", "nothing", env=server.env)
    refused(done, "--step nothing", "none")


MODEL = {
    "type": "score_model", "name": "Close Enough", "model": "gpt-4o", "pass_threshold": 0.5,
    "input": [
        {"role": "developer", "content": "Be strict."},
        {"role": "user", "content": [{"type": "input_text", "text": "Rate {{sample.output_text}} for {{item.question}}"}]},
    ],
}  # fmt: skip
PYTHON = {"type": "python", "source": "def grade(sample, item):\n    return float('2' in sample['output_text'])"}
MULTI = {
    "type": "multi",
    "name": "both",
    "graders": {"said": MODEL, "code": PYTHON},
    "calculate_output": "0.5 * said + 0.5 * code",
}


LACKING = {**MODEL, "name": "lacking", "input": [{"role": "user", "content": "quality=5 {{sample.output_json}}"}]}


def test_a_grader_file_that_asks_a_model_is_run(judged):
    folder, server = judged

    def run(spec):
        (folder / "grader.json").write_text(json.dumps(spec, indent="\t"))
        args = ("judge", "run", "--judge", str(folder / "grader.json"), "--step", "answers")
        run_cli(folder, *args, env=server.env, check=0)
        name = spec["name"].lower().replace(" ", "-")
        return [row for row in sql(folder, VERDICTS) if row["judge"].startswith(f"{name}@")]

    for spec in (MODEL, MULTI):
        rows = run(spec)
        assert len(rows) == 20
        for row in rows:
            if row["completion"] == "mumble":
                assert (row["passed"], row["score"], row["reason"]) == (None, None, "unparsable")
            else:
                said = int(row["completion"][-1]) / 5
                expected = said if spec is MODEL else 0.5 * said + 0.5 * ("2" in row["completion"])
                assert (row["score"], row["passed"]) == (pytest.approx(expected), expected >= 0.5)
    (asked,) = sql(
        folder, "select any_value(messages)::varchar as m from requests where messages::varchar like '%Be strict%'"
    )
    system, user = json.loads(asked["m"])
    assert system["content"].startswith("Be strict.\n\nYou are a grader.") and user["content"].startswith("Rate ")
    assert {(r["passed"], r["score"], r["reason"]) for r in run(LACKING)} == {
        (False, 0.0, "completion without output_json")
    }


def test_a_recipe_names_a_graders_file(tmp_path):
    config = JudgeConfig(kind="grader", name="close", spec="grader.json", of=("answers",))
    engine = EngineConfig(kind="openai", model="fake-teacher")
    (tmp_path / "grader.json").write_text("{")
    with pytest.raises(RecipeError, match="JSON in"):
        _make(config, engine, tmp_path, tmp_path)
    (tmp_path / "grader.json").write_text(json.dumps(MODEL))
    ready = _make(config, engine, tmp_path, tmp_path)
    assert ready.judge.grader.name == "Close Enough" and "grader grader.json" in ready.content
