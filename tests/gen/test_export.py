"""flywheel export: what is selected, how it is written, and what must never be in it."""

import gzip
import http.server
import json
import re
import shlex
import threading
from pathlib import Path

import huggingface_hub
import pyarrow.parquet as pq
import pytest
import yaml
from flywheel.errors import EndpointError, InputError, QueryError
from flywheel.gen import SELECTIONS, export_rows, import_set, inspect_file, push_folder
from flywheel.gen.formats import _export, _load
from flywheel.schema import (
    ChunkRow,
    DocumentChunkRow,
    DocumentRow,
    DropRow,
    PairRow,
    ProblemRow,
    RequestRow,
    SampleRow,
    VerdictRow,
    utc_now,
)
from format_rows import ROWS
from support import run_cli, write_jsonl

PROMPT = [{"role": "user", "content": "1 + 1?"}]
OTHER = [{"role": "user", "content": "Add one and one."}]


def said(text):
    return [{"role": "assistant", "content": text}]


def drawn(i, texts, model="teacher", **sample):
    """A request of a run with a sample for each text."""
    now = utc_now()
    request = RequestRow(
        f"req_{i}", "run_a", 1, "solve", "prb_1", "tpl_1", "openai", model, None, json.dumps(PROMPT), "{}", len(texts),
        json.dumps(texts), 1, 5, 5, 0.1, now, now,
    )  # fmt: skip
    samples = [
        SampleRow(
            f"smp_{i}_{n}", f"req_{i}", n, "run_a", 1, "solve", "prb_1", text, "stop", None, "solve", now, **sample
        )
        for n, text in enumerate(texts)
    ]
    return [request, *samples]


def verdict(sample_id, passed, judge="math@4"):
    return VerdictRow(f"vrd_{sample_id}_{judge}", sample_id, judge, passed, float(bool(passed)), "said so", None)


@pytest.fixture
def filled(store):
    """Two requests of a run, verified: accepted, rejected, abstained; one pair; a problem; an evaluation item removed."""
    store.append([ProblemRow("prb_1", "set/../problems.jsonl[0:9]", 0, "1 + 1?", "2", None)])
    store.append([ProblemRow("prb_2", "hub:own/set/main/train", 1, "2 + 2?", "4", "It doubles.\n#### 4")])
    store.append([*drawn(1, ["It is 2.", "It is 3.", "Hm."]), *drawn(2, ["Two."], prompt=json.dumps(OTHER))])
    store.append(
        [verdict("smp_1_0", True), verdict("smp_1_1", False), verdict("smp_1_2", None), verdict("smp_2_0", True)]
    )
    store.append([verdict("smp_1_0", True, "rubric@1"), verdict("smp_1_1", True, "recorded@set")])
    store.append([PairRow("pair_1", "run_a", 1, "prb_1", "smp_1_0", "smp_1_1", "correct/incorrect")])
    store.append([DropRow("drop_1", "run_a", 1, "sft/snapshot", "contaminated: heldout/gate", "smp_9", None, None, 3)])
    store.fold()
    store.insert(
        "templates",
        [{"template_id": "tpl_1", "name": "solve", "source": None, "text": "{{question}}"}],
        key="template_id",
    )
    return store


