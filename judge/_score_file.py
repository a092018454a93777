"""A file of completions judged by a verifier: verdicts, figures, and agreement with a recorded correctness.

Nothing is left out silently: a row that cannot be read, or has no completion, is an abstention with its reason.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import BadRow, Row, has_place, read_lines, read_place
from ..plugins import find_nearest
from ._classify import Classification, Labelled
from ._completion import text_of
from ._verdict import Verdict
from .verifiers import Case, Verifier, check_columns, run_verifier

SHOWN_CHARS = 40
"""Of a column's name in messages."""
DEFAULT_MAP = {"completion": "completion", "expected": "expected"}
_TRUE, _FALSE = (
    frozenset(("true", "yes", "1", "correct", "right")),
    frozenset(("false", "no", "0", "incorrect", "wrong")),
)


@dataclass(frozen=True)
class Source:
    """Which rows and columns of a file are judged.

    Attributes:
        path: the file.
        mapping: target to place in a row; ``completion`` and ``expected``, and names for what verifiers read beside
            (``choices``, ``tools``, ``sources``). A list of texts under ``completion`` is several draws. Places that are
            all numbers mean a CSV or TSV file without a header, whose columns count from 1.
        truth: place of a recorded correctness; "" = none. A list of it goes with a list of completions.
        rows: column that holds the rows, where the file is one object around them; "" = none.
        join: another file, whose columns are added to the row with the same value under ``on``.
        on: see ``join``.
    """

    path: Path
    mapping: Mapping[str, str] = field(default_factory=dict)
    truth: str = ""
    rows: str = ""
    join: Path | None = None
    on: str = "id"

    @property
    def places(self) -> dict[str, str]:
        """The mapping with its defaults."""
        return {**DEFAULT_MAP, **self.mapping}

    @property
    def has_header(self) -> bool:
        """Whether the first line of a table names its columns."""
        named = [*self.mapping.values(), *([self.truth] if self.truth else [])]
        return not (named and all(place.isdigit() for place in named))


@dataclass(frozen=True)
class Judged:
    """One completion and its verdict; ``row`` counts from 1, ``draw`` from 0."""

    row: int
    draw: int
    verdict: Verdict
    truth: bool | None = None
    labels: Labelled | None = None


