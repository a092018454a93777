"""FEVER as a suite: recorded answers and an endpoint's, through lm-eval, against known figures."""

import json

import pytest
import yaml
from flywheel.config import DistractorConfig
from flywheel.errors import InputError
from flywheel.eval._fever import read_claim
from flywheel.eval._labels import bootstrap_stderr, statistic_of
from flywheel.store import SourceRow, add_distractors
from support import MINI, make_mini_project, refused, run_cli, sql, write_jsonl


def project_with(folder, suites):
    make_mini_project(folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": suites}))
    return folder


def scores(folder, suite):
    rows = sql(folder, f"select metric, score, stderr, n from scores where suite = '{suite}'")
    return {r["metric"].removesuffix(",none"): r for r in rows}


def test_the_kgat_predictions_score_as_expected(shared_data, tmp_path):
    data, expected = (
        shared_data / "fever",
        json.loads((shared_data / "EXPECTED.json").read_text())["fever/kgat_predictions"],
    )
    suite = {"name": "fever", "task": "fever-claim-only", "gate": f"{data}/paper_dev.jsonl"}
    folder = project_with(tmp_path / "p", [suite])
    run_cli(folder, "eval", "--answers", str(data / "kgat_predictions__paper_dev.jsonl"), check=0)
    found = scores(folder, "fever")
    assert found["acc"]["n"] == expected["n"]
    assert round(found["acc"]["score"], 6) == expected["label_accuracy"]
    assert round(found["macro_f1"]["score"], 6) == expected["macro_f1"]
    confusion = sql(
        folder,
        "select detail::json -> 'of' ->> 0 as gold, detail::json -> 'of' ->> 1 as predicted, count(*) as n "
        "from score_items join scores using (score_id) where metric = 'macro_f1,none' group by all",
    )
    assert {f"{c['predicted']}|{c['gold']}": c["n"] for c in confusion} == expected["confusion(pred|gold)"]
    per_class = {k: v for k, v in found.items() if k.startswith("f1[")}
    assert sum(v["n"] for v in per_class.values()) == expected["n"]
    assert sum(v["score"] for v in per_class.values()) / 3 == pytest.approx(found["macro_f1"]["score"])
    assert all(0 < v["stderr"] < 0.02 for v in found.values())
    again = run_cli(folder, "eval", "--answers", str(data / "kgat_predictions__paper_dev.jsonl"), check=0)
    assert "started" not in again.stderr, "the same answers are scored once"


CITED = [
    {"id": 1, "claim": "A is B.", "label": "SUPPORTS", "sources": ["A is B.", "C is D."], "evidence_sets": [[1]]},
    {"id": 2, "claim": "A is E.", "label": "REFUTES", "sources": ["A is B.", "B is no E.", "x"], "evidence_sets": [[1, 2]]},
    {"id": 3, "claim": "F is G.", "label": "NOT ENOUGH INFO", "sources": ["A is B."]},
    {"id": 4, "claim": "A is B.", "label": "SUPPORTS", "evidence": ["A is B."]},
]  # fmt: skip


def test_the_cited_variant_wants_the_label_and_the_evidence(tmp_path):
    folder = project_with(tmp_path / "p", [{"name": "cited", "task": "fever-cited", "gate": "rows.jsonl"}])
    write_jsonl(folder / "rows.jsonl", CITED)
    answers = ["SUPPORTS [1]", "REFUTES [1]", "NOT ENOUGH INFO", "SUPPORTS"]
    write_jsonl(folder / "mine.jsonl", [{"id": i + 1, "completion": a} for i, a in enumerate(answers)][::-1])
    done = run_cli(folder, "eval", "--answers", str(folder / "mine.jsonl"), check=0)
    assert "acc_and_cited" in done.stdout
    found = scores(folder, "cited")
    assert (found["acc"]["score"], found["cited"]["score"], found["acc_and_cited"]["score"]) == (1.0, 0.5, 0.5)
    why = sql(
        folder,
        "select ordinal, detail::json -> 'checks' -> 1 ->> 'reason' as reason from score_items join scores using (score_id) "
        "where metric = 'acc_and_cited,none' order by 1",
    )
    assert [w["reason"] for w in why] == ["correct", "evidence incomplete", "correct", "no citation"]
    (prompt,) = sql(
        folder, "select messages ->> '$[0].content' as p from requests where step = 'eval' and messages like '%A is E%'"
    )
    assert "[2] B is no E." in prompt["p"]


def test_the_quoted_variant_among_distractors_lets_no_one_cite_everything(tmp_path):
    """Sheets of answers: right, everything cited, no quote, a quote of one letter. Distractors come from the other rows."""
    suite = {
        "name": "quoted", "task": "fever-quoted", "gate": "rows.jsonl", "distractors": {"column": "evidence", "by": "claim", "n": 2},
    }  # fmt: skip
    folder = project_with(tmp_path / "p", [suite])
    rows = [
        {"id": i, "claim": f"Claim {name}.", "label": label, "evidence": [f"What is said of {name} is just that."]}
        for i, (name, label) in enumerate(zip("ABCDEF", ["SUPPORTS", "REFUTES", "NOT ENOUGH INFO"] * 2, strict=True))
    ]
    write_jsonl(folder / "rows.jsonl", rows)
    mixed = add_distractors([SourceRow(i, r) for i, r in enumerate(rows)], DistractorConfig(**suite["distractors"]))
    sheets = {"right": [], "everything": [], "bare": [], "letter": []}
    for row, found in zip(rows, mixed, strict=True):
        ((own,),), texts = found.row["evidence_sets"], found.row["evidence"]
        is_open = row["label"] == "NOT ENOUGH INFO"
        cited = {
            "right": [(own, "said of " + texts[own - 1].split()[4] + " is")], "everything": list(enumerate(texts, 1)), "bare": [(own, None)], "letter": [(own, "is")],
        }  # fmt: skip
        for name, pairs in cited.items():
            some = [] if is_open and name != "everything" else pairs
            said = {
                "verdict": row["label"],
                "citations": [{"id": str(i), "quote": q} if q else {"id": str(i)} for i, q in some],
            }
            sheets[name].append({"id": row["id"], "completion": json.dumps(said)})
    wanted = {
        "right": 1.0,
        "everything": 0.0,
        "bare": 1 / 3,
        "letter": 1 / 3,
    }  # where nothing is to be cited these two are right
    for name, sheet in sheets.items():
        write_jsonl(folder / f"{name}.jsonl", sheet)
        run_cli(folder, "eval", "--answers", str(folder / f"{name}.jsonl"), check=0)
        found = sql(
            folder, "select score from scores where metric = 'acc_and_cited,none' order by created_at desc limit 1"
        )
        assert found[0]["score"] == pytest.approx(wanted[name]), name


@pytest.mark.parametrize(
    ("evidence", "texts"),
    [
        ("One.", ["One."]),
        (["One.", "Two."], ["One.", "Two."]),
        ([["Soul_Food_-LRB-film-RRB-", "0", "It is a film ."]], ["Soul Food (film): It is a film ."]),
        ([{"page": "Fox", "text": "It barks."}], ["Fox: It barks."]),
    ],
)
def test_evidence_is_read_in_each_of_its_shapes(evidence, texts):
    row = SourceRow(0, {"claim": "c", "label": "supported", "evidence": evidence})
    found = read_claim(row, "shown", "file:1")
    assert (found["evidence"], found["label"]) == (texts, "SUPPORTS")


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"label": "SUPPORTS", "evidence": "x"}, "a text under claim"),
        ({"claim": "c", "label": "MAYBE", "evidence": "x"}, "'MAYBE'"),
        ({"claim": "c", "label": "SUPPORTS", "evidence": [[[1, 2, "Page", 0]]]}, "ids of sentences without their text"),
    ],
)
def test_a_row_that_is_no_claim_is_refused(row, part):
    with pytest.raises(InputError) as error:
        read_claim(SourceRow(0, row), "shown", "file:1")
    assert part in str(error.value)


