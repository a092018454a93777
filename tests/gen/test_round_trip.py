"""A round trip changes no row: small rows of our own in every format, and the real sets."""

import contextlib
import csv
import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flywheel.errors import InputError
from flywheel.files import read_lines
from flywheel.gen import FORMATS, export_rows, import_set, inspect_file, parse_mapping
from format_rows import MAPPED, ROWS, spoil
from support import write_jsonl


def as_json(rows):
    return [json.dumps(r, sort_keys=True) for r in rows]


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def bring_in(store, path, fmt=None, maps=()):
    return import_set(store, inspect_file(path, fmt, parse_mapping(maps) if maps else None))


def there_and_back(store, path, tmp_path, fmt=None, maps=(), suffix=".jsonl"):
    result = bring_in(store, path, fmt, maps)
    exported = export_rows(store, result.format, tmp_path / f"out{suffix}", what="imported")
    assert not exported.left_out
    return result, tmp_path / f"out{suffix}"


def test_every_format_has_rows_here():
    assert ROWS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", list(ROWS))
def test_own_rows_come_back_equal(store, tmp_path, name):
    write_jsonl(tmp_path / "in.jsonl", ROWS[name])
    result, out = there_and_back(store, tmp_path / "in.jsonl", tmp_path, name)
    assert (result.rows, result.dropped.total()) == (len(ROWS[name]), 0)
    assert as_json(read_jsonl(out)) == as_json(ROWS[name])


@pytest.mark.parametrize("name", list(ROWS))
def test_the_format_of_own_rows_is_recognised(tmp_path, name):
    write_jsonl(tmp_path / "in.jsonl", ROWS[name])
    assert inspect_file(tmp_path / "in.jsonl").format_name == name


@pytest.mark.parametrize("name", list(ROWS))
def test_what_a_format_writes_it_writes_again_without_help(name):
    """Parsing what was written gives the same row: the writers do not lean on what the import kept beside a record."""
    fmt = FORMATS[name]
    for row in ROWS[name]:
        once = fmt.write(fmt.parse(row))
        assert as_json([fmt.write(fmt.parse(once))]) == as_json([once])


@pytest.mark.parametrize(("maps", "rows"), MAPPED, ids=lambda v: "+".join(v) if isinstance(v[0], str) else "")
def test_mapped_columns_come_back_equal(store, tmp_path, maps, rows):
    write_jsonl(tmp_path / "in.jsonl", rows)
    result, out = there_and_back(store, tmp_path / "in.jsonl", tmp_path, maps=maps)
    assert result.rows == len(rows)
    assert as_json(read_jsonl(out)) == as_json(rows)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet", ".csv", ".tsv"])
def test_every_container_gives_the_same_rows(store, tmp_path, suffix):
    ending = "line" if suffix == ".tsv" else "l\nne"
    rows = [{"prompt": f'say "{i}"', "completion": f"{i},\u2028 é {ending}"} for i in range(5)]
    write_jsonl(tmp_path / "in.jsonl", rows)
    _, out = there_and_back(store, tmp_path / "in.jsonl", tmp_path, "trl", suffix=suffix)
    assert [line.row for line in read_lines(out)] == rows


@pytest.mark.parametrize("name", list(ROWS))
def test_a_spoilt_row_is_a_drop_or_comes_back_equal(store, tmp_path, name):
    """Junk anywhere in a row: no format breaks on it, and what it takes in it gives back."""
    dice = random.Random(name)
    rows = [ROWS[name][0], *(spoil(dice.choice(ROWS[name]), dice) for _ in range(150))]
    write_jsonl(tmp_path / "in.jsonl", rows)
    bring_in(store, tmp_path / "in.jsonl", name)
    export_rows(store, name, tmp_path / "out.jsonl", what="imported")
    dropped = {int(i.rpartition(":")[2]) for (i,) in store.query("SELECT input_id FROM drops")}
    assert len(dropped) < len(rows)
    wanted = [r for n, r in enumerate(rows, 1) if n not in dropped]
    assert as_json(read_jsonl(tmp_path / "out.jsonl")) == as_json(wanted)
    for other in FORMATS:
        with contextlib.suppress(InputError):  # no row of this kind
            export_rows(store, other, tmp_path / "other.jsonl", what="imported", force=True)


