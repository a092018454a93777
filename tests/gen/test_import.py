"""flywheel import: recognised and shown first, every row on record or on record as a drop, nothing twice."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from flywheel.errors import InputError, NotFoundError
from flywheel.files import _json_array, read_lines
from flywheel.gen import export_rows, import_set, inspect_file, parse_mapping
from flywheel.store import Project, Store
from format_rows import ROWS
from support import refused, run_cli, sql, write_jsonl

QA = [{"prompt": f"question {i}", "completion": f"answer {i}"} for i in range(10)]


def bring_in(store, path, fmt=None, maps=(), **options):
    return import_set(store, inspect_file(path, fmt, parse_mapping(maps) if maps else None), **options)


def funnel(store):
    return store.query("SELECT entered, kept, dropped FROM funnel WHERE run_id = 'project' AND step = 'import'")


def drops(store):
    return store.query("SELECT input_id, reason, raw FROM drops ORDER BY rowid")


# --- what becomes of a row -----------------------------------------------------------------------------------------


def test_a_chat_becomes_a_request_and_a_sample(store, tmp_path):
    chat = ROWS["openai"][2]
    write_jsonl(tmp_path / "chats.jsonl", [chat])
    bring_in(store, tmp_path / "chats.jsonl", name="my chats")
    ((messages, model, engine, attempts, step, run_id),) = store.query(
        "SELECT messages, model, engine, attempts, step, run_id FROM requests"
    )
    assert json.loads(messages) == chat["messages"][:1]
    assert (model, engine, attempts, step, run_id) == ("my chats", "import", 0, "import", "project")
    ((completion, fields, source, input_id, parser, prompt),) = store.query(
        "SELECT completion, fields, source, input_id, parser, prompt FROM samples"
    )
    assert json.loads(completion) == [chat["messages"][1]["tool_calls"][0]["function"]]
    kept = json.loads(fields)
    assert kept["message"] == chat["messages"][1]
    assert (kept["tools"], kept["extra"]) == (chat["tools"], {"parallel_tool_calls": False})
    assert (source, input_id, parser, prompt) == ("chats.jsonl:1", "chats.jsonl:1", "import-openai@1", None)


def test_the_last_words_of_the_assistant_are_the_completion(store, tmp_path):
    write_jsonl(tmp_path / "c.jsonl", ROWS["openai"][4:5])
    bring_in(store, tmp_path / "c.jsonl")
    ((messages, completion),) = store.query("SELECT messages, completion FROM samples JOIN requests USING (request_id)")
    assert [m["role"] for m in json.loads(messages)] == ["user", "assistant", "user"]
    assert completion == "Yes."


def test_a_preference_becomes_two_samples_and_a_pair(store, tmp_path):
    write_jsonl(tmp_path / "p.jsonl", ROWS["trl-dpo"])
    bring_in(store, tmp_path / "p.jsonl")
    pairs = store.query("SELECT kind, run_id, chosen, rejected FROM dpo ORDER BY pair_id")
    assert len(pairs) == len(ROWS["trl-dpo"])
    assert {(k, r) for k, r, *_ in pairs} == {("imported", "project")}
    assert all(json.loads(c) != json.loads(r) for *_, c, r in pairs)
    assert funnel(store) == [(6, 6, 0)]


def test_an_implicit_prompt_is_what_both_begin_with(store, tmp_path):
    write_jsonl(tmp_path / "p.jsonl", [{"chosen": "1 + 1 is two", "rejected": "1 + 1 is ten"}, ROWS["hh-rlhf"][1]][:1])
    bring_in(store, tmp_path / "p.jsonl")
    rows = store.query("SELECT messages, completion FROM samples JOIN requests USING (request_id) ORDER BY draw")
    assert [c for _, c in rows] == ["wo", "en"]
    assert json.loads(rows[0][0]) == [{"role": "user", "content": "1 + 1 is t"}]


def test_labels_and_scores_become_recorded_verdicts(store, tmp_path):
    write_jsonl(tmp_path / "kto.jsonl", ROWS["trl-kto"])
    write_jsonl(tmp_path / "uf.jsonl", ROWS["ultrafeedback"])
    bring_in(store, tmp_path / "kto.jsonl")
    bring_in(store, tmp_path / "uf.jsonl", name="uf")
    assert store.query(
        "SELECT judge, passed, score FROM verdicts JOIN samples USING (sample_id) ORDER BY samples.rowid"
    ) == [
        ("recorded@kto.jsonl", True, None), ("recorded@kto.jsonl", False, None), ("recorded@kto.jsonl", False, None),
        ("recorded@uf", None, 9.0), ("recorded@uf", None, 1.0), ("recorded@uf", None, 5.0),
    ]  # fmt: skip
    assert store.query("SELECT count(*) FROM sft") == [(0,)], "a set's own labels are no verdict of ours"


def test_problems_are_stored_once(store, tmp_path):
    write_jsonl(tmp_path / "g.jsonl", ROWS["gsm8k"])
    bring_in(store, tmp_path / "g.jsonl")
    assert store.query("SELECT question, answer, source, source_ordinal FROM problems ORDER BY rowid") == [
        ("1 + 1?", "2", "g.jsonl", 0),
        ("1,000 - 1?", "999", "g.jsonl", 1),
    ]
    assert funnel(store) == [(3, 3, 0)]


def test_where_a_set_comes_from_is_on_record(store, tmp_path):
    write_jsonl(tmp_path / "t.jsonl", [*QA, {"prompt": 3}])
    bring_in(store, tmp_path / "t.jsonl", maps=("prompt=prompt", "completion=completion"), licence="MIT")
    ((name, fmt, mapping, licence, n_rows, n_dropped),) = store.query(
        "SELECT name, format, mapping, licence, n_rows, n_dropped FROM datasets"
    )
    assert (name, fmt, licence, n_rows, n_dropped) == ("t.jsonl", "columns", "MIT", 10, 1)
    assert json.loads(mapping) == {"prompt": "prompt", "completion": "completion"}


# --- nothing twice -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ROWS))
def test_importing_again_adds_nothing(store, tmp_path, name):
    write_jsonl(tmp_path / "in.jsonl", [*ROWS[name], {"nothing": 1}])
    tables = ("requests", "samples", "verdicts", "pairs", "problems", "drops", "plans", "datasets")
    count = lambda: [store.query(f"SELECT count(*) FROM {t}")[0][0] for t in tables]  # noqa: E731
    bring_in(store, tmp_path / "in.jsonl", name)
    once = count()
    again = bring_in(store, tmp_path / "in.jsonl", name)
    assert (again.new, again.rows) == (0, len(ROWS[name]))
    assert count() == once
    assert funnel(store) == [(len(ROWS[name]) + 1, len(ROWS[name]), 1)]


def test_a_changed_line_is_new_and_equal_lines_are_two(store, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [QA[0], QA[0]])
    assert bring_in(store, tmp_path / "in.jsonl").new == 2
    write_jsonl(tmp_path / "in.jsonl", [QA[0], QA[1], QA[2]])
    assert bring_in(store, tmp_path / "in.jsonl").new == 2
    assert funnel(store) == [(4, 4, 0)]


def import_killed(folder, path, at_rows):
    """Start a real import, and kill it once ``at_rows`` rows are in its journal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "import", str(path), "--yes"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    journal = folder / ".flywheel" / "journal"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        written = sum(f.stat().st_size for f in journal.glob("*.jsonl")) if journal.is_dir() else 0
        if written > at_rows * 1000:
            break
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return process.returncode


