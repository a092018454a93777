"""Conflicts: what one input is said to be, by several rows of a project, that cannot all be right.

Three kinds are looked for: different labels of one prompt (the known answers of problems, a ``label`` among the fields, completions
that are labels), one completion both accepted and rejected by the labels that its set came with, and two completions of one
prompt each of which is preferred to the other. Case and white space do not matter.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .._tokens import Array
from ._duplicates import exact_key

LABEL_CHARS = 40
"""Characters of a completion that may be a label; it must also stand with several prompts."""
MOST_SHOWN = 10
KINDS = ("several labels of one prompt", "one completion accepted and rejected", "each of two preferred to the other")


@dataclass(frozen=True)
class Conflict:
    """Conflicts of one kind: how many inputs, how many rows, and where some of the rows stand."""

    kind: str
    inputs: int
    rows: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """What one row says of an input, and where it stands."""

    key: bytes
    value: str
    place: str


def find_conflicts(
    labels: Iterable[Said], judged: Iterable[Said], preferred: Iterable[Said]
) -> list[Conflict]:  # fmt: skip
    """Return the conflicts among labels of prompts, recorded verdicts on completions, and preferences; kinds without one are left
    out.
    """
    found = (_count(kind, rows) for kind, rows in zip(KINDS, (labels, judged, preferred), strict=True))
    return [conflict for conflict in found if conflict.inputs]


def _count(kind: str, rows: Iterable[Said]) -> Conflict:
    groups: dict[bytes, list[Said]] = defaultdict(list)
    for row in rows:
        groups[row.key].append(row)
    bad = [group for group in groups.values() if len({r.value for r in group}) > 1]
    places = [r.place for group in bad for r in group]
    return Conflict(kind, len(bad), len(places), tuple(places[:MOST_SHOWN]))


def read_labels(prompts: Sequence[str], completions: Sequence[str], labels: Sequence[str | None]) -> list[str | None]:
    """Return each row's label: the given one, else its completion where that is one: short, and said to several prompts."""
    standing: dict[str, set[bytes]] = defaultdict(set)
    words = [" ".join(c.casefold().split()) for c in completions]
    for prompt, word in zip(prompts, words, strict=True):
        if 0 < len(word) <= LABEL_CHARS and len(standing[word]) < 2:
            standing[word].add(exact_key(prompt))
    usual = {word for word, seen in standing.items() if len(seen) > 1}
    return [
        label if label is not None else word if word in usual else None
        for label, word in zip(labels, words, strict=True)
    ]


def say_labels(prompts: Sequence[str], labels: Sequence[str | None], places: Sequence[str]) -> list[Said]:
    """Return what rows say of their prompts; rows without a prompt say nothing."""
    rows = zip(prompts, labels, places, strict=True)
    return [Said(exact_key(prompt), label, place) for prompt, label, place in rows if label is not None and prompt]


def say_preferences(rows: Iterable[tuple[str, str, str, str]]) -> list[Said]:
    """Return what pairs (prompt, chosen, rejected, place) say of the two of them."""
    said = []
    for prompt, chosen, rejected, place in rows:
        a, b = exact_key(chosen), exact_key(rejected)
        if a != b:
            said.append(Said(exact_key(prompt) + min(a, b) + max(a, b), str(a < b), place))
    return said


def find_opposed(prompts: Array, chosen: Array, rejected: Array) -> Array:
    """Return the places of pairs whose two completions another pair of the same prompt has the other way round.

    Args:
        prompts: uint64 keys of shape (n,); ``chosen`` and ``rejected`` likewise.
    """
    both = np.stack([prompts, np.minimum(chosen, rejected), np.maximum(chosen, rejected)], axis=1)
    _, group = np.unique(both, axis=0, return_inverse=True)
    group, side = group.reshape(-1), chosen < rejected
    one, other = (np.bincount(group, weights=s, minlength=len(group) + 1) > 0 for s in (side, chosen > rejected))
    found: Array = np.flatnonzero((one & other)[group])
    return found