def test_chats_with_tools_survive_parquet(store, tmp_path):
    """Objects of unlike keys share one type in a Parquet column; what is null is left out again when it is read."""
    rows = [r for r in ROWS["openai"] if not isinstance(r["messages"][0]["content"], list)]
    write_jsonl(tmp_path / "in.jsonl", [{k: v for k, v in r.items() if k in ("messages", "tools")} for r in rows])
    _, out = there_and_back(store, tmp_path / "in.jsonl", tmp_path, "openai", suffix=".parquet")
    again = bring_in(store, out)
    export_rows(store, "openai", tmp_path / "again.jsonl", what="imported", where=f"model = '{again.name}'")
    made = [{k: v for k, v in r.items() if v is not None} for r in read_jsonl(tmp_path / "again.jsonl")]
    for row in made:
        row |= {"tools": json.loads(row["tools"])} if "tools" in row else {}
    wanted = [{k: v for k, v in r.items() if k in ("messages", "tools")} for r in rows]
    assert as_json(made) == as_json([_without_null(r) for r in wanted])


def _without_null(value):
    if isinstance(value, dict):
        return {k: _without_null(v) for k, v in value.items() if v is not None}
    return [_without_null(v) for v in value] if isinstance(value, list) else value


def test_tool_calls_survive_the_way_through_another_format(store, tmp_path):
    rows = [r for r in ROWS["sharegpt"] if "tools" in r]
    write_jsonl(tmp_path / "a.jsonl", rows)
    bring_in(store, tmp_path / "a.jsonl")
    export_rows(store, "openai", tmp_path / "b.jsonl", what="imported")
    (chat,) = read_jsonl(tmp_path / "b.jsonl")
    assert chat["messages"][2]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"z": 1, "a": 1}'}
    bring_in(store, tmp_path / "b.jsonl")
    export_rows(store, "sharegpt", tmp_path / "c.jsonl", what="imported", where="model = 'b.jsonl'")
    (row,) = read_jsonl(tmp_path / "c.jsonl")
    said = [(t["from"], t["value"]) for t in row["conversations"]]
    assert said[0] == ("system", "Use tools.")
    assert said[2:] == [(t["from"], t["value"]) for t in rows[0]["conversations"]][1:]
    assert json.loads(row["tools"]) == json.loads(rows[0]["tools"])


