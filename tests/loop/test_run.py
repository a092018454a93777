"""Whole runs of the embedded model, through the real command, read by SQL as a user would."""

import json

import pytest
from flywheel.loop import summarize
from flywheel.store import Project
from support import make_mini_project, run_cli, sql

pytestmark = pytest.mark.slow


def rows(folder, query):
    return [tuple(r.values()) for r in sql(folder, query)]


def test_the_run_ends_with_a_table_a_report_and_plots(finished_run):
    out = (finished_run / "stdout.txt").read_text()
    assert "heldout/gate" in out
    assert "baseline" in out
    report = (finished_run / "report.md").read_text()
    for part in (
        "## Iterations",
        "## Funnel",
        "exact duplicate: ",
        "## Pairs and length",
        "## All scores",
        "report/scores.png",
    ):
        assert part in report
    for name in ("scores.png", "scores.svg", "losses.png"):
        assert (finished_run / "report" / name).stat().st_size > 1000


def test_standard_error_is_plain_lines_when_nobody_watches(finished_run):
    err = (finished_run / "stderr.txt").read_text()
    assert "\x1b" not in err
    assert "[1] solve: " in err
    assert "[2] gate: dpo " in err


def test_the_funnel_adds_up_and_names_every_reason(finished_run):
    steps = sql(finished_run, "select * from funnel order by iteration, step")
    assert {s["step"] for s in steps} == {
        "problems", "solve", "solve/verify", "sft/curate", "sft/snapshot", "on-policy", "on-policy/verify", "pair", "pair/items",
        "dpo/curate", "dpo/snapshot",
    }  # fmt: skip
    for step in steps:
        assert step["entered"] == step["kept"] + step["dropped"], step
        assert (step["reason"] is None) == (step["dropped"] == 0), step
    solved = next(s for s in steps if s["step"] == "solve" and s["iteration"] == 1)
    assert (solved["entered"], solved["kept"]) == (160, 160)


def test_drop_reasons_is_the_funnels_breakdown(finished_run):
    broken_down = dict(rows(finished_run, "select step || iteration, sum(dropped) from drop_reasons group by 1"))
    for step in sql(
        finished_run,
        "select step || iteration as step, dropped from funnel where step in ('pair', 'pair/items', 'sft/curate', 'dpo/curate', 'sft/snapshot')",
    ):
        assert broken_down.get(step["step"], 0) == step["dropped"]


def test_every_row_that_curation_takes_out_names_what_it_rests_on(finished_run):
    gone = rows(
        finished_run, "select reason, evidence, raw, input_id from drops where step in ('sft/curate', 'dpo/curate')"
    )
    assert gone
    assert all(evidence and raw and row.startswith(("smp_", "pair_")) for _, evidence, raw, row in gone)
    duplicates = rows(
        finished_run,
        """select count(*), count(s.sample_id) from drops d
        left join samples s on s.sample_id = regexp_extract(d.evidence, 'smp_[a-z0-9]+') where d.reason = 'exact duplicate'
        and d.evidence not like '%earlier%'""",
    )
    assert duplicates[0][0] == duplicates[0][1] > 0


def test_each_pair_names_its_kind_judge_verdicts_and_margin(finished_run):
    made = rows(
        finished_run,
        """select distinct p.kind, p.judge, p.margin, c.passed, r.passed from pairs p
        join verdicts c on c.verdict_id = p.chosen_verdict_id join verdicts r on r.verdict_id = p.rejected_verdict_id""",
    )
    assert made == [("correct/incorrect", "math@4", 1.0, True, False)]


def test_leaderboard_has_every_checkpoint_with_its_error_bar(finished_run):
    board = sql(finished_run, "select * from leaderboard where metric = 'exact_match,strict-match' and split = 'gate'")
    assert [(b["iteration"], b["stage"]) for b in board] == [
        (0, "seed"),
        (1, "sft"),
        (1, "dpo"),
        (2, "sft"),
        (2, "dpo"),
    ]
    for b in board:
        assert 0 <= b["score"] <= 1
        assert b["n"] == 40
        assert b["stderr"] > 0
    first, *others = board
    assert first["champion_id"] is None
    assert not first["promoted"]
    assert all(b["p_value"] is not None and b["champion_id"] for b in others)
    expected = [
        "iteration",
        "stage",
        "checkpoint_id",
        "suite",
        "split",
        "metric",
        "score",
        "stderr",
        "n",
        "champion_id",
        "delta",
        "p_value",
        "promoted",
        "created_at",
    ]
    assert list(board[0])[: len(expected)] == expected