@dataclass
class FileScore:
    """What became of the completions of a file."""

    n: int = 0
    passed: int = 0
    failed: int = 0
    abstained: int = 0
    scores: float = 0.0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (passed, failed or abstained; reason)."""
    confusion: Counter[Labelled] = field(default_factory=Counter)
    agreed: int = 0
    without_truth: int = 0
    disagreements: list[Judged] = field(default_factory=list)
    by_row: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    """Passed and failed completions of each row."""

    @property
    def decided(self) -> int:
        """Completions that passed or failed."""
        return self.passed + self.failed

    @property
    def accuracy(self) -> float | None:
        """Passed of those decided: abstentions are left out; None of none."""
        return self.passed / self.decided if self.decided else None

    @property
    def stderr(self) -> float | None:
        """Standard error of :attr:`accuracy`, the completions of one row taken as one cluster; None below two rows.

        With one completion a row it is √(p(1−p)/(n−1)).
        """
        rows, p = [r for r in self.by_row.values() if sum(r)], self.accuracy
        if p is None or len(rows) < 2:
            return None
        squares = sum((passed - p * (passed + failed)) ** 2 for passed, failed in rows)
        return float((squares * len(rows) / (len(rows) - 1)) ** 0.5 / self.decided)

    @property
    def classification(self) -> Classification | None:
        """Figures by label, for verifiers of labels."""
        return Classification(self.confusion) if self.confusion else None

    def add(self, one: Judged) -> None:
        """Count one more completion."""
        verdict = one.verdict
        state = "abstained" if verdict.passed is None else "passed" if verdict.passed else "failed"
        self.n += 1
        setattr(self, state, getattr(self, state) + 1)
        self.scores += verdict.score or 0.0
        self.reasons[state, verdict.reason] += 1
        if verdict.passed is not None:
            self.by_row[one.row][0 if verdict.passed else 1] += 1
        if one.labels is not None:
            self.confusion[one.labels] += 1
        if one.truth is None or verdict.passed is None:
            self.without_truth += 1
        elif one.truth == verdict.passed:
            self.agreed += 1
        else:
            self.disagreements.append(one)


def score_file(
    source: Source, verifier: Verifier, options: Mapping[str, Any], emit: Callable[[Judged], None] = lambda judged: None
) -> FileScore:
    """Judge every completion of a file.

    Args:
        source: the file and its columns.
        verifier: who judges.
        options: complete ones.
        emit: is given each verdict, in the order of the file.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is no file of rows, or no row has a place that the mapping names.
        RecipeError: the options name a column that no row has.
    """
    joined = _read_joined(source) if source.join is not None else {}
    _check_places(source, verifier, options, joined)
    score = FileScore()
    for number, row, fault in _rows(source, joined):
        for judged in _judge_row(source, verifier, options, number, row, fault):
            score.add(judged)
            emit(judged)
    return score


def _rows(source: Source, joined: Mapping[Any, Row]) -> Iterator[tuple[int, Row, str | None]]:
    """Yield (number, row, fault): the lines of the file, or the rows inside them, with the joined columns."""
    number = 0
    for line in read_lines(source.path, header=source.has_header):
        inner: Iterable[Any] = [line.row]
        if line.row is not None and source.rows:
            found = read_place(line.row, source.rows)
            inner = found if isinstance(found, list) else [None]
        for row in inner:
            number += 1
            if isinstance(row, dict):
                yield number, {**joined.get(_key(row.get(source.on)), {}), **row}, None
            else:
                yield number, {}, line.fault or f"no rows under {source.rows}"


def _key(value: Any) -> Any:
    return str(value) if isinstance(value, str | int | float) else repr(value)


def _read_joined(source: Source) -> dict[Any, Row]:
    assert source.join is not None
    found: dict[Any, Row] = {}
    place = f"--join {source.join}"
    for line in read_lines(source.join):
        if line.row is None or source.on not in line.row:
            received = line.fault or "columns " + ", ".join(line.row or ())
            raise InputError(
                f"{place}, row {line.number}", expected=f"rows with a column {source.on!r}", received=received,
                cure="mend the file, or name the column with --on",
            )  # fmt: skip
        if found.setdefault(_key(line.row[source.on]), line.row) != line.row:
            raise InputError(
                f"{place}, row {line.number}", expected=f"one row for each {source.on!r}",
                received=f"a second one for {line.row[source.on]!r}", cure="name a column that tells the rows apart with --on",
            )  # fmt: skip
    return found


def _check_places(source: Source, verifier: Verifier, options: Mapping[str, Any], joined: Mapping[Any, Row]) -> None:
    """Refuse columns that no row has, before anything is judged."""
    columns: set[str] = set()
    wanted = dict(source.mapping) | ({"truth": source.truth} if source.truth else {})
    for _, row, _ in _rows(source, joined):
        columns |= row.keys()
        wanted = {target: place for target, place in wanted.items() if not has_place(row, place)}
    place = f"data file {source.path}"
    if not columns:
        fault = next((f"row {n}: {fault}" for n, _, fault in _rows(source, joined)), "no rows")
        raise InputError(place, expected="rows", received=fault, cure="check the file")
    check_columns(verifier, options, columns | source.places.keys() - DEFAULT_MAP.keys(), place)
    unmapped = (n for n in ("completion", *verifier.needs) if n not in source.mapping and n not in columns)
    wanted = {**{name: name for name in unmapped}, **wanted}
    for target, column in wanted.items():
        raise InputError(
            place, expected=f"a row with {column!r}, for {target}", received=f"columns {_show(columns)}",
            cure=find_nearest(column, columns) or _tell_columns(source.path, target),
        )  # fmt: skip


def _show(columns: Iterable[str]) -> str:
    """Return names of columns, cut: of a table without a header they are a row's texts."""
    return ", ".join(name if len(name) <= SHOWN_CHARS else name[:SHOWN_CHARS] + "…" for name in sorted(columns))


def _tell_columns(path: Path, target: str) -> str:
    is_table = {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}
    without = f"; of a table without a header by its number: --map {target}=1" if is_table else ""
    return f"--map {target}=COLUMN says which it is{without}"


def _judge_row(
    source: Source, verifier: Verifier, options: Mapping[str, Any], number: int, row: Row, fault: str | None
) -> Iterator[Judged]:
    if fault is not None:
        yield Judged(number, 0, Verdict(None, None, fault))
        return
    try:
        found = {target: read_place(row, place) for target, place in source.places.items()}
    except BadRow as error:
        yield Judged(number, 0, Verdict(None, None, str(error)))
        return
    said, truth = found.pop("completion"), read_place(row, source.truth) if source.truth else None
    fields = {**row, **{t: v for t, v in found.items() if t in source.mapping}}
    for draw, one in enumerate(_draws_of(said)):
        recorded = truth[draw] if isinstance(truth, list) and draw < len(truth) else truth
        if one is None:
            yield Judged(number, draw, Verdict(None, None, "no completion"), _as_truth(recorded))
            continue
        finish = found.get("finish_reason")
        case = Case(text_of(one), found.get("expected"), fields, finish if isinstance(finish, str) else None)
        verdict = run_verifier(verifier, case, options)
        labels = verifier.classify(case, options) if verifier.classify and verdict.passed is not None else None
        yield Judged(number, draw, verdict, _as_truth(recorded), labels)


def _draws_of(said: Any) -> list[Any]:
    """Return the completions of a row: a list of texts is several, of which null is one that is missing."""
    is_several = isinstance(said, list) and said and all(one is None or isinstance(one, str) for one in said)
    return said if is_several else [said]


def _as_truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = f"{value:g}" if isinstance(value, int | float) else value.strip().lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None
