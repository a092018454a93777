"""Judges, verifiers and pairs as the recipe has them: in process, against the fake endpoint."""

import json
import os
from contextlib import contextmanager

import pytest
from flywheel.config import load_recipe
from flywheel.errors import RecipeError
from flywheel.loop import SilentReporter, Wheel, steps_to_pair
from flywheel.store import Project
from support import make_mini_project, run_cli, sql, write_jsonl
from support_flow import make_flow_project

OWN = """
from flywheel.gen import generator


@generator("answers", consumes=("text",), templates=("note",))
async def answers(item, ask):
    \"\"\"Answers of known quality to each passage, one citing it and one not.\"\"\"
    (completion,) = await ask("note", text=item.text("text"))
    number = int(item.text("text").split()[1])
    for said in (f"quality={number % 5 + 1} with reasons [1]", "quality=2 and short", "mumble", "quality=2  AND short."):
        yield completion.made(said, prompt=item.text("text"), question=item.text("text"))
"""
STEPS = [{"step": "answers", "generator": "own.py:answers"}]
QUALITY = {"kind": "rubric", "name": "quality", "of": ["answers"], "criteria": "It is right.", "by_tokens": False}
SAFE = {"kind": "rubric", "name": "safe", "of": ["answers"], "constitution": "default", "by_tokens": False}
CITED = {
    "kind": "verifier",
    "name": "citations",
    "of": ["answers"],
    "verifier": "citations",
    "map": {"sources": "text"},
}
KINDS = [
    {"kind": "higher/lower", "judge": "quality", "margin": 0.25}, {"kind": "safe/unsafe", "judge": "safe"}, "cited/uncited",
]  # fmt: skip


@contextmanager
def opened(folder, env):
    """The project's wheel, ready."""
    os.environ.update(env)
    wheel = Wheel(Project(folder), load_recipe(folder / "recipe.yaml"), folder, SilentReporter())
    try:
        with wheel.store.run_lock("test"):
            wheel.prepare()
            wheel.begin_iteration(1)
            yield wheel
            wheel.store.close()
    finally:
        for name in env:
            os.environ.pop(name, None)


def make_project(folder, **more):
    engine = {"model": "fake-teacher"}
    make_flow_project(folder, n=10, steps=STEPS, engine=engine, **more)
    (folder / "own.py").write_text(OWN)
    return folder


def pair_all(wheel):
    return wheel.pair(1, steps_to_pair(wheel.recipe, in_a_run=False))


@pytest.fixture
def judged(tmp_path, endpoint, none):
    folder = make_project(tmp_path / "p", judges=[QUALITY, SAFE, CITED], pairs={"per_problem": 1, "kinds": KINDS})
    server = endpoint(none)
    with opened(folder, server.env) as wheel:
        assert wheel.generate(1) is None
        assert wheel.generate(1) is None, "again is free"
        n = pair_all(wheel)
        assert pair_all(wheel) == n
    return folder, server


def funnel(folder, where="true"):
    rows = sql(folder, f"select * from funnel where run_id <> 'project' and {where}")
    for row in rows:
        assert row["entered"] == row["kept"] + row["dropped"], row
    return {row["step"]: row for row in rows}


def test_judges_of_a_recipe_label_each_sample_once_and_pairs_say_what_made_them(judged):
    folder, server = judged
    assert len(server.answered()) == 10 + 2 * 40, "nothing is asked twice"
    lines = funnel(folder)
    quality = next(v for k, v in lines.items() if k.startswith("judge.quality") and k.endswith("/verdicts"))
    assert (quality["entered"], quality["kept"]) == (40, 6), "quality 3 of 5 and more passes; who mumbles abstains"
    assert "unparsable: 10" in quality["reason"]
    assert not any(step.endswith("/verify") for step in lines)
    cited = next(v for k, v in lines.items() if k.startswith("judge.citations") and k.endswith("/verdicts"))
    assert (cited["entered"], cited["kept"]) == (40, 10)
    pairs = sql(folder, "select * from dpo order by kind, pair_id")
    kinds = {k: [p for p in pairs if p["kind"] == k] for k in ("higher/lower", "safe/unsafe", "cited/uncited")}
    assert {k: len(v) for k, v in kinds.items()} == {"higher/lower": 8, "safe/unsafe": 4, "cited/uncited": 10}
    for pair in kinds["higher/lower"]:
        chosen, rejected = (json.loads(pair[side])[0]["content"] for side in ("chosen", "rejected"))
        assert pair["judge"].startswith("quality@")
        assert pair["margin"] == pytest.approx((int(chosen[8]) - int(rejected[8])) / 4) and pair["margin"] >= 0.25
        assert json.loads(pair["prompt"])[0]["content"].startswith("Passage")
        verdicts = f"select count(*) as n from verdicts where verdict_id in ('{pair['chosen_verdict_id']}', '{pair['rejected_verdict_id']}')"
        assert sql(folder, verdicts) == [{"n": 2}]
    assert lines["pair"]["entered"] == 30
    assert lines["pair"]["kept"] == 22
    assert "no margin of 0.25: 2" in lines["pair"]["reason"] and "none safe: 6" in lines["pair"]["reason"]
    exported = folder / "pairs.jsonl"
    run_cli(folder, "export", "--format", "trl-dpo", "--what", "dpo", "--output", str(exported), check=0)
    assert len(exported.read_text().splitlines()) == 22


