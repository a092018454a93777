"""The collapse watch: measures of iterations by hand and through real runs, thresholds, and what ends a run."""

import json
import math
import shutil
import signal
import subprocess
import sys

import pytest
from flywheel.config import Recipe
from flywheel.errors import CollapseError
from flywheel.loop._measures import measure_finished, measure_iteration
from flywheel.loop._watch import look, read_measures, refuse_collapse
from flywheel.schema import RequestRow, SampleRow, VerdictRow, utc_now
from flywheel.store import Project, Store
from support import MINI, change, make_mini_project, refuse_recipe, refused, run_cli, sql

MATH = "math@4"


def make_recipe(**watch):
    judges = [{"kind": "rubric", "name": "kind", "of": ["solve"], "criteria": "It is kind."}]
    return Recipe.model_validate({**MINI, "judges": judges, "watch": watch})


class Turns:
    """Iterations whose completions are written by hand."""

    def __init__(self, store):
        self.store = store

    def add(self, iteration, texts, *, passed=(), judged=(), logprobs=(), tokens=4, checkpoint="ckpt_a", step="solve"):
        now, rows = utc_now(), []
        for i, text in enumerate(texts):
            name = f"{iteration}_{step}_{i}"
            logprob = logprobs[i] if i < len(logprobs) else None
            rows += [
                RequestRow(f"req_{name}", "run", iteration, step, f"prb_{i}", None, "local", "m", checkpoint, "[]", "{}", 1, "[]", 1, 1, tokens, 0.0, now, now),
                SampleRow(f"smp_{name}", f"req_{name}", 0, "run", iteration, step, f"prb_{i}", text, "stop", logprob, "local"),
            ]  # fmt: skip
            said = [(MATH, passed), ("kind@abc", judged), ("other@x", judged[::-1]), ("kind/member@y", judged[::-1])]
            rows += [
                VerdictRow(f"vrd_{name}_{judge}", f"smp_{name}", judge, verdicts[i], None, "r", None)
                for judge, verdicts in said
                if i < len(verdicts)
            ]
        self.store.append(rows)
        ended = {
            "run_id": "run", "iteration": iteration, "champion_before": "a", "champion_after": "a", "started_at": now,
            "finished_at": now,
        }  # fmt: skip
        self.store.insert_all("iterations", [ended])

    def score(self, checkpoint, score, metric="exact_match,strict-match"):
        row = {
            "score_id": f"score_{checkpoint}_{metric}", "checkpoint_id": checkpoint, "suite": "heldout", "split": "gate", "task": "t",
            "task_version": "1", "suite_hash": "h", "metric": metric, "score": score, "stderr": 0.1, "n": 9, "settings": "{}",
            "created_at": utc_now(),
        }  # fmt: skip
        self.store.insert("scores", [row], key="score_id")

    def measure(self, iteration, **watch):
        measure_iteration(self.store, make_recipe(**watch), "run", iteration, MATH)
        return read_measures(self.store, "run", iteration)[-1]

    def look(self, iteration, **watch):
        self.measure(iteration, **watch)
        found = look(self.store, make_recipe(**watch), "run", iteration)
        return [(f["measure"], f["level"], f["against"], round(f["change"], 4)) for f in found]


@pytest.fixture
def turns(store):
    return Turns(store)


def test_diversity_length_and_entropy_are_what_one_counts_by_hand(turns):
    turns.add(1, ["a b a b", "a b c"])
    found = turns.measure(1)
    assert (found["n"], found["sampled"]) == (2, 2)
    assert found["distinct_1"] == pytest.approx(3 / 7)
    assert found["distinct_2"] == pytest.approx(3 / 5)  # ab ba ab, ab bc
    assert found["distinct_4"] == 1.0
    assert found["mean_chars"] == 6.0
    assert found["length_drift"] is None
    shares = (3 / 5, 1 / 5, 1 / 5)
    assert found["entropy"] == pytest.approx(-sum(p * math.log(p) for p in shares))
    assert found["entropy_of"] == "2-grams"