def export(store, tmp_path, fmt, name="out.jsonl", **options):
    export_rows(store, fmt, tmp_path / name, **options)
    return [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").split("\n") if line]


# --- what ----------------------------------------------------------------------------------------------------------


def test_accepted_samples_each_once_with_the_prompt_that_a_model_sees(filled, tmp_path):
    assert export(filled, tmp_path, "trl") == [
        {"prompt": PROMPT, "completion": said("It is 2.")},
        {"prompt": OTHER, "completion": said("Two.")},
    ]
    views = filled.query("SELECT prompt, completion FROM sft WHERE sample_id = 'smp_2_0'")
    assert [json.loads(v) for v in views[0]] == [OTHER, said("Two.")]


def test_every_sample(filled, tmp_path):
    texts = [r["messages"][-1]["content"] for r in export(filled, tmp_path, "openai", what="samples")]
    assert texts == ["It is 2.", "It is 3.", "Hm.", "Two."]


def test_pairs(filled, tmp_path):
    (row,) = export(filled, tmp_path, "trl-dpo")
    assert row == {"prompt": PROMPT, "chosen": said("It is 2."), "rejected": said("It is 3.")}
    (row,) = export(filled, tmp_path, "openai-dpo", "b.jsonl")
    assert row == {
        "input": {"messages": PROMPT},
        "preferred_output": said("It is 2."),
        "non_preferred_output": said("It is 3."),
    }
    (row,) = export(filled, tmp_path, "sharegpt", "c.jsonl", what="dpo")
    assert row["chosen"] == {"from": "gpt", "value": "It is 2."}
    (row,) = export(filled, tmp_path, "alpaca", "d.jsonl", what="dpo")
    assert row == {"instruction": "1 + 1?", "input": "", "chosen": "It is 2.", "rejected": "It is 3."}
    (row,) = export(filled, tmp_path, "hh-rlhf", "e.jsonl")
    assert row["chosen"] == "\n\nHuman: 1 + 1?\n\nAssistant: It is 2."


def test_labels_are_ours_before_the_sets_own(filled, tmp_path):
    rows = export(filled, tmp_path, "trl-kto")
    assert [(r["completion"][0]["content"], r["label"]) for r in rows] == [
        ("It is 2.", True),
        ("It is 3.", False),
        ("Two.", True),
    ]


def test_problems_with_their_answers(filled, tmp_path):
    assert export(filled, tmp_path, "gsm8k") == [
        {"question": "1 + 1?", "answer": "#### 2"},
        {"question": "2 + 2?", "answer": "It doubles.\n#### 4"},
    ]
    rows = export(
        filled, tmp_path, "columns", "b.jsonl", what="problems", mapping={"question": "frage", "answer": "antwort"}
    )
    assert rows[0] == {"frage": "1 + 1?", "antwort": "2"}


def test_imported_rows_without_a_verdict_of_ours_are_no_accepted_samples(store, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", ROWS["trl-kto"])
    import_set(store, inspect_file(tmp_path / "in.jsonl"))
    with pytest.raises(InputError, match="--what imported"):
        export(store, tmp_path, "trl")
    assert not (tmp_path / "out.jsonl").exists()
    store.append([verdict(s, True) for (s,) in store.query("SELECT sample_id FROM samples WHERE draw = 0 LIMIT 1")])
    store.fold()
    assert len(export(store, tmp_path, "trl")) == 1


def test_rows_that_a_format_cannot_hold_are_counted_not_lost(store, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", ROWS["openai"])
    write_jsonl(tmp_path / "b.jsonl", ROWS["trl-dpo"])
    for name in ("a", "b"):
        import_set(store, inspect_file(tmp_path / f"{name}.jsonl"))
    result = export_rows(store, "alpaca", tmp_path / "out.jsonl", what="imported")
    n = store.query("SELECT count(*) FROM requests")[0][0]
    assert result.rows + result.left_out.total() == n
    assert any("tools" in r for r in result.left_out)
    assert any("this kind: completion with a yes or no" in r for r in result.left_out)


def test_columns_that_only_their_own_format_carries_are_named(store, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"instruction": "a", "input": "b", "output": "c", "topic": "d"}])
    import_set(store, inspect_file(tmp_path / "a.jsonl"))
    result = export_rows(store, "openai", tmp_path / "out.jsonl", what="imported")
    assert dict(result.extra_columns) == {"topic": 1}
    assert not export_rows(store, "alpaca", tmp_path / "b.jsonl", what="imported").extra_columns


def test_fields_go_out_as_columns_and_rows_without_one_are_counted(store, tmp_path):
    levels = ['{"level": 2, "topic": "rain"}', '{"level": 0}', None]
    for i, fields in enumerate(levels):
        store.append(drawn(i, [f"text {i}"], fields=fields))
    store.fold()
    result = export_rows(store, "trl", tmp_path / "a.jsonl", what="samples", fields=["level"])
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(r["level"], r["completion"][0]["content"]) for r in rows] == [(2, "text 0"), (0, "text 1")]
    assert dict(result.left_out) == {"no field level": 1}
    both = export_rows(store, "alpaca", tmp_path / "b.jsonl", what="samples", fields=["level", "topic"])
    assert both.rows == 1 and dict(both.left_out) == {"no field topic": 1, "no field level": 1}
    with pytest.raises(InputError, match="no field levle"):
        export_rows(store, "trl", tmp_path / "c.jsonl", what="samples", fields=["levle"])


def test_a_field_of_an_imported_row_is_its_further_column(store, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"instruction": "a", "input": "b", "output": "c", "topic": "d"}])
    import_set(store, inspect_file(tmp_path / "a.jsonl"))
    for name in ("openai", "alpaca"):
        export_rows(store, name, tmp_path / f"{name}.jsonl", what="imported", fields=["topic"])
        assert json.loads((tmp_path / f"{name}.jsonl").read_text())["topic"] == "d"


# --- where ---------------------------------------------------------------------------------------------------------