def test_a_preference_for_length_is_measured_warned_of_and_evened_out(judged):
    folder, server = judged
    (row,) = sql(folder, "select * from length_preference where kind = 'cited/uncited'")
    assert row["pairs"] == row["longer"] == 10
    assert 0 < row["correlation"] <= 1
    assert "learns to write longer" in run_cli(folder, "status", check=0).stdout
    shown = run_cli(folder, "pairs", "--kind", "cited/uncited", "--length-balanced", env=server.env, check=0)
    assert "length balance: 10" in shown.stdout


def write_labels(folder, right):
    """60 labelled answers, of which people and the fake judge see ``right`` alike."""
    rows = [
        {
            "q": f"Q{i}",
            "text": f"quality={5 if i % 2 else 1} {i}",
            "human": "good" if (i % 2 == 1) == (i < right) else "bad",
        }
        for i in range(60)
    ]
    write_jsonl(folder / "labels.jsonl", rows)


def with_calibration(folder, least):
    wanted = {
        "labels": "labels.jsonl",
        "map": {"question": "q", "completion": "text", "label": "human"},
        "minimum": {"accuracy": least},
    }
    return make_project(folder, judges=[{**QUALITY, "calibration": wanted}])


def test_a_judge_that_people_do_not_agree_with_labels_nothing(tmp_path, endpoint, none):
    folder = with_calibration(tmp_path / "p", 0.7)
    server = endpoint(none)
    write_labels(folder, right=40)
    with opened(folder, server.env) as wheel, pytest.raises(RecipeError, match=r"accuracy 0\.667 \(interval"):
        wheel.generate(1)
    asked = len(server.answered())
    assert asked == 10 + 60
    (row,) = sql(folder, "select met, n, labels, reason from calibrations")
    assert (row["met"], row["n"], row["labels"]) == (False, 60, "labels.jsonl")
    assert sql(
        folder, "select count(*) as n from verdicts v join samples s using (sample_id) where s.step = 'answers'"
    ) == [{"n": 0}]
    with opened(folder, server.env) as wheel, pytest.raises(RecipeError):
        wheel.generate(1)
    assert len(server.answered()) == asked, "and asks nothing again to be refused again"
    write_labels(folder, right=60)  # other labels are another run: its data is made anew
    with opened(folder, server.env) as wheel:
        assert wheel.generate(1) is None
        assert sql(folder, f"select met from calibrations where run_id = '{wheel.run_id}'") == [{"met": True}]
        lines = funnel(folder, f"run_id = '{wheel.run_id}'")
    assert lines["calibration.quality"]["kept"] == 60
    assert sql(folder, "select count(*) as n from sft where completion like '%quality=5 1%'") == [{"n": 0}], (
        "labels are no data"
    )


def test_a_panel_of_a_recipe_is_measured_against_people_and_makes_pairs(tmp_path, endpoint, none):
    wanted = {
        "labels": "labels.jsonl",
        "map": {"question": "q", "completion": "text", "label": "human"},
        "minimum": {"accuracy": 0.7},
    }
    jury = {**QUALITY, "name": "jury", "models": ["fake-teacher", "harsh"], "calibration": wanted}
    folder = make_project(
        tmp_path / "p", judges=[jury], pairs={"kinds": [{"kind": "higher/lower", "judge": "jury", "margin": 0.25}]}
    )
    write_labels(folder, right=60)
    server = endpoint(none, models="harsh")
    with opened(folder, server.env) as wheel:
        assert wheel.generate(1) is None
        assert pair_all(wheel) > 0
    assert len(server.answered()) == 10 + 2 * (60 + 40)
    (row,) = sql(folder, "select met, n, judge from calibrations")
    assert (row["met"], row["n"], row["judge"].split("@")[0]) == (True, 60, "jury")
    assert {p["judge"] for p in sql(folder, "select judge from dpo")} == {row["judge"]}
    funnel(folder)
    local = make_project(tmp_path / "local", judges=[{**jury, "engine": {"kind": "local"}}])
    write_labels(local, right=60)
    with pytest.raises(RecipeError, match=r"engine\.kind: openai"), opened(local, server.env):
        pass