ROWS_OF = """
    SELECT 'request', request_id, input_id, messages::VARCHAR, completions::VARCHAR FROM requests UNION ALL
    SELECT 'sample', sample_id, input_id, completion, fields::VARCHAR FROM samples UNION ALL
    SELECT 'drop', drop_id, input_id, reason, raw FROM drops UNION ALL
    SELECT 'plan', '', input_id, ordinal::VARCHAR, n::VARCHAR FROM plans ORDER BY ALL
"""


@pytest.mark.slow
def test_a_killed_import_goes_on_to_the_same_rows(tmp_path):
    rows = [{**q, "completion": "x" * 300, "n": i} for i in range(1500) for q in QA]
    write_jsonl(tmp_path / "in.jsonl", rows)
    with (tmp_path / "in.jsonl").open("a") as stream:
        stream.write("torn {\n")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    assert import_killed(killed, tmp_path / "in.jsonl", 500) == -signal.SIGKILL
    assert import_killed(killed, tmp_path / "in.jsonl", 4000) == -signal.SIGKILL
    partly = Store(Project(killed)).open()
    assert 0 < partly.query("SELECT count(*) FROM samples")[0][0] < len(rows)
    partly.close()
    for folder in (killed, whole):
        run_cli(folder, "import", str(tmp_path / "in.jsonl"), "--yes", check=0)
    stores = [Store(Project(f)).open() for f in (killed, whole)]
    assert stores[0].query(ROWS_OF) == stores[1].query(ROWS_OF)
    assert funnel(stores[0]) == [(len(rows) + 1, len(rows), 1)]
    for n, store in enumerate(stores):
        export_rows(store, "trl", tmp_path / f"{n}.jsonl", what="imported")
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()


