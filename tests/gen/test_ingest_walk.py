"""Which files an ingest takes, and which arguments and settings it refuses."""

import os
from pathlib import Path

import pytest
from documents import WORDS
from flywheel.errors import InputError, MissingExtraError, NotFoundError, RecipeError
from flywheel.gen import IngestSettings, ingest_documents
from support import HERE, run_cli
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
