"""Scores that no gate decided on: of ``flywheel eval`` and of trainings. They reach status and report like any other."""

import json

import pytest
from flywheel.cli._tables import print_measured
from flywheel.loop import render_report, summarize
from flywheel.loop._before_after import write_before_after
from flywheel.loop._compare import compare_subjects
from flywheel.schema import utc_now
from flywheel.store import Store

RECIPE = {"suites": [], "gate": {"suite": None}}


class FakeSubject:
    """What a comparison asks of a model that is scored already."""

    kind = "local"

    def __init__(self, checkpoint_id):
        self.checkpoint_id = self.name = checkpoint_id

    def hash_of(self, split):
        return split.suite_hash


def add_run(store, run_id="run_a", base="ckpt_base", recipe=RECIPE):
    row = {
        "run_id": run_id, "name": "r", "recipe": json.dumps(recipe), "model": "seed", "base_checkpoint_id": base, "seed": 0,
        "versions": "{}", "started_at": utc_now(),
    }  # fmt: skip
    store.insert("runs", [row], key="run_id")


def add_checkpoint(store, checkpoint_id, run_id=None, parent=None, metrics=None):
    row = {
        "checkpoint_id": checkpoint_id, "run_id": run_id, "iteration": 1 if run_id else None, "stage": "sft" if run_id else "seed",
        "parent_id": parent, "snapshot_id": None, "path": "x", "config": "{}", "created_at": utc_now(),
        "metrics": None if metrics is None else json.dumps(metrics),
    }  # fmt: skip
    store.insert("checkpoints", [row], key="checkpoint_id")


def add_score(store, checkpoint_id, metric, score, *, stderr=None, values=(), up=True, suite="s"):
    score_id = f"score_{checkpoint_id}_{metric}"
    row = {
        "score_id": score_id, "checkpoint_id": checkpoint_id, "suite": suite, "split": "gate", "task": "t", "task_version": "1",
        "suite_hash": f"hash_{suite}", "metric": metric, "score": score, "stderr": stderr, "n": len(values) or 10,
        "settings": json.dumps({"higher_is_better": up}), "created_at": utc_now(),
    }  # fmt: skip
    store.insert("scores", [row], key="score_id")
    for i, value in enumerate(values):
        item = {
            "score_id": score_id,
            "item_id": f"item_{i}",
            "ordinal": i,
            "request_id": f"req_{checkpoint_id}_{i}",
            "value": value,
        }
        insert(store, "score_items", {**item, "target": ""})
        asked = {
            "request_id": item["request_id"],
            "step": "eval",
            "engine": "local",
            "model": "m",
            "sampling": "{}",
            "n_draws": 1,
        }
        said = {
            "messages": json.dumps([{"role": "user", "content": f"Prompt {i}"}]),
            "completions": json.dumps([checkpoint_id]),
        }
        counts = {"attempts": 1, "prompt_tokens": 1, "completion_tokens": 1, "created_at": utc_now()}
        if not store.query("SELECT 1 FROM requests WHERE request_id = ?", [item["request_id"]]):
            insert(store, "requests", {**asked, **said, **counts})


def insert(store, table, row):
    with store.write() as connection:
        places = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))


@pytest.fixture
def trained(store):
    """A first model and a checkpoint trained from it, on two metrics, one better when lower."""
    add_run(store)
    add_checkpoint(store, "ckpt_base")
    loss = {"before": {"loss": 2.5}, "after": {"loss": 2.25}, "heldout_n": 7}
    add_checkpoint(store, "ckpt_new", "run_a", "ckpt_base", loss)
    add_score(store, "ckpt_base", "acc,none", 0.5, stderr=0.25, values=[0, 1, 0, 1])
    add_score(store, "ckpt_new", "acc,none", 0.75, stderr=0.2, values=[1, 1, 0, 1])
    add_score(store, "ckpt_base", "word_perplexity,none", 40.0, values=[30.0, 60.0, 20.0], up=False)
    add_score(store, "ckpt_new", "word_perplexity,none", 20.0, values=[10.0, 40.0, 21.0], up=False)
    return store


