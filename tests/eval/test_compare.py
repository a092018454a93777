"""Two models on the same items: figures, flips side by side, and how often a split has decided."""

import json

import pytest
import yaml
from flywheel.loop import Paired
from support import MINI, make_mini_project, refused, run_cli, sql, write_jsonl

CLAIMS = [
    {"id": i, "claim": f"Claim {i}.", "label": label}
    for i, label in enumerate(["SUPPORTS", "REFUTES", "NOT ENOUGH INFO"] * 20)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make_mini_project(tmp_path_factory.mktemp("compare") / "p")
    suite = {"name": "fever", "task": "fever-claim-only", "gate": "claims.jsonl"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": [suite]}))
    write_jsonl(folder / "claims.jsonl", CLAIMS)
    labels = [c["label"] for c in CLAIMS]
    before = [label if i % 2 else "SUPPORTS" for i, label in enumerate(labels)]
    after = ["no idea" if i == 1 else label if i % 4 else "REFUTES" for i, label in enumerate(labels)]
    ids = []
    for name, said in (("old", before), ("new", after)):
        write_jsonl(folder / f"{name}.jsonl", [{"id": i, "answer": s} for i, s in enumerate(said)])
        told = run_cli(folder, "eval", "--answers", str(folder / f"{name}.jsonl"), check=0).stdout
        ids.append(next(w for w in told.split() if w.startswith("ckpt_")))
    told = run_cli(folder, "eval", "--compare", *ids, check=0).stdout
    right = [[s == label for s, label in zip(said, labels, strict=True)] for said in (before, after)]
    return folder, ids, right, told


def test_the_difference_has_interval_test_and_effect(folder):
    folder, _, (old, new), told = folder
    won, lost = (
        sum(b and not a for a, b in zip(old, new, strict=True)),
        sum(a and not b for a, b in zip(old, new, strict=True)),
    )
    (acc,) = sql(folder, "select * from comparisons where metric = 'acc,none'")
    paired = Paired(60, won, lost)
    assert (acc["n"], acc["won"], acc["lost"]) == (60, won, lost) and won > 0 and lost > 0
    assert (acc["delta"], acc["p_value"]) == (pytest.approx((won - lost) / 60), pytest.approx(paired.p_value))
    assert (acc["low"], acc["high"]) == pytest.approx(paired.interval())
    assert acc["test"] == "exact McNemar, two-sided" and acc["effect_kind"] == "Cohen's g"
    (macro,) = sql(
        folder,
        "select c.*, a.score as after_score from comparisons c join scores a on a.score_id = after_score_id where c.metric = 'macro_f1,none'",
    )
    assert macro["delta"] == pytest.approx(macro["after"] - macro["before"]) and macro["after"] == macro["after_score"]
    assert macro["low"] < macro["delta"] < macro["high"] and "paired bootstrap" in macro["test"]
    assert (macro["p_value"] < 0.05) == (macro["low"] > 0 or macro["high"] < 0)
    assert "new against old" in told and "before_after.md" in told


def test_flips_are_a_view_and_stand_side_by_side(folder):
    folder, ids, (old, new), _ = folder
    flips = sql(folder, "select * from flips where metric = 'acc,none' order by ordinal")
    expected = [(i, "won" if b else "lost") for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    assert [(f["ordinal"], f["flip"]) for f in flips] == expected
    assert {(f["champion_id"], f["checkpoint_id"], f["stage"]) for f in flips} == {(*ids, "compare")}
    (silent,) = [f for f in flips if f["ordinal"] == 1]
    assert (silent["champion_completion"], silent["challenger_completion"], silent["target"]) == (
        "REFUTES",
        "no idea",
        "REFUTES",
    )
    page = (folder / "before_after.md").read_text()
    for part in (
        "| fever | gate | acc,none |",
        "exact McNemar, two-sided; interval: Tango score",
        "| lost | 2 |",
        "Claim 1.",
        "no idea",
    ):
        assert part in page


def test_who_is_compared_has_to_be_there_and_to_differ(folder):
    folder, (old, _), _, _ = folder
    refused(run_cli(folder, "eval", "--compare", old, old), "two different models", old)
    done = run_cli(folder, "eval", "--compare", "first", "champion")  # the seed, which has no scores here
    refused(done, "two different models", "under both names")
    assert "eval seed" not in done.stderr, "refused before anything is scored"
    refused(run_cli(folder, "eval", "--compare", old, "ckpt_nobody"), "checkpoint 'ckpt_nobody'", "champion, first")
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    more = {**recipe, "suites": [{**recipe["suites"][0], "report": "claims.jsonl[0:9]"}]}
    (folder / "more.yaml").write_text(yaml.safe_dump(more))
    refused(
        run_cli(folder, "eval", "--recipe", str(folder / "more.yaml"), "--compare", old[:12], "first"),
        "fever/report",
        "--answers FILE",
    )


def test_a_checkpoint_is_compared_with_a_teacher(endpoint, tmp_path):
    folder = make_mini_project(tmp_path / "p")
    served = endpoint(folder / "gate.jsonl", right=0.9)
    told = run_cli(folder, "eval", "--compare", "first", "endpoint", "--split", "gate", check=0, env=served.env).stdout
    assert "fake-teacher against seed" in told
    (row,) = sql(folder, "select before, after, delta from comparisons where metric = 'exact_match,strict-match'")
    assert row["delta"] == pytest.approx(row["after"] - row["before"])
    assert json.loads(sql(folder, "select settings from scores where split = 'gate' limit 1")[0]["settings"])["engine"]
