"""What a person reads while a run is on: nothing is claimed before it was tried, and one is not many."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from flywheel.cli._common import describe_rate
from flywheel.loop import count, percent, show_score
from support import change, refused, run_cli, sql, write_jsonl
from support_flow import STEPS, make_flow_project, write_recipe


def test_before_the_first_score_status_claims_nothing(mini, endpoint):
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 5})
    run_cli(mini, "generate", env=endpoint(mini / "problems.jsonl").env, check=0)
    shown = run_cli(mini, "status", check=0).stdout
    assert "No scores yet." in shown
    assert "No challenger has been tried yet" in shown
    assert "promoted" not in shown


def test_status_without_anything_says_what_to_do(stored):
    refused(run_cli(stored, "status"), "expected: a run, documents or data sets", "flywheel run")


def test_status_shows_what_was_brought_in_before_any_run(tmp_path):
    (tmp_path / "a.md").write_text("# Mills\n\n" + "The mill was built in 1824 by Ada Brown of Leeds. " * 8)
    write_jsonl(tmp_path / "set.jsonl", [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}])
    run_cli(tmp_path, "ingest", str(tmp_path / "a.md"), check=0)
    run_cli(tmp_path, "import", str(tmp_path / "set.jsonl"), "--yes", check=0)
    shown = run_cli(tmp_path, "status", check=0).stdout
    for part in (
        r"documents +│ +│ +1 ",
        r"chunks +│ +│ +1 ",
        r"set\.jsonl \(trl\) +│ +2 ",
        "No run yet",
        r"ingest +│ +1 ",
    ):
        assert re.search(part, shown), shown
    assert "Champion" not in shown


@pytest.fixture
def flow(tmp_path, endpoint):
    """A project with steps of generate, stopped by its budget; then a recipe that was only looked at."""
    (tmp_path / "none").write_text("")
    server = endpoint(tmp_path / "none")
    steps = [{**step, "step": name} for step, name in zip(STEPS, ("zulu", "alpha"), strict=True)]
    steps[1]["source"] = "zulu"
    folder = make_flow_project(tmp_path / "p", n=20, steps=steps, engine={"concurrency": 1}, budget={"requests": 10})
    run_cli(folder, "generate", env=server.env, check=1)
    write_recipe(folder, steps, seed=9)
    run_cli(folder, "generate", "--dry-run", env=server.env, check=0)
    return folder, server


def test_status_is_of_the_run_that_was_active_last_and_shows_what_is_open(flow):
    folder, _ = flow
    shown = run_cli(folder, "status", check=0).stdout
    assert "seed 0" in shown
    assert "asked: fake-teacher" in shown
    assert re.search(r"State: \d+ inputs open; flywheel generate goes on", shown)
    assert "hampion" not in shown
    assert "challenger" not in shown
    assert shown.index("zulu") < shown.index("zulu/items") < shown.index("alpha")
    assert re.search(r"dropped ┃ +open ┃", shown)


def test_generate_that_stopped_early_shows_the_funnel_that_status_shows(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=20, engine={"concurrency": 1}, budget={"requests": 10})
    stopped = run_cli(folder, "generate", env=endpoint(none).env, check=1).stdout
    table = stopped[stopped.index("Funnel") : stopped.index("Stopped early")].strip()
    assert re.search(r"dropped ┃ +open ┃", table)
    assert table in run_cli(folder, "status", check=0).stdout


def test_a_reader_that_has_seen_enough_is_no_fault(flow):
    folder, server = flow
    for command in ("status", "generate --dry-run"):
        line = f"set -o pipefail; {sys.executable} -m flywheel -C {folder} {command} | head -1"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env={**os.environ, **server.env})
        assert (done.returncode, "Traceback" in done.stderr, "Broken" in done.stderr) == (0, False, False), done.stderr


def test_a_table_is_as_wide_as_columns_says(flow):
    folder, _ = flow
    narrow = run_cli(folder, "status", env={"COLUMNS": "70"}, check=0).stdout
    assert max(map(len, narrow.splitlines())) <= 70


def test_words_for_numbers():
    assert [count(n, "row") for n in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
    assert percent(0.08333, 0.0571) == "8.3 ± 5.7"
    assert describe_rate(0, 24, 1050, 10.0, "problems") == "0 of 24 problems done, 105 tokens/s"
    assert describe_rate(12, 24, 0, 6.0, "problems") == "12 of 24 problems done, 2.0 problems/s, 6 s left"


@pytest.mark.parametrize(
    ("metric", "score", "stderr", "up", "shown"),
    [
        ("exact_match,strict-match", 0.08333, 0.0571, True, "8.3 ± 5.7 %"),
        ("pass,none", 1.0, None, True, "100.0 %"),
        ("word_perplexity,none", 22744286.869, None, False, "2.27443e+07"),
        ("bits_per_byte,none", 0.48, 0.01, False, "0.48 ± 0.01"),
        ("loss", 0.5, None, False, "0.5"),
        ("words,none", 13.25, 1.5, True, "13.25 ± 1.5"),
        ("bleu,none", 0.9, 0.2, True, "0.9 ± 0.2"),
    ],
)
def test_a_share_is_in_percent_and_any_other_figure_as_it_is(metric, score, stderr, up, shown):
    assert show_score(metric, score, stderr, higher_is_better=up) == shown


@pytest.mark.slow
def test_eval_shows_percent_as_the_other_tables_do(finished_run):
    shown = run_cli(finished_run, "eval", check=0).stdout
    assert "score ± standard error" in shown
    assert re.search(r"│ \d+\.\d ± \d+\.\d % +│", shown)


@pytest.mark.slow
def test_a_training_alone_is_shown_with_its_rows_and_loss(tmp_path):
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Say {i}."}],
            "completion": [{"role": "assistant", "content": f"It is {i}."}],
        }
        for i in range(12)
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    keys = {"learning_rate": 1e-3, "num_train_epochs": 2, "per_device_train_batch_size": 4, "logging_steps": 1}
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({"name": "alone", "model": "seed", "train": {"rows": "rows.jsonl", "min_rows": 2, "sft": keys}})
    )
    made = run_cli(tmp_path, "train", check=0).stdout.split()[0]
    log = sql(tmp_path, "select loss from train_log where loss is not null order by step")
    said = f"sft on 12 rows, loss {log[0]['loss']:.4f} → {log[-1]['loss']:.4f}, checkpoint {made} from ckpt_"
    assert (
        len(log) > 1
        and f"Trained last, and no gate has decided on it: {said}" in run_cli(tmp_path, "status", check=0).stdout
    )
    run_cli(tmp_path, "report", check=0)
    page = (tmp_path / "report.md").read_text()
    assert "## Trainings that no gate has decided on" in page and f"| {made} | sft |" in page and "| 12 |" in page
