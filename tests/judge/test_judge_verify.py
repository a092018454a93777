"""``flywheel judge verify`` on files as users have them."""

import json

import pytest
from support import refused, write_jsonl
from support_verify import figures, run_here

ROWS = [
    {"id": 1, "completion": "#### 7", "expected": "7", "ok": True},
    {"id": 2, "completion": "#### 8", "expected": "7", "ok": "yes"},
    {"id": 3, "completion": "seven", "expected": "7", "ok": 0},
    {"id": 4, "completion": "#### 7", "expected": None, "ok": True},
    {"id": 5, "completion": None, "expected": "7", "ok": False},
]


def verify(folder, *args, check=0):
    return run_here(folder, "judge", "verify", *map(str, args), check=check)


@pytest.fixture
def file(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    with (tmp_path / "rows.jsonl").open("a") as stream:
        stream.write("not JSON\n")
    return tmp_path / "rows.jsonl"


def test_every_row_is_counted_and_written(tmp_path, file):
    done = verify(tmp_path, file, "--verifier", "math", "--truth", "ok", "--output", tmp_path / "verdicts.jsonl")
    found = figures(done.stdout)
    assert [found[k][0] for k in ("completions", "passed", "failed", "abstained")] == ["6", "1", "2", "3"]
    assert found["accuracy"][0].startswith("0.333333 ± 0.3333")
    assert found["accuracy, abstentions wrong"] == ["0.166667", "passed of all 6"]
    assert found["agreement with ok"] == ["0.666667", "2 of 3; 3 abstained or unrecorded"]
    verdicts = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [v["passed"] for v in verdicts] == [True, False, False, None, None, None]
    assert [v["reason"] for v in verdicts[:5]] == [
        "correct",
        "wrong answer",
        "no answer",
        "no expected",
        "no completion",
    ]
    assert verdicts[5]["reason"].startswith("not JSON")
    assert verdicts[0]["judge"] == "math@4"


def test_each_disagreement_is_shown(tmp_path, file):
    out = verify(tmp_path, file, "--verifier", "math", "--truth", "ok").stdout
    shown = out[out.index("differ from the record") :]
    assert [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")] == ["2"]


def test_a_csv_with_choices_of_its_own_columns(tmp_path):
    (tmp_path / "t.csv").write_text("said,right\nThe answer is B,B\nC,B\n")
    found = figures(
        verify(
            tmp_path, tmp_path / "t.csv", "--verifier", "choice", "--map", "completion=said", "--map", "expected=right"
        ).stdout
    )
    assert (found["passed"][0], found["failed"][0]) == ("1", "1")
    assert found["macro-F1"][0] == "0.333333"


def test_a_table_without_a_header(tmp_path):
    (tmp_path / "t.tsv").write_text(f"{'What is 3 + 4? ' * 5}\t7\tThe answer is 7\nAnd 4 + 4?\t8\tThe answer is 9\n")
    args = [tmp_path / "t.tsv", "--verifier", "math"]
    found = figures(verify(tmp_path, *args, "--map", "completion=3", "--map", "expected=2").stdout)
    assert [found[k][0] for k in ("completions", "passed", "failed")] == ["2", "1", "1"]
    refused(
        verify(tmp_path, *args, check=2), "of a table without a header by its number: --map completion=1", "What is 3 …"
    )


def test_draws_of_a_row_are_one_cluster(tmp_path):
    write_jsonl(
        tmp_path / "d.jsonl", [{"completion": ["7", "8"], "expected": "7"}, {"completion": ["7", "7"], "expected": "7"}]
    )
    found = figures(verify(tmp_path, tmp_path / "d.jsonl", "--verifier", "exact").stdout)
    assert [found[k][0] for k in ("completions", "rows", "rows with any passed", "rows with both")] == [
        "4",
        "2",
        "2",
        "1",
    ]
    assert found["accuracy"][0] == "0.750000 ± 0.2500"
    write_jsonl(tmp_path / "all.jsonl", [{"completion": ["a", "a"], "expected": "a"}] * 10)
    found = figures(verify(tmp_path, tmp_path / "all.jsonl", "--verifier", "exact").stdout)
    assert found["accuracy"][0] == "1.000000 (Wilson 95 %, n = 10 rows: 0.7225 to 1.0000)"


def test_a_missing_draw_is_an_abstention_of_its_own(tmp_path):
    write_jsonl(
        tmp_path / "d.jsonl",
        [{"completion": ["7", None, "8"], "expected": "7"}, {"completion": [None], "expected": "7"}],
    )
    done = verify(tmp_path, tmp_path / "d.jsonl", "--verifier", "exact")
    found = figures(done.stdout)
    assert [found[k][0] for k in ("completions", "passed", "failed", "abstained")] == ["4", "1", "1", "2"]
    assert "no completion" in done.stdout


def test_columns_of_another_file(tmp_path):
    write_jsonl(
        tmp_path / "p.jsonl", [{"id": 2, "completion": "b"}, {"id": 1, "completion": "a"}, {"id": 9, "completion": "x"}]
    )
    write_jsonl(tmp_path / "g.jsonl", [{"id": 1, "expected": "a"}, {"id": 2, "expected": "b"}])
    found = figures(
        verify(tmp_path, tmp_path / "p.jsonl", "--join", tmp_path / "g.jsonl", "--verifier", "exact").stdout
    )
    assert (found["passed"][0], found["abstained"][0]) == ("2", "1")
    write_jsonl(tmp_path / "g.jsonl", [{"id": 1, "expected": "a"}, {"id": 1, "expected": "b"}])
    refused(
        verify(tmp_path, tmp_path / "p.jsonl", "--join", tmp_path / "g.jsonl", "--verifier", "exact", check=2),
        "a second one for 1",
    )


def test_options_from_files_and_words(tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps({"type": "object", "required": ["a"]}))
    write_jsonl(
        tmp_path / "j.jsonl", [{"completion": '{"a": 1}'}, {"completion": "{}"}, {"completion": 'So: {"a": 1}'}]
    )
    args = [tmp_path / "j.jsonl", "--verifier", "json_schema", "--option", f"schema=@{tmp_path / 'schema.json'}"]
    assert figures(verify(tmp_path, *args).stdout)["passed"][0] == "1"
    assert figures(verify(tmp_path, *args, "--option", "prose=true").stdout)["passed"][0] == "2"


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["--verifier", "maths"], ["did you mean 'math'"]),
        (["--verifier", "math", "--map", "completion=complete"], ["'complete'", "did you mean 'completion'"]),
        (["--verifier", "math", "--map", "completion"], ["NAME=VALUE"]),
        (["--verifier", "math", "--option", "marker=boxed"], ["unknown option 'marker'", "did you mean 'markers'"]),
        (["--verifier", "citations"], ["'sources'", "columns completion"]),
        (["--verifier", "math", "--truth", "okay"], ["'okay'", "for truth"]),
        (["--verifier", "json_schema", "--option", "schema=@nowhere.json"], ["nowhere.json"]),
        (["--verifier", "exact", "--rows", "id"], ["no rows under id"]),
    ],
)
def test_mistakes_are_explained(tmp_path, file, args, parts):
    refused(verify(tmp_path, file, *args, check=2), *parts)


def test_other_mistakes_are_explained(tmp_path, file):
    refused(verify(tmp_path, tmp_path / "none.jsonl", "--verifier", "math", check=2), "no such file")
    refused(verify(tmp_path, file, "--verifier", "math", "--output", file, check=2), "a file that is there already")
    refused(run_here(tmp_path, "judge", "verfy", check=2), "did you mean 'verify'")
