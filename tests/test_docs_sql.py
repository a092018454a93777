"""Every SQL block of the documentation runs on a store."""

import re

import pytest
from flywheel.store import run_query
from support import HERE, run_cli, sql

ELSEWHERE = "sql-questions.md"
"""Its queries have parameters; tests/cli/test_sql_questions.py runs them."""
FILES = [
    HERE.parent / "README.md", *sorted(f for f in (HERE.parent / "docs").rglob("*.md") if f.name != ELSEWHERE),
]  # fmt: skip
BLOCKS = [
    (f"{file.name}-{i}", block)
    for file in FILES
    for i, block in enumerate(
        re.findall(r"^```sql\n(.*?)^```", file.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )
]


@pytest.mark.parametrize("block", [b for _, b in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_a_block_of_sql_runs(store, block):
    run_query(store.project, block)


def test_there_are_blocks():
    assert len(BLOCKS) >= 2


def test_the_chunks_of_the_versions_in_use_are_found_as_documented(tmp_path):
    (tmp_path / "a.md").write_text("# Mills\n\n" + "The mill was built in 1824 by Ada Brown of Leeds. " * 8)
    run_cli(tmp_path, "ingest", str(tmp_path / "a.md"), check=0)
    (block,) = [b for name, b in BLOCKS if name.startswith("ingest.md") and "line_start" in b]
    (row,) = sql(tmp_path, block)
    assert (row["source"], row["version"], row["line_start"]) == ("a.md", 1, 1)