def test_a_condition_narrows(filled, tmp_path):
    rows = export(filled, tmp_path, "trl", what="samples", where="length(completion) < 5 -- short ones")
    assert [r["completion"][0]["content"] for r in rows] == ["Hm.", "Two."]
    with pytest.raises(InputError):
        export(filled, tmp_path, "trl", "b.jsonl", where="model = 'nobody'")
    assert len(export(filled, tmp_path, "gsm8k", "c.jsonl", where="starts_with(source, 'hub:')")) == 1


def test_a_row_of_a_set_is_taken_whole(store, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", ROWS["ultrafeedback"] + ROWS["ultrafeedback"])
    import_set(store, inspect_file(tmp_path / "in.jsonl"))
    (row,) = export(store, tmp_path, "ultrafeedback", what="imported", where="source = 'in.jsonl:3' AND draw = 1")
    assert row == ROWS["ultrafeedback"][0]


@pytest.mark.parametrize(
    "where",
    ["nope = 1", "length(", "(SELECT content FROM read_text('/etc/hostname')) IS NOT NULL", "error('boom') = 1", "1=1); DROP TABLE runs; --"],
)  # fmt: skip
def test_a_condition_that_cannot_be_run_is_refused_and_leaves_nothing(filled, tmp_path, where):
    with pytest.raises(QueryError, match="--where"):
        export(filled, tmp_path, "trl", where=where)
    assert [p.name for p in tmp_path.iterdir()] == ["project"]
    assert filled.query("SELECT count(*) FROM runs") == [(0,)]


# --- how -----------------------------------------------------------------------------------------------------------


def test_what_is_there_is_replaced_only_by_force_and_only_when_whole(filled, tmp_path):
    (tmp_path / "out.jsonl").write_text("mine")
    with pytest.raises(InputError, match="--force"):
        export(filled, tmp_path, "trl")
    with pytest.raises(InputError):
        export(filled, tmp_path, "trl", where="model = 'nobody'", force=True)
    assert (tmp_path / "out.jsonl").read_text() == "mine"
    assert len(export(filled, tmp_path, "trl", force=True)) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jsonl", "project"]


def test_equal_rows_make_equal_bytes(filled, tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        export_rows(filled, "trl", tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert len(gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).splitlines()) == 2


def test_parquet_holds_trls_columns(filled, tmp_path):
    export_rows(filled, "parquet", tmp_path / "out.parquet", what="dpo")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [
        {"prompt": PROMPT, "chosen": said("It is 2."), "rejected": said("It is 3.")}
    ]


@pytest.mark.parametrize(
    ("fmt", "name", "options", "part"),
    [
        ("alpacca", "o.jsonl", {}, "did you mean 'alpaca'"),
        ("trl", "o.txt", {}, ".jsonl"),
        ("trl", "gone/o.jsonl", {}, "no such folder"),
        ("trl", "o.jsonl", {"mapping": {"completion": "x"}}, "--map with --format trl"),
        ("columns", "o.jsonl", {}, "wants --map"),
    ],
)
def test_mistakes_are_explained(filled, tmp_path, fmt, name, options, part):
    with pytest.raises(InputError, match=re.escape(part)):
        export_rows(filled, fmt, tmp_path / name, **options)


def test_the_command(filled, tmp_path):
    filled.close()
    root = filled.project.root
    done = run_cli(root, "export", "--format", "trl", "--output", str(tmp_path / "o.jsonl"), check=0)
    assert "2 rows as trl" in done.stderr
    again = run_cli(root, "export", "--format", "trl", "--output", str(tmp_path / "o.jsonl"), check=2)
    for part in ("o.jsonl", "expected:", "received:", "--force"):
        assert part in again.stderr
    assert (
        run_cli(tmp_path, "export", "--format", "trl", "--output", "x.jsonl", check=2).stderr.count("no such file") == 1
    )
    run_cli(root, "export", "--format", "trl", "--output", "x.jsonl", "--push", "a/b", check=2)
    help_text = run_cli(root, "export", "--help", check=0).stdout
    assert all(f"{what}:" in " ".join(help_text.split()) for what in SELECTIONS)


def test_export_goes_on_while_a_run_is_on(filled, tmp_path):
    with filled.run_lock("flywheel run"):
        done = run_cli(filled.project.root, "export", "--format", "trl", "--output", str(tmp_path / "o.jsonl"), check=0)
    assert "a run is on" in done.stderr


@pytest.mark.parametrize("what", ["samples", "kto", "dpo", "imported", "problems"])
def test_pages_of_any_size_give_the_same_rows(filled, tmp_path, monkeypatch, what):
    for name in ("trl-dpo", "trl-kto", "ultrafeedback", "gsm8k"):
        write_jsonl(tmp_path / f"{name}.jsonl", ROWS[name])
        import_set(filled, inspect_file(tmp_path / f"{name}.jsonl"))
    found = []
    for size in (10_000, 1, 3):
        monkeypatch.setattr(_load, "PAGE_UNITS", size)
        with _load.load_records(filled, what) as selected:
            found.append(list(selected.records))
    assert len(found[0]) > 1
    assert found[0] == found[1] == found[2]


# --- what is set aside ---------------------------------------------------------------------------------------------


@pytest.fixture
def made(store):
    """Two documents' chunks with a sample each, one of them no more in use; a revised sample with its worse one."""
    now = utc_now()
    for version, chunks in ((1, "ab"), (2, "b")):
        document = DocumentRow(f"doc_{version}", "a.md", version, "md", "A", None, str(version), 1, 1, "{}")
        places = [DocumentChunkRow(f"doc_{version}", 0, f"chk_{c}", 0, 1, None, None, None, None) for c in chunks]
        store.append([document, *places])
    store.append([ChunkRow(f"chk_{c}", "a.md", f"Text {c}.", "", 3) for c in "ab"])
    store.append([drawn(1, [])[0]])
    for name, source, step in (("a", "chk_a", "questions"), ("b", "chk_b", "questions"), ("a2", "smp_a", "revised"),
                               ("b2", "smp_b", "revised"), ("b3", "smp_b", "revised")):  # fmt: skip
        sample = SampleRow(
            f"smp_{name}", "req_1", 0, "run_a", 1, step, None, f"Said {name}.", "stop", None, "openai", now, source,
            parser="g@1",
        )  # fmt: skip
        store.append([sample])
    store.append([PairRow("pair_1", "run_a", 1, None, "smp_b2", "smp_b3", "revised/original")])
    store.fold()
    return store


def completions(rows):
    return [r["completion"][0]["content"] for r in rows]


def test_worse_and_outdated_samples_go_out_only_when_asked_for(made, tmp_path):
    rows = export(made, tmp_path, "trl", what="samples")
    assert completions(rows) == ["Said b.", "Said b2."]
    rows = export(made, tmp_path, "trl", "b.jsonl", what="samples", include=["worse"], where="step = 'revised'")
    assert completions(rows) == ["Said b2.", "Said b3."]
    rows = export(made, tmp_path, "trl", "c.jsonl", what="samples", include=["outdated"])
    assert completions(rows) == ["Said a.", "Said b.", "Said a2.", "Said b2."]
    result = export_rows(made, "trl", tmp_path / "d.jsonl", what="samples")
    assert result.aside == {"worse": 1, "outdated": 2}
    assert len(export(made, tmp_path, "trl-dpo", "e.jsonl")) == 1


def test_the_command_says_what_it_set_aside(made, tmp_path):
    made.close()
    flags = ("export", "--format", "trl", "--what", "samples", "--output", str(tmp_path / "o.jsonl"))
    said = run_cli(made.project.root, *flags, check=0).stderr
    assert "1 row set aside: the worse one of a pair; --include worse lets them out" in said
    assert "2 rows set aside: of a document or set whose version in use has" in said


def test_a_verdict_does_not_make_the_worse_one_a_row_to_learn(made, tmp_path):
    made.append([verdict("smp_b2", True), verdict("smp_b3", True), verdict("smp_a", True)])
    made.fold()
    assert completions(export(made, tmp_path, "trl")) == ["Said b2."]


def test_rejected_ones_of_imported_pairs_are_no_samples_to_learn(store, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"prompt": "p", "chosen": "good", "rejected": "bad"}])
    import_set(store, inspect_file(tmp_path / "in.jsonl"))
    assert [r["completion"] for r in export(store, tmp_path, "trl", what="samples")] == ["good"]
    assert export(store, tmp_path, "trl-dpo", "b.jsonl", what="imported")[0]["rejected"] == "bad"


