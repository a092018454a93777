"""Curation of a set: step after step, each with its counts, and every row that goes with its step, reason and evidence.

Guarantees: kept + dropped = entered for every step, in order; the same rows, config and seed give the same result; what
was kept, curated again, is kept whole (constant affixes aside, which depend on the set).

Memory a row: texts lie in a temporary file; of each row its id (8 bytes and its text), and 45 bytes for label and what it
is of, score, pass rate, prompt and state, of a pair 24 more. Near duplicates take some 80 bytes a row; selection and embeddings
1 KB. There is no Python object for a row that stays; one that goes has one, some 500 bytes.
"""

import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ...config import CurationConfig
from .._decontaminate import Decontaminator
from .._mapper import HERE, Mapper
from .._tokens import Array
from ._affixes import Affix, AffixCounter
from ._checks import check_rows, list_steps
from ._conflicts import find_opposed
from ._difficulty import order_rows
from ._diversity import embed_lexically, select_diverse
from ._duplicates import Embed, find_exact, find_near, find_semantic, rank_rows, short_key
from ._spool import Spool, join_texts

STEPS = (
    "length", "language", "refusals", "boilerplate", "repetition", "pii", "affixes", "conflicts", "difficulty", "exact",
    "near", "semantic", "per prompt", "decontaminate", "select",
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
        rejected: of a pair, what it learns not to say; duplicates and evaluation items are looked for there too.
        subject: what the label is said of, where that is more than the prompt: of a judged completion prompt and completion.
    """

    row_id: str
    prompt: str
    completion: str
    label: str | None = None
    score: float | None = None
    pass_rate: float | None = None
    rejected: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class CurateDrop:
    """A row that goes: at which step, why (short and countable), what that rests on, and its place in the set, from 0."""

    row_id: str
    step: str
    reason: str
    evidence: str
    place: int


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
        order: places of the kept rows among all, from 0, in the order of training: int64.
        drops: the rows that go, by step.
        steps: counts of every step that ran, in order.
        affixes: constant endings and beginnings of the rows that passed the filters.
        pii: kinds of personal data by row, of flagged rows that stayed.
    """

    order: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    drops: list[CurateDrop] = field(default_factory=list)
    steps: list[StepCount] = field(default_factory=list)
    affixes: list[Affix] = field(default_factory=list)
    pii: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _ids: "Ids | None" = None

    @property
    def kept(self) -> list[str]:
        """Ids of the kept rows, in the order of training."""
        return self._ids.take(self.order) if self._ids else []


class Ids:
    """Ids of rows, 8 bytes and its text each."""

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []
        self._open: list[str] = []
        self._hashes = array("Q")

    def append(self, row_id: str) -> None:
        """Add one."""
        self._hashes.append(short_key(row_id))
        self._open.append(row_id)
        if len(self._open) >= 10_000:
            self._close()

    def _close(self) -> None:
        self._parts.append(pa.array(self._open, pa.large_string()))
        self._open = []

    def finish(self) -> None:
        """End adding.

        Raises:
            ValueError: two are the same.
        """
        self._close()
        self._all = pa.concat_arrays(self._parts)
        if len(np.unique(np.frombuffer(self._hashes, np.uint64))) < len(self._all):
            raise ValueError("rows need distinct ids")
        self._parts, self._hashes = [], array("Q")

    def __getitem__(self, row: int) -> str:
        return str(self._all[row].as_py())

    def take(self, rows: Array) -> list[str]:
        """Return those of ``rows``."""
        found: list[str] = self._all.take(pa.array(rows)).to_pylist()
        return found


def curate(
    rows: Iterable[CurateRow],
    config: CurationConfig | None = None,
    *,
    decontaminator: Decontaminator | None = None,
    embed: Embed | None = None,
    count_tokens: Callable[[str], int] | None = None,
    earlier: Iterable[tuple[str, ...]] = (),
    per_prompt: int = 0,
    mapper: Mapper = HERE,
) -> Curated:
    """Curate a set.

    Args:
        rows: read once; ids must be distinct.
        config: None = all defaults.
        decontaminator: knows the evaluation items; None = the step is left out.
        embed: texts to vectors, for semantic duplicates and selection; None = hashed TF-IDF.
        count_tokens: for bounds in tokens.
        earlier: (prompt, completion), of pairs also the rejected, of rows of earlier iterations: what is like one of them goes.
        per_prompt: most rows of one prompt, the best; 0 = disabled.
        mapper: has the filters and the search for near duplicates done; evaluation items are looked for where the
            ``decontaminator`` has that done.

    Raises:
        ValueError: two rows have one id, or tokens are bounded without ``count_tokens``.
    """
    with Spool() as spool, Spool() as before, mapper.held():
        work = _Work(config or CurationConfig(), spool, embed, count_tokens, mapper)
        work.read(rows)
        work.strike_affixes()
        work.strike_conflicts()
        work.strike_by_difficulty()
        for texts in earlier:
            before.append(*texts)
        before.finish()
        work.strike_duplicates(before)
        work.strike_beyond(per_prompt)
        if work.config.decontaminate and decontaminator is not None:
            work.strike_contaminated(decontaminator)
        work.select()
        return work.finish()


class _Work:
    """The set on its way through the steps: which rows are alive, and what struck the others."""

    def __init__(
        self, config: CurationConfig, spool: Spool, embed: Embed | None, count_tokens: Callable[[str], int] | None,
        mapper: Mapper,
    ) -> None:  # fmt: skip
        self.config, self._spool, self._embed, self._count_tokens = config, spool, embed, count_tokens
        self._mapper = mapper
        self._ids = Ids()
        self._codes: dict[str | None, int] = {None: 0}
        self._order: Array | None = None
        self.out = Curated(_ids=self._ids)
        self._affix_counter = AffixCounter()
        self._pairs = array("q")

    def read(self, rows: Iterable[CurateRow]) -> None:
        """Put the rows into the spool, and through the filters."""
        struck: dict[str, list[CurateDrop]] = {step: [] for step in list_steps(self.config)}
        alive, labels, scores, rates, prompts = bytearray(), array("i"), array("d"), array("d"), array("Q")
        subjects, chosen, rejected = array("Q"), array("Q"), array("Q")
        checked = check_rows(
            rows, lambda row: (row.prompt, row.completion), self.config, self._count_tokens, self._mapper
        )
        for row, (step, finding, kinds) in checked:
            alive.append(finding is None)
            self._ids.append(row.row_id)
            labels.append(self._codes.setdefault(row.label, len(self._codes)))
            scores.append(np.nan if row.score is None else row.score)
            rates.append(np.nan if row.pass_rate is None else row.pass_rate)
            prompts.append(short_key(row.prompt))
            subjects.append(short_key(row.subject) if row.subject else prompts[-1])
            if row.rejected:
                self._pairs.append(len(alive) - 1)
                chosen.append(short_key(row.completion))
                rejected.append(short_key(row.rejected))
            if kinds:
                self.out.pii[row.row_id] = kinds
            if step is not None and finding is not None:
                struck[step].append(CurateDrop(row.row_id, step, finding.reason, finding.evidence, len(alive) - 1))
            else:
                self._affix_counter.add([row.completion])
            self._spool.append(row.prompt, row.completion, row.rejected)
        self._ids.finish()
        self._spool.finish()
        self.alive = np.frombuffer(alive, np.uint8).astype(bool)
        self._labels, self._prompts = np.frombuffer(labels, np.int32), np.frombuffer(prompts, np.uint64)
        self._subjects = np.frombuffer(subjects, np.uint64)
        self._chosen, self._rejected = np.frombuffer(chosen, np.uint64), np.frombuffer(rejected, np.uint64)
        self._scores, self._rates = np.frombuffer(scores, np.float64), np.frombuffer(rates, np.float64)
        entered = len(alive)
        for step, drops in struck.items():
            self.out.drops += drops
            self.out.steps.append(StepCount(step, entered, entered - len(drops), len(drops)))
            entered -= len(drops)

    def strike(self, step: str, found: dict[int, tuple[str, str]]) -> None:
        """Take the rows of ``found`` out, with reason and evidence, and count the step."""
        entered = int(self.alive.sum())
        for row, (reason, evidence) in sorted(found.items()):
            self.alive[row] = False
            self.out.drops.append(CurateDrop(self._ids[row], step, reason, evidence, row))
        self.out.steps.append(StepCount(step, entered, entered - len(found), len(found)))

    @property
    def _living(self) -> Array:
        return np.flatnonzero(self.alive)

    def _texts(self) -> Iterator[str]:
        return map(join_texts, self._spool.read(self.alive))

    def strike_affixes(self) -> None:
        """Find constant endings and beginnings; take their rows out when that is asked for."""
        self.out.affixes = self._affix_counter.find(self.config.affixes)
        if self.config.affixes.action != "drop":
            return
        found = {}
        for row, (_, completion, _) in zip(self._living.tolist(), self._spool.read(self.alive), strict=True):
            if affix := next((a for a in self.out.affixes if a.stands_in(completion)), None):
                found[row] = (f"constant {affix.side}", repr(affix.text))
        self.strike("affixes", found)

    def strike_conflicts(self) -> None:
        """Take out every row of a prompt (or subject) that stands with several labels, and pairs that contradict each other."""
        if self.config.conflicts and (len(self._codes) > 1 or len(self._pairs)):
            self.strike("conflicts", self._find_several_labels() | self._find_opposed())

    def _find_several_labels(self) -> dict[int, tuple[str, str]]:
        rows = self._living[self._labels[self._living] > 0]
        rows = rows[np.lexsort((self._labels[rows], self._subjects[rows]))]
        starts = np.flatnonzero(np.diff(self._subjects[rows], prepend=~self._subjects[rows[:1]])) if len(rows) else rows
        names = {code: str(label) for label, code in self._codes.items()}
        found: dict[int, tuple[str, str]] = {}
        for group in np.split(rows, starts[1:]):
            codes = self._labels[group]
            if len(group) and codes[0] != codes[-1]:
                said = " | ".join(sorted({names[c] for c in codes.tolist()}))
                found |= dict.fromkeys(group.tolist(), ("conflicting labels", said))
        return found

    def _find_opposed(self) -> dict[int, tuple[str, str]]:
        places = np.frombuffer(self._pairs, np.int64)
        alive = self.alive[places] if len(places) else np.zeros(0, bool)
        opposed = find_opposed(self._prompts[places][alive], self._chosen[alive], self._rejected[alive])
        why = ("conflicting preferences", "another pair has its two completions the other way round")
        return dict.fromkeys(places[alive][opposed].tolist(), why)

    def strike_by_difficulty(self) -> None:
        """Take out what is too easy or too hard."""
        least, most = self.config.difficulty.min_pass_rate, self.config.difficulty.max_pass_rate
        if (least, most) == (0.0, 1.0):
            return
        rates = self._rates
        found = {
            row: ("too hard" if rates[row] < least else "too easy", f"pass rate {rates[row]:.2f}")
            for row in np.flatnonzero(self.alive & ((rates < least) | (rates > most))).tolist()
        }
        self.strike("difficulty", found)

    def strike_duplicates(self, before: Spool) -> None:
        """Take out exact, near and semantic duplicates, of each other and of rows of earlier iterations."""
        config, n = self.config.duplicates, before.n
        if config.exact:
            self._strike_duplicates("exact", lambda texts, s: find_exact(texts, s, n_earlier=n), before)
        labels = np.concatenate([np.zeros(n, np.int32), self._labels[self._living]])
        if config.near:
            self._strike_duplicates(
                "near",
                lambda texts, s: find_near(
                    texts, s, config.near, words=config.near_words, same_numbers=config.same_numbers, n_earlier=n,
                    labels=labels, parts=self._completions(before), seed=self.config.seed, mapper=self._mapper,
                ),
                before,
            )  # fmt: skip
        if config.semantic:
            self._strike_duplicates(
                "semantic",
                lambda texts, s: find_semantic(self._vectors(texts), s, config.semantic, n_earlier=n),
                before,
            )

    def _strike_duplicates(self, step: str, find: Callable[..., list], before: Spool) -> None:  # type: ignore[type-arg]
        rows, n = self._living, before.n
        texts = (t for part in (map(join_texts, before.read()), self._texts()) for t in part)
        scores = np.concatenate([np.full(n, np.nan), self._scores[rows]])
        found = {}
        for d in find(texts, scores):
            kept = self._ids[int(rows[d.kept - n])] if d.kept >= n else "an earlier iteration"
            found[int(rows[d.row - n])] = (f"{step} duplicate", f"of {kept}, similarity {d.similarity:.2f}")
        self.strike(step, found)

    def _completions(self, before: Spool) -> Iterator[str]:
        for _, completion, rejected in itertools.chain(before.read(), self._spool.read(self.alive)):
            yield f"{completion}\n{rejected}" if rejected else completion

    def strike_beyond(self, per_prompt: int) -> None:
        """Take out what a prompt has beyond its best rows."""
        if not per_prompt:
            return
        rows = self._living
        order = rows[np.lexsort((rank_rows(self._scores[rows]), self._prompts[rows]))]
        begins = (
            np.flatnonzero(np.diff(self._prompts[order], prepend=~self._prompts[order[:1]])) if len(order) else order
        )
        place = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
        beyond = order[place >= per_prompt].tolist()
        self.strike(
            "per prompt", dict.fromkeys(beyond, ("more than select.per_problem", f"{per_prompt} of its prompt"))
        )

    def _vectors(self, texts: Iterable[str]) -> Array:
        return embed_lexically(texts) if self._embed is None else np.asarray(self._embed(list(texts)), np.float32)

    def strike_contaminated(self, decontaminator: Decontaminator) -> None:
        """Take out rows that hold an evaluation item."""
        matches = decontaminator.find_all(self._texts())
        self.strike(
            "decontaminate",
            {
                row: (f"contaminated: {match.suite}/{match.split}", match.evidence)
                for row, match in zip(self._living.tolist(), matches, strict=True)
                if match
            },
        )

    def select(self) -> None:
        """Keep the n best that are not alike."""
        config = self.config.selection
        if not config.n:
            return
        rows = self._living
        chosen = select_diverse(self._vectors(self._texts()), self._scores[rows], config.n, config.distance)
        found = dict.fromkeys(rows.tolist(), ("beyond selection.n", f"{config.n} better rows"))
        for i, (other, cosine) in chosen.alike.items():
            found[int(rows[i])] = ("too like a chosen row", f"{self._ids[int(rows[other])]}, cosine {cosine:.2f}")
        self._order = rows[np.array(chosen.chosen, np.int64)]
        for row in self._order.tolist():
            del found[row]
        self.strike("select", found)

    def finish(self) -> Curated:
        """Return the result, the kept rows in the order of training."""
        rows = self._order if self._order is not None else self._living
        rates = [None if np.isnan(r) else float(r) for r in self._rates[rows]]
        self.out.order = rows[np.array(order_rows(rates, self.config.difficulty, self.config.seed), np.int64)]
        if self.out.pii:
            gone = {d.row_id for d in self.out.drops}
            self.out.pii = {i: kinds for i, kinds in self.out.pii.items() if i not in gone}
        return self.out
