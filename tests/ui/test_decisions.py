"""What a person decides: on record before it is acknowledged, shown at once, and counted by the next snapshot."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from flywheel.judge._training_rows import read_accepted, read_earlier, rows_of
from flywheel.store import Project, Store, run_query
from support import HOLD, run_cli, wait_for
from support_ui import RUN, Page


@pytest.fixture
def own(made_project, tmp_path):
    root = tmp_path / "small"
    shutil.copytree(made_project, root)
    served = Page(root)
    served.root = root
    yield served
    if served.process.poll() is None:
        served.stop()


def said(page, sample_id):
    sql = f"SELECT judge, passed, reason FROM verdicts WHERE sample_id = '{sample_id}' AND starts_with(judge, 'human:') ORDER BY created_at"
    return run_query(Project(page.root), sql).rows


def accepted(page, iteration=1, steps=("solve",)):
    store = Store(Project(page.root)).open()
    rows = rows_of(read_accepted(store, RUN, iteration, "math@4", [], [], conflicts=False, steps=steps))
    found = {r.sample_id: r for r in rows}
    store.close()
    return found


def test_accept_reject_and_label_are_verdicts_with_who_and_when(own):
    for sample, action, words in (
        ("smp_00_0", "reject", ""),
        ("smp_00_1", "accept", ""),
        ("smp_01_0", "label", "too short"),
    ):
        answer = own.post(f"/samples/{sample}/decide", {"action": action, "words": words}, Accept="application/json")
        assert answer.status == 200
    assert said(own, "smp_00_0") == [("human:ada", False, "rejected")]
    assert said(own, "smp_00_1") == [("human:ada", True, "accepted")]
    assert said(own, "smp_01_0") == [("human:ada", None, "too short")]
    assert "✗ ada" in own.get("/samples/smp_00_0").text
    assert "3</span></h1>" in own.get("/samples?state=people").text


def test_the_next_snapshot_counts_a_persons_word_more_than_a_verifiers(own):
    before = accepted(own)
    assert "smp_00_0" in before and "smp_00_1" not in before
    own.post("/samples/smp_00_0/decide", {"action": "reject"})
    own.post("/samples/smp_00_1/decide", {"action": "accept"})
    after = accepted(own)
    assert "smp_00_0" not in after and "smp_00_1" in after
    assert len(after) == len(before)
    own.post("/samples/smp_00_0/decide", {"action": "accept"})  # the last word counts
    assert "smp_00_0" in accepted(own)


def test_what_is_accepted_after_its_iteration_is_in_the_next_ones_snapshot(own):
    own.post("/samples/smp_03_1/decide", {"action": "accept"})  # of iteration 1, failed by the verifier
    assert "smp_03_1" in accepted(own, iteration=2)


def test_a_rejected_row_is_replayed_no_more(own):
    store = Store(Project(own.root)).open()
    store.insert_all("snapshots", [{
        "snapshot_id": "snap_1", "run_id": RUN, "iteration": 1, "stage": "sft", "n_rows": 2, "format": "f", "path": "p", "created_at": "2026-01-01",
    }])  # fmt: skip
    store.insert_all(
        "snapshot_rows", [{"snapshot_id": "snap_1", "ordinal": i, "sample_id": f"smp_0{i}_0"} for i in range(2)]
    )
    store.close()
    own.post("/samples/smp_00_0/decide", {"action": "reject"})
    store = Store(Project(own.root)).open()
    rows = [r.sample_id for r in rows_of(read_earlier(store, RUN, 2, "sft", "ckpt_1", "math@4"))]
    store.close()
    assert rows == ["smp_01_0"]


def test_an_edit_is_a_new_sample_that_takes_the_old_ones_place(own):
    answer = own.post("/samples/smp_00_0/edit", {"completion": "Zero and zero make 0."})
    assert answer.status == 303
    new = answer.headers["Location"].removeprefix("/samples/")
    found = accepted(own)
    assert "smp_00_0" not in found
    assert "Zero and zero make 0." in found[new].completion
    assert "What is 0 + 0?" in found[new].prompt
    text = own.get(f"/samples/{new}").text
    assert "smp_00_0" in text and "human@1" in text
    assert own.post("/samples/smp_00_0/edit", {"completion": " "}).status == 400
    funnel = run_query(
        Project(own.root),
        "SELECT count(*) FROM funnel WHERE step = 'people' OR (step = 'solve/verify' AND entered % 60 <> 0)",
    )
    assert funnel.rows == [(0,)]


def test_an_edited_text_has_no_models_facts(own):
    answer = own.post("/samples/smp_00_0/edit", {"completion": "Zero and zero make 0."})
    facts = own.get(answer.headers["Location"]).text.partition('id="h-facts"')[2]
    assert "<dt>written by</dt><dd>human:ada</dd>" in facts
    assert "<dt>in place of</dt><dd>smp_00_0</dd>" in facts
    for name in ("model", "engine", "prompt_tokens", "completion_tokens", "finish_reason"):
        assert f"<dt>{name}</dt>" not in facts
    assert "<dt>model</dt>" in own.get("/samples/smp_00_0").text


def test_a_label_that_is_too_long_is_refused_and_nothing_is_cut(own):
    for words, status in (("x" * 501, 400), ("x" * 500, 200)):
        fields = {"action": "label", "words": words}
        answer = own.post("/samples/smp_01_0/decide", fields, Accept="application/json")
        assert answer.status == status, answer.text
        assert ("at most 500 characters" in answer.text) == (status == 400)
    assert said(own, "smp_01_0") == [("human:ada", None, "x" * 500)]


def test_a_persons_word_counts_on_the_samples_of_steps_too(own):
    """Which are no completions of a problem, and need nobody's verdict to be trained on (``select.steps``)."""
    steps = ("questions", "attempted")
    assert set(accepted(own, steps=steps)) == {"smp_q", "smp_a"}
    own.post("/samples/smp_a/decide", {"action": "reject"})
    assert set(accepted(own, steps=steps)) == {"smp_q"}
    answer = own.post("/samples/smp_q/edit", {"completion": "It burnt down in 1901."})
    new = answer.headers["Location"].removeprefix("/samples/")
    assert set(accepted(own, steps=steps)) == {new}
    assert set(accepted(own, iteration=2, steps=steps)) == {new}, "also after its iteration"
    assert new not in accepted(own, steps=("attempted",))