def test_entropy_is_of_tokens_where_every_completion_of_a_request_has_its_log_probability(turns):
    turns.add(1, ["a b", "c d", "e f"], logprobs=[-2.0, -6.0], tokens=4)
    found = turns.measure(1)
    assert (found["entropy"], found["entropy_of"]) == (1.0, "tokens")


def test_drift_is_against_the_first_iteration(turns):
    for iteration, text in ((1, "abcd"), (2, "abcdef"), (3, "ab")):
        turns.add(iteration, [text])
    assert [turns.measure(i)["length_drift"] for i in (1, 2, 3)] == [None, 0.5, -0.5]


def test_repeats_within_and_of_earlier_iterations_are_told_apart(turns):
    turns.add(1, ["x", "x", "y", "z"])
    turns.add(2, ["y", "v", "w", "w", "u"])
    turns.add(1 + 2, ["w", "q"], step="other")
    first, second = turns.measure(1), turns.measure(2)
    assert (first["repeated"], first["repeated_earlier"]) == (0.5, 0.0)
    assert (second["repeated"], second["repeated_earlier"]) == (0.6, 0.2)
    assert turns.measure(3)["repeated"] == 0.0, "another step's texts are none of its own"


def test_what_falls_with_the_number_of_texts_is_of_as_many_as_in_the_first_iteration(turns):
    texts = [f"word{i} and word{i + 1}" for i in range(40)]
    turns.add(1, texts[:5])
    turns.add(2, texts)
    turns.measure(1)
    found = turns.measure(2)
    assert (found["n"], found["sampled"]) == (40, 5)


def test_judge_and_verifier_are_compared_where_both_said_something(turns):
    turns.add(1, list("abcd"), passed=[True, True, False, None], judged=[True, False, None, True])
    found = turns.measure(1)
    assert (found["judged_twice"], found["disagreement"]) == (2, 0.5), "judges of no recipe and members do not count"


def test_the_gap_is_to_the_gate_score_of_who_made_the_completions(turns):
    turns.score("ckpt_a", 0.25)
    turns.score("ckpt_b", 9.0, "perplexity")
    turns.add(1, list("abcd"), passed=[True, True, True, False])
    turns.add(2, list("efgh"), passed=[True, True, True, None], checkpoint="ckpt_b")
    turns.add(3, list("ijkl"), passed=[True], checkpoint=None)
    found = turns.measure(1)
    assert (found["pass_rate"], found["gate_score"], found["train_gate_gap"]) == (0.75, 0.25, 0.5)
    assert [(m["pass_rate"], m["gate_score"], m["train_gate_gap"]) for m in (turns.measure(2), turns.measure(3))] == [
        (1.0, None, None)
    ] * 2


def test_what_cannot_be_had_is_null(turns):
    turns.add(1, ["", "!"])
    found = turns.measure(1)
    names = (
        "distinct_1", "distinct_2", "self_repetition", "entropy", "entropy_of", "disagreement", "pass_rate", "train_gate_gap",
    )  # fmt: skip
    assert [found[n] for n in names] == [None] * len(names)
    turns.add(2, ["a b c"])
    assert turns.look(2, length={"warn": 0.1}) == [("length", "warn", 1, 9.0)]


KILLED = """
import os, signal, sys
from pathlib import Path
from flywheel.config import Recipe
from flywheel.loop import _measures
from flywheel.store import Project, Store

root, name, at, recipe = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
calls = 0


def kill_at(real):
    def called(*given):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)

    return called


if name == "after":
    kill = kill_at(lambda: None)
else:
    setattr(_measures, name, kill_at(getattr(_measures, name)))
store = Store(Project(root)).open()
_measures.measure_iteration(store, Recipe.model_validate_json(recipe), "run", 2, "math@4")
if name == "after":
    kill()
"""
"""Measures the second iteration, and is killed at a call of a function of the module, or once the measures are in."""


