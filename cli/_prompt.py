"""The prompt of ``flywheel sql``: queries and questions, with completion, and a history that is kept."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from ..errors import FlywheelError, QueryError
from ..store import Limits, Project, Result, Value, ask, list_questions, read_value, run_query, tabulate_questions

EXAMPLE = "select iteration, stage, suite, split, metric, score, n, p_value, promoted from leaderboard"
HELP = """\
SQL, ended by ; or an empty line    run a query
.ask                                list the questions that come with flywheel
.ask NAME [name=value …]            run one
.tables, .schema NAME               list tables and views; show the columns of one
.quit, Ctrl-D                       leave"""
KEYWORDS = (
    "select", "from", "where", "group by", "order by", "limit", "having", "join", "left join", "using", "on", "as", "with", "and",
    "or", "not", "in", "is null", "is not null", "like", "between", "case when", "then", "else", "end", "distinct", "union all",
    "asc", "desc", "filter", "count", "sum", "avg", "min", "max", "describe", "summarize", "explain", "show tables",
)  # fmt: skip
COMMANDS = (".ask", ".help", ".quit", ".schema", ".tables")
NAMES = """
SELECT table_name AS name FROM information_schema.tables UNION SELECT column_name FROM information_schema.columns ORDER BY name
"""
_NAME = re.compile(r"\w+")


def read_parameters(params: Iterable[str]) -> dict[str, Value]:
    """Return the values of ``name=value`` settings.

    Raises:
        QueryError: one is none, or a name is given twice.
    """
    values: dict[str, Value] = {}
    for text in params:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("$")
        if not equals or not _NAME.fullmatch(name):
            raise QueryError(f"-p {text}", expected="NAME=VALUE", received=repr(text), cure="for example -p step=solve")
        if name in values:
            raise QueryError(f"-p {text}", expected=f"one value for ${name}", received="two", cure="give one of them")
        values[name] = read_value(value)
    return values


def start_prompt(project: Project, values: Mapping[str, Value], limits: Limits, show: Callable[[Result], None]) -> None:
    """Read queries until end of file; a query ends with a semicolon or an empty line."""
    session = _session(project, limits)  # first: a folder without a store is told before anything else
    click.echo(
        f"{project.store_path}: read-only; end a query with ; and leave with .quit or Ctrl-D; .help says more", err=True
    )
    click.echo(f"for example: {EXAMPLE};", err=True)
    pending: list[str] = []
    while True:
        try:
            line = session("flywheel> " if not pending else "     ...> ")
        except EOFError:
            return
        except KeyboardInterrupt:
            pending = []
            continue
        words = line.strip().rstrip(";").split(maxsplit=1)
        if not pending and words and words[0] in (".quit", ".exit"):
            return
        if not pending and words and words[0].startswith("."):
            _guard(lambda words=words: _command(project, words, values, limits, show))  # type: ignore[misc]
            continue
        pending.append(line)
        if line.rstrip().endswith(";") or (not line.strip() and "".join(pending).strip()):
            query, pending = "\n".join(pending), []
            _guard(lambda query=query: show(run_query(project, query, _used(query, values), limits=limits)))  # type: ignore[misc]


def _used(query: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values given at the start that this query names: not each query has all."""
    return {name: value for name, value in values.items() if re.search(rf"\${name}\b", query)}


def _guard(act: Callable[[], None]) -> None:
    """Do one thing at the prompt; what is wrong with it is said, and the prompt goes on. Ctrl-C ends a query, not the prompt."""
    try:
        act()
    except FlywheelError as error:
        click.echo(f"error: {error}", err=True)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)


def _command(
    project: Project, words: Sequence[str], values: Mapping[str, Value], limits: Limits, show: Callable[[Result], None]
) -> None:
    name, rest = words[0], words[1] if len(words) > 1 else ""
    if name == ".ask" and rest:
        try:
            question, *params = shlex.split(rest)
        except ValueError as error:
            raise QueryError(f".ask {rest}", expected="closed quotes", received=str(error), cure="close them") from None
        quoted = [p for p in params if p not in ("-p", "--param")]
        show(ask(project, question, read_parameters(quoted), limits=limits))
    elif name == ".ask":
        show(tabulate_questions())
    elif name == ".tables":
        show(run_query(project, "SHOW TABLES", limits=limits))
    elif name == ".schema" and rest:
        quoted_name = rest.replace("'", "''")
        show(run_query(project, f"SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = '{quoted_name}'"))  # fmt: skip
    else:
        click.echo(HELP, err=True)


def _session(project: Project, limits: Limits) -> Callable[[str], str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    names = [str(row[0]) for row in run_query(project, NAMES, limits=limits).rows]
    project.state.mkdir(exist_ok=True)
    history = project.state / "sql_history"
    session: PromptSession[str] = PromptSession(completer=_completer(names), history=FileHistory(str(history)))

    def read(prompt: str) -> str:
        return str(session.prompt(prompt))

    return read


def complete(text: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Return what is being written at the end of ``text``, and what it may become.

    Args:
        text: the line up to the cursor.
        names: tables, views and columns of the store.
    """
    if match := re.fullmatch(r"\s*\.ask\s+(\S*)", text):
        return match[1], [q.name for q in list_questions() if q.name.startswith(match[1])]
    if match := re.fullmatch(r"\s*(\.\w*)", text):
        return match[1], [c for c in COMMANDS if c.startswith(match[1])]
    word = re.search(r"\w*$", text)[0]  # type: ignore[index]  # it matches the empty end
    if not word:
        return "", []
    found = [w for w in (*KEYWORDS, *names) if w.lower().startswith(word.lower())]
    return word, [w.upper() if word.isupper() and w in KEYWORDS else w for w in dict.fromkeys(found)]


def _completer(names: Sequence[str]) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class NamesAndKeywords(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterable[Completion]:
            word, found = complete(document.text_before_cursor, names)
            return [Completion(text, start_position=-len(word)) for text in found]

    return NamesAndKeywords()