def test_each_stage_is_compared_with_the_champion_of_the_moment(finished_run):
    champion = rows(finished_run, "select base_checkpoint_id from runs")[0][0]
    for checkpoint, against, promoted in rows(
        finished_run,
        "select checkpoint_id, champion_id, promoted from decisions where role = 'gate' order by iteration, stage = 'dpo'",
    ):
        assert against == champion
        champion = checkpoint if promoted else champion


def test_dpo_starts_from_the_sft_checkpoint_of_its_iteration(finished_run):
    found = rows(
        finished_run,
        "select k.iteration, p.stage, p.iteration from checkpoints k join checkpoints p on p.checkpoint_id = k.parent_id where k.stage = 'dpo' order by 1",
    )
    assert found == [(1, "sft", 1), (2, "sft", 2)]


def test_pairs_are_on_policy_drawn_from_the_sft_checkpoint(finished_run):
    makers = rows(
        finished_run,
        "select distinct l.role, m.stage, m.iteration = l.iteration from lineage l join checkpoints m on m.checkpoint_id = l.made_by_checkpoint_id where l.stage = 'dpo' order by 1",
    )
    assert makers == [("chosen", "sft", True), ("rejected", "sft", True)]
    verdicts = rows(finished_run, "select distinct role, passed from lineage where stage = 'dpo' order by 1")
    assert verdicts == [("chosen", True), ("rejected", False)]


def test_sft_and_dpo_views_hold_trl_columns_of_verified_rows(finished_run):
    (one,) = sql(finished_run, "select * from sft limit 1")
    assert json.loads(one["prompt"])[0]["role"] == "user"
    assert json.loads(one["completion"])[0]["role"] == "assistant"
    (accepted,) = rows(finished_run, "select count(*), (select count(*) from verdicts where passed) from sft")
    assert accepted[0] == accepted[1] > 0
    (pair,) = sql(finished_run, "select * from dpo limit 1")
    assert json.loads(pair["chosen"]) != json.loads(pair["rejected"])
    assert rows(finished_run, "select (select count(*) from dpo) = (select count(*) from pairs)") == [(True,)]


def test_flips_are_the_items_behind_each_delta(finished_run):
    for won, lost, d_won, d_lost in rows(
        finished_run,
        """
        select count(*) filter (f.flip = 'won'), count(*) filter (f.flip = 'lost'), any_value(d.won), any_value(d.lost)
        from decisions d join scores s using (score_id)
        left join flips f on f.checkpoint_id = d.checkpoint_id and f.suite = s.suite and f.split = s.split and f.metric = s.metric
        where d.role <> 'baseline' group by d.decision_id
        """,
    ):
        assert (won, lost) == (d_won, d_lost)


def test_cost_counts_requests_and_tokens(finished_run):
    cost = sql(
        finished_run,
        "select step, sum(requests) as requests, min(prompt_tokens) as p, min(completion_tokens) as c from cost group by step",
    )
    by_step = {c["step"]: c for c in cost}
    assert by_step["solve"]["requests"] == 80
    assert by_step["on-policy"]["requests"] == 48
    assert by_step["eval"]["requests"] == 5 * 60
    assert all(c["p"] > 0 and c["c"] > 0 for c in cost)


def test_every_row_that_a_model_made_has_its_request(finished_run):
    for table in ("samples", "score_items"):
        assert rows(
            finished_run,
            f"select count(*) from {table} t left join requests r using (request_id) where r.request_id is null",
        ) == [(0,)]
    assert rows(finished_run, "select count(*) from requests where answered_at is null or attempts < 1") == [(0,)]


def test_rows_are_not_doubled_and_files_are_folded(finished_run):
    for table, key in (
        ("requests", "request_id"),
        ("samples", "sample_id"),
        ("verdicts", "verdict_id"),
        ("drops", "drop_id"),
        ("pairs", "pair_id"),
    ):
        assert rows(finished_run, f"select count(*) = count(distinct {key}) from {table}") == [(True,)], table
    assert list((finished_run / ".flywheel" / "journal").iterdir()) == []
    assert [p for p in (finished_run / ".flywheel" / "work").iterdir() if p.name != "suites"] == []


def test_no_evaluation_question_is_in_any_snapshot(finished_run):
    held_out = {
        json.loads(line)["question"]
        for name in ("gate.jsonl", "report.jsonl")
        for line in (finished_run / name).read_text().splitlines()
    }
    n = 0
    for file in (finished_run / ".flywheel" / "snapshots").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            n += 1
            assert json.loads(line)["prompt"][-1]["content"] not in held_out
    assert n > 20


