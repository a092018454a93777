"""Decisions on scores that are in a store: every figure in its row, the level counted, old decisions left as they are; and what
``flywheel gate`` tells of them."""

import math
import random
import re

import pytest
from flywheel.config import Recipe
from flywheel.errors import RecipeError
from flywheel.eval import Split
from flywheel.loop import Paired, check_metrics, decide, explain_decision, read_decisions, share_of_level
from flywheel.schema import utc_now
from support import refused, run_cli, sql

METRIC = "exact_match,strict-match"
SUITES = [
    {"name": "heldout", "task": "word-problems", "gate": "g.jsonl", "report": "r.jsonl"},
    {"name": "general", "task": "word-problems", "gate": "h.jsonl"},
]
N = 400


def make_recipe(**gate):
    return Recipe.model_validate(
        {"name": "r", "iterations": 2, "problems": {"source": "p.jsonl"}, "suites": SUITES, "gate": gate}
    )


def make_splits(tmp_path, recipe, rows=None):
    return [
        Split(suite, name, f"hash-{suite.name}-{name}", "", tuple(rows or [{"q": i} for i in range(N)]))
        for suite in recipe.suites
        for name in ("gate", "report")
        if getattr(suite, name)
    ]  # fmt: skip


class Bench:
    """A run whose checkpoints' scores are made up: per split the items that are right, or any values."""

    def __init__(self, store, splits, recipe):
        self.store, self.splits, self.recipe = store, splits, recipe
        run = {
            "run_id": "run", "name": "r", "seed": 0, "model": "m", "base_checkpoint_id": "first", "versions": "{}",
            "recipe": recipe.model_dump_json(), "started_at": utc_now(), "problem_set_id": None, "content": "{}",
        }  # fmt: skip
        store.insert_all("runs", [run])

    def score(self, checkpoint, heldout, general=None, report=None, tokens=10):
        values = {("heldout", "gate"): heldout, ("heldout", "report"): report, ("general", "gate"): general}
        for split in self.splits:
            given = values[split.suite.name, split.name]
            self._score(checkpoint, split, spread(0.5) if given is None else given, tokens)
        return checkpoint

    def _score(self, checkpoint, split, items, tokens):
        score_id = f"{checkpoint}-{split.suite_hash}"
        numbers = [v for v in items if not math.isnan(v)]
        score = {
            "score_id": score_id, "checkpoint_id": checkpoint, "suite": split.suite.name, "split": split.name, "task": "t",
            "task_version": "1", "suite_hash": split.suite_hash, "metric": METRIC, "score": sum(numbers) / len(numbers),
            "stderr": 0.01, "n": len(items), "settings": "{}", "created_at": utc_now(),
        }  # fmt: skip
        request = {
            "run_id": "run", "iteration": 0, "step": "eval", "engine": "local", "model": "m", "messages": '[{"content": "q"}]',
            "sampling": "{}", "n_draws": 1, "completions": '["a"]', "attempts": 1, "prompt_tokens": 5,
            "completion_tokens": tokens, "created_at": utc_now(), "request_id": f"{score_id}-request",
        }  # fmt: skip
        ids = (split.item_ids + [f"beyond{i}" for i in range(len(items))])[: len(items)]
        with self.store.write() as connection:
            for table, row in (("scores", score), ("requests", request)):
                places = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))
            connection.execute(
                "INSERT INTO score_items BY NAME SELECT ? AS score_id, u.id AS item_id, u.i AS ordinal, ? AS request_id, u.v AS value "
                "FROM (SELECT unnest(?::VARCHAR[]) AS id, unnest(?::DOUBLE[]) AS v, unnest(range(?)) AS i) u",
                [score_id, request["request_id"], ids, [float(v) for v in items], len(items)],
            )

    def decide(self, challenger, champion="first", iteration=1, stage="sft"):
        return decide(
            self.store, self.recipe, self.splits, run_id="run", iteration=iteration, stage=stage, challenger=challenger,
            champion=champion,
        )  # fmt: skip

    def rows(self, role="gate"):
        self.store.fold()
        return sql(self.store.project.root, f"select * from decisions where role = '{role}' order by k, created_at")


def spread(share, n=N):
    """Return n items of which the first ``share`` is right."""
    return [float(i < share * n) for i in range(n)]


def share(k):
    """Return the level of its own that the k-th of four planned decisions has."""
    return 0.05 * share_of_level(k, 4)


@pytest.fixture
def bench(store, tmp_path):
    def make(rows=None, **gate):
        recipe = make_recipe(**gate)
        return Bench(store, make_splits(tmp_path, recipe, rows), recipe)

    return make


