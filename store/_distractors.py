"""Pieces of other rows among a row's own, so that what is of use has to be found: sources that say nothing of a claim."""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..config import DistractorConfig
from ._sources import SourceRow

SETS = "evidence_sets"
"""Column that names a row's own pieces by their places, from 1: lists of which any one is enough."""
_TRIES = 20
"""So many draws for each piece that is wanted: rows that are all about one thing have few others."""


def add_distractors(rows: Iterable[SourceRow], config: DistractorConfig) -> list[SourceRow]:
    """Return rows with pieces of other rows among their own.

    Equal rows of equal sets get the same pieces in the same order, whatever else is drawn. A piece never stands in a row with
    the same under ``config.by``: that one may well matter. A row that names no :data:`SETS` gets them:
    each of its own pieces alone. Rows that cannot be read, or hold something else in that column, stay as they are.
    """
    read = list(rows)
    pool: list[Any] = []
    of_key: dict[str, set[str]] = defaultdict(set)
    for row in read:
        pieces = _pieces_of(row, config) or []
        pool += pieces
        of_key[_key_of(row, config)].update(map(_text, pieces))
    return [row if (own := _pieces_of(row, config)) is None else _mix(row, own, pool, of_key, config) for row in read]


def _pieces_of(row: SourceRow, config: DistractorConfig) -> list[Any] | None:
    """Return a row's own pieces; none of a row without the column, None where no pieces can be added."""
    if row.fault:
        return None
    given = row.row.get(config.column)
    return [] if given is None else [given] if isinstance(given, str) else given if isinstance(given, list) else None


def _key_of(row: SourceRow, config: DistractorConfig) -> str:
    found = row.row.get(config.by)
    text = found if isinstance(found, str) else _text(found)
    return " ".join(text.lower().split())


def _mix(
    row: SourceRow, own: list[Any], pool: Sequence[Any], of_key: Mapping[str, set[str]], config: DistractorConfig
) -> SourceRow:
    key = _key_of(row, config)
    known = set(of_key[key])
    chance = random.Random(hashlib.sha256(_text([key, own]).encode()).digest())
    added: list[Any] = []
    for _ in range(config.n * _TRIES if pool else 0):
        if len(added) < config.n and (text := _text(piece := chance.choice(pool))) not in known:
            known.add(text)
            added.append(piece)
    order = list(range(len(own) + len(added)))
    chance.shuffle(order)
    mixed = [[*own, *added][i] for i in order]
    place = {str(old + 1): new + 1 for new, old in enumerate(order)}
    sets = row.row.get(SETS) or [[i + 1] for i in range(len(own))]
    moved = [[place.get(str(i), i) for i in one] for one in sets]
    return replace(row, row={**row.row, config.column: mixed, SETS: moved})


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
