"""What people's tables and files are like: open quotes, twice the same column, other delimiters and encodings."""

import json

import pytest
from flywheel.errors import InputError, NotFoundError
from flywheel.files import read_lines
from flywheel.gen import import_set, inspect_file
from support import write_jsonl


def read(path):
    return [line.row or (line.number, line.fault, line.raw) for line in read_lines(path)]


def test_a_quote_that_is_not_closed_costs_its_own_line(tmp_path):
    (tmp_path / "a.csv").write_text('question,answer\nq1,"unterminated\nq2,a2\nq3,a3\n')
    fault = (2, "a quote that is not closed", 'q1,"unterminated')
    rows = [{"question": "q2", "answer": "a2"}, {"question": "q3", "answer": "a3"}]
    assert read(tmp_path / "a.csv") == [fault, *rows]
    (tmp_path / "b.csv").write_text('question,answer\nq1,"unterminated\nq2,a2\nq3,"a\n3"\nq4,a4\n')
    assert read(tmp_path / "b.csv") == [
        fault, rows[0], {"question": "q3", "answer": "a\n3"}, {"question": "q4", "answer": "a4"},
    ]  # fmt: skip


def test_a_dropped_quote_is_on_record_and_the_lines_keep_their_numbers(store, tmp_path):
    (tmp_path / "a.csv").write_text('question,answer\nq1,"open\nq2,a2\n"q\n3",a3\nq4,a4\n')
    import_set(store, inspect_file(tmp_path / "a.csv", None, {"question": "question", "answer": "answer"}))
    assert store.query("SELECT input_id, raw FROM drops") == [("a.csv:2", 'q1,"open')]
    assert store.query("SELECT input_id FROM samples ORDER BY 1") == [("a.csv:3",), ("a.csv:4",), ("a.csv:6",)]


def test_columns_of_the_same_name_are_refused_and_none_loses_its_values(tmp_path):
    (tmp_path / "a.csv").write_text("a,a,b\n1,2,3\n")
    with pytest.raises(InputError, match="2 columns 'a'"):
        inspect_file(tmp_path / "a.csv", None, {"prompt": "a", "completion": "b"})
    (tmp_path / "b.csv").write_text("a,b,,\n1,2,3,4\n")
    assert read(tmp_path / "b.csv") == [{"a": "1", "b": "2", "": "3", "4": "4"}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_key_that_stands_twice_in_an_object_is_a_fault(tmp_path, name):
    rows = '{"prompt": "a", "completion": "b"}', '{"prompt": "a", "completion": "b", "prompt": "c"}'
    (tmp_path / name).write_text("\n".join(rows) if name == "a.jsonl" else f"[{', '.join(rows)}]")
    good, (number, fault, _) = read(tmp_path / name)
    assert (good["prompt"], number, fault) == ("a", 2, "not JSON: the key 'prompt' stands twice in an object")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('"Frage, laut, klar";Antwort\n"a, b";c\nd;"e, f"\n', {"Frage, laut, klar": "a, b", "Antwort": "c"}),
        ("text|label\na, b|1\nc|0\n", {"text": "a, b", "label": "1"}),
        ("only\na, b\nc\n", {"only": "a, b"}),
    ],
)
def test_the_delimiter_is_the_one_that_splits_rows_alike(tmp_path, text, row):
    (tmp_path / "a.csv").write_text(text)
    first = read(tmp_path / "a.csv")[0]
    assert first == row or (text.startswith("only") and first == (2, "2 cells, expected 1", "a\t b"))


WORDS = [("Größe der Straße?", "Über zehn Meter, schöne Grüße aus Köln."), ("Et après?", "Déjà vendu à Noël.")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_files_in_other_encodings_are_read(store, tmp_path, encoding, suffix):
    rows = [{"question": q, "answer": a} for q, a in WORDS]
    text = "question;answer\r\n" + "".join(f"{q};{a}\r\n" for q, a in WORDS)
    if suffix == ".jsonl":
        text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    elif suffix == ".json":
        text = json.dumps(rows, ensure_ascii=False)
    (tmp_path / f"a{suffix}").write_bytes(text.encode(encoding))
    found = inspect_file(tmp_path / f"a{suffix}", None, {"prompt": "question", "completion": "answer"})
    result = import_set(store, found)
    assert (result.rows, result.dropped.total()) == (2, 0)
    assert [c for (c,) in store.query("SELECT completion FROM samples ORDER BY rowid")] == [a for _, a in WORDS]


def test_a_damaged_byte_in_utf_8_is_a_drop_and_no_other_encoding(store, tmp_path):
    lines = [json.dumps({"prompt": q, "completion": a}, ensure_ascii=False).encode() for q, a in WORDS]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*lines, b'{"prompt": "x\xff", "completion": "y"}']))
    result = import_set(store, inspect_file(tmp_path / "a.jsonl"))
    assert (result.rows, dict(result.dropped)) == (2, {"not UTF-8": 1})


def test_an_array_in_a_file_of_lines_is_told_its_name(tmp_path):
    for n, text in enumerate(('[{"prompt": "a", "completion": "b"}]', '[\n {"prompt": "a",\n "completion": "b"}\n]')):
        (tmp_path / f"{n}.jsonl").write_text(text)
        with pytest.raises(InputError) as caught:
            inspect_file(tmp_path / f"{n}.jsonl")
        assert (caught.value.received, caught.value.cure) == ("a JSON array", "name it .json; nothing was written")


def test_a_refusal_is_what_the_assistant_says(store, tmp_path):
    said = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    write_jsonl(tmp_path / "a.jsonl", [{"messages": [{"role": "user", "content": "How?"}, said]}])
    assert import_set(store, inspect_file(tmp_path / "a.jsonl")).rows == 1
    ((completion, fields),) = store.query("SELECT completion, fields FROM samples")
    assert (completion, json.loads(fields)["message"]) == ("I cannot help with that.", said)


def test_messages_say_what_is_wrong(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"prompt": "a"}])
    for path, options, place, wrong in (
        ("a.jsonl", ("nope",), "cure", "did you mean"), ("gone.jsonl", (), "expected", "ends in"),
        ("a.jsonl", ("sharegpt",), "received", "null"),
    ):  # fmt: skip
        with pytest.raises((InputError, NotFoundError)) as caught:
            inspect_file(tmp_path / path, *options)
        assert wrong not in getattr(caught.value, place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("problem,solution\n1 + 1?,2\n", "for example: --map prompt=problem --map completion=solution "),
        ("Question,Body\n1 + 1?,A sum\n", "for example: --map prompt=Question (see"),
        ("1 + 1?,2,3\n2 + 2?,4,5\n", "Its columns go by number: --map prompt=1"),
        ("x,y\n1 + 1?,2\n", "--map prompt=COLUMN --map completion=COLUMN"),
    ],
)
def test_a_table_of_no_known_format_is_answered_with_a_likely_map(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError) as error:
        inspect_file(tmp_path / "t.csv")
    assert said in error.value.cure


def test_an_object_under_completion_is_answered_with_a_place_in_it(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"query": "q", "result": {"text": "a"}}])
    with pytest.raises(InputError) as error:
        inspect_file(tmp_path / "a.jsonl", None, {"prompt": "query", "completion": "result"})
    assert "--map completion=result.text" in error.value.received
