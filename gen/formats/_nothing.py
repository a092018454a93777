"""What to say when a selection has no row to write: what is there instead, and the command that writes it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...errors import InputError
from ...store import Store
from ._columns import Columns
from ._exported import Exported
from ._load import ASIDE, SELECTIONS, Loaded, look_at_records
from ._record import DPO, KTO, PROBLEM, PROMPT, SCORED, SFT, CannotWrite
from ._registry import FORMATS
from ._rows import STEP

ROWS_OF_KIND = {SFT: "trl", DPO: "trl-dpo", KTO: "trl-kto", SCORED: "ultrafeedback", PROBLEM: "gsm8k", PROMPT: "trl"}
"""The format of a container's rows, by their kind."""
_OTHERS = ("samples", "imported", "dpo", "problems", "kto", "sft")
"""The selections, in the order in which another one is offered."""
LOOKED_AT = 50
"""Rows of a selection that are tried in a format before it is offered."""
_MAP = "--map prompt=question --map completion=answer, with names of your choice"


def find_room(loaded: Loaded) -> tuple[str, ...]:
    """Return the formats that have a place for a row: the one that it came in and the one for its kind before the others."""
    found = []
    for name in dict.fromkeys([loaded.format, ROWS_OF_KIND[loaded.record.kind], *FORMATS]):
        if name is None or name not in FORMATS:
            continue
        try:
            loaded.written_as(FORMATS[name])
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


@dataclass(frozen=True)
class _Place:
    """Where rows may be: a selection, with what is set aside or without."""

    what: str
    where: str | None
    include: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Offer:
    """Rows that are there, and a format that has a place for the first of them."""

    place: _Place
    n: int
    format: str


def _cure(store: Store, result: Exported, where: str | None, mapping: Mapping[str, str] | None) -> str:
    """Return a command that writes rows, the nearest to the one that was given."""
    if result.left_out and result.format == Columns.name and not mapping:
        return f"say which column is what: {_MAP}"
    asked = _Place(result.what, where)
    if result.left_out:
        has_room = any(result.roomier.values())
        offer = _offer(store, asked, result, mapping, same_format=False) if has_room else None
        return f"--format {offer.format} has a place for them" if offer else "choose other rows, with --what or --where"
    for place in (replace(asked, include=(key,)) for key in result.aside):
        if offer := _offer(store, place, result, mapping, same_format=True):
            return f"to have them all the same: --include {place.include[0]}"
    others = [_Place(what, where) for what in _OTHERS if what != result.what]
    with_all = [replace(place, include=tuple(ASIDE)) for place in (asked, *others)]
    for places, same_format in ((others, True), (others, False), (with_all, True), (with_all, False)):
        for place in places:
            if offer := _offer(store, place, result, mapping, same_format=same_format):
                return f"{_say(offer)}: {_command(offer, result, mapping)}"
    if where and (n := look_at_records(store, result.what, None, (), 1)[0]):
        return f'without --where there are {n:,}; try the condition first: flywheel sql "select … where …"'
    return _nothing_at_all(store)


def _nothing_at_all(store: Store) -> str:
    """Say what to do about a store without rows that can be written; the funnel is worth a look when it has lines."""
    if store.query("SELECT 1 FROM funnel LIMIT 1"):
        return 'nothing is there to export; flywheel sql "select * from funnel" shows where the rows went'
    return "nothing is there to export yet: bring rows in (flywheel import) or make some (flywheel generate)"


def _offer(
    store: Store, place: _Place, result: Exported, mapping: Mapping[str, str] | None, *, same_format: bool
) -> _Offer | None:
    """Return what an export of ``place`` would write, in the format that was asked for or in one of the rows' own."""
    where = place.where
    if place.what == "samples" != result.what:  # imported rows have a selection of their own
        where = f"step <> '{STEP}'" + (f" AND (\n{where}\n)" if where else "")
    n, found = look_at_records(store, place.what, where, place.include, LOOKED_AT)
    for loaded in found:
        room = _formats_for(loaded, result.format, mapping)
        if same_format and result.format in room:
            return _Offer(place, n, result.format)
        if not same_format and room:
            return _Offer(place, n, room[0])
    return None


def _formats_for(loaded: Loaded, asked: str, mapping: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the formats that have a place for a row, and the name that was asked for if it has one too."""
    room = find_room(loaded)
    if asked in FORMATS:
        return room
    try:
        loaded.written_as(Columns(mapping) if asked == Columns.name else FORMATS[ROWS_OF_KIND[loaded.record.kind]])
    except CannotWrite:
        return room
    return (*room, asked)


def _say(offer: _Offer) -> str:
    names = {
        "samples": "samples are there, without a verdict of a judge or verifier", "imported": "imported rows are there",
        "dpo": "pairs are there", "problems": "problems are there", "kto": "samples with a verdict are there",
        "sft": "accepted samples are there",
    }  # fmt: skip
    said = f"{offer.n:,} {names[offer.place.what]}"
    return said.replace("s are", " is", 1) if offer.n == 1 else said


def _command(offer: _Offer, result: Exported, mapping: Mapping[str, str] | None) -> str:
    place = offer.place
    parts = ["flywheel", "export", "--format", offer.format, "--what", place.what]
    parts += ["--where", place.where] if place.where else []
    parts += [part for key in place.include for part in ("--include", key)]
    if offer.format == Columns.name:
        parts += [part for pair in (mapping or {}).items() for part in ("--map", "=".join(pair))]
    return shlex.join([*parts, "--output", str(result.path)])