@pytest.mark.parametrize(
    ("name", "at"),
    [("measure_diversity", 1), ("measure_diversity", 2), ("_compare_with_gate", 2), ("utc_now", 2), ("after", 1)],
)
def test_a_kill_while_measuring_leaves_nothing_half_and_the_next_try_has_the_same_measures(turns, store, name, at):
    turns.add(1, [f"solve one two three {i}" for i in range(6)], passed=[True, False] * 3)
    turns.add(2, [f"solve one two {i % 4}" for i in range(8)], passed=[True] * 8, checkpoint="ckpt_b")
    store.append([*_more_of(1, "on-policy"), *_more_of(2, "on-policy")])
    turns.score("ckpt_b", 0.5)
    turns.measure(1)
    root = store.project.root
    undisturbed = _measure_copy(root, root.parent / "undisturbed")
    store.close()
    recipe = make_recipe().model_dump_json()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root), name, str(at), recipe], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = Store(Project(root)).open()
    half = read_measures(again, "run", 2)[2:]
    assert len(half) == (2 if name == "after" else 0), "all of an iteration or none"
    measure_iteration(again, make_recipe(), "run", 2, MATH)
    found = read_measures(again, "run", 2)[2:]
    if half:
        assert found == half, "measured once"
    assert [{**r, "created_at": None} for r in found] == undisturbed
    assert [r["step"] for r in found] == ["on-policy", "solve"]
    again.close()


def _more_of(iteration, step):
    """Return rows of another step of an iteration that is there already."""
    now = utc_now()
    return [
        row
        for i in range(7)
        for row in (
            RequestRow(f"req_m{iteration}_{i}", "run", iteration, step, f"prb_{i}", None, "local", "m", "ckpt_b", "[]", "{}", 1, "[]", 1, 1, 4, 0.0, now, now),
            SampleRow(f"smp_m{iteration}_{i}", f"req_m{iteration}_{i}", 0, "run", iteration, step, f"prb_{i}", f"{step} one two {i % 3}", "stop", None, "local"),
            VerdictRow(f"vrd_m{iteration}_{i}", f"smp_m{iteration}_{i}", MATH, i % 2 == 0, None, "r", None),
        )
    ]  # fmt: skip


def _measure_copy(root, folder):
    """Return the second iteration's measures as an undisturbed process has them, in a copy of the project."""
    shutil.copytree(root, folder)
    copy = Store(Project(folder)).open()
    measure_iteration(copy, make_recipe(), "run", 2, MATH)
    rows = [{**r, "created_at": None} for r in read_measures(copy, "run", 2)[2:]]
    copy.close()
    return rows


def test_measuring_again_changes_nothing_and_iterations_without_measures_get_them(turns, store):
    turns.add(1, ["a b", "a b c"])
    turns.add(2, ["a b", "c"])
    measure_finished(store, make_recipe(), "run", MATH)
    rows = read_measures(store, "run", 2)
    assert [r["iteration"] for r in rows] == [1, 2]
    measure_finished(store, make_recipe(), "run", MATH)
    measure_iteration(store, make_recipe(), "run", 2, MATH)
    assert read_measures(store, "run", 2) == rows
    store.replace_iteration("iteration_measures", "run", 2, [])
    measure_finished(store, make_recipe(), "run", MATH)
    again = read_measures(store, "run", 2)
    assert [{**r, "created_at": None} for r in again] == [{**r, "created_at": None} for r in rows]


def test_a_measure_is_compared_with_the_first_iteration_or_the_one_before(turns):
    for iteration, n in ((1, 10), (2, 14), (3, 18)):
        turns.add(iteration, ["x" * n])
        turns.measure(iteration)
    assert turns.look(3, length={"warn": 0.5}) == [("length", "warn", 1, 0.8)]
    assert turns.look(3, length={"warn": 0.5, "against": "before"}) == []
    assert turns.look(3, length={"warn": 0.2, "against": "before"}) == [("length", "warn", 2, 0.2857)]
    assert turns.look(3, length={"warn": 0.2, "stop": 0.7}) == [("length", "stop", 1, 0.8)]