def test_scores_that_nothing_decided_on_are_in_the_leaderboard_once(trained):
    rows = trained.query("SELECT checkpoint_id, metric, role, run_id FROM leaderboard ORDER BY ALL")
    assert rows == [
        ("ckpt_base", "acc,none", "measured", None), ("ckpt_base", "word_perplexity,none", "measured", None),
        ("ckpt_new", "acc,none", "measured", "run_a"), ("ckpt_new", "word_perplexity,none", "measured", "run_a"),
    ]  # fmt: skip
    with trained.write() as connection:
        connection.execute(
            "INSERT INTO decisions (decision_id, run_id, iteration, stage, checkpoint_id, score_id, role, n, promoted, reason, created_at) "
            "VALUES ('d', 'run_a', 1, 'sft', 'ckpt_new', 'score_ckpt_new_acc,none', 'gate', 4, true, 'better', now()::TIMESTAMP)"
        )
    roles = trained.query("SELECT role FROM leaderboard WHERE checkpoint_id = 'ckpt_new' ORDER BY role")
    assert roles == [("gate",), ("measured",)]


def test_report_and_status_show_them_before_and_after(trained, capsys):
    trained.close()
    summary = summarize(trained.project)
    page = render_report(summary)
    for part in (
        "| ckpt_base | ckpt_new (sft) | s | gate | acc,none | 50.0 ± 25.0 % | 75.0 ± 20.0 % | +25.0 points |  | 4 |",
        "| ckpt_base | ckpt_new (sft) | s | gate | word_perplexity,none | 40 | 20 | -20 |  | 3 |",
        "| ckpt_base | ckpt_new (sft) | heldout | report | loss | 2.5 | 2.25 | -0.25 |  | 7 |",
        "| 1 | sft | ckpt_new | s | gate | acc,none | 75.0 ± 20.0 % | 4 |  |  | measured |",
        "|  | seed | ckpt_base | s | gate | word_perplexity,none | 40 | 3 |  |  | measured |",
    ):
        assert part in page, page
    print_measured(summary)
    shown = capsys.readouterr().out
    assert "75.0 ± 20.0 %" in shown and "Before and after" in shown


def test_a_run_of_a_changed_recipe_shows_what_an_earlier_one_trained(trained):
    add_run(trained, "run_b")
    trained.close()
    assert "ckpt_new (sft)" in render_report(summarize(trained.project, "run_b"))


def test_what_is_better_when_lower_is_won_when_it_falls(trained):
    from types import SimpleNamespace

    split = SimpleNamespace(suite=SimpleNamespace(name="s"), name="gate", suite_hash="hash_s")
    before, after = FakeSubject("ckpt_base"), FakeSubject("ckpt_new")
    found = {c.metric: c for c in compare_subjects(trained, before, after, [split])}
    assert (found["word_perplexity,none"].won, found["word_perplexity,none"].lost) == (2, 1)
    flips = trained.query(
        "SELECT ordinal, flip FROM flips WHERE metric = 'word_perplexity,none' AND stage = 'compare' ORDER BY ordinal"
    )
    assert flips == [(0, "won"), (1, "won"), (2, "lost")]
    page = write_before_after(trained, before, after, [found["word_perplexity,none"]], [split]).read_text()
    assert "| won | 1 |" in page and "| won | 2 |" in page and "| lost | 3 |" in page
    assert "Better when lower: word_perplexity,none" in page and "not after minus before" in page
    assert "not after minus" not in write_before_after(trained, before, after, [found["acc,none"]], [split]).read_text()
    ((p,),) = trained.query("SELECT p_value FROM before_after WHERE metric = 'acc,none'")
    assert p == 1.0


def test_an_older_store_is_brought_up_before_it_is_shown(trained):
    with trained.write() as connection:
        connection.execute("DROP VIEW before_after")
        connection.execute("DELETE FROM migrations WHERE version >= 12")
    Store(trained.project).upgrade()
    assert len(trained.query("SELECT * FROM before_after")) == 2