def test_the_same_command_again_does_nothing_new(finished_run):
    before = rows(
        finished_run,
        "select (select count(*) from requests), (select count(*) from checkpoints), (select count(*) from decisions)",
    )
    done = run_cli(finished_run, "run", check=0)
    assert "train" not in done.stderr.replace("eval", "")
    after = rows(
        finished_run,
        "select (select count(*) from requests), (select count(*) from checkpoints), (select count(*) from decisions)",
    )
    assert before == after


def test_status_shows_iterations_champion_and_funnel(finished_run):
    out = run_cli(finished_run, "status", check=0).stdout
    assert "2 iterations complete" in out
    assert "Champion: ckpt_" in out
    for word in ("solve/verify", "wrong answer", "baseline", "dpo"):
        assert word in out


def test_report_is_written_again_from_the_store(finished_run):
    (finished_run / "report.md").unlink()
    run_cli(finished_run, "report", check=0)
    assert "## Iterations" in (finished_run / "report.md").read_text()


def test_checkpoints_load_in_plain_transformers(finished_run):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for (path,) in rows(finished_run, "select path from checkpoints where stage <> 'seed'"):
        tokenizer = AutoTokenizer.from_pretrained(finished_run / path)
        model = AutoModelForCausalLM.from_pretrained(finished_run / path)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": "x"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        assert model(**ids).logits.shape[-1] == len(tokenizer)


def test_train_log_has_the_losses(finished_run):
    logged = rows(
        finished_run,
        "select stage, count(*), min(loss) > 0 from train_log join checkpoints using (checkpoint_id) group by all order by 1",
    )
    assert [(s, ok) for s, n, ok in logged if n] == [("dpo", True), ("sft", True)]


def test_the_documented_walk_from_a_score_to_a_sample_runs(finished_run):
    """docs/sql.md: one query from a checkpoint's score to template, problem and completion."""
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
    query = text.split("<!-- walk -->")[1].split("```sql")[1].split("```")[0]
    walked = sql(finished_run, query.replace("WHERE b.promoted", "WHERE b.stage = 'sft'"))
    assert walked
    row = walked[0]
    assert row["template_text"] == "{{question}}"
    assert row["problem"] and "####" in row["completion"] and row["passed"]
    assert run_cli(finished_run, "sql", query, check=0).returncode == 0


def test_stages_one_by_one_are_the_run(finished_run, tmp_path):
    """generate, train, eval on a fresh copy give the rows that run gave, and run then finds them done."""
    folder = make_mini_project(tmp_path / "staged")
    run_cli(folder, "generate", check=0)
    trained = run_cli(folder, "train", check=0).stdout.split("\t")[0]
    run_cli(folder, "eval", "--checkpoint", trained, check=0)
    run_cli(folder, "train", "--method", "dpo", check=0)
    columns = "iteration, stage, checkpoint_id"
    staged = rows(folder, f"select {columns} from checkpoints where iteration = 1 order by stage")
    whole = rows(finished_run, f"select {columns} from checkpoints where iteration = 1 order by stage")
    assert staged == whole
    done = run_cli(folder, "run", "--iterations", "1", check=0)
    assert "[1] gate: sft" in done.stderr
    scores = "select stage, split, metric, score from leaderboard where iteration <= 1 order by all"
    assert rows(folder, scores) == rows(finished_run, scores)


def test_summaries_read_what_sql_reads(finished_run):
    summary = summarize(Project(finished_run))
    assert len(summary.challengers) == 5
    assert {c["stage"] for c in summary.challengers} == {"seed", "sft", "dpo"}


def test_flywheel_gate_explains_each_decision_and_checks_any_two_checkpoints_without_deciding(finished_run):
    told = run_cli(finished_run, "gate", "--explain", check=0).stdout
    for b in sql(finished_run, "select * from decisions where role = 'gate'"):
        outcome = "promoted" if b["promoted"] else "kept out"
        assert f"Iteration {b['iteration']}, {b['stage']}, {b['checkpoint_id']}: {outcome}\nWhy: {b['reason']}." in told
        assert f"{b['won']} better, {b['lost']} worse" in told
    made = rows(finished_run, "select count(*) from decisions")
    ((first,),) = rows(finished_run, "select base_checkpoint_id from runs")
    checked = run_cli(finished_run, "gate", "--check", first, first, check=0).stdout
    assert "would be kept out\nWhy: no gain (+0.0 points, p = 1, n = 40" in checked
    assert "decision 5 of a run with 4 planned" in checked
    assert rows(finished_run, "select count(*) from decisions") == made