# --- bad rows ------------------------------------------------------------------------------------------------------


def test_bad_lines_are_drops_with_their_line_reason_and_text(store, tmp_path):
    good = json.dumps(QA[0]).encode()
    bad = [
        b"torn {",
        b"[1, 2]",
        b'{"prompt": "x"}',
        b'{"prompt": "\xff", "completion": "y"}',
        b'{"prompt": NaN}',
        b'{"prompt": 1, "completion": "z"}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([good, *bad, b"", good]))
    result = bring_in(store, tmp_path / "in.jsonl", "trl")
    assert (result.rows, result.dropped.total()) == (2, len(bad))
    found = drops(store)
    assert [i for i, _, _ in found] == [f"in.jsonl:{n}" for n in range(2, 8)]
    reasons = [r for _, r, _ in found]
    for reason, part in zip(
        reasons,
        ["not JSON", "a list", "no completion", "not UTF-8", "NaN", "'prompt' is a number"],
        strict=True,
    ):
        assert part in reason
    assert found[0][2] == "torn {"
    assert json.loads(found[2][2]) == {"prompt": "x"}
    assert funnel(store) == [(8, 2, 6)]
    assert store.query("SELECT DISTINCT run_id, iteration, step FROM drops") == [("project", 0, "import")]


def test_a_file_without_one_good_row_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "bad.jsonl").write_text("torn {\n")
    write_jsonl(tmp_path / "told.jsonl", [{"messages": []}])
    write_jsonl(tmp_path / "said.jsonl", [{"prompt": [{"role": "assistant", "content": "only said"}]}])
    for name, part in (("bad", "row 1: not JSON"), ("told", "columns messages"), ("said", "no completion")):
        done = run_cli(tmp_path, "import", str(tmp_path / f"{name}.jsonl"), "--yes", check=2)
        assert part in done.stderr
        assert "cure:" in done.stderr
    assert not (tmp_path / "flywheel.duckdb").exists()


BROKEN = {
    "balanced": ('{"prompt": "b", "completion": oops {"x": ["]"]}}', "Expecting value"),
    "open string": ('{"prompt": "b, "completion": "c"}', "Expecting"),
    "scalar": ("garbage", "Expecting value"),
    "number": ("17", "not a JSON object"),
    "list": ('["a", {"b": 1}]', "not a JSON object"),
}