def test_shorter_is_as_much_a_change_as_longer_and_more_diverse_is_none(turns):
    turns.add(1, ["a a a a a a a a"])
    turns.add(2, ["b c d"])
    turns.measure(1)
    assert turns.look(2) == [("length", "warn", 1, 0.6667)]


def test_diversity_entropy_repeats_and_disagreement_warn_by_default(turns):
    turns.add(1, ["a b c d", "e f g h"], passed=[True, True], judged=[True, True])
    turns.add(2, ["a b a b", "a b a b"], passed=[True, True], judged=[True, False])
    turns.measure(1)
    assert turns.look(2) == [
        ("diversity", "warn", 1, 0.6667), ("entropy", "warn", 1, 0.6448), ("repeats", "warn", 1, 1.0),
        ("disagreement", "warn", 1, 0.5),
    ]  # fmt: skip


def test_entropies_of_different_kinds_are_not_compared(turns):
    turns.add(1, ["a b c d"])
    turns.add(2, ["a b c e"], logprobs=[-0.01])
    turns.measure(1)
    assert turns.look(2) == []


def test_a_gap_counts_from_zero_on(turns):
    turns.score("ckpt_a", 0.5)
    turns.add(1, list("abcd"), passed=[False] * 4)
    turns.add(2, list("efgh"), passed=[True, True, False, False])
    turns.add(3, list("ijkl"), passed=[True, True, True, False])
    turns.measure(1)
    assert turns.look(2) == []
    assert turns.look(3) == [("gap", "warn", 1, 0.25)]


def test_a_stop_says_what_went_where_and_which_key(turns, store):
    turns.add(1, ["x" * 10])
    turns.add(2, ["x" * 20])
    turns.measure(1)
    turns.measure(2)
    with pytest.raises(CollapseError) as raised:
        refuse_collapse(store, make_recipe(length={"stop": 0.5}), "run")
    assert "watch, iteration 2" in str(raised.value)
    assert "went from 10 (iteration 1) to 20, by 100 %: more than watch.length.stop = 0.5" in str(raised.value)
    refuse_collapse(store, make_recipe(length={"stop": 1.5}), "run")
    assert [row[0] for row in store.query("SELECT level FROM watch_findings")] == ["warn"], (
        "by the recipe as it is now, each once"
    )


def test_keys_in_part_keep_the_default_warning():
    watch = make_recipe(length={"stop": 0.2}, gap={"against": "before"}, entropy={"warn": 0}).watch
    assert (watch.length.warn, watch.length.stop) == (0.2, 0.2)
    assert (watch.gap.warn, watch.gap.against) == (0.15, "before")
    assert watch.entropy.warn == 0
    assert all(limits.stop == 0 for _, limits in make_recipe().watch.items())


def test_what_is_watched_makes_no_other_run():
    assert make_recipe(length={"stop": 0.2}).identity() == make_recipe().identity()


@pytest.mark.parametrize(
    ("watch", "said"),
    [
        ({"lenght": {"warn": 1}}, "did you mean 'length'"),
        ({"length": {"warn": 2, "stop": 1}}, "at most stop = 1"),
        ({"length": {"warn": -1}}, "watch.length.warn"),
        ({"length": {"against": "last"}}, "watch.length.against"),
        ({"length": 3}, "watch.length"),
        ({"length": {"stop": "soon"}}, "watch.length.stop"),
    ],
)
def test_wrong_keys_are_refused(tmp_path, watch, said):
    refuse_recipe(tmp_path, said, watch=watch)


CHOOSE = {"sometimes": 0.5, "always": 0.1, "never": 0.1}


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """A run of three iterations that the watch ends after the second, with problems chosen by how they were solved."""
    folder = tmp_path_factory.mktemp("collapsed") / "project"
    told = {"hooks": {"fail": "tee -a failed.jsonl"}, "metrics_file": "m.prom"}
    make_mini_project(folder, iterations=3, watch={"length": {"stop": 0.0001}}, choose=CHOOSE, **told)
    done = run_cli(folder, "run", timeout=600)
    (folder / "stderr.txt").write_text(done.stderr)
    assert done.returncode == 1, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("collapsed")
