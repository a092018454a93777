"""Which files an ingest takes, and which arguments and settings it refuses."""

import json
import os
from pathlib import Path

import pytest
from documents import WORDS
from flywheel.errors import InputError, MissingExtraError, NotFoundError, RecipeError
from flywheel.gen import IngestSettings, ingest_documents
from support import HERE, run_cli, sql
from support_ingest import ONE, ingest, sections


def test_walks_skip_what_is_hidden_or_a_cache_and_end_in_link_loops(store, folder, project):
    for name in (
        "b/two.txt", "a.txt", "b/one.txt", ".hidden/x.txt", "b/.x.txt", "__pycache__/x.txt", "node_modules/x.txt",
        "venv/pyvenv.cfg", "venv/x.txt", "cache/CACHEDIR.TAG", "cache/x.txt", "b/x.pyc",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{WORDS} {name}")
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "linked.txt").symlink_to(folder / "a.txt")
    counts = ingest(store, project.root)
    expected = [("docs/a.txt",), ("docs/b/one.txt",), ("docs/b/two.txt",), ("docs/linked.txt",)]
    assert store.query("SELECT source FROM documents ORDER BY source") == expected
    assert counts.inputs == 4


def test_patterns_and_odd_names(store, folder, monkeypatch):
    for name in ("a[1].txt", "b.txt", "sub/c.txt", "d.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{WORDS} {name}")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).write_text(WORDS)
    monkeypatch.chdir(folder)
    assert ingest(store, "**/*.txt", "a[1].txt").new == 4
    assert ("docs/\\xff.txt",) in store.query("SELECT source FROM documents")


def test_a_projects_own_files_are_skipped_with_their_reason(tmp_path):
    run_cli(tmp_path, "init", "--recipe", "demo", check=0)
    for name in ("docs/recipe.yaml", "prompts/note.yaml", "prompts/note.md", "notes.md", "own.py", "docs/pages.urls"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{WORDS} {name}")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "generate: [{step: own, generator: 'own.py:note', source: problems}]\n")
    (tmp_path / "report.md").write_text("# Run demo\n" + WORDS)
    (tmp_path / "data-card.md").write_text("# My own card\n" + WORDS)
    (tmp_path / "set.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    run_cli(tmp_path, "import", str(tmp_path / "set.jsonl"), "--yes", check=0)
    done = run_cli(tmp_path, "ingest", str(tmp_path), *map(str, tmp_path.iterdir()), "--format", "json", check=0)
    assert [r["source"] for r in sql(tmp_path, "select source from documents order by 1")] == [
        "README.md", "data-card.md", "docs/recipe.yaml", "notes.md", "prompts/note.md",
    ]  # fmt: skip
    skipped = {s["reason"]: (s["n"], s["first"]) for s in json.loads(done.stdout)["skipped"]}
    assert skipped.pop("the project's state")[0] >= 1
    assert skipped == {
        "the project's recipe": (1, "recipe.yaml"), "a recipe that extends another": (1, "mini.yaml"), "a template": (1, "prompts/note.yaml"),
        "named by recipe.yaml": (4, "heldout_gate.jsonl"), "a report of flywheel's": (1, "report.md"),
        "imported as a data set": (1, "set.jsonl"),
        "a list of URLs, which is fetched when it is named itself": (1, "docs/pages.urls"), "the project's store": (1, "flywheel.duckdb"),
    }  # fmt: skip
    assert "note: skipped heldout_gate.jsonl and 3 more: named by recipe.yaml" in done.stderr
    done = run_cli(tmp_path, "ingest", str(recipe), check=2)
    assert "recipe.yaml (the project's recipe)" in done.stderr and "under another name" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["nowhere"], NotFoundError, "nothing of that name"), (["*.nothing"], NotFoundError, "nothing of that name"),
        (["@nowhere"], NotFoundError, "nothing of that name"), (["empty"], InputError, "none that is not hidden"),
        ([], InputError, "nothing"), (["none.urls"], InputError, "one URL a line"), (["bad.urls"], InputError, "neither text"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told_before_anything_is_done(store, folder, monkeypatch, arguments, error, words):
    (folder / "empty").mkdir()
    (folder / "none.urls").write_text("# nothing\n\n")
    (folder / "bad.urls").write_bytes(bytes(range(256)))
    (folder / "a.txt").write_text(WORDS)
    monkeypatch.chdir(folder)
    with pytest.raises(error) as caught:
        ingest_documents(store, ["a.txt", *arguments] if arguments and arguments != ["empty"] else arguments, ONE)
    assert words in str(caught.value) and "cure" in str(caught.value)
    assert store.query("SELECT count(*) FROM documents") == [(0,)]


@pytest.mark.parametrize(
    "settings",
    [
        {"chunk_tokens": 8},
        {"overlap_tokens": 300},
        {"overlap_tokens": -1},
        {"timeout_s": -1},
        {"max_mb": 0},
        {"min_chars": -1},
    ],
)
def test_wrong_settings_are_told(settings):
    with pytest.raises(RecipeError):
        IngestSettings(**settings)


def test_a_wrong_setting_is_told_by_its_option():
    for name, flag in (("max_mb", "--max-mb"), ("timeout_s", "--timeout"), ("memory_mb", "--memory-mb"),
                       ("fetch_timeout_s", "--fetch-timeout")):  # fmt: skip
        with pytest.raises(RecipeError) as error:
            IngestSettings(**{name: -1})
        assert error.value.place == flag


@pytest.mark.parametrize("arguments", [(), ("gone.txt",)])
def test_an_ingest_of_nothing_makes_no_store(tmp_path, arguments):
    run_cli(tmp_path, "ingest", *arguments, check=2)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError):
        IngestSettings(tokenizer=str(tmp_path))


def test_a_tokenizer_counts(store, folder):
    (folder / "a.md").write_text(sections(3))
    model = str(HERE.parent / "seed" / "model")
    ingest(store, folder, tokenizer=model, chunk_tokens=128, overlap_tokens=0)
    ((most, name),) = store.query(
        "SELECT max(n_tokens), any_value(metadata->>'$.chunking.tokenizer') FROM chunks, documents"
    )
    assert most <= 128 and name != "estimate"


def test_docling_that_is_not_installed_is_told_with_its_cure(store, folder, monkeypatch):
    (folder / "a.txt").write_text(WORDS)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        ingest_documents(store, [str(folder)], IngestSettings(parser="docling"))
