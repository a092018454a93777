"""Files as people have them: objects of rows, numbers and nesting that no store holds, lists where text is wanted."""

import json

import pytest
from flywheel.errors import InputError
from flywheel.gen import export_rows, import_set, inspect_file, parse_mapping
from support import run_cli, sql, write_jsonl

ROW = '{"instruction": "a", "input": "", "output": "b", "extra": %s}'


def bring_in(store, path, maps=(), **options):
    return import_set(store, inspect_file(path, None, parse_mapping(maps) if maps else None), **options)


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.parametrize(
    ("value", "reason"),
    [("9" * 30, "more than 64 bits"), ("-" + "9" * 30, "more than 64 bits"), ("[" * 300 + "]" * 300, "nested too deep"),
     ("1e400", "too large"), ("-1E+400", "too large"), ("[[1e999]]", "too large"), ("9" * 400 + ".5", "too large")],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_what_no_store_can_hold_is_a_drop_with_its_line(store, tmp_path, value, reason, suffix):
    lines = [ROW % 1, ROW % value, ROW % '"1e400"', ROW % 1e300]
    text = "\n".join(lines) if suffix == ".jsonl" else f"[{', '.join(lines)}]"
    (tmp_path / f"in{suffix}").write_text(text)
    result = bring_in(store, tmp_path / f"in{suffix}")
    assert (result.rows, result.dropped.total()) == (3, 1)
    ((place, why, raw),) = store.query("SELECT input_id, reason, raw FROM drops")
    assert place == f"in{suffix}:2"
    assert reason in why
    assert json.loads(raw) == json.loads(lines[1])
    export_rows(store, "alpaca", tmp_path / "out.jsonl", what="imported")
    assert read_jsonl(tmp_path / "out.jsonl") == [json.loads(lines[i]) for i in (0, 2, 3)]


def test_the_command_lives_through_them(tmp_path):
    (tmp_path / "in.jsonl").write_text("\n".join(ROW % v for v in ("9" * 30, "1", "1e400")))
    said = run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), "--yes", check=0).stderr
    assert "in.jsonl:1" in said
    assert "in.jsonl:3" in said


@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_of_rows_is_its_rows(store, tmp_path, indent):
    rows = {"a": {"instruction": "x", "output": "y"}, "b": {"id": "b", "instruction": "z", "output": "w"}, "c": {"id": 7, "instruction": "v", "output": "u"}}  # fmt: skip
    (tmp_path / "in.json").write_text(json.dumps(rows, indent=indent))
    result = bring_in(store, tmp_path / "in.json")
    assert (result.format, result.rows) == ("alpaca", 3)
    export_rows(store, "alpaca", tmp_path / "out.jsonl", what="imported")
    assert read_jsonl(tmp_path / "out.jsonl") == [{"id": "a", **rows["a"]}, rows["b"], {"key": "c", **rows["c"]}]


def test_an_object_of_values_is_one_row(store, tmp_path):
    (tmp_path / "in.json").write_text('{\n "company": "Mill & Co",\n "total": "9.00"\n}')
    assert bring_in(store, tmp_path / "in.json", ("prompt=company", "completion=total")).rows == 1


@pytest.mark.parametrize(
    ("text", "part"),
    [('{"version": 1, "data": [{"q": 1}]}', "jq -c '.data[]' FILE > rows.jsonl"),
     ('{"x": {"file_name": "a.json"}, "y": {"hf_hub_url": "b"}}', "import the files that it names"),
     ('{"x": {"a": 1}, "x": {"a": 2}}', "the key 'x' stands twice"), ('{"x": ', "not JSON"), ("3", "a JSON int")],
)  # fmt: skip
def test_other_objects_are_refused_with_what_to_do(tmp_path, text, part):
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(InputError) as error:
        inspect_file(tmp_path / "in.json")
    assert part in error.value.render()


def test_a_place_inside_a_list_can_be_named(store, tmp_path):
    rows = [
        {"instruction": "Do", "instances": [{"input": "", "output": "Done"}]},
        {"instruction": "No", "instances": []},
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    with pytest.raises(InputError, match=r"--map answer=instances\.0\.output"):
        bring_in(store, tmp_path / "in.jsonl", ("question=instruction", "answer=instances"))
    result = bring_in(store, tmp_path / "in.jsonl", ("question=instruction", "answer=instances.0.output"))
    assert (result.rows, result.dropped.total()) == (1, 1)
    assert store.query("SELECT question, answer FROM problems") == [("Do", "Done")]
    export_rows(store, "columns", tmp_path / "out.jsonl", what="imported")
    assert read_jsonl(tmp_path / "out.jsonl") == rows[:1]


def test_importing_again_without_the_licence_adds_nothing(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"prompt": "a", "completion": "b"}])
    command = ("import", str(tmp_path / "in.jsonl"), "--yes")
    run_cli(tmp_path, *command, "--licence", "MIT", check=0)
    run_cli(tmp_path, *command, check=0)
    assert sql(tmp_path, "select licence from datasets") == [{"licence": "MIT"}]


def test_columns_of_two_formats_are_not_guessed(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"prompt": "a", "completion": "b", "instruction": "c", "output": "d"}])
    with pytest.raises(InputError) as error:
        inspect_file(tmp_path / "in.jsonl")
    assert "alpaca" in error.value.received
    assert "trl" in error.value.received
