"""The schema in words: every table and view with its comment, from the store itself, as Markdown."""

from collections.abc import Sequence
from typing import Any

from ._project import Project
from ._query import run_query

COLUMNS = """
SELECT c.table_name, v.view_name IS NOT NULL AS is_view, coalesce(v.comment, t.comment, '') AS says,
       c.column_name, c.data_type, coalesce(c.comment, '') AS column_says
FROM duckdb_columns() c
LEFT JOIN duckdb_tables() t USING (database_name, schema_name, table_name)
LEFT JOIN duckdb_views() v ON v.database_name = c.database_name AND v.schema_name = c.schema_name AND v.view_name = c.table_name
WHERE NOT c.internal AND c.database_name = current_database()
ORDER BY is_view, c.table_name, c.column_index
"""


def describe_schema(project: Project) -> str:
    """Return a Markdown reference of the tables and views of a project's store.

    Raises:
        NotFoundError: the project has no store.
        StoreError: the file is damaged, or locked for too long.
    """
    parts: dict[tuple[bool, str, str], list[tuple[Any, ...]]] = {}
    for name, is_view, says, *column in run_query(project, COLUMNS).rows:
        parts.setdefault((is_view, name, says), []).append(tuple(column))
    kinds = {False: ["## Tables"], True: ["## Views"]}
    for (is_view, name, says), columns in parts.items():
        kinds[is_view] += [f"### `{name}`", *([says] if says else []), _table(columns)]
    return "\n\n".join([*kinds[False], *kinds[True]]) + "\n"


def _table(columns: Sequence[tuple[Any, ...]]) -> str:
    """Return the columns as a Markdown table."""
    lines = [f"| `{name}` | {kind} | {_cell(says)} |" for name, kind, says in columns]
    return "\n".join(["| column | type | meaning |", "| --- | --- | --- |", *lines])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