def test_a_decision_row_has_all_its_figures(bench):
    made = bench()
    made.score("first", spread(0.5))
    made.score("a", [*[0.0] * 4, *spread(0.5)[4:380], *[1.0] * 20])
    assert made.decide("a").promoted
    (row,) = made.rows()
    paired = Paired(400, 20, 4)
    assert (row["won"], row["lost"], row["n"], row["left_out"]) == (20, 4, 400, 0)
    assert row["test"] == "exact McNemar, one-sided (gain)"
    assert row["p_value"] == pytest.approx(paired.p_gain)
    assert row["delta"] == pytest.approx(0.04)
    assert (row["low"], row["high"]) == pytest.approx(paired.interval())
    assert (row["effect_kind"], row["effect"]) == ("Cohen's g", pytest.approx(20 / 24 - 0.5))
    assert (row["k"], row["planned"], row["run_level"], row["level"]) == (1, 4, 0.05, pytest.approx(share(1)))


def test_the_level_is_counted_over_the_run_and_a_shown_gain_passes_its_own_on(bench):
    made = bench()
    made.score("first", spread(0.5))
    for name, right in [("a", 0.6), ("b", 0.61), ("c", 0.7)]:
        made.score(name, spread(right))
    assert made.decide("a").promoted
    assert made.decide("b", "a", stage="dpo").promoted is False
    assert made.decide("c", "a", iteration=2).promoted
    rows = made.rows()
    assert [r["k"] for r in rows] == [1, 2, 3]
    assert [r["level"] for r in rows] == pytest.approx([share(1), share(1) + share(2), share(3)])


def test_a_decision_that_is_made_stands_and_counts_once(bench):
    made = bench()
    made.score("first", spread(0.5))
    made.score("a", spread(0.6))
    first, again = made.decide("a"), made.decide("a")
    assert (first.promoted, first.reason) == (again.promoted, again.reason)
    assert len(made.rows()) == 1


def test_a_level_of_each_decision_is_not_counted_down(bench):
    made = bench(per="decision", level=0.03)
    made.score("first", spread(0.5))
    for stage in ("sft", "dpo"):
        made.score(stage, spread(0.5))
        made.decide(stage, stage=stage)
    assert [(r["level"], r["planned"]) for r in made.rows()] == [(0.03, 0), (0.03, 0)]


# --- guards, limits ------------------------------------------------------------------------------------------------


def test_losses_that_are_each_too_small_to_show_do_not_add_up_unseen(bench):
    """A guard that falls by 1.5 points a promotion, 6 of 400 items: against the champion never shown, against the first model soon."""
    made = bench(guards=[{"suite": "general"}], decisions=10)
    lost = 0
    made.score("first", spread(0.1), general=spread(0.8))
    champion = "first"
    for i in range(1, 6):
        challenger = made.score(f"c{i}x", spread(0.1 + 0.1 * i), general=spread(0.8 - 0.01 * i))
        ruling = made.decide(challenger, champion, iteration=i)
        if not ruling.promoted:
            break
        champion, lost = challenger, lost + 4
    assert "guard general (against the first model) fell" in ruling.reason
    assert 0 < lost < 12
    champion_rows = [r for r in made.rows("guard") if r["iteration"] == i]
    assert champion_rows[0]["passed"], "against the champion alone it would have been promoted"
    (anchor,) = [r for r in made.rows("anchor") if r["iteration"] == i]
    assert (anchor["champion_id"], anchor["passed"]) == ("first", False)


def test_an_answer_may_not_become_much_longer(bench):
    made = bench(limits=[{"measure": "completion_tokens", "increase": 0.2}])
    made.score("first", spread(0.5), tokens=10)
    made.score("long", spread(0.6), tokens=13)
    ruling = made.decide("long")
    assert not ruling.promoted
    assert "limit completion_tokens exceeded (10 → 13 an item, +30.0 %" in ruling.reason
    (row,) = made.rows("limit")
    assert (row["delta"], row["passed"]) == (pytest.approx(0.3), False)
    (gate,) = made.rows()
    assert gate["passed"], "the gain itself was shown"


def test_what_was_only_compared_for_guards_and_limits_is_no_score_of_its_own(bench):
    made = bench(guards=[{"suite": "general"}], limits=[{"measure": "tokens", "increase": 1.0, "against": "first"}])
    for name, share in [("first", 0.5), ("a", 0.6), ("b", 0.7)]:
        made.score(name, spread(share))
    made.decide("a")
    made.decide("b", "a", iteration=2)
    folder = made.store.project.root
    assert sql(
        folder, "select count(*) as n, count(distinct score_id) as d from leaderboard where role <> 'measured'"
    ) == [{"n": 6, "d": 6}]
    assert sql(folder, "select count(*) as n from flips where checkpoint_id = 'b' and suite = 'heldout' and split = 'gate'") == [{"n": 40}]  # fmt: skip


# --- other metrics, groups, bad values -----------------------------------------------------------------------------


def test_a_graded_metric_is_judged_by_sign_flips(bench):
    rng = random.Random(0)
    made = bench()
    before = [rng.random() for _ in range(N)]
    made.score("first", before)
    made.score("a", [min(1.0, v + rng.gauss(0.05, 0.1)) for v in before])
    assert made.decide("a").promoted
    (row,) = made.rows()
    assert row["test"] == "sign flips, 100,000 seeded, one-sided (gain)"
    assert row["low"] < row["delta"] < row["high"]
    check_metrics(made.store, made.recipe, made.splits, "first")


