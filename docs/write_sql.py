"""Write docs/sql-reference.md from the schema, and docs/sql-questions.md from the questions and real stores.

``python docs/write_sql.py DEMO [DEMO …]``: folders of projects; a question is answered by the first in which it has an answer.
"""

import argparse
import tempfile
from pathlib import Path

from flywheel.store import Project, Question, Result, Store, ask, describe_schema, list_questions

DOCS = Path(__file__).parent
REFERENCE = """\
# Tables and views

What `flywheel sql --schema` prints of a new store: each table and view, what one row of it is, and its columns. A column without a
word is an id of the row that its name says, or named as everywhere. Written from the comments in the schema; a test compares.

"""
HEAD = """\
# Questions

Questions that come with flywheel: `flywheel sql --ask` lists them, `flywheel sql --ask NAME [-p PARAMETER=VALUE]` runs one. The files
are in `store/questions/`; a test runs each on a real store and compares what stands here. The answers are of `make demo`'s project
(seed 0) after the stories of `recipes/stories` were ingested into it and its steps run in it; `judges-that-disagree` is of that recipe
with two judges of kind `verifier` (`math`, `exact`) over `attempted`; `templates-by-yield`, `collapse-watch` and `people-decisions` are of the
project of [first-steps.md](first-steps.md). Long cells are cut, and no more than eight rows shown.
"""
SHOWN_ROWS, SHOWN_CHARS = 8, 44


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("projects", nargs="+", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Project(Path(folder))).open()
        (DOCS / "sql-reference.md").write_text(REFERENCE + describe_schema(store.project), encoding="utf-8")
        store.close()
    projects = [Project(folder) for folder in args.projects]
    parts = [HEAD, *(_write(question, projects) for question in list_questions())]
    (DOCS / "sql-questions.md").write_text("\n".join(parts), encoding="utf-8")


def _write(question: Question, projects: list[Project]) -> str:
    answers = [ask(project, question.name) for project in projects]
    result = next((a for a in answers if a.table.num_rows), answers[0])
    more = result.table.num_rows - SHOWN_ROWS
    lines = [
        f"## `{question.name}`",
        "",
        question.text,
        "",
        "```sql",
        question.sql.rstrip("\n"),
        "```",
        "",
        _table(result),
    ]
    return "\n".join([*lines, *(["", f"… and {more} more"] if more > 0 else []), ""])


def _table(result: Result) -> str:
    rows = [result.columns, ["---"] * len(result.columns), *result.rows[:SHOWN_ROWS]]
    return "\n".join(f"| {' | '.join(_cell(v) for v in row)} |" for row in rows)


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
    text = " ".join(text.replace("|", "\\|").split())
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


if __name__ == "__main__":
    main()