# --- what is said --------------------------------------------------------------------------------------------------


def why_nothing(store, tmp_path, fmt="trl", **options):
    with pytest.raises(InputError) as error:
        export_rows(store, fmt, tmp_path / "none.jsonl", **options)
    return error.value


def test_nothing_accepted_names_the_command_that_gives_rows(made, tmp_path):
    error = why_nothing(made, tmp_path, where="step = 'revised'")
    assert error.place == "export --what sft --where 'step = '\"'\"'revised'\"'\"''"
    assert "1 sample is there, without a verdict" in error.cure
    command = shlex.split(error.cure.partition(": ")[2])
    assert command[:6] == ["flywheel", "export", "--format", "trl", "--what", "samples"]
    made.close()
    run_cli(made.project.root, *command[1:], check=0)
    assert len((tmp_path / "none.jsonl").read_text().splitlines()) == 1


def test_nothing_left_by_the_condition_says_how_many_there_are_without_it(made, tmp_path):
    error = why_nothing(made, tmp_path, what="samples", where="step = 'revisedd'")
    assert "without --where there are 2" in error.cure


def follow(store, cure):
    """Give the command that a cure names; return how many rows it writes."""
    words = shlex.split(cure[cure.index("flywheel export") :])[2:]
    flags = [(words[i], words[i + 1]) for i in range(0, len(words), 2)]
    one = dict(flags)
    return export_rows(
        store, one["--format"], Path(one["--output"]), what=one["--what"], where=one.get("--where"),
        include=[v for k, v in flags if k == "--include"],
        mapping=dict(v.split("=") for k, v in flags if k == "--map") or None,
    ).rows  # fmt: skip


