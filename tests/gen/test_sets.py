"""Files of sets: which set one is, whose licence it has, and what an edited one leaves behind."""

import json

import pytest
import yaml
from flywheel.gen import export_rows, import_set, inspect_file
from support import run_cli, sql, write_jsonl

ONE, TWO, THREE = ({"prompt": f"p{i}", "completion": f"c{i}"} for i in range(3))


def bring_in(store, path, rows=None, **options):
    path.parent.mkdir(exist_ok=True)
    if rows is not None:
        write_jsonl(path, rows)
    return import_set(store, inspect_file(path, "trl"), **options)


def exported(store, tmp_path, **options):
    result = export_rows(store, "trl", tmp_path / "out.jsonl", what="imported", force=True, **options)
    return [json.loads(line)["prompt"] for line in (tmp_path / "out.jsonl").read_text().splitlines()], result.aside


def licences(store):
    return dict(store.query("SELECT name, arg_max(licence, imported_at) FROM datasets GROUP BY name"))


def test_another_file_of_the_same_name_is_another_set_without_the_licence_of_the_first(store, tmp_path):
    bring_in(store, tmp_path / "sa/train.jsonl", [ONE, TWO], licence="mit")
    other = bring_in(store, tmp_path / "sb/train.jsonl", [THREE])
    assert (other.name, other.new, other.replaced) == ("sb/train.jsonl", 1, 0)
    assert "is on record as another file" in other.notes[0]
    assert licences(store) == {"train.jsonl": "mit", "sb/train.jsonl": None}
    assert exported(store, tmp_path) == (["p0", "p1", "p2"], {})
    assert bring_in(store, tmp_path / "sb/train.jsonl").name == "sb/train.jsonl"
    assert bring_in(store, tmp_path / "sa/train.jsonl").new == 0


def test_the_licence_stays_for_the_same_file_and_for_a_set_that_is_named(store, tmp_path):
    bring_in(store, tmp_path / "a/x.jsonl", [ONE], licence="mit", name="x")
    again = bring_in(store, tmp_path / "a/x.jsonl", [ONE, TWO])
    assert (again.name, again.notes) == ("x", ("licence mit, which is on record for the set",))
    more = bring_in(store, tmp_path / "b/x.jsonl", [THREE], name="x")
    assert "licence mit, which is on record for the set" in more.notes
    assert exported(store, tmp_path) == (["p0", "p1", "p2"], {}), "a part of the set, not a version of the other part"


def test_a_file_that_was_moved_adds_nothing(store, tmp_path):
    bring_in(store, tmp_path / "a/x.jsonl", [ONE, TWO], licence="mit")
    (tmp_path / "b").mkdir()
    moved = (tmp_path / "a/x.jsonl").rename(tmp_path / "b/x.jsonl")
    assert (bring_in(store, moved).new, licences(store)) == (0, {"x.jsonl": "mit"})


def test_an_edited_file_leaves_no_stale_rows_in_exports(store, tmp_path):
    path = tmp_path / "sb/train.jsonl"
    bring_in(store, path, [ONE, TWO])
    edited = bring_in(store, path, [THREE, ONE, TWO])
    assert (edited.new, edited.replaced) == (3, 2)
    assert exported(store, tmp_path) == (["p2", "p0", "p1"], {"outdated": 2})
    assert len(exported(store, tmp_path, include=["outdated"])[0]) == 5
    back = bring_in(store, path, [ONE, TWO])
    assert (back.new, back.replaced) == (0, 3)
    assert exported(store, tmp_path) == (["p0", "p1"], {"outdated": 3})
    assert store.query("SELECT version, n_rows FROM datasets ORDER BY version") == [(1, 2), (2, 3), (3, 2)]
    assert bring_in(store, path).replaced == 3
    assert store.query("SELECT count(*) FROM datasets") == [(3,)]


def test_problems_of_a_replaced_version_are_set_aside(store, tmp_path):
    rows = [{"question": f"{i} + 1?", "answer": f"#### {i + 1}"} for i in range(3)]
    for some in (rows[:2], rows[1:]):
        write_jsonl(tmp_path / "g.jsonl", some)
        import_set(store, inspect_file(tmp_path / "g.jsonl"))
    result = export_rows(store, "gsm8k", tmp_path / "out.jsonl")
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == rows[1:]
    assert result.aside == {"outdated": 1}


def test_paths_on_record_do_not_depend_on_the_folder_of_the_command(store, project, tmp_path, monkeypatch):
    (project.root / "data").mkdir()
    monkeypatch.chdir(project.root / "data")
    write_jsonl(project.root / "data/in.jsonl", [ONE])
    write_jsonl(tmp_path / "out.jsonl", [TWO])
    for name in ("in.jsonl", "../../out.jsonl"):
        import_set(store, inspect_file(type(tmp_path)(name), "trl"))
    assert store.query("SELECT path FROM datasets ORDER BY imported_at") == [("data/in.jsonl",), (str(tmp_path / "out.jsonl"),)]  # fmt: skip


def generate(folder, server):
    run_cli(folder, "generate", env=server.env, check=0)
    return sql(folder, "select entered, kept, dropped from funnel where step = 's'")[0]


@pytest.mark.parametrize("form", ["prompts", "completions"])
def test_replaced_rows_are_no_work_any_more_and_what_was_made_of_them_is_set_aside(tmp_path, endpoint, none, form):
    texts = ["Name a river.", "Name a mill."]
    rows = [{"prompt": text} if form == "prompts" else {"prompt": text, "completion": "No."} for text in texts]
    step = {"step": "s", "generator": "solve", "source": "imported"}
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({"name": "x", "engine": {"kind": "openai", "patience_s": 0}, "generate": [step]})
    )
    server = endpoint(none, says="The mill at the bend of the river stands still.")
    write_jsonl(tmp_path / "in.jsonl", rows)
    run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), "--yes", check=0)
    assert generate(tmp_path, server) == {"entered": 2, "kept": 2, "dropped": 0}
    write_jsonl(tmp_path / "in.jsonl", rows[:1])
    said = run_cli(tmp_path, "import", str(tmp_path / "in.jsonl"), "--yes", check=0).stderr
    assert "1 row of earlier versions of the file set aside" in said
    out = tmp_path / "out.jsonl"
    flags = ("export", "--format", "trl", "--what", "samples", "--where", "step = 's'", "--output", str(out))
    said = run_cli(tmp_path, *flags, check=0).stderr
    assert ["river" in line for line in out.read_text().splitlines()] == [True]
    assert "1 row set aside: of a document or set whose version in use" in said
