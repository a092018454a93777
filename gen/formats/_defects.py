"""What is odd about a set, seen while it streams by: nothing is changed for it, and nothing is kept silent.

Memory is bounded: prompts are compared among the first :data:`COMPARED` rows, endings among a sample of them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator

from ...files import Line
from ...schema import canonical_json
from ._record import DPO, KTO, Record

COMPARED = 300_000
"""Rows whose prompts are remembered, 16 bytes of content each."""
ENDINGS = 500
"""Rows by which the common ending is found; it is then counted over all."""
ENOUGH_ROWS = 20
NEARLY_ALL = 0.95
KEY_SETS = 32
HARMLESS = {"", ".", "!", "?", "\n", "```", ")", "}"}


class Defects:
    """Sees every row of a set once; :meth:`report` says what was odd."""

    def __init__(self) -> None:
        self._n = self._empty = self._alone = self._repeated = self._conflicting = self._equal_pairs = 0
        self._keys: Counter[frozenset[str]] = Counter()
        self._notes: Counter[str] = Counter()
        self._seen: dict[int, int] = {}
        self._endings: list[str] = []
        self._ending = ""
        self._ended = 0

    def see(self, line: Line, record: Record) -> None:
        """Take a row in."""
        self._n += 1
        self._notes.update(line.notes)
        keys = frozenset(line.row or ())
        if keys in self._keys or len(self._keys) < KEY_SETS:
            self._keys[keys] += 1
        texts = [a.text for a in record.answers]
        self._alone += not record.answers
        self._empty += any(not t.strip() for t in texts)
        if record.kind == DPO:
            self._equal_pairs += record.answers[0].turns == record.answers[1].turns
        self._see_prompt(record, texts)
        if texts:
            self._see_ending(texts[0])

    def note(self, line: Line) -> None:
        """Take in what was mended of a row that is not used."""
        self._notes.update(line.notes)

    def _see_prompt(self, record: Record, texts: list[str]) -> None:
        asked: list[object] = [canonical_json(list(record.prompt))]
        said: list[object] = list(texts)
        if record.kind == KTO:
            asked, said = [*asked, *texts], [record.answers[0].passed]
        if record.problem:
            said = [record.problem.answer]
        key, answer = _hash(asked), _hash(said)
        if key in self._seen:
            self._repeated += 1
            self._conflicting += self._seen[key] != answer
        elif len(self._seen) < COMPARED:
            self._seen[key] = answer

    def _see_ending(self, text: str) -> None:
        text = text.rstrip()
        if len(self._endings) < ENDINGS:
            self._endings.append(text[-24:])
            if len(self._endings) == ENDINGS:
                self._settle_ending()
        elif self._ending:
            self._ended += text.endswith(self._ending)

    def _settle_ending(self) -> None:
        self._ending = _common_ending(self._endings)
        self._ended = sum(e.endswith(self._ending) for e in self._endings)

    def report(self) -> list[str]:
        """Return one line for each kind of defect that was seen."""
        if len(self._endings) < ENDINGS:
            self._settle_ending()
        return list(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from (f"{n} rows: {note}" for note, n in self._notes.items())
        if len(self._keys) > 1:
            yield self._describe_drift()
        if self._empty:
            yield f"{self._empty} rows have an empty completion"
        if 0 < self._alone < self._n:
            yield f"{self._alone} rows have no completion, the others do: they are prompts"
        if self._equal_pairs:
            yield f"{self._equal_pairs} rows have the same text as chosen and as rejected"
        among = f" (among the first {COMPARED:,} prompts)" if len(self._seen) >= COMPARED else ""
        if self._repeated:
            yield f"{self._repeated} rows repeat a prompt{among}, {self._conflicting} of them with another answer or label"
        if self._n >= ENOUGH_ROWS and self._ending not in HARMLESS and self._ended >= NEARLY_ALL * self._n:
            share = "every" if self._ended == self._n else f"{self._ended / self._n:.0%} of the"
            yield f"{share} completion ends in {self._ending!r}: a model trained on it will say so too"

    def _describe_drift(self) -> str:
        usual = self._keys.most_common(1)[0][0]
        others = [(keys, n) for keys, n in self._keys.items() if keys != usual]
        parts = []
        for keys, n in others[:3]:
            more, less = sorted(keys - usual), sorted(usual - keys)
            changes = [f"with {', '.join(more)}"] * bool(more) + [f"without {', '.join(less)}"] * bool(less)
            parts.append(f"{n} rows {' and '.join(changes)}")
        more_sets = f"; {len(others) - 3} other key sets" if len(others) > 3 else ""
        return f"the columns differ: {'; '.join(parts)}{more_sets}"


def _hash(parts: list[object]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(str(part).encode("utf-8", "replace") + b"\0")
    return int.from_bytes(digest.digest(), "big")


def _common_ending(endings: list[str]) -> str:
    """Return the longest ending that nearly all of ``endings`` share, for sets whose completions differ."""
    turned = [e[::-1] for e in endings]
    counts = Counter(turned)
    if len(counts) < len(endings) / 2:
        return ""  # a few answers over and over: labels, not prose with a suffix
    best = ""
    for n in range(1, 25):
        heads = Counter(t[:n] for t in turned if len(t) >= n)
        if not heads or heads.most_common(1)[0][1] < NEARLY_ALL * len(turned):
            break
        best = heads.most_common(1)[0][0]
    return best[::-1]