@pytest.mark.parametrize(
    ("fmt", "options", "format_said"),
    [
        ("trl", {}, "trl-dpo"), ("alpaca", {}, "alpaca"), ("gsm8k", {}, "trl-dpo"), ("trl-kto", {}, "trl-dpo"),
        ("columns", {"mapping": {"chosen": "good"}}, "columns"), ("columns", {}, "trl-dpo"),
        ("trl-dpo", {"where": "completion = 'bad'"}, "trl-dpo"), ("gsm8k", {"what": "problems"}, "trl-dpo"),
    ],
)  # fmt: skip
def test_where_there_are_only_pairs_the_command_that_is_named_writes_them(
    store, tmp_path, monkeypatch, fmt, options, format_said
):
    write_jsonl(tmp_path / "in.jsonl", [{"prompt": f"p{i}", "chosen": "good", "rejected": "bad"} for i in range(2)])
    import_set(store, inspect_file(tmp_path / "in.jsonl"))
    cure = why_nothing(store, tmp_path, fmt, **options).cure
    assert cure.startswith(f"2 imported rows are there: flywheel export --format {format_said} --what imported")
    assert follow(store, cure) == 2


def test_where_all_is_set_aside_the_command_that_is_named_lets_it_out(made, tmp_path):
    made.append([DocumentRow("doc_3", "a.md", 3, "md", "A", None, "3", 0, 0, "{}")])
    made.fold()
    error = why_nothing(made, tmp_path)
    assert "--include outdated" in error.cure
    assert follow(made, error.cure) > 0


def test_in_a_store_without_rows_the_cure_is_to_bring_some_in(store, tmp_path):
    assert "flywheel import" in why_nothing(store, tmp_path).cure


def test_rows_without_a_place_are_offered_the_format_of_their_kind(store, tmp_path):
    for name in ("trl-dpo", "trl-kto", "gsm8k", "ultrafeedback", "trl"):
        write_jsonl(tmp_path / f"{name}.jsonl", ROWS[name])
        import_set(store, inspect_file(tmp_path / f"{name}.jsonl"))
    result = export_rows(store, "trl", tmp_path / "o.jsonl", what="imported")
    offered = {room[0] for room in result.roomier.values()}
    assert {"trl-dpo", "trl-kto", "gsm8k", "ultrafeedback"} <= offered


def test_only_set_aside_rows_name_the_flag(made, tmp_path):
    error = why_nothing(made, tmp_path, what="samples", where="sample_id = 'smp_b3'")
    assert "--include worse" in error.cure


def test_a_format_without_a_place_names_one_that_has(store, tmp_path):
    rows = [{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"},
             {"from": "gpt", "value": "d"}], "tools": '[{"name": "f"}]'}]  # fmt: skip
    write_jsonl(tmp_path / "in.jsonl", rows)
    import_set(store, inspect_file(tmp_path / "in.jsonl"))
    assert "--format sharegpt has a place" in why_nothing(store, tmp_path, "alpaca", what="imported").cure
    assert "--map prompt=" in why_nothing(store, tmp_path, "columns", what="imported").cure


def test_equal_rows_are_counted_and_written_once_on_demand(filled, tmp_path):
    filled.append(drawn(3, ["It is 2.", "It is 2."]))
    filled.fold()
    assert export_rows(filled, "trl", tmp_path / "a.jsonl", what="samples").duplicates == 2
    result = export_rows(filled, "trl", tmp_path / "b.jsonl", what="samples", distinct=True)
    assert (result.rows, result.duplicates) == (4, 2)


def test_a_condition_that_is_no_sql_shows_nothing_of_the_query_around_it(filled, tmp_path):
    for where, part in (("x and (", "syntax error"), ("nope = 1", "nope")):
        with pytest.raises(QueryError) as error:
            export(filled, tmp_path, "trl", where=where)
        assert error.value.place == f"--where {where}"
        assert part in error.value.received
        assert "SELECT" not in error.value.received