def test_a_parquet_file_of_messages_comes_back_equal(store, tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}], "n": i}
        for i in range(3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    _, out = there_and_back(store, tmp_path / "in.parquet", tmp_path, suffix=".parquet")
    assert pq.read_table(out).to_pylist() == rows


REAL = [
    ("alpaca/alpaca_en_demo.json", "alpaca", (), 700),
    ("alpaca/self_instruct_user_oriented_davinci003.jsonl", "columns", ("prompt=prompt", "completion=response"), 150),
    ("alpaca_eval/alpaca-7b_outputs.json", "alpaca", (), 560),
    ("alpaca_eval/text_davinci_003_outputs.json", "alpaca", (), 560),
    ("codealpaca/code_alpaca_2k.json", "alpaca", (), 2017),
    ("llamafactory_demo/dpo_en_demo.json", "sharegpt", (), 150),
    ("llamafactory_demo/glaive_toolcall_en_demo.json", "sharegpt", (), 150),
    ("llamafactory_demo/kto_en_demo.json", "openai", (), 150),
    ("llamafactory_demo/v1_dpo_demo.jsonl", "llamafactory-v1", (), 10),
    ("hh_rlhf/harmless_base_test.jsonl.gz", "hh-rlhf", (), 1200),
    ("gsm8k/test.jsonl", "gsm8k", (), 660),
    ("gsm8k/train.jsonl", "gsm8k", (), 4000),
    ("ms_foundry_ft/Supervised_Fine_Tuning/Text-GSM8K/chat_train.jsonl", "openai", (), 449),
    ("ms_foundry_ft/Supervised_Fine_Tuning/Multimodal-chartqa/training.jsonl", "openai", (), 100),
    ("ms_foundry_ft/Supervised_Fine_Tuning/Tool-Calling/stock_toolcall_training.jsonl", "openai", (), 86),
    ("ms_foundry_ft/Direct_Preference_Optimization/orca_dpo_pairs/validation.jsonl", "openai-dpo", (), 140),
    (
        "ms_foundry_ft/Reinforcement_Fine_Tuning/ClauseMatching/clause_matching_validation.jsonl", "columns",
        ("prompt=messages", "completion=extracted_text"), 8,
    ),
    ("ms_foundry_ft/Reinforcement_Fine_Tuning/ClauseMatching/clause_matching_validation.jsonl", "openai", (), 8),
    ("ms_foundry_ft/Reinforcement_Fine_Tuning/MedMCQ/medmcq_validation.jsonl", "openai", (), 1000),
    ("dailydialog/dailydialog_valid.jsonl", "columns", ("messages=dialogue",), 500),
    ("flan_cot/aqua_train.tsv", "columns", ("prompt=1", "completion=3"), 1000),
    ("flan_cot/gsm8k_train.tsv", "columns", ("question=1", "answer=2", "solution=3"), 2000),
    ("imdb/imdb_sample.csv", "columns", ("prompt=text", "completion=label"), 500),
    ("mts_dialog/MTS-Dialog-TrainingSet.csv", "columns", ("prompt=dialogue", "completion=section_text"), 600),
    ("aci_bench/valid.csv", "columns", ("prompt=dialogue", "completion=note"), 20),
    ("halueval/qa_right_vs_hallucinated.jsonl", "columns", ("prompt=knowledge+question", "chosen=right_answer", "rejected=hallucinated_answer"), 250),
    ("fever/fever_symmetric_dev.jsonl", "columns", ("prompt=evidence+claim", "completion=label"), 708),
    ("fever/feverlite_validation.jsonl", "columns", ("prompt=claim", "completion=label"), 6666),
    ("climate_fever/climate-fever.jsonl", "columns", ("prompt=claim", "completion=claim_label"), 350),
    ("math/math500.jsonl", "columns", ("question=problem", "answer=answer", "solution=solution"), 250),
    ("math/math_qwen_cot_100x8.jsonl", "columns", ("prompt=question", "completion=code", "label=report"), 47),
    ("toolbench/instruction/G1_query.json", "columns", ("prompt=query", "tools=api_list"), 5),
    ("pandalm/testset-v1.json", "columns", ("prompt=instruction+input", "completion=response1"), 617),
    ("gorilla_apibench/torchhub_train.jsonl", "columns", ("prompt=code", "completion=api_call"), None),
    ("alpaca/stanford_seed_tasks.jsonl", "columns", ("question=instruction", "answer=instances.0.output"), None),
    ("bfcl/BFCL_v4_multiple.jsonl", "columns", ("prompt=question.0", "tools=function"), None),
    ("bfcl/BFCL_v4_parallel.jsonl", "columns", ("prompt=question.0.0.content", "tools=function"), None),
    ("mt_bench/mt_bench_question.jsonl", "columns", ("prompt=turns.0",), 80),
    ("mt_bench/mt_bench_reference_answer_gpt-4.jsonl", "columns", ("prompt=question_id", "completion=choices.0.turns.0"), None),
    ("mbpp/mbpp.jsonl", "columns", ("prompt=text", "completion=code"), None),
    ("humaneval/HumanEval.jsonl.gz", "columns", ("prompt=prompt", "completion=canonical_solution"), 82),
    (
        "prometheus/biggen_sample_evals.json", "columns",
        ("system=system_prompt", "prompt=input", "completion=response", "score=score", "model=response_model_name"), 75,
    ),
    ("chartqa/complex_charts__human_complex_questions.json", "columns", ("prompt=query", "completion=label"), None),
    ("chartqa/qa_with_images.jsonl", "columns", ("question=question", "answer=answer"), None),
    ("sroie/key/000.json", "columns", ("prompt=company", "completion=total"), 1),
    ("summarization/cnndm_100_alpaca_prompt.jsonl", "columns", ("prompt=query", "completion=result.text"), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fmt", "maps", "n"), REAL, ids=[r[0] for r in REAL])
def test_real_sets_come_back_equal(shared_data, store, tmp_path, name, fmt, maps, n):
    path = shared_data / name
    result, out = there_and_back(store, path, tmp_path, maps=maps)
    assert result.format == fmt
    lines = list(read_lines(path, header=not name.endswith(".tsv")))
    bad = [line for line in lines if line.row is None]
    assert result.dropped.total() == len(bad)
    assert n is None or (result.rows, len(bad)) == (n, 0)
    assert as_json(read_jsonl(out)) == as_json([line.row for line in lines if line.row is not None])
    (funnel,) = store.query("SELECT entered, kept, dropped FROM funnel WHERE run_id = 'project' AND step = 'import'")
    assert funnel == (len(lines), result.rows, len(bad))


def test_real_tables_are_read_as_their_tools_read_them(shared_data, store, tmp_path):
    """The rows that go round are those that Python's own csv, json and gzip give, not only those of our reader."""
    with (shared_data / "imdb/imdb_sample.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    _, out = there_and_back(
        store, shared_data / "imdb/imdb_sample.csv", tmp_path, maps=("prompt=text", "completion=label")
    )
    assert read_jsonl(out) == rows
    assert [line.row for line in read_lines(shared_data / "codealpaca/code_alpaca_2k.json")] == json.loads(
        (shared_data / "codealpaca/code_alpaca_2k.json").read_text(encoding="utf-8")
    )
    with gzip.open(shared_data / "hh_rlhf/harmless_base_test.jsonl.gz", "rt", encoding="utf-8", newline="\n") as packed:
        assert [line.row for line in read_lines(shared_data / "hh_rlhf/harmless_base_test.jsonl.gz")] == [
            json.loads(line) for line in packed
        ]
