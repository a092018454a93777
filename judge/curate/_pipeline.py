"""Curation of a set: step after step, each with its counts, and every row that goes with its step, reason and evidence.

Guarantees: kept + dropped = entered for every step, in order; the same rows, config and seed give the same result; what
was kept, curated again, is kept whole (constant affixes aside, which depend on the set). Memory: texts lie in a temporary
file; some 500 bytes a row are held, and 1 KB more where rows are selected or compared by embeddings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...config import CurationConfig
from .._decontaminate import Decontaminator
from .._tokens import Array
from . import _filters as filters
from ._affixes import Affix, AffixCounter
from ._difficulty import order_rows
from ._diversity import embed_lexically, select_diverse
from ._duplicates import Embed, exact_key, find_exact, find_near, find_semantic
from ._pii import find_pii
from ._spool import Spool

STEPS = (
    "length", "language", "refusals", "boilerplate", "repetition", "pii", "affixes", "conflicts", "difficulty", "exact",
    "near", "semantic", "decontaminate", "select",
)  # fmt: skip
"""The steps, in their order."""


@dataclass(frozen=True, slots=True)
class CurateRow:
    """A row that may be trained on.

    Attributes:
        row_id: its id, distinct within the set.
        prompt: what the model is given, as one text.
        completion: what it learns to say.
        label: the label of a classification, for conflicts; None = the row has none.
        score: of a judge; the best of a cluster stays; None comes last.
        pass_rate: share of the problem's draws that passed, 0 to 1.
    """

    row_id: str
    prompt: str
    completion: str
    label: str | None = None
    score: float | None = None
    pass_rate: float | None = None


@dataclass(frozen=True, slots=True)
class CurateDrop:
    """A row that goes: at which step, why (short and countable), and what that rests on."""

    row_id: str
    step: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True)
class StepCount:
    """What a step did: entered = kept + dropped."""

    step: str
    entered: int
    kept: int
    dropped: int


@dataclass
class Curated:
    """What came of a set.

    Attributes:
        kept: ids, in the order of training.
        drops: the rows that go, by step.
        steps: counts of every step that ran, in order.
        affixes: constant endings and beginnings of the rows that passed the filters.
        pii: kinds of personal data by row, of flagged rows that stayed.
    """

    kept: list[str] = field(default_factory=list)
    drops: list[CurateDrop] = field(default_factory=list)
    steps: list[StepCount] = field(default_factory=list)
    affixes: list[Affix] = field(default_factory=list)
    pii: dict[str, tuple[str, ...]] = field(default_factory=dict)


def curate(
    rows: Iterable[CurateRow],
    config: CurationConfig | None = None,
    *,
    decontaminator: Decontaminator | None = None,
    embed: Embed | None = None,
    count_tokens: Callable[[str], int] | None = None,
    earlier: Sequence[tuple[str, str]] = (),
) -> Curated:
    """Curate a set.

    Args:
        rows: read once; ids must be distinct.
        config: None = all defaults.
        decontaminator: knows the evaluation items; None = the step is left out.
        embed: texts to vectors, for semantic duplicates and selection; None = hashed TF-IDF.
        count_tokens: for bounds in tokens.
        earlier: (prompt, completion) of rows of earlier iterations: what is like one of them goes.

    Raises:
        ValueError: two rows have one id, or tokens are bounded without ``count_tokens``.
    """
    with Spool() as spool:
        work = _Work(config or CurationConfig(), spool, embed, count_tokens)
        work.read(rows)
        work.strike_affixes()
        work.strike_conflicts()
        work.strike_by_difficulty()
        work.strike_duplicates(list(earlier))
        if work.config.decontaminate and decontaminator is not None:
            work.strike_contaminated(decontaminator)
        work.select()
        return work.finish()


class _Work:
    """The set on its way through the steps: which rows are alive, and what struck the others."""

    def __init__(
        self, config: CurationConfig, spool: Spool, embed: Embed | None, count_tokens: Callable[[str], int] | None
    ) -> None:
        self.config, self._spool, self._embed, self._count_tokens = config, spool, embed, count_tokens
        self._ids: list[str] = []
        self._labels: list[str | None] = []
        self._scores: list[float | None] = []
        self._rates: list[float | None] = []
        self._order: list[int] | None = None
        self.alive: Array = np.zeros(0, bool)
        self.out = Curated()
        self._affix_counter = AffixCounter()

    def read(self, rows: Iterable[CurateRow]) -> None:
        """Put the rows into the spool, and through the filters."""
        checks = self._checks()
        struck: dict[str, list[CurateDrop]] = {step: [] for step, _ in checks}
        alive: list[bool] = []
        for row in rows:
            found = next(((step, f) for step, check in checks if (f := check(row)) is not None), None)
            alive.append(found is None)
            self._ids.append(row.row_id)
            self._labels.append(row.label)
            self._scores.append(row.score)
            self._rates.append(row.pass_rate)
            if found:
                struck[found[0]].append(CurateDrop(row.row_id, found[0], found[1].reason, found[1].evidence))
            else:
                self._affix_counter.add([row.completion])
            self._spool.append(row.prompt, row.completion)
        if len(set(self._ids)) < len(self._ids):
            raise ValueError("rows need distinct ids")
        self._spool.finish()
        self.alive = np.array(alive, bool)
        entered = len(alive)
        for step, drops in struck.items():
            self.out.drops += drops
            self.out.steps.append(StepCount(step, entered, entered - len(drops), len(drops)))
            entered -= len(drops)

    def _checks(self) -> list[tuple[str, Callable[[CurateRow], filters.Finding | None]]]:
        config = self.config
        checks: list[tuple[str, Callable[[CurateRow], filters.Finding | None]]] = [
            ("length", lambda row: filters.check_length(row.completion, config.length, self._count_tokens))
        ]
        if config.language.allowed:
            checks.append(("language", lambda row: filters.check_language(row.completion, config.language)))
        if config.refusals:
            checks.append(("refusals", lambda row: filters.check_refusal(row.completion)))
        if config.boilerplate:
            checks.append(("boilerplate", lambda row: filters.check_boilerplate(row.completion, config.boilerplate)))
        if config.repetition.enabled:
            checks.append(("repetition", lambda row: filters.check_repetition(row.completion, config.repetition)))
        if config.pii != "off":
            checks.append(("pii", self._check_pii))
        return checks

    def _check_pii(self, row: CurateRow) -> filters.Finding | None:
        kinds = tuple(sorted({f.kind for f in find_pii(f"{row.prompt}\n{row.completion}")}))
        if not kinds:
            return None
        if self.config.pii == "flag":
            self.out.pii[row.row_id] = kinds
            return None
        return filters.Finding(f"pii: {kinds[0]}", ", ".join(kinds))

    def strike(self, step: str, found: dict[int, tuple[str, str]]) -> None:
        """Take the rows of ``found`` out, with reason and evidence, and count the step."""
        entered = int(self.alive.sum())
        for row, (reason, evidence) in sorted(found.items()):
            self.alive[row] = False
            self.out.drops.append(CurateDrop(self._ids[row], step, reason, evidence))
        self.out.steps.append(StepCount(step, entered, entered - len(found), len(found)))

    def _living(self) -> list[int]:
        return [int(i) for i in np.flatnonzero(self.alive)]

    def _texts(self) -> Iterator[str]:
        return (f"{prompt}\n{completion}" for prompt, completion in self._spool.read(self.alive))

    def strike_affixes(self) -> None:
        """Find constant endings and beginnings; take their rows out when that is asked for."""
        self.out.affixes = self._affix_counter.find(self.config.affixes)
        if self.config.affixes.action != "drop":
            return
        found = {}
        for row, (_, completion) in zip(self._living(), self._spool.read(self.alive), strict=True):
            if affix := next((a for a in self.out.affixes if a.stands_in(completion)), None):
                found[row] = (f"constant {affix.side}", repr(affix.text))
        self.strike("affixes", found)

    def strike_conflicts(self) -> None:
        """Take out every row of a prompt that stands with several labels."""
        if not self.config.conflicts or all(label is None for label in self._labels):
            return
        labels: dict[bytes, set[str]] = defaultdict(set)
        keyed: list[tuple[int, bytes]] = []
        for row, (prompt, _) in zip(self._living(), self._spool.read(self.alive), strict=True):
            label = self._labels[row]
            if label is not None:
                keyed.append((row, exact_key(prompt)))
                labels[keyed[-1][1]].add(label)
        found = {
            row: ("conflicting labels", " | ".join(sorted(labels[key]))) for row, key in keyed if len(labels[key]) > 1
        }
        self.strike("conflicts", found)

    def strike_by_difficulty(self) -> None:
        """Take out what is too easy or too hard."""
        least, most = self.config.difficulty.min_pass_rate, self.config.difficulty.max_pass_rate
        if (least, most) == (0.0, 1.0):
            return
        found = {}
        for row in self._living():
            rate = self._rates[row]
            if rate is not None and not least <= rate <= most:
                found[row] = ("too hard" if rate < least else "too easy", f"pass rate {rate:.2f}")
        self.strike("difficulty", found)

    def strike_duplicates(self, earlier: list[tuple[str, str]]) -> None:
        """Take out exact, near and semantic duplicates, of each other and of ``earlier``."""
        config = self.config.duplicates
        before = [f"{p}\n{c}" for p, c in earlier]
        n = len(before)
        if config.exact:
            self._strike_duplicates("exact", lambda texts, s: find_exact(texts, s, n_earlier=n), before)
        labels = [None] * n + [self._labels[i] for i in self._living()]
        if config.near:
            self._strike_duplicates(
                "near",
                lambda texts, s: find_near(
                    texts, s, config.near, words=config.near_words, same_numbers=config.same_numbers, n_earlier=n,
                    labels=labels, seed=self.config.seed,
                ),
                before,
            )  # fmt: skip
        if config.semantic:
            self._strike_duplicates(
                "semantic",
                lambda texts, s: find_semantic(self._vectors(texts), s, config.semantic, n_earlier=n),
                before,
            )

    def _strike_duplicates(self, step: str, find: Callable[..., list], before: list[str]) -> None:  # type: ignore[type-arg]
        rows = self._living()
        n = len(before)
        texts = (t for part in (before, self._texts()) for t in part)
        scores = [None] * n + [self._scores[i] for i in rows]
        found = {}
        for d in find(texts, scores):
            kept = self._ids[rows[d.kept - n]] if d.kept >= n else "an earlier iteration"
            found[rows[d.row - n]] = (f"{step} duplicate", f"of {kept}, similarity {d.similarity:.2f}")
        self.strike(step, found)

    def _vectors(self, texts: Iterable[str]) -> Array:
        return embed_lexically(texts) if self._embed is None else np.asarray(self._embed(list(texts)), np.float32)

    def strike_contaminated(self, decontaminator: Decontaminator) -> None:
        """Take out rows that hold an evaluation item."""
        matches = decontaminator.find_all(self._texts())
        self.strike(
            "decontaminate",
            {
                row: (f"contaminated: {match.suite}/{match.split}", match.evidence)
                for row, match in zip(self._living(), matches, strict=True)
                if match
            },
        )

    def select(self) -> None:
        """Keep the n best that are not alike."""
        config = self.config.selection
        if not config.n:
            return
        rows = self._living()
        chosen = select_diverse(
            self._vectors(self._texts()), [self._scores[i] for i in rows], config.n, config.distance
        )
        found = dict.fromkeys(rows, ("beyond selection.n", f"{config.n} better rows"))
        for i, (other, cosine) in chosen.alike.items():
            found[rows[i]] = ("too like a chosen row", f"{self._ids[rows[other]]}, cosine {cosine:.2f}")
        for i in chosen.chosen:
            del found[rows[i]]
        self._order = [rows[i] for i in chosen.chosen]
        self.strike("select", found)

    def finish(self) -> Curated:
        """Return the result, the kept rows in the order of training."""
        rows = self._order if self._order is not None else self._living()
        order = order_rows([self._rates[i] for i in rows], self.config.difficulty, self.config.seed)
        self.out.kept = [self._ids[rows[i]] for i in order]
        kept = set(self.out.kept)
        self.out.pii = {i: kinds for i, kinds in self.out.pii.items() if i in kept}
        return self.out
