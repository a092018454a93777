"""docs/sql-reference.md is what the schema's own comments say, and they leave nothing out."""

from flywheel.store import describe_schema
from support import HERE, refused, run_cli, sql

REFERENCE = HERE.parent / "docs" / "sql-reference.md"
PLAIN = {
    "started_at", "finished_at", "answered_at", "created_at", "iteration", "stage", "step", "suite", "split", "metric", "engine",
    "model", "score", "passed", "met", "p_value", "question", "worn", "worst_optimism", "suite_hash",
}  # fmt: skip
"""Columns whose meaning is plain from their name, or said at another table or in the comment of their own; so are ids."""


def test_the_reference_is_what_the_command_prints(stored):
    printed = run_cli(stored, "sql", "--schema", check=0).stdout
    head, _, reference = REFERENCE.read_text(encoding="utf-8").partition("## Tables")
    assert head.startswith("# Tables and views")
    assert "## Tables" + reference == printed, (
        "write it anew: flywheel sql --schema (of a new store) below its first lines"
    )


def test_every_table_and_view_and_every_column_that_needs_it_has_a_comment(store):
    bare = store.query("SELECT table_name FROM duckdb_tables() WHERE comment IS NULL AND NOT internal")
    bare += store.query("SELECT view_name FROM duckdb_views() WHERE comment IS NULL AND NOT internal")
    assert bare == []
    silent = store.query("SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND NOT internal")
    assert [(t, c) for t, c in silent if c not in PLAIN and not c.endswith("_id")] == []


def test_it_describes_the_users_own_store(store):
    with store.write() as connection:
        connection.execute("CREATE TABLE my_notes (note VARCHAR)").fetchall()
        connection.execute("COMMENT ON TABLE my_notes IS 'What I noted.'").fetchall()
        connection.execute("COMMENT ON COLUMN my_notes.note IS 'One | two'").fetchall()
    text = describe_schema(store.project)
    assert "### `my_notes`\n\nWhat I noted.\n\n" in text
    assert "| `note` | VARCHAR | One \\| two |" in text


def test_a_query_beside_it_and_a_folder_without_a_store_are_refused(stored, tmp_path):
    refused(run_cli(stored, "sql", "--schema", "select 1"), "a query and --schema")
    (tmp_path / "none").mkdir()
    refused(run_cli(tmp_path / "none", "sql", "--schema"), "flywheel init")


def test_comments_reach_every_client_of_the_store(stored):
    (row,) = sql(stored, "SELECT comment FROM duckdb_columns() WHERE table_name = 'sft' AND column_name = 'judge'")
    assert "two judges" in row["comment"]