def test_comparisons_in_both_orders_make_pairs(tmp_path, endpoint, none):
    better = {"kind": "pairwise", "name": "better", "of": ["answers"], "criteria": "It is right.", "compare": 3}
    kinds = [{"kind": "higher/lower", "judge": "better"}, {"kind": "higher/lower", "judge": "quality", "margin": 0.25}]
    folder = make_project(tmp_path / "p", judges=[better, QUALITY], pairs={"per_problem": 2, "kinds": kinds})
    server = endpoint(none)
    with opened(folder, server.env) as wheel:
        assert wheel.generate(1) is None
        pair_all(wheel)
        asked = len(server.answered())
        assert asked == 10 + 2 * 30 + 40  # three comparisons of each prompt's completions, each in both orders
        assert wheel.generate(1) is None
        assert len(server.answered()) == asked
    lines = funnel(folder)
    assert (lines["compare.answers.3"]["entered"], lines["compare.answers.3"]["kept"]) == (30, 30)
    said = sql(folder, "select v.reason, count(*) as n from verdicts v where judge like 'better@%' group by reason")
    assert {r["reason"] for r in said} <= {"first better", "second better", "tie", "unparsable"}
    pairs = [p for p in sql(folder, "select * from dpo") if p["judge"].startswith("better@")]
    assert pairs and all(p["margin"] == 1 and p["chosen_verdict_id"] == p["rejected_verdict_id"] for p in pairs)
    quality = [[json.loads(p[side])[0]["content"][:9] for side in ("chosen", "rejected")] for p in pairs]
    assert all("quality=" in a and a > b for a, b in quality)
    shown = sql(
        folder,
        "select fields from samples s join verdicts v using (sample_id) where v.reason = 'tie' and v.judge like 'better@%'",
    )
    compared = [json.loads(r["fields"]) for r in shown]
    assert not {(p["chosen_sample_id"], p["rejected_sample_id"]) for p in pairs} & {
        (c["first_id"], c["second_id"]) for c in compared
    }
    assert lines["pair"]["entered"] == 20 and lines["pair"]["kept"] > len(
        {p["prompt"] for p in pairs}
    )  # both judges' lines add up
    assert not sql(folder, "select 1 from sft where prompt is null or completion like '%\"\"%'")