def test_formats_that_are_not_written_are_told_from_those_that_are(filled, tmp_path):
    for name, part in (("gsm8k-solutions", "only read"), ("hff", "did you mean 'hf'")):
        with pytest.raises(InputError, match=part) as error:
            export_rows(filled, name, tmp_path / "o.jsonl")
        assert "parquet, hf" in error.value.expected
    with pytest.raises(InputError, match=r"o\.parquet"):
        export_rows(filled, "parquet", tmp_path / "o.jsonl")


# --- secrets -------------------------------------------------------------------------------------------------------


def test_a_row_that_holds_a_secret_of_the_environment_is_left_out(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-that-nobody-sees")
    monkeypatch.setenv("MY_TOKENIZER", "It is 2.")
    filled.append([*drawn(3, ["The key is key-that-nobody-sees."]), verdict("smp_3_0", True)])
    filled.fold()
    result = export_rows(filled, "hf", tmp_path / "hf")
    assert result.rows == 2
    assert dict(result.left_out) == {"holds the value of the environment's OPENAI_API_KEY": 1}
    for path in (tmp_path / "hf").rglob("*"):
        assert path.is_dir() or b"key-that-nobody-sees" not in path.read_bytes()


# --- the hub's folder ----------------------------------------------------------------------------------------------


def front_of(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_folder_has_shards_and_a_card(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(_export, "SHARD_ROWS", 3)
    result = export_rows(filled, "hf", tmp_path / "hf", what="samples")
    assert result.rows == 4
    files = sorted(p.relative_to(tmp_path / "hf").as_posix() for p in (tmp_path / "hf").rglob("*") if p.is_file())
    assert files == ["README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
    card = (tmp_path / "hf" / "README.md").read_text()
    assert front_of(card)["license"] == "other"
    assert front_of(card)["size_categories"] == ["n<1K"]
    for part in (
        "# A data set of 4 rows", "| problems.jsonl[0:9] | problem set | not given | 4 |", "| solve | teacher | openai | 4 |",
        "| solve | solve | tpl_1 | 4 |", "| rubric@1 | 1 | 0 | 0 | 1.0000 |",
        "Not done: none of the rows was compared with evaluation items.",
    ):  # fmt: skip
        assert part in card, card
    assert str(tmp_path) not in card


def test_a_card_names_the_licences_of_its_sets_only(store, tmp_path):
    for name, licence in (("a", "MIT"), ("b", "cc-by-4.0"), ("c", None)):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"prompt": f"q{name}", "completion": "a"}])
        import_set(store, inspect_file(tmp_path / f"{name}.jsonl"), licence=licence)
    licences = {}
    for names in ("a", "ab", "c"):
        where = " OR ".join(f"model = '{n}.jsonl'" for n in names)
        export_rows(store, "hf", tmp_path / f"hf-{names}", what="imported", where=where)
        card = (tmp_path / f"hf-{names}" / "README.md").read_text()
        licences[names] = front_of(card)["license"]
        assert all((f"| {n}.jsonl |" in card) == (n in names) for n in "abc")
    assert licences == {"a": "mit", "ab": "other", "c": "other"}


def test_the_hubs_library_loads_the_folder(filled, tmp_path):
    import datasets

    export_rows(filled, "hf", tmp_path / "hf")
    loaded = datasets.load_dataset(str(tmp_path / "hf"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list()[1] == {"prompt": OTHER, "completion": said("Two.")}


def test_rows_of_two_kinds_make_no_table(store, tmp_path):
    for name in ("trl", "trl-dpo"):
        write_jsonl(tmp_path / f"{name}.jsonl", ROWS[name])
        import_set(store, inspect_file(tmp_path / f"{name}.jsonl"))
    with pytest.raises(InputError, match="one kind") as error:
        export_rows(store, "hf", tmp_path / "hf", what="imported")
    assert "format = 'trl-dpo'" in error.value.cure
    assert not (tmp_path / "hf").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def card_of(store, folder, **options):
    export_rows(store, "hf", folder, **options)
    return (folder / "README.md").read_text()


def test_a_card_says_which_rows_were_compared_with_evaluation_items(filled, tmp_path):
    run = {"run_id": "run_a", "name": "x", "seed": 0, "model": "m", "base_checkpoint_id": "c", "versions": "{}"}
    recipe = json.dumps({"suites": [{"name": "heldout"}, {"name": "gsm8k"}]})
    filled.insert_all("runs", [{**run, "recipe": recipe, "started_at": utc_now()}])
    filled.insert_all("snapshots", [{"snapshot_id": "snap_1", "run_id": "run_a", "iteration": 1, "stage": "sft", "n_rows": 1,
                                     "format": "trl", "path": "x", "created_at": utc_now()}])  # fmt: skip
    filled.insert_all(
        "snapshot_rows", [{"snapshot_id": "snap_1", "ordinal": 0, "sample_id": "smp_2_0", "pair_id": None}]
    )
    filled.append([DropRow("drop_2", "run_a", 1, "sft/snapshot", "contaminated: heldout/gate", "smp_1_0", None, None)])
    filled.fold()
    card = card_of(filled, tmp_path / "a", what="samples")
    assert "Rows compared with the evaluation items of this project's suites (gsm8k, heldout): 1." in card
    assert "Rows not compared, since no training set of this project holds them: 2." in card
    assert "Left out, since they hold an evaluation item: 1." in card
    card = card_of(filled, tmp_path / "b", what="samples", include=["contaminated"])
    assert "**Rows that hold an evaluation item: 1.**" in card and "holds them: 2" in card
    assert "Not done" in card_of(filled, tmp_path / "c", what="samples", where="sample_id = 'smp_1_2'")
    pairs = why_nothing(filled, tmp_path, "trl-dpo")
    assert "1 set aside: on record as holding an evaluation item" in pairs.received
    assert "--include contaminated" in pairs.cure
    assert "Rows that hold an evaluation item: 1." in card_of(
        filled, tmp_path / "d", what="dpo", include=["contaminated"]
    )


def test_a_card_walks_back_to_every_source_model_and_template(made, tmp_path):
    """A revised answer has the models and templates of all steps, and of what a generator asked on its way to it."""
    made.append([DocumentRow("doc_9", "own/b.md", 1, "md", "B", "CC0-1.0", "9", 1, 1, "{}"),
                 DocumentChunkRow("doc_9", 0, "chk_9", 0, 1, None, None, None, None), ChunkRow("chk_9", "own/b.md", "T.", "", 3)])  # fmt: skip
    write_jsonl(tmp_path / "set.jsonl", [{"prompt": "p", "completion": "c"}, {"prompt": "only"}])
    import_set(made, inspect_file(tmp_path / "set.jsonl"), licence="MIT")
    made.fold()
    ((imported,),) = made.query("SELECT sample_id FROM samples WHERE step = 'import'")
    names = ["asker", "critic", "reviser"]
    made.insert_all("templates", [{"template_id": f"tpl_{n}", "name": n, "source": None, "text": ""} for n in names])
    for i, (step, model, template, source) in enumerate([
        ("questions", "small", "asker", "chk_9"), ("revised", "large", "critic", "smp_n0"), ("revised", "large", "reviser", "smp_n0"),
        ("answers", "large", "reviser", imported), ("other", "unused", "asker", "chk_b"),
    ]):  # fmt: skip
        request = RequestRow(
            f"req_n{i}", "run_b", 1, step, source, f"tpl_{template}", "openai", model, None, json.dumps(PROMPT), "{}", 1,
            '["x"]', 1, 1, 1, 0.1, utc_now(), utc_now(), None, None,
        )  # fmt: skip
        sample = SampleRow(f"smp_n{i}", f"req_n{i}", 0, "run_b", 1, step, None, f"Text {i}.", "stop", None, "openai", utc_now(),
                           source, parser="g@1")  # fmt: skip
        made.append([request] if template == "critic" else [request, sample])
    made.fold()
    card = card_of(made, tmp_path / "hf", what="samples", where="sample_id IN ('smp_n2', 'smp_n3')")
    for line in (
        "| set.jsonl | imported set | MIT | 1 |", "| b.md | document | CC0-1.0 | 1 |", "| questions | small | openai | 1 |",
        "| revised | large | openai | 1 |", "| answers | large | openai | 1 |", "| questions | asker | tpl_asker | 1 |",
        "| revised | critic | tpl_critic | 1 |", "| revised | reviser | tpl_reviser | 1 |", "| ingest, all of the project |", "| import, all of the project |",
    ):  # fmt: skip
        assert line in card, card
    assert "unused" not in card and "a.md" not in card


def test_a_card_groups_many_documents_by_their_licence(store, tmp_path):
    for i in range(40):
        store.append([
            DocumentRow(f"doc_{i}", f"d{i}.md", 1, "md", "A", "CC0-1.0" if i % 4 else None, str(i), 1, 1, "{}"),
            ChunkRow(f"chk_{i}", f"d{i}.md", "T.", "", 3), DocumentChunkRow(f"doc_{i}", 0, f"chk_{i}", 0, 1, None, None, None, None),
            drawn(i, [])[0], SampleRow(f"smp_{i}", f"req_{i}", 0, "run_b", 1, "q", None, "x", "stop", None, "openai", utc_now(),
                                       f"chk_{i}", parser="g@1"),
        ])  # fmt: skip
    store.fold()
    card = card_of(store, tmp_path / "hf", what="samples")
    assert (
        "| 30 documents | documents | CC0-1.0 | 30 |" in card
        and "| 10 documents | documents | not given | 10 |" in card
    )


def test_a_card_tells_the_way_of_its_rows_only(made, tmp_path):
    steps = [{"step": "questions", "generator": "g"}, {"step": "revised", "generator": "g", "source": "questions"},
             {"step": "other", "generator": "g"}]  # fmt: skip
    run = {"run_id": "run_a", "name": "x", "seed": 0, "model": "m", "base_checkpoint_id": "c", "versions": "{}"}
    made.insert_all("runs", [{**run, "recipe": json.dumps({"generate": steps}), "started_at": utc_now()}])
    made.append([DropRow("drop_o", "run_a", 1, "other", "empty", "chk_b", None, None)])
    made.fold()
    export_rows(made, "hf", tmp_path / "a", what="samples", where="step = 'questions'")
    export_rows(made, "hf", tmp_path / "b", what="samples", where="step = 'revised'")
    first, second = ((tmp_path / name / "README.md").read_text() for name in "ab")
    assert "| questions | " in first
    assert "| questions | " in second
    assert "| revised | " in second
    assert "| revised | " not in first
    assert "| other | " not in first + second
    assert "| ingest, all of the project | " in first
    assert "| a.md | document | not given | 1 |" in first


# --- pushing -------------------------------------------------------------------------------------------------------


class FakeHub:
    calls: list = []  # noqa: RUF012 - the test's own record

    def __init__(self, token):
        self.token = token

    def create_repo(self, repo_id, **options):
        self.calls.append(("create_repo", self.token, repo_id, options))
        return f"https://hub.example/datasets/{repo_id}"

    def upload_folder(self, **options):
        self.calls.append(("upload_folder", self.token, options["repo_id"], options))


def test_a_folder_is_pushed_private_and_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_token")
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeHub)
    FakeHub.calls.clear()
    assert push_folder(tmp_path, "me/data") == "https://hub.example/datasets/me/data"
    (made, uploaded) = FakeHub.calls
    assert made == (
        "create_repo",
        "hf_secret_token",
        "me/data",
        {"repo_type": "dataset", "private": True, "exist_ok": True},
    )
    assert uploaded[3]["folder_path"] == str(tmp_path)
    assert uploaded[3]["repo_type"] == "dataset"


def test_a_hub_that_refuses_is_explained_without_the_token(tmp_path, monkeypatch):
    class Refusing(FakeHub):
        def create_repo(self, repo_id, **options):
            raise OSError(f"bad credentials {self.token}\nfor you")

    monkeypatch.setenv("HF_TOKEN", "hf_secret_token")
    monkeypatch.setattr(huggingface_hub, "HfApi", Refusing)
    with pytest.raises(EndpointError) as error:
        push_folder(tmp_path, "me/data")
    assert "bad credentials [token] for you" in str(error.value)
    assert "hf_secret_token" not in str(error.value)


@pytest.mark.parametrize("name", ["data", "a/b/c", "a/b c"])
def test_a_wrong_name_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="owner/name"):
        push_folder(tmp_path, name)


class Refusal(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b'{"error": "Invalid username or password."}')

    def log_message(self, *args):
        pass


def test_the_command_meets_a_real_refusal(filled, tmp_path):
    """The hub's own client against a socket that answers 401: the folder stays, the token is not shown."""
    filled.close()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_secret_token",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    try:
        done = run_cli(
            filled.project.root,
            "export",
            "--format",
            "hf",
            "--output",
            str(tmp_path / "hf"),
            "--push",
            "me/data",
            env=env,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 1
    for part in ("--push me/data", "(401)", "HF_TOKEN", "is written and stays"):
        assert part in done.stderr
    assert "hf_secret_token" not in done.stdout + done.stderr
    assert (tmp_path / "hf" / "README.md").is_file()


def test_without_a_token_nothing_is_written(filled, tmp_path):
    filled.close()
    env = {"HF_TOKEN": "", "HF_HOME": str(tmp_path / "home"), "HUGGING_FACE_HUB_TOKEN": ""}
    done = run_cli(
        filled.project.root,
        "export",
        "--format",
        "hf",
        "--output",
        str(tmp_path / "hf"),
        "--push",
        "me/data",
        env=env,
        check=2,
    )
    assert "export HF_TOKEN=" in done.stderr
    assert not (tmp_path / "hf").exists()