def test_answers_that_do_not_fit_are_refused(tmp_path):
    folder = project_with(tmp_path / "p", [{"name": "cited", "task": "fever-cited", "gate": "rows.jsonl"}])
    write_jsonl(folder / "rows.jsonl", CITED)
    write_jsonl(folder / "few.jsonl", [{"id": 1, "completion": "SUPPORTS [1]"}])
    refused(run_cli(folder, "eval", "--answers", str(folder / "few.jsonl")), "none for 3 of 4, the first with id 2")
    write_jsonl(folder / "odd.jsonl", [{"id": 1, "said": "SUPPORTS [1]"}])
    refused(run_cli(folder, "eval", "--answers", str(folder / "odd.jsonl")), "odd.jsonl:1", "predicted_label")


def test_the_error_of_an_f1_leaves_resamples_without_its_label_out():
    pairs = [("A", "A"), *[("B", "B")] * 5]
    assert bootstrap_stderr(pairs, statistic_of("f1[A]")) == 0.0
    assert bootstrap_stderr(pairs, statistic_of("macro_f1")) == 0.0
    mixed = [("A", "A"), ("A", "B"), *[("B", "B")] * 4]
    assert 0.1 < bootstrap_stderr(mixed, statistic_of("f1[A]")) < 0.4
    assert bootstrap_stderr([("B", "B")], statistic_of("f1[A]")) is None
