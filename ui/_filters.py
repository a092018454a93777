"""What a visitor may ask of samples: filters on any column, a search, an order, and a place to go on from.

Column names and orders come from the tables here and values are parameters: nothing of an address becomes SQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from ..store import Value
from ._address import LONGEST_VALUE

PAGE_ROWS = 50
MOST_FILTERS = 6


@dataclass(frozen=True)
class Column:
    """A column that can be filtered by; ``table`` says where it stands: the sample, its request or its verdicts."""

    name: str
    sql: str
    kind: str = "text"
    table: str = "samples"


COLUMNS = {
    c.name: c
    for c in (
        Column("step", "s.step"), Column("iteration", "s.iteration", "number"), Column("completion", "s.completion"),
        Column("length", "length(s.completion)", "number"), Column("created_at", "s.created_at", "time"),
        Column("run_id", "s.run_id"), Column("draw", "s.draw", "number"), Column("item", "s.item", "number"),
        Column("sample_id", "s.sample_id"), Column("problem_id", "s.problem_id"), Column("input_id", "s.input_id"),
        Column("request_id", "s.request_id"), Column("finish_reason", "s.finish_reason"),
        Column("logprob", "s.logprob", "number"), Column("source", "s.source"), Column("parser", "s.parser"),
        Column("fields", "s.fields"), Column("prompt", "coalesce(s.prompt, r.messages)", table="requests"),
        Column("template", "t.name", table="requests"), Column("template_id", "r.template_id", table="requests"),
        Column("model", "r.model", table="requests"), Column("engine", "r.engine", table="requests"),
        Column("checkpoint_id", "r.checkpoint_id", table="requests"),
        Column("judge", "v.judge", table="verdicts"), Column("reason", "v.reason", table="verdicts"),
        Column("score", "v.score", "number", table="verdicts"),
    )
}  # fmt: skip
"""Every column of samples, and what of requests and verdicts people look for."""

OPERATORS = {
    "is": "is", "not": "is not", "has": "contains", "starts": "begins with", "min": "at least", "max": "at most",
    "empty": "is empty", "any": "is not empty",
}  # fmt: skip
NO_VALUE = ("empty", "any")
_SAID = "SELECT sample_id FROM verdicts WHERE NOT starts_with(judge, 'recorded@')"
STATES = {
    "accepted": ("accepted", "s.sample_id IN (SELECT sample_id FROM accepted_samples)"),
    "failed": ("failed by a judge", f"s.sample_id IN ({_SAID} AND NOT passed)"),
    "unjudged": ("without a verdict", f"s.sample_id NOT IN ({_SAID})"),
    "split": (
        "judges disagree",
        f"s.sample_id IN ({_SAID} AND passed IS NOT NULL GROUP BY sample_id HAVING count(DISTINCT passed) > 1)",
    ),
    "people": (
        "decided by a person",
        "s.sample_id IN (SELECT sample_id FROM verdicts WHERE starts_with(judge, 'human:'))",
    ),
}
SORTS = {
    "stored": ("order of storing", "s.place", "number"),
    "created_at": ("time", "s.created_at", "time"),
    "iteration": ("iteration", "s.iteration", "number"),
    "step": ("step", "s.step", "text"),
    "length": ("length", "length(s.completion)", "number"),
    "logprob": ("log-probability", "s.logprob", "number"),
    "completion": ("completion", "left(s.completion, 64)", "text"),
    "problem_id": ("problem", "s.problem_id", "text"),
    "input_id": ("input", "s.input_id", "text"),
    "source": ("source", "s.source", "text"),
    "finish_reason": ("finish reason", "s.finish_reason", "text"),
}
_LEAST = {"number": "-1e300", "text": "''", "time": "TIMESTAMP '0001-01-01'"}
_TYPE = {"number": "DOUBLE", "text": "VARCHAR", "time": "TIMESTAMP"}


@dataclass(frozen=True)
class Filter:
    """One condition."""

    column: str
    operator: str
    value: str = ""


@dataclass(frozen=True)
class Wish:
    """What samples to show, as the address says it."""

    filters: Sequence[Filter] = ()
    search: str = ""
    state: str = ""
    sort: str = "stored"
    descending: bool = True
    after: str = ""
    note: str = field(default="", compare=False)

    def link(self, **changes: str) -> str:
        """Return the query of an address that says the same, with changes; a place to go on from is left out."""
        pairs: list[tuple[str, str]] = [
            ("q", changes.get("q", self.search)),
            ("state", changes.get("state", self.state)),
        ]
        pairs += [
            ("sort", changes.get("sort", self.sort)),
            ("dir", changes.get("dir", "desc" if self.descending else "asc")),
        ]
        for one in self.filters:
            pairs += [("f", one.column), ("op", one.operator), ("v", one.value)]
        pairs.append(("after", changes.get("after", "")))
        defaults = {"q": "", "state": "", "sort": "stored", "dir": "desc", "after": ""}
        return urlencode([(k, v) for k, v in pairs if defaults.get(k) != v])


def read_wish(query: Mapping[str, str], all_of: Mapping[str, Sequence[str]]) -> Wish:
    """Return what an address asks for; what has no sense in it is left out, and said in ``note``."""
    rows = zip(all_of.get("f", ()), all_of.get("op", ()), all_of.get("v", ()), strict=False)
    filters: list[Filter] = []
    strange: list[str] = []
    for column, operator, value in rows:
        if not column or (not value and operator not in NO_VALUE):
            continue
        if len(filters) == MOST_FILTERS:
            strange.append(f"what comes after the first {MOST_FILTERS} conditions")
            break
        if (
            len(value) <= LONGEST_VALUE
            and column in COLUMNS
            and operator in OPERATORS
            and _is_fitting(COLUMNS[column], operator, value)
        ):
            filters.append(Filter(column, operator, value))
        else:
            strange.append(f"{column} {OPERATORS.get(operator, operator)} {value}"[:80])
    sort = query.get("sort", "stored")
    state = query.get("state", "")
    return Wish(
        tuple(filters), query.get("q", ""), state if state in STATES else "", sort if sort in SORTS else "stored",
        query.get("dir", "desc") != "asc", query.get("after", ""), f"Left out: {'; '.join(strange)}." if strange else "",
    )  # fmt: skip


def _is_fitting(column: Column, operator: str, value: str) -> bool:
    """Say whether a value can be compared: a number with a number."""
    if column.kind != "number" or operator not in ("is", "not", "min", "max"):
        return True
    try:
        return float(value) == float(value)
    except ValueError:
        return False


def write_conditions(wish: Wish) -> tuple[str, dict[str, Value]]:
    """Return SQL for ``WHERE`` over ``samples s``, and its parameters; without the place to go on from."""
    parts, values = ["true"], dict[str, Value]()
    for i, one in enumerate(wish.filters):
        column = COLUMNS[one.column]
        parts.append(_WHERE[column.table](column, one.operator, f"v{i}"))
        if one.operator not in NO_VALUE:
            values[f"v{i}"] = one.value
    if wish.search:
        parts.append("(contains(lower(s.completion), lower($search)) OR s.sample_id = $search)")
        values["search"] = wish.search
    if wish.state:
        parts.append(STATES[wish.state][1])
    return " AND ".join(parts), values


def _compare(column: Column, operator: str, name: str) -> str:
    text = f"coalesce(CAST({column.sql} AS VARCHAR), '')"
    if operator == "empty":
        return f"{text} = ''"
    if operator == "any":
        return f"{text} <> ''"
    if operator == "has":
        return f"contains(lower({text}), lower(${name}))"
    if operator == "starts":
        return f"starts_with({text}, ${name})"
    given = f"TRY_CAST(${name} AS {_TYPE[column.kind]})"
    sign = {"is": "=", "not": "IS DISTINCT FROM", "min": ">=", "max": "<="}[operator]
    return f"{column.sql} {sign} {given}"


def _of_sample(column: Column, operator: str, name: str) -> str:
    return _compare(column, operator, name)


def _of_request(column: Column, operator: str, name: str) -> str:
    condition = _compare(column, operator, name)
    if "s.prompt" in column.sql:  # the sample's own prompt comes first, so that the two have to be joined
        return (
            "s.sample_id IN (SELECT s.sample_id FROM samples s LEFT JOIN requests r ON r.request_id = s.request_id"
            f" WHERE {condition})"
        )
    return (
        "s.request_id IN (SELECT r.request_id FROM requests r LEFT JOIN templates t ON t.template_id = r.template_id"
        f" WHERE {condition})"
    )


def _of_verdicts(column: Column, operator: str, name: str) -> str:
    """Any verdict counts; for what is denied, none may have it."""
    if operator in ("not", "empty"):
        held = _compare(column, "is" if operator == "not" else "any", name)
        return f"s.sample_id NOT IN (SELECT v.sample_id FROM verdicts v WHERE {held})"
    return f"s.sample_id IN (SELECT v.sample_id FROM verdicts v WHERE {_compare(column, operator, name)})"


_WHERE = {"samples": _of_sample, "requests": _of_request, "verdicts": _of_verdicts}


def write_page(wish: Wish) -> tuple[str, dict[str, Value]]:
    """Return SQL for one page of rows, one more than are shown, each with where it stands, and its parameters.

    Goes on behind a place (value and row number), not after a number of rows: a later page costs what the first does.
    """
    where, values = write_conditions(wish)
    _, sql, kind = SORTS[wish.sort]
    key = f"coalesce({sql}, {_LEAST[kind]})"
    way, sign = ("DESC", "<") if wish.descending else ("ASC", ">")
    if place := read_place(wish.after):
        values |= {"row": place[0], "key": place[1]}
        given = f"TRY_CAST($key AS {_TYPE[kind]})"
        where += f" AND ({key} {sign} {given} OR ({key} = {given} AND s.place {sign} $row))"
    order = f"s.place {way}" if wish.sort == "stored" else f"{key} {way}, s.place {way}"
    return (
        f"""SELECT s.place AS row_number, CAST({key} AS VARCHAR) AS place, s.sample_id, s.run_id, s.iteration, s.step, s.draw,
               s.finish_reason, s.input_id, left(s.completion, 400) AS head, length(s.completion) AS n_chars, s.created_at
        FROM placed_samples s WHERE {where} ORDER BY {order} LIMIT {PAGE_ROWS + 1}""",
        values,
    )


def read_place(after: str) -> tuple[int, str] | None:
    """Return row number and value of the place that an address goes on from; None where it has none or a broken one."""
    number, colon, value = after.partition(":")
    return (int(number), value) if colon and number.isdecimal() and len(number) < 19 else None