class TestCollapsed:
    def test_the_run_ends_with_a_message_and_a_report(self, collapsed):
        said = (collapsed / "stderr.txt").read_text()
        for part in ("error: watch, iteration 2", "expected: ", "watch.length.stop = 0.0001", "cure: "):
            assert part in said
        assert sql(collapsed, "select count(*) as n from iterations where finished_at is not null") == [{"n": 2}]
        report = (collapsed / "report.md").read_text()
        assert "## Collapse watch" in report
        assert "| 2 | solve | 160 |" in report
        assert "Stop, iteration 2, solve: mean length" in report

    def test_the_hook_fail_and_the_metrics_say_that_somebody_has_to_look(self, collapsed):
        (event,) = map(json.loads, (collapsed / "failed.jsonl").read_text().replace("}{", "}\n{").splitlines())
        assert (event["event"], event["iteration"], event["error"]["kind"]) == ("fail", 2, "CollapseError")
        assert "watch.length.stop = 0.0001" in event["error"]["received"]
        assert sql(collapsed, "select event, ok from hook_calls") == [{"event": "fail", "ok": True}]
        figures = (collapsed / "m.prom").read_text()
        assert 'flywheel_ok{recipe="mini"} 0.0' in figures
        assert 'flywheel_ended{recipe="mini",why="collapse"} 1.0' in figures

    def test_status_shows_the_table_and_the_stop(self, collapsed):
        shown = run_cli(collapsed, "status", check=0).stdout
        assert "Collapse watch" in shown
        assert "Stop, iteration 2, " in shown

    def test_every_measured_step_has_its_figures(self, collapsed):
        rows = sql(collapsed, "select * from iteration_measures order by iteration, step")
        assert [(r["iteration"], r["step"], r["n"]) for r in rows] == [
            (1, "on-policy", 96), (1, "solve", 160), (2, "on-policy", 96), (2, "solve", 160),
        ]  # fmt: skip
        for row in rows:
            assert 0 < row["distinct_2"] < 1
            assert row["entropy"] > 0
            assert row["gate_score"] is not None
            assert row["disagreement"] is None

    def test_a_schedule_is_not_fed_again_until_the_recipe_allows_it(self, collapsed):
        refused(run_cli(collapsed, "run", "--more", "1"), "watch, iteration 2", "watch.length.stop", code=1)
        assert sql(collapsed, "select max(iteration) as n from iterations") == [{"n": 2}]
        change(collapsed, iterations=2, choose=CHOOSE, watch={"length": {"warn": 0, "stop": 5}})
        done = run_cli(collapsed, "run", check=0)
        assert "mean length" not in done.stdout
        assert sql(collapsed, "select count(*) as n from runs") == [{"n": 1}], "the same run"

    def test_the_second_iteration_tries_problems_by_how_the_first_solved_them(self, collapsed):
        found = sql(
            collapsed,
            """select reason, count(*) filter (chosen) as tried, min(pass_rate) as low, max(pass_rate) as high
            from problem_choices where iteration = 2 and step = 'solve' group by reason order by reason""",
        )
        by = {f["reason"]: f for f in found}
        assert by["sometimes"]["tried"] == 20
        assert 0 < by["sometimes"]["low"] <= by["sometimes"]["high"] < 1
        assert (by["always"]["tried"], by["always"]["low"]) == (4, 1.0)
        assert (by["never"]["tried"], by["never"]["high"]) == (4, 0.0)
        assert (by["new"]["tried"], by["new"]["low"]) == (12, None)
        (planned,) = sql(
            collapsed,
            """select count(*) as n, count(c.problem_id) as told from plans p left join problem_choices c
            on c.iteration = p.iteration and c.step = p.step and c.problem_id = p.input_id and c.chosen
            where p.step in ('solve', 'on-policy')""",
        )
        assert planned["n"] == planned["told"] == 2 * (40 + 24)