def test_items_of_one_document_are_no_independent_witnesses(bench):
    """Twelve documents of which eight change for the better as a whole: p = 0.19, not 1e-15."""
    rows = [{"q": i, "document": i // 20, "points": 1} for i in range(240)]
    after = [float(i // 20 < 8) if i // 20 < 10 else 1.0 for i in range(240)]
    before = [float(i // 20 >= 8) for i in range(240)]
    made = bench(rows=rows, cluster="document", weight="points", per="decision")
    made.score("first", before, report=before)
    made.score("a", after, report=before)
    assert not made.decide("a").promoted
    (row,) = made.rows()
    assert row["test"] == "sign flips of 12 clusters, all, one-sided (gain)"
    assert row["p_value"] == pytest.approx(Paired(12, 8, 2).p_gain)


@pytest.mark.parametrize(
    ("rows", "gate", "part"),
    [
        ([{"q": 1}], {"cluster": "document"}, "choose one of: q"),
        ([{"q": 1, "w": 0}], {"weight": "w"}, "a weight above 0"),
        ([{"q": 1, "w": "2"}], {"weight": "w"}, "a weight above 0"),
        ([{"q": 1}], {"guards": [{"suite": "general", "weight": "w"}]}, "recipe: gate.guards.0"),
    ],
)
def test_columns_that_the_rows_do_not_have_are_refused(bench, rows, gate, part):
    made = bench(rows=rows, **gate)
    made.score("first", [1.0])
    made.score("a", [1.0])
    with pytest.raises(RecipeError, match=re.escape(part)):
        made.decide("a")


def test_a_metric_that_is_no_number_is_refused_for_the_first_model_and_keeps_a_challenger_out(bench):
    made = bench()
    made.score("first", spread(0.5))
    made.score("a", [*spread(0.7, 399), math.nan])
    assert made.decide("a").reason.startswith("not comparable: 1 items lack a number")
    assert made.rows()[0]["left_out"] == 1
    with pytest.raises(RecipeError, match="a number on each item"):
        check_metrics(made.store, made.recipe, made.splits, "a")


# --- flywheel gate -------------------------------------------------------------------------------------------------


def test_flywheel_gate_tells_what_was_decided_and_why(bench):
    made = bench(guards=[{"suite": "general"}], limits=[{"measure": "completion_tokens", "increase": 0.2}])
    made.score("first", spread(0.5))
    made.score("a", spread(0.6))
    made.score("b", [*spread(0.6)[:390], *[1.0] * 10], general=spread(0.3))
    made.decide("a")
    made.decide("b", "a", stage="dpo")
    made.store.close()
    folder = made.store.project.root
    shown = run_cli(folder, "gate", check=0).stdout
    assert "The next one, decision 3, has level 0.033." in shown
    told = run_cli(folder, "gate", "--explain", check=0).stdout
    for part in (
        "Iteration 1, sft, a: promoted", "40 better, 0 worse, 360 as before", "Difference +10.0 points, 95 % interval +7.4 to",
        "fewer than 1 of a million cases", "decision 1 of a run with 4 planned, which share the level 0.05",
        "Iteration 1, dpo, b: kept out", "0.01 is its own, 0.014 came from the decision before",
        "VETO guard general fell (-20.0 points", "ok   limit completion_tokens kept (10 → 10 an item, +0.0 %",
        "Reported, decides nothing: heldout/report",
    ):  # fmt: skip
        assert part in told, told
    only = run_cli(folder, "gate", "--explain", "b", check=0).stdout
    assert "Iteration 1, sft" not in only
    query = re.search(r'flywheel sql "(.*)"', only)[1]
    assert [r["flip"] for r in sql(folder, query)] == ["won"] * 10
    refused(run_cli(folder, "gate", "--explain", "7"), "--explain 7", "1 (sft, a), 1 (dpo, b)")


def test_without_a_decision_flywheel_gate_says_what_to_do(stored):
    refused(run_cli(stored, "gate"), "expected: a decision", "flywheel run")


def test_a_decision_of_an_older_flywheel_is_told_as_far_as_it_is_on_record(bench):
    made = bench()
    made.score("first", spread(0.5))
    made.score("a", spread(0.6))
    made.decide("a")
    columns = "low, high, effect, effect_kind, left_out, level, passed, finding, detectable, k, planned, run_level"
    with made.store.write() as connection:
        connection.execute(f"UPDATE decisions SET {', '.join(f'{c} = NULL' for c in columns.split(', '))}")
    (decision,) = read_decisions(made.store.project, "run")
    assert "Decided by an older flywheel" in explain_decision(decision)
    made.score("b", spread(0.7))
    assert made.decide("b", "a", stage="dpo").promoted
    assert [r["k"] for r in made.rows()] == [2, None]
    assert made.rows()[0]["level"] == pytest.approx(share(2))