@pytest.mark.parametrize("name", list(BROKEN))
@pytest.mark.parametrize("chunk", [1 << 20, 7])
def test_one_broken_element_of_an_array_costs_only_itself(store, tmp_path, monkeypatch, name, chunk):
    monkeypatch.setattr(_json_array, "CHUNK_BYTES", chunk)
    text, reason = BROKEN[name]
    elements = [json.dumps(QA[0]), text, json.dumps(QA[1], indent=1), json.dumps(QA[2])]
    (tmp_path / "in.json").write_text("\ufeff [\n" + ",\n".join(elements) + "\n]\n")
    result = bring_in(store, tmp_path / "in.json", "trl")
    ((place, why, raw),) = drops(store)
    assert (result.rows, place) == (3, "in.json:2")
    assert reason in why
    assert raw.startswith(text[:5])


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 64])
def test_an_array_is_read_the_same_in_pieces_of_any_size(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(_json_array, "CHUNK_BYTES", chunk)
    rows = [
        *ROWS["openai"],
        *ROWS["alpaca"],
        {"t": "\u00e9\U0001f600\u2028", "n": [1.5e10, -3, True, None], "e": '\\"[{'},
    ]
    for indent, ascii_only in ((None, True), (2, False)):
        (tmp_path / "in.json").write_text(json.dumps(rows, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
        assert [line.row for line in read_lines(tmp_path / "in.json")] == rows


def test_a_file_that_breaks_off_keeps_what_came_before(store, tmp_path):
    (tmp_path / "cut.json").write_text(json.dumps(QA)[:-30])
    packed = gzip.compress("".join(json.dumps(q) + "\n" for q in QA * 200).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[:-40])
    assert bring_in(store, tmp_path / "cut.json").rows == 9
    assert 0 < bring_in(store, tmp_path / "cut.jsonl.gz").rows < 2000
    assert [r.split(":")[0] for _, r, _ in drops(store)] == ["not JSON", "the file breaks off"]


def test_ragged_rows_of_a_table_are_drops(store, tmp_path):
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbfprompt;completion\n"a;""b""";"x\ny"\nonly one\n\xff;z\nc;d\n')
    result = bring_in(store, tmp_path / "t.csv")
    assert store.query("SELECT source, completion FROM samples ORDER BY rowid") == [
        ("t.csv:2", "x\ny"),
        ("t.csv:6", "d"),
    ]
    assert [(i, r) for i, r, _ in drops(store)] == [("t.csv:4", "1 cells, expected 2"), ("t.csv:5", "not UTF-8")]
    assert "byte-order mark" in " ".join(result.defects)


def test_a_lone_quote_in_a_tsv_is_text(store, tmp_path):
    (tmp_path / "t.tsv").write_text('a "b\t5" pipe\nc\td\n')
    bring_in(store, tmp_path / "t.tsv", maps=("prompt=1", "completion=2"))
    assert store.query("SELECT completion FROM samples ORDER BY rowid") == [('5" pipe',), ("d",)]


def test_a_line_separator_inside_a_text_ends_no_line(store, tmp_path):
    write = json.dumps({"prompt": "a\u2028b\u0085c", "completion": "d"}, ensure_ascii=False)
    (tmp_path / "in.jsonl").write_text(write + "\n" + write + "\n", encoding="utf-8")
    result = bring_in(store, tmp_path / "in.jsonl")
    assert result.rows == 2
    assert any("2 rows: line separator" in d for d in result.defects)


# --- recognising ---------------------------------------------------------------------------------------------------


def test_rows_that_two_formats_fit_are_refused_with_both_names(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{**ROWS["gsm8k"][0], "prompt": "p", "completion": "c"}])
    with pytest.raises(InputError) as error:
        inspect_file(tmp_path / "in.jsonl")
    assert "trl (100%)" in str(error.value)
    assert "gsm8k (100%)" in str(error.value)
    assert inspect_file(tmp_path / "in.jsonl", "gsm8k").format_name == "gsm8k"


def test_unknown_columns_are_named_with_the_cure(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"frage": "1", "antwort": "2"}])
    with pytest.raises(InputError, match="--map prompt=COLUMN") as error:
        inspect_file(tmp_path / "in.jsonl")
    assert "columns frage, antwort" in str(error.value)


@pytest.mark.parametrize(
    ("maps", "part"),
    [(["promt=a"], "targets: prompt"), (["prompt"], "target=column"), (["system=a"], "prompt, question, completion"), (["prompt=a", "prompt=b"], "twice")],
)  # fmt: skip
def test_a_wrong_map_is_refused(maps, part):
    with pytest.raises(InputError, match=part):
        parse_mapping(maps)


