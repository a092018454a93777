"""Constant endings and beginnings: what nearly all completions of a set share, and a model trained on it will emit.

Found over the whole set, with the share of rows that have it: an ending is grown from the last character as long as nearly
all rows that have it go on alike, so ``#### 72!!!`` and ``#### 5!!!`` end in ``!!!``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...config import AffixConfig

MOST_CHARS = 80
MOST_HELD = 100_000
GROWTH = 0.8
"""Share of the texts with an affix that have to go on alike for it to be longer."""


@dataclass(frozen=True)
class Affix:
    """A constant ending (``suffix``) or beginning (``prefix``), and how many of how many texts have it."""

    side: str
    text: str
    count: int
    total: int

    @property
    def share(self) -> float:
        """Share of the texts, 0 to 1."""
        return self.count / self.total

    def stands_in(self, text: str) -> bool:
        """Say whether ``text`` has it; white space at its end does not matter."""
        return text.rstrip().endswith(self.text) if self.side == "suffix" else text.lstrip().startswith(self.text)


class AffixCounter:
    """Looks at the last and first characters of many texts: of all, or of an even sample of 50,000 to 100,000 of them, so that
    memory is bounded (some 30 MB). Counts of a sample are scaled to the whole.
    """

    def __init__(self) -> None:
        self._held: list[tuple[int, str, str]] = []
        self._mask = 0
        self._total = 0

    def add(self, texts: Iterable[str]) -> None:
        """Count ``texts``; empty ones are left out."""
        for text in texts:
            if text.strip():
                chance = _spread(self._total)
                self._total += 1
                if not chance & self._mask:
                    self._held.append((chance, text.rstrip()[-MOST_CHARS:][::-1], text.lstrip()[:MOST_CHARS]))
                if len(self._held) > MOST_HELD:
                    self._mask = 2 * self._mask + 1
                    self._held = [h for h in self._held if not h[0] & self._mask]

    def find(self, config: AffixConfig) -> list[Affix]:
        """Return the suffixes and prefixes that enough of the texts have, and that are not mostly whole texts (labels)."""
        out: list[Affix] = []
        if self._total < config.min_rows:
            return out
        scale = self._total / len(self._held)
        for side, counts in (
            ("suffix", Counter(h[1] for h in self._held)),
            ("prefix", Counter(h[2] for h in self._held)),
        ):
            for text, count in _grow(counts, config.min_share * len(self._held)):
                if len(text) >= config.min_chars and text.strip() and 2 * counts[text] <= count:
                    out.append(Affix(side, text[::-1] if side == "suffix" else text, round(scale * count), self._total))
        return out


def _spread(n: int) -> int:
    """Return a number of 32 bits that looks random, the same for the same ``n`` (Fibonacci hashing)."""
    return (n * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 32


def _grow(counts: Counter[str], enough: float) -> list[tuple[str, int]]:
    """Return, for each first character that enough texts share, the beginning that grows from it, and how many have it.

    It grows while nearly all go on alike: a text that some of them go on with is theirs alone.
    """
    out = []
    for first, n in _following(counts, 0).items():
        best, count, rest = first, n, {t: c for t, c in counts.items() if t.startswith(first)}
        while n >= enough and rest:
            char, n = max(_following(rest, len(best)).items(), key=lambda item: (item[1], item[0]), default=("", 0))
            if n < max(enough, GROWTH * count):
                out.append((best, count))
                break
            best, count = best + char, n
            rest = {t: c for t, c in rest.items() if t.startswith(best)}
    return out


def _following(counts: Mapping[str, int], at: int) -> Counter[str]:
    """Count the characters at place ``at``."""
    following: Counter[str] = Counter()
    for text, count in counts.items():
        if len(text) > at:
            following[text[at]] += count
    return following


def find_affixes(texts: Iterable[str], config: AffixConfig | None = None) -> list[Affix]:
    """Return the constant suffix and prefix of ``texts``, if there are any."""
    counter = AffixCounter()
    counter.add(texts)
    return counter.find(config or AffixConfig())
