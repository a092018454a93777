"""The formats by name, and which of them a file is in."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import InputError
from ._alpaca import Alpaca
from ._base import Format
from ._columns import Columns
from ._gsm8k import GSM8K
from ._llamafactory import LlamaFactoryV1
from ._openai import OpenAI, OpenAIDPO, TRLMessages
from ._record import Row
from ._scored import Scored
from ._sharegpt import ShareGPT
from ._transcript import Transcript
from ._trl import TRL, TRLDPO, TRLKTO

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Alpaca(), ShareGPT(), OpenAI(), OpenAIDPO(), TRL(), TRLMessages(), TRLDPO(), TRLKTO(), Transcript(), Scored(),
        GSM8K(), LlamaFactoryV1(),
    )
}  # fmt: skip
"""Every format that needs no mapping, by its name."""

SOLUTIONS = "gsm8k-solutions"
"""Solutions of several models to GSM8K's problems: read by :func:`flywheel.gen.import_solutions`, which verifies them."""

ENOUGH = 0.5
"""A format that fits less than this share of the first rows is no candidate."""
CLOSE = 0.05
"""Two formats nearer to each other than this are told apart by the user."""


LONGEST_NAME = 60
"""A longer name of a column is a cell."""
_ASKS = (
    "prompt", "instruction", "question", "query", "problem", "input", "turns", "claim", "dialogue", "article", "document",
    "docs", "text",
)  # fmt: skip
_SAYS = (
    "completion", "response", "output", "answer", "right_answer", "result", "solution", "canonical_solution", "code", "summary",
    "note", "section_text", "target", "label",
)  # fmt: skip
"""Names of columns that are likely to hold prompts and completions, the likeliest first."""


@dataclass(frozen=True)
class Candidate:
    """A format with how well it fits the first rows, 0 to 1."""

    name: str
    score: float


def find_format(name: str, mapping: Mapping[str, str] | None = None) -> Format:
    """Return a format by its name.

    Raises:
        InputError: there is none.
    """
    if name == Columns.name:
        return Columns(mapping)
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, 1, 0.7)
        raise InputError(
            f"--format {name}", expected=f"one of {', '.join([*FORMATS, SOLUTIONS, Columns.name])}", received=repr(name),
            cure=f"did you mean {near[0]!r}?" if near else "name one of them, or map the columns with --map",
        )  # fmt: skip
    return FORMATS[name]


def rank_formats(rows: Sequence[Row]) -> list[Candidate]:
    """Return the formats that ``rows`` may be in, the best first."""
    if not rows:
        return []
    scored = [Candidate(f.name, sum(f.fits(r) for r in rows) / len(rows)) for f in FORMATS.values()]
    scored.append(Candidate(SOLUTIONS, sum(_fits_solutions(r) for r in rows) / len(rows)))
    return sorted((c for c in scored if c.score >= ENOUGH), key=lambda c: -c.score)


def _fits_solutions(row: Row) -> float:
    models = [v for v in row.values() if isinstance(v, dict) and "solution" in v]
    return float({"question", "ground_truth"} <= row.keys() and bool(models))


def _cure_unknown(rows: Sequence[Row]) -> str:
    if rows and all({"file_name", "hf_hub_url", "script_url", "ms_hub_url"} & r.keys() for r in rows):
        return "this is LLaMA-Factory's index of data sets: import the files that it names"
    lists = (
        [k for k, v in rows[0].items() if isinstance(v, list) and v and isinstance(v[0], dict)]
        if len(rows) == 1
        else []
    )
    if lists:
        return f"the rows seem to stand under {lists[0]!r}: jq -c '.{lists[0]}[]' FILE > rows.jsonl"
    if rows and any(len(name) > LONGEST_NAME or name.replace(".", "").isdigit() for name in rows[0]):
        return (
            "a table without header? Its columns go by number: --map prompt=1 --map completion=2 (see docs/formats.md)"
        )
    return f"say which column is what{_guess_map(rows[:1])} (see docs/formats.md)"


def _guess_map(rows: Sequence[Row]) -> str:
    """Return a map that the names of a row's columns suggest, for a person to check."""
    texts = {}
    for name, value in (rows[0] if rows else {}).items():
        is_turns = isinstance(value, list) and value and isinstance(value[0], str)
        if is_turns or (isinstance(value, str) and value):
            texts[name.lower()] = f"{name}.0" if is_turns else name
    prompt, completion = (next((texts[name] for name in names if name in texts), None) for names in (_ASKS, _SAYS))
    if prompt is None:
        return ": --map prompt=COLUMN --map completion=COLUMN"
    return f", for example: --map prompt={prompt}" + (f" --map completion={completion}" if completion else "")


def detect_format(rows: Sequence[Row], place: str) -> str:
    """Return the name of the format of ``rows``.

    Raises:
        InputError: no format fits, or several fit equally well.
    """
    found = rank_formats(rows)
    if not found:
        columns = ", ".join(dict.fromkeys(k for r in rows for k in r)) if rows else "no readable row"
        raise InputError(
            place, expected="rows of a known format", received=f"columns {columns}", cure=_cure_unknown(rows)
        )
    rivals = [c for c in found if found[0].score - c.score < CLOSE]
    if len(rivals) > 1:
        names = ", ".join(f"{c.name} ({c.score:.0%})" for c in rivals)
        raise InputError(
            place, expected="rows that only one format fits", received=f"several fit: {names}",
            cure=f"choose with --format {rivals[0].name}, or map the columns with --map",
        )  # fmt: skip
    return found[0].name
