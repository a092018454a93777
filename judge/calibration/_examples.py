"""Rows with a judge's verdicts and people's labels, in one vocabulary."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from ...errors import InputError, RecipeError
from ...files import ABSENT, read_path
from ._values import FIRST, KINDS, SECOND, TIE, Kind, canonical, is_blank

TARGETS = {
    "label": "what people say; several columns, by commas or by repeating it, are several annotators",
    "verdict": "what the judge says, or its raw text with --parse",
    "swapped": "of a pair, what it says in the other order, in terms of the row (first is still the row's first)",
    "swapped_shown": "the same in terms of what it was shown (first is what stood first then)",
    "first": "text of the first, for length bias", "second": "text of the second",
    "completion": "text that was scored, for length bias",
    "first_model": "who wrote the first", "second_model": "who wrote the second", "model": "who wrote the completion",
    "judge_model": "who judged: a column, or the name itself",
    "said": "the judge's own text, shown where it abstains",
}  # fmt: skip
_FLIPPED = {FIRST: SECOND, SECOND: FIRST, TIE: TIE}
MOST_SHOWN = 20
"""Abstentions whose text a report shows."""


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes:
        line: where it stands in the file, from 1.
        human: the label; None = no label that can be used.
        judge: the verdict in each order; None = an abstention.
        raw: text of the abstentions.
        lengths: characters of the completion, or of first and second; empty where not mapped.
        models: who wrote the completion, or first and second.
        judge_model: who judged.
        annotators: each person's label.
    """

    line: int
    human: Any
    judge: tuple[Any, ...]
    raw: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    judge_model: str | None = None
    annotators: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How a file's columns are read.

    Attributes:
        columns: paths by target, see :data:`TARGETS`.
        kind: what is calibrated; None = pairwise where a pair's columns are named, score where all labels are numbers of
            more than two values, else label; empty cells (``-``, ``n/a``, …) say nothing of it.
        names: what a value means, by its text.
        parse: reads the judge's raw text.
    """

    columns: Mapping[str, Sequence[str]]
    kind: Kind | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    parse: Callable[[str], str | None] | None = None


@dataclass(frozen=True)
class Examples:
    """What was read.

    Attributes:
        kind: what is calibrated.
        rows: the examples, those without a label too.
        left_out: rows that take part in no comparison with people, by reason.
    """

    kind: Kind
    rows: tuple[Example, ...]
    left_out: Mapping[str, int]

    @property
    def n_orders(self) -> int:
        """1, or 2 where each pair was judged in both orders."""
        return len(self.rows[0].judge) if self.rows else 1


def parse_columns(pairs: Iterable[str]) -> dict[str, list[str]]:
    """Return paths by target of ``target=path`` texts.

    Raises:
        RecipeError: no ``=``, an unknown target, or no verdict.
    """
    columns: dict[str, list[str]] = {}
    for pair in pairs:
        target, equals, path = pair.partition("=")
        if not equals or not path or target not in TARGETS or (target in columns and target != "label"):
            raise RecipeError(
                f"--map {pair}", expected=f"target=path; targets: {', '.join(TARGETS)}",
                received=repr(pair), cure="for example: --map label=human --map verdict=gpt4.winner",
            )  # fmt: skip
        columns.setdefault(target, []).extend(path.split(",") if target == "label" else [path])
    if "verdict" not in columns or {"swapped", "swapped_shown"} <= columns.keys():
        raise RecipeError(
            "--map", expected="verdict=PATH, and at most one of swapped and swapped_shown",
            received=", ".join(columns) or "nothing", cure="name the column of the judge's verdicts: --map verdict=winner",
        )  # fmt: skip
    return columns


def read_examples(rows: Sequence[tuple[int, Mapping[str, Any]]], reading: Reading, place: str) -> Examples:
    """Return rows as examples.

    Args:
        rows: (line, row).
        reading: what stands where.
        place: the file, for messages.

    Raises:
        InputError: a path that no row has, or not one verdict that can be read.
        RecipeError: the kind is not given and the labels may mean two things.
    """
    for target, paths in reading.columns.items():
        for path in paths:
            if target not in ("judge_model", "said") and all(read_path(row, path) is ABSENT for _, row in rows):
                _refuse_path(rows, target, path, place)
    kind = reading.kind or _guess_kind(rows, reading, place)
    examples = tuple(_read_row(line, row, reading, kind) for line, row in rows)
    if all(v is None for e in examples for v in e.judge):
        shown = next((t for e in examples for t in e.raw), "")
        raise InputError(
            f"{place}, column {reading.columns['verdict'][0]!r}", expected=f"verdicts of kind {kind}",
            received=f"none that can be read, the first {shown[:100]!r}",
            cure=f"say what they mean (--value RAW=NAME), how raw text is read (--parse), or the kind (--kind {'|'.join(KINDS)})",
        )  # fmt: skip
    return Examples(kind, examples, _count_left_out(examples, "label" in reading.columns))


def _refuse_path(rows: Sequence[tuple[int, Mapping[str, Any]]], target: str, path: str, place: str) -> None:
    columns = ", ".join(rows[0][1]) if rows else "no rows"
    raise InputError(
        f"{place}, --map {target}={path}", expected="a place that rows have", received=f"columns {columns}"[:300],
        cure="name a column, or a place in one: results.0.winner, results[-1].winner",
    )  # fmt: skip


def _guess_kind(rows: Sequence[tuple[int, Mapping[str, Any]]], reading: Reading, place: str) -> Kind:
    pair = {"first", "second", "swapped", "swapped_shown", "first_model", "second_model"}
    if pair & reading.columns.keys():
        return "pairwise"
    paths = reading.columns.get("label") or reading.columns["verdict"]
    values = [v for _, row in rows for p in paths if (v := read_path(row, p)) is not ABSENT and not is_blank(v)]
    numbers = {canonical(v, "score", reading.names) for v in values}
    if numbers == {0.0, 1.0, 2.0}:
        raise RecipeError(
            f"{place}, labels 0, 1 and 2", expected="--kind: they may be scores, or winners with 0 for a tie", received="no --kind",
            cure="add --kind pairwise, or --kind score",
        )  # fmt: skip
    if None not in numbers and len(numbers) > 2:
        return "score"
    known = values and all(canonical(v, "binary", reading.names) for v in values)
    return "binary" if known and len(numbers) <= 2 else "label"


def _read_row(line: int, row: Mapping[str, Any], reading: Reading, kind: Kind) -> Example:
    def get(target: str) -> Any:
        found = read_path(row, reading.columns[target][0]) if target in reading.columns else ABSENT
        return None if found is ABSENT else found

    annotators = tuple(canonical(read_any(row, p), kind, reading.names) for p in reading.columns.get("label", ()))
    raw = {t: get(t) for t in ("verdict", "swapped", "swapped_shown") if t in reading.columns}
    judge = {t: _read_verdict(value, reading, kind) for t, value in raw.items()}
    if "swapped_shown" in judge:
        judge["swapped_shown"] = _FLIPPED.get(judge["swapped_shown"])
    texts = [get(t) for t in (("first", "second") if kind == "pairwise" else ("completion",))]
    models = [get(t) for t in (("first_model", "second_model") if kind == "pairwise" else ("model",))]
    judge_model = get("judge_model") or next(iter(reading.columns.get("judge_model", ())), None)
    return Example(
        line, settle(annotators, kind), tuple(judge.values()),
        tuple(_show_abstention(raw[t], get("said")) for t, v in judge.items() if v is None),
        tuple(len(str(t)) for t in texts) if None not in texts else (),
        tuple(map(str, models)) if None not in models else (), judge_model, annotators,
    )  # fmt: skip


def _show_abstention(verdict: Any, said: Any) -> str:
    return str(said) if said is not None and is_blank(verdict) else "no verdict" if verdict is None else str(verdict)


def read_any(row: Mapping[str, Any], path: str) -> Any:
    """Return what stands at ``path``, None when there is no such place."""
    found = read_path(row, path)
    return None if found is ABSENT else found


def _read_verdict(value: Any, reading: Reading, kind: Kind) -> Any:
    if reading.parse is not None and value is not None:
        value = reading.parse(value if isinstance(value, str) else str(value))
    return canonical(value, kind, reading.names)


def settle(annotators: Sequence[Any], kind: Kind) -> Any:
    """Return what several people say together: the mean of scores, else what more than half of them say; None where there
    is no such value. Labels that cannot be read take no part.
    """
    known = [a for a in annotators if a is not None]
    if not known:
        return None
    if kind == "score":
        return fmean(known)
    value, n = Counter(known).most_common(1)[0]
    return value if 2 * n > len(known) else None


def _count_left_out(examples: Sequence[Example], has_labels: bool) -> dict[str, int]:
    found: Counter[str] = Counter()
    for e in examples if has_labels else ():
        if e.human is None:
            found[
                "no majority of people" if any(a is not None for a in e.annotators) else "no label that can be read"
            ] += 1
    return dict(found)