def test_a_project_folder_that_is_missing_is_told_before_the_rows_are_shown(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", QA)
    done = run_cli(tmp_path / "nowhere", "import", str(tmp_path / "in.jsonl"), "--yes")
    refused(done, "project folder", "no such folder")
    assert "question 0" not in done.stderr


@pytest.mark.parametrize(
    ("maps", "part"),
    [
        (["prompt=prompt", "label=completion"], "expected: completion or messages beside it"),
        (["question=prompt", "score=completion"], "--map score=completion"),
        (["prompt=prompt", "answer=completion"], "expected: question beside it"),
        (["prompt=prompt", "chosen=completion", "rejected=completion", "label=prompt"], "--map label=prompt"),
        (["messages=prompt", "completion=completion"], "expected: one of completion and messages"),
        (["prompt=prompt", "question=prompt", "completion=completion"], "--map question=prompt"),
    ],
)
def test_a_target_that_no_row_would_be_made_of_is_refused(tmp_path, maps, part):
    write_jsonl(tmp_path / "in.jsonl", QA)
    flags = [flag for one in maps for flag in ("--map", one)]
    refused(run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), "--yes", *flags), part)
    assert not (tmp_path / "flywheel.duckdb").exists()


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--format", "alpacca"], "did you mean 'alpaca'?"),
        (["--format", "alpaca", "--map", "completion=b"], "both --map and --format"),
        (["--format", "columns"], "no --map"),
        (["--format", "alpaca"], "no column 'instruction'"),
        (["--map", "completion=nope"], "no column 'nope'"),
    ],
)
def test_mistakes_exit_with_2_and_a_cure(tmp_path, args, part):
    write_jsonl(tmp_path / "in.jsonl", QA)
    done = run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), "--yes", *args, check=2)
    for wanted in (part, "expected:", "received:", "cure:"):
        assert wanted in done.stderr
    assert not (tmp_path / "flywheel.duckdb").exists()


def test_files_that_are_no_sets_are_refused(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        inspect_file(tmp_path / "gone.jsonl")
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(InputError, match=r"\.parquet"):
        inspect_file(tmp_path / "a.docx")
    (tmp_path / "a.json").write_text('{\n "one": {"prompt": "x"\n}')
    with pytest.raises(InputError, match="JSON array"):
        inspect_file(tmp_path / "a.json")


# --- asking --------------------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_is_written_unless_yes_is_said(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", QA)
    done = run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), stdin="", check=2)
    assert "in.jsonl: trl" in done.stderr
    assert "prompt user: question 0" in done.stderr
    assert "completion: answer 0" in done.stderr
    assert "--yes" in done.stderr
    assert not (tmp_path / "flywheel.duckdb").exists()
    run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), "--yes", "--licence", "MIT", "--name", "qa", check=0)
    assert sql(tmp_path, "select name, licence, n_rows from datasets") == [
        {"name": "qa", "licence": "MIT", "n_rows": 10}
    ]


@pytest.mark.parametrize(("said", "rows"), [("n\n", 0), ("y\n", 10)])
def test_a_terminal_is_asked(tmp_path, said, rows):
    write_jsonl(tmp_path / "in.jsonl", QA)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(tmp_path), "import", str(tmp_path / "in.jsonl")],
        stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.write(ours, said.encode())
    _, shown = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Import this file? [y/N]" in shown
    assert "Traceback" not in shown
    assert process.returncode == (0 if rows else 1)
    assert (tmp_path / "flywheel.duckdb").exists() == bool(rows)


