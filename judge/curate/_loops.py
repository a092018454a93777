"""Loops of characters: a stretch that is repeated again and again with nothing between, in any script.

Words do not matter, so that ``哈哈哈哈哈哈``, ``aaaaaaaa``, ``!?!?!?!?`` and a sentence without spaces, said five times, are seen
like a loop of words. Texts that merely use the same phrases (records of JSON, steps of a calculation) have something
between, and are none.
"""

from collections import Counter
from typing import Any

import numpy as np

LONGEST_UNIT = 200
"""Characters of the stretch that is repeated, white space aside."""
REPEATS = 4
LEAST_CHARS = 6
"""Characters of a loop; 4 of a script without small letters, where one is a syllable."""
LEAST_DIGITS = 30
"""Of digits alone: 1,000,000 and 0.33333333 are numbers."""
CHEAP = 40
DISTINCT = 0.65
"""Share of different 4-grams above which a text (of more than 40 characters) is no loop by half: of a loop at most a quarter
differ, so half of the rest and a quarter of the loop are five eighths.
"""


def loop_share(text: str) -> float:
    """Return the share of the characters, white space aside, that stand in loops; 0 where it is plain that less than half do."""
    said = "".join(text.split())
    if len(said) < REPEATS or (len(said) > CHEAP and _distinct(said) > DISTINCT):
        return 0.0
    codes = np.frombuffer(said.encode("utf-32-le", "surrogatepass"), np.uint32)
    covered = np.zeros(len(codes), bool)
    for period in _periods(said):
        for start, end in _stretches(codes, period):
            if end - start >= _least(said[start : start + period]):
                covered[start:end] = True
    return float(covered.mean())


def _distinct(said: str) -> float:
    n = len(said) - 3
    return len({said[i : i + 4] for i in range(n)}) / n


def _periods(said: str) -> list[int]:
    """Return the periods that a loop may have: distances at which 4-grams come again, often enough for it."""
    if len(said) <= CHEAP:
        return list(range(1, len(said) // REPEATS + 1))
    last: dict[str, int] = {}
    distances: Counter[int] = Counter()
    for i in range(len(said) - 3):
        gram = said[i : i + 4]
        if gram in last:
            distances[i - last[gram]] += 1
        last[gram] = i
    return sorted(p for p, n in distances.items() if p <= LONGEST_UNIT and n >= (REPEATS - 1) * p - 3)


def _stretches(codes: Any, period: int) -> list[tuple[int, int]]:
    """Return (start, end) of what repeats its first ``period`` characters often enough."""
    same = np.concatenate([[0], codes[period:] == codes[:-period], [0]]).astype(np.int8)
    edge = np.diff(same)
    starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) + period
    long = ends - starts >= REPEATS * period
    return list(zip(starts[long].tolist(), ends[long].tolist(), strict=True))


def _least(unit: str) -> int:
    if unit.isdecimal():
        return LEAST_DIGITS
    return REPEATS if all(c.isalpha() and c.lower() == c.upper() for c in unit) else LEAST_CHARS