def test_imported_scores_and_preferences_make_pairs_without_a_recipe(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    rows = [
        {"prompt": f"Say {i}", "chosen": f"It is {i} .", "rejected": f"it is {i}." if i % 2 else "No idea"}
        for i in range(6)
    ]
    write_jsonl(folder / "preferences.jsonl", rows)
    run_cli(folder, "import", str(folder / "preferences.jsonl"), "--yes", check=0)
    shown = run_cli(folder, "pairs", "--kind", "imported", check=0).stdout
    assert "near-identical: 3" in shown
    assert sql(folder, "select count(*) as n from dpo") == [{"n": 3}]
    assert sql(folder, "select entered, kept, dropped from funnel where step = 'pair/items'") == [
        {"entered": 6, "kept": 3, "dropped": 3}
    ]
    done = run_cli(folder, "pairs", "--kind", "higher/lower", check=2)
    assert "--judge" in done.stderr


def test_recorded_scores_of_two_sets_are_compared_within_their_set(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    for name, scores in (("ten", (9, 4)), ("five", (5, 2))):
        answers = [f"{name} says {word} to it" for word in ("yes", "nothing")]
        write_jsonl(folder / f"{name}.jsonl", [{"prompt": "Well?", "completion": answers, "score": list(scores)}])
        run_cli(
            folder,
            "import",
            str(folder / f"{name}.jsonl"),
            "--map",
            "prompt=prompt",
            "--map",
            "completion=completion",
            "--map",
            "score=score",
            "--yes",
            check=0,
        )
    run_cli(
        folder, "pairs", "--kind", "higher/lower", "--judge", "recorded", "--margin", "2", "--per-prompt", "4", check=0
    )
    pairs = sql(folder, "select judge, margin, chosen, rejected from dpo order by judge")
    assert [(p["judge"], p["margin"]) for p in pairs] == [("recorded@five.jsonl", 3), ("recorded@ten.jsonl", 5)]
    assert all(("ten says" in p["chosen"]) == ("ten says" in p["rejected"]) for p in pairs)
    run_cli(
        folder, "pairs", "--kind", "higher/lower", "--judge", "recorded", "--margin", "4", "--per-prompt", "4", check=0
    )
    (line,) = sql(folder, "select entered, kept, reason from funnel where step = 'pair'")
    assert (line["entered"], line["kept"], line["reason"]) == (2, 1, "no margin of 4: 1")
    refused = run_cli(folder, "pairs", "--kind", "higher/lower", "--judge", "quality", "--margin", "4", check=2)
    assert "0 to 1" in refused.stderr and "Traceback" not in refused.stderr


def test_what_a_recipe_says_wrongly_of_judges_is_told_with_the_key(tmp_path, endpoint, none):
    server = endpoint(none)
    for judge, message in (
        ({**QUALITY, "criterion": "x"}, "did you mean 'criteria'"),
        ({**SAFE, "constitution": "ours.md"}, "no such file"),
        ({**CITED, "options": {"requires": 1}}, "requires"),
    ):
        folder = make_project(tmp_path / judge["name"], judges=[judge])
        with pytest.raises(Exception, match=message), opened(folder, server.env):
            pass


VERIFIER = """
from flywheel.judge import CannotJudge, Verdict, verifier


@verifier("says", version=3, needs=("words",), options={"most": 9})
def says(case, options):
    \"\"\"Pass completions that have the row's words, and end in its reference.\"\"\"
    if not isinstance(case.expected, list):
        raise CannotJudge("bad reference", repr(case.expected))
    has = all(word in case.completion for word in case.fields["words"])
    return Verdict(has and case.completion.split()[-1] in case.expected, None, "said" if has else "not said", case.fields["id"])
"""


def make_solved(folder, rows, **more):
    make_mini_project(
        folder, engine={"kind": "openai", "model": "fake-teacher"}, solve={"draws": 2, "problems": 9}, **more
    )
    write_jsonl(folder / "rows.jsonl", rows)
    (folder / "own.py").write_text(VERIFIER)
    return folder


def test_any_verifier_judges_problems_of_any_columns(tmp_path, endpoint, none):
    rows = [
        {
            "id": f"r{i}",
            "data": {"claim": f"Claim {i}"},
            "gold": ["yes", "sure"] if i else "?",
            "words": ["think", "y"[: i % 2]],
        }
        for i in range(4)
    ]
    rows.append({"id": "bad", "data": {"claim": "No gold"}})
    problems = {"source": "rows.jsonl", "format": {"question": "data.claim", "answer": "gold"}}
    folder = make_solved(tmp_path / "p", rows, problems=problems, verifier={"name": "own.py", "options": {"most": 5}})
    with opened(folder, endpoint(none, says="I think yes").env) as wheel:
        assert wheel.generate(1) is None
        first = wheel.run_id
    lines = funnel(folder)
    assert (lines["problems"]["kept"], lines["problems"]["reason"]) == (4, "nothing under 'gold': 1")
    assert (lines["solve/verify"]["kept"], lines["solve/verify"]["reason"]) == (6, "bad reference: 2")
    said = sql(folder, "select distinct judge, passed, reason, evidence from verdicts where passed order by evidence")
    assert [(v["judge"], v["reason"], v["evidence"]) for v in said] == [("says@3", "said", f"r{i}") for i in (1, 2, 3)]
    (folder / "own.py").write_text(VERIFIER.replace("in case.expected", "not in case.expected"))
    with opened(folder, {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}) as wheel:
        assert wheel.run_id != first, "another verifier is another run"


def test_wrong_verifiers_are_refused_before_anything_is_asked(tmp_path):
    rows = [{"claim": "Claim", "gold": "yes"}]
    problems = {"source": "rows.jsonl", "format": {"question": "claim", "answer": "gold"}}
    for i, (verifier, message) in enumerate(
        (("maths", "did you mean 'math'"), ({"name": "exact", "options": {"cases": 1}}, "cases"))
    ):
        folder = make_solved(tmp_path / str(i), rows, problems=problems, verifier=verifier)
        with pytest.raises(Exception, match=message), opened(folder, {}):
            pass


def test_a_judged_step_that_made_no_sample_is_told_and_ends_nothing(tmp_path, endpoint, none):
    folder = with_calibration(tmp_path / "p", 0.7)
    write_labels(folder, right=60)
    server = endpoint(none)
    with opened(folder, server.env) as wheel:
        assert wheel.judge(1, ["answers"]) is None
    assert not server.answered(), "labels are judged when there is something to judge"