def test_several_files_are_imported_at_once_and_defects_are_told(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"prompt": f"q{i}", "completion": f"It is {i}!!!"} for i in range(30)])
    write_jsonl(tmp_path / "b.jsonl", ROWS["alpaca"])
    done = run_cli(tmp_path, "import", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--yes", check=0)
    assert "a.jsonl: every completion ends in '!!!'" in done.stderr
    assert "b.jsonl: the columns differ" in done.stderr
    assert sql(tmp_path, "select entered, kept from funnel") == [{"entered": 36, "kept": 36}]


# --- what is odd about a set ---------------------------------------------------------------------------------------


def odd(store, tmp_path, rows, **options):
    write_jsonl(tmp_path / "in.jsonl", rows)
    return " | ".join(bring_in(store, tmp_path / "in.jsonl", **options).defects)


def test_a_clean_set_is_called_clean(store, tmp_path):
    assert odd(store, tmp_path, [{"prompt": f"q{i}", "completion": f"It is {i}."} for i in range(600)]) == ""


def test_a_constant_suffix_is_told(store, tmp_path):
    rows = [{"prompt": f"q{i}", "completion": f"#### {i}{'!!!' if i else ''}"} for i in range(600)]
    assert "ends in '!!!'" in odd(store, tmp_path, rows)


def test_labels_that_repeat_are_no_suffix(store, tmp_path):
    rows = [{"prompt": f"q{i}", "completion": ("not safe", "safe")[i % 2]} for i in range(100)]
    assert "ends in" not in odd(store, tmp_path, rows)


def test_conflicting_labels_are_told(store, tmp_path):
    rows = [
        {"claim": "a", "label": "yes"},
        {"claim": "a", "label": "no"},
        {"claim": "a", "label": "yes"},
        {"claim": "b", "label": "no"},
    ]
    told = odd(store, tmp_path, rows, maps=("prompt=claim", "completion=label"))
    assert "2 rows repeat a prompt, 1 of them with another answer or label" in told
    kto = [{"prompt": "p", "completion": "c", "label": v} for v in (True, False)]
    assert "1 rows repeat a prompt, 1 of them" in odd(store, tmp_path, kto)


def test_empty_completions_and_drift_are_told(store, tmp_path):
    rows = [{"instruction": f"q{i}", "input": "", "output": str(i)} for i in range(5)]
    told = odd(
        store, tmp_path, [*rows, {**rows[0], "output": " ", "response": "x"}, {"instruction": "q", "output": "y"}]
    )
    assert "the columns differ: 1 rows with response; 1 rows without input" in told
    assert "1 rows have an empty completion" in told


def test_the_defects_of_real_sets_are_told(shared_data, store):
    gsm8k = shared_data / "ms_foundry_ft/Supervised_Fine_Tuning/Text-GSM8K/chat_train.jsonl"
    assert "every completion ends in '!!!'" in " ".join(bring_in(store, gsm8k).defects)
    assert "2 rows have an empty completion" in bring_in(store, shared_data / "codealpaca/code_alpaca_2k.json").defects
    fever = bring_in(store, shared_data / "fever/feverlite_validation.jsonl", maps=("prompt=claim", "completion=label"))
    assert "2 of them with another answer or label" in " ".join(fever.defects)
    imdb = bring_in(store, shared_data / "imdb/imdb_sample.csv", maps=("prompt=text", "completion=label"))
    assert "byte-order mark" in " ".join(imdb.defects)


# --- memory --------------------------------------------------------------------------------------------------------

MEASURE = """
import resource, sys
from pathlib import Path
from flywheel.gen import export_rows, import_set, inspect_file
from flywheel.store import Project, Store
folder, file = Path(sys.argv[1]), Path(sys.argv[2])
store = Store(Project(folder)).open()
print(import_set(store, inspect_file(file)).rows, export_rows(store, "trl", folder / "out.jsonl", what="imported").rows,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


@pytest.mark.slow
def test_200_000_rows_pass_through_in_bounded_memory(tmp_path):
    """A file 20 times as long takes at most 250 MB more: DuckDB's row groups and 64 bytes a prompt, not the rows."""

    def measure(name, n):
        folder = tmp_path / name
        folder.mkdir()
        with (tmp_path / f"{name}.jsonl").open("w") as stream:
            stream.writelines(
                f'{{"prompt": "question {i}", "completion": "answer {i} yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}}\n'
                for i in range(n)
            )
        out = subprocess.check_output([sys.executable, "-c", MEASURE, folder, tmp_path / f"{name}.jsonl"], text=True)
        rows, written, rss_mb = map(int, out.split())
        assert (rows, written) == (n, n)
        return rss_mb

    assert measure("long", 200_000) < measure("short", 10_000) + 250
