"""What to say when a selection has no row to write: what is there instead, and the command that writes it."""

import shlex
from collections.abc import Mapping

from ...errors import InputError
from ...store import Store
from ._columns import Columns
from ._exported import Exported
from ._load import ASIDE, SELECTIONS, Loaded, count_records
from ._record import DPO, KTO, PROBLEM, PROMPT, SCORED, SFT, CannotWrite
from ._registry import FORMATS
from ._rows import STEP

ROWS_OF_KIND = {SFT: "trl", DPO: "trl-dpo", KTO: "trl-kto", SCORED: "ultrafeedback", PROBLEM: "gsm8k", PROMPT: "trl"}
"""The format of a container's rows, by their kind."""
_KIND_OF = {"samples": SFT, "imported": SFT, "dpo": DPO, "problems": PROBLEM, "kto": KTO, "sft": SFT}
"""The kind of a selection's rows, in the order in which another selection is offered."""
_MAP = "--map prompt=question --map completion=answer, with names of your choice"


def find_room(loaded: Loaded) -> tuple[str, ...]:
    """Return the formats that have a place for a row."""
    found = []
    for name, fmt in FORMATS.items():
        try:
            loaded.written_as(fmt)
        except CannotWrite:
            continue
        found.append(name)
    return tuple(found)


def nothing_to_write(
    store: Store, result: Exported, where: str | None, mapping: Mapping[str, str] | None
) -> InputError:
    """Return the error of an export without rows."""
    asked = f"export --what {result.what}" + (f" --where {shlex.quote(where)}" if where else "")
    reasons = [f"{n} left out: {reason}" for reason, n in result.left_out.items()]
    reasons += [f"{n} set aside: {ASIDE[key][1]}" for key, n in result.aside.items()]
    return InputError(
        asked, expected=f"rows to write: {SELECTIONS[result.what]}", received="; ".join(reasons) or "none",
        cure=_cure(store, result, where, mapping),
    )  # fmt: skip


def _cure(store: Store, result: Exported, where: str | None, mapping: Mapping[str, str] | None) -> str:
    if result.aside:
        return f"to have them all the same: --include {next(iter(result.aside))}"
    if result.left_out:
        if result.format == Columns.name and not mapping:
            return f"say which column is what: {_MAP}"
        room = next(iter(result.roomier.values()), ())
        return f"--format {room[0]} has a place for them" if room else "choose other rows, with --what or --where"
    for what in _KIND_OF:
        own = f"step <> '{STEP}'" + (f" AND (\n{where}\n)" if where else "") if what == "samples" else where
        if n := count_records(store, what, own):
            return f"{_say(what, n)}: {_command(result, what, where)}"
    if where and (n := count_records(store, result.what)):
        return f'without --where there are {n:,}; try the condition first: flywheel sql "select … where …"'
    return 'nothing is there to export; flywheel sql "select * from funnel" shows where the rows went'


def _say(what: str, n: int) -> str:
    names = {
        "samples": "samples are there, without a verdict of a judge or verifier", "imported": "imported rows are there",
        "dpo": "pairs are there", "problems": "problems are there", "kto": "samples with a verdict are there",
        "sft": "accepted samples are there",
    }  # fmt: skip
    said = f"{n:,} {names[what]}"
    return said.replace("s are", " is", 1) if n == 1 else said


def _command(result: Exported, what: str, where: str | None) -> str:
    kind = _KIND_OF[what]
    is_container = result.format not in (*FORMATS, Columns.name)
    fits = is_container or result.format == Columns.name or kind in FORMATS[result.format].kinds
    parts = ["flywheel", "export", "--format", result.format if fits else ROWS_OF_KIND[kind], "--what", what]
    parts += ["--where", where] if where else []
    return shlex.join([*parts, "--output", str(result.path)])