def test_a_decision_is_on_record_and_shown_while_another_program_holds_the_store(own):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(own.root / "flywheel.duckdb"), "4"], stdout=subprocess.PIPE, text=True
    )
    try:
        holder.stdout.readline()
        own_csrf = own.csrf()  # the login page asks no store
        answer = own.send(
            "POST",
            "/samples/smp_00_0/decide",
            {"csrf": own_csrf, "action": "reject"},
            Origin=own.url,
            Accept="application/json",
        )
        assert answer.status == 200
        assert "✗ ada" in own.get("/samples/smp_00_0").text
    finally:
        holder.wait(30)
        holder.stdout.close()
    wait_for(lambda: said(own, "smp_00_0") == [("human:ada", False, "rejected")], 20)


def test_a_kill_loses_nothing_acknowledged_and_the_next_writer_folds_it_once(own):
    project = Project(own.root)
    own.process.send_signal(signal.SIGKILL)
    own.process.wait(20)
    own.process.stdout.close()
    own.process.stderr.close()
    code = (  # the page's own way to disk, killed before any fold
        "import os, sys; from pathlib import Path; from flywheel.store import Project, Store; from flywheel.ui._people import decide\n"
        "store = Store(Project(Path(sys.argv[1]))); store.put_aside([decide('human:ada', 'smp_02_0', 'reject')]); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(own.root)], env=os.environ)
    assert killed.returncode == -9
    assert len(list(project.people.iterdir())) == 1
    file = next(project.people.iterdir())
    body = file.read_bytes()
    Store(project).open().close()
    assert said(own, "smp_02_0") == [("human:ada", False, "rejected")]
    file.write_bytes(body)  # a fold that was killed between its commit and the removal
    Store(project).open().close()
    assert len(said(own, "smp_02_0")) == 1
    assert list(project.people.iterdir()) == []


def test_labels_of_people_calibrate_a_judge(own, tmp_path):
    for i in range(6):
        own.post(f"/samples/smp_{i:02}_0/decide", {"action": "accept" if i % 3 else "reject"})
    labels = tmp_path / "labels.csv"
    labels.write_text(own.get("/labels.csv").text)
    assert labels.read_text().splitlines()[0] == "sample_id,label,words,reason,person,created_at"
    common = ("--judge", "quality", "--resamples", "0", "--format", "json")
    done = run_cli(own.root, "judge", "calibrate", "--labels", str(labels), *common, check=0)
    accuracy = [f for f in json.loads(done.stdout)["figures"] if f["name"] == "accuracy"]
    assert {(f["value"], f["n"]) for f in accuracy} == {(1.0, 6)}, "the judge fails every third one, as ada does"
    for i in (0, 6):  # words beside a decision, and words alone
        own.post(f"/samples/smp_{i:02}_0/decide", {"action": "label", "words": "nice wording"})
    labels.write_text(own.get("/labels.csv").text)
    rows = list(csv.DictReader(labels.read_text().splitlines()))
    assert [(r["label"], r["words"]) for r in rows if r["words"]] == [("fail", "nice wording"), ("", "nice wording")]
    again = run_cli(own.root, "judge", "calibrate", "--labels", str(labels), *common, check=0)
    assert [f for f in json.loads(again.stdout)["figures"] if f["name"] == "accuracy"] == accuracy


def test_a_signal_ends_the_page(own):
    assert own.stop() == 128 + signal.SIGTERM
