"""Dataset snapshots: the exact rows that a training stage reads, curated and decontaminated, in TRL's columns.

A snapshot is a JSONL file and its rows in the store; its id hashes the rows in their order and the rules that chose them.
The same store, recipe and iteration give the same snapshot. Each row is looked at for evaluation items once: fresh ones as
the last filter of curation, replayed ones here.

Memory: rows lie in temporary files; see :mod:`.curate._pipeline` for what is held of each.
"""

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..config import CurationConfig, DecontaminateConfig, DifficultyConfig, SelectConfig, SelectionConfig
from ..schema import DropRow, content_id, utc_now
from ..store import Spooled, Store
from ._decontaminate import Decontaminator
from ._mapper import HERE, Mapper
from ._rows import replace_drops
from ._tokens import Array
from ._training_rows import SOLVED, TrainingRow, read_accepted, read_earlier, read_pairs, rows_of
from .curate import Curated, curate, order_rows

SFT_FORMAT = "trl/prompt-completion"
DPO_FORMAT = "trl/prompt-chosen-rejected"
BATCH = 10_000


@dataclass(frozen=True)
class Snapshot:
    """A frozen training set."""

    snapshot_id: str
    path: Path
    n_rows: int


@dataclass(frozen=True)
class Rules:
    """What chooses the rows of snapshots.

    Attributes:
        curate: the steps before them.
        select: how many rows of a problem, and of earlier iterations.
        decontaminate: what counts as an evaluation item.
        verifier: what its verdicts are filed under.
        judges: names of the judges of completions of problems.
        must_pass: those of them whose no keeps a completion out.
        shown: columns of the problems that prompts show besides the question: what conflicts has these in common, too.
    """

    curate: CurationConfig
    select: SelectConfig
    decontaminate: DecontaminateConfig
    verifier: str
    judges: tuple[str, ...] = ()
    must_pass: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        """Return what of the rules makes two snapshots the same."""
        dumped = {k: v if isinstance(v, str | tuple) else v.model_dump(mode="json") for k, v in vars(self).items()}
        if not self.shown:  # learned later: no part of snapshots whose prompts show nothing but the question
            dumped.pop("shown")
        return {**dumped, "select": self.select.identity()}


@dataclass(frozen=True)
class Freezer:
    """Freezes the snapshots of one iteration of a run.

    Attributes:
        decontaminator: knows the evaluation items, by ``rules.decontaminate``.
        count_tokens: for bounds in tokens.
        embed: texts to vectors, for semantic duplicates and selection; None = hashed TF-IDF.
        mapper: has the parts of curation done.
    """

    store: Store
    run_id: str
    iteration: int
    rules: Rules
    decontaminator: Decontaminator
    seed: int
    count_tokens: Callable[[str], int] | None = None
    embed: Callable[[Sequence[str]], Any] | None = None
    mapper: Mapper = HERE

    def freeze_sft(self, parent_id: str) -> Snapshot:
        """Freeze the accepted samples of the iteration, curated, with replay from earlier ones, for SFT of ``parent_id``."""
        rules = self.rules
        fresh = read_accepted(
            self.store, self.run_id, self.iteration, rules.verifier, rules.judges, rules.must_pass,
            conflicts=rules.curate.conflicts, steps=rules.select.steps or (SOLVED,), shown=rules.shown,
            imported=rules.select.imported,
        )  # fmt: skip
        earlier = read_earlier(self.store, self.run_id, self.iteration, "sft", parent_id, rules.verifier)
        replay = self._choose_replay(earlier.n, round(rules.select.replay * fresh.n))
        kept = self._curate("sft", fresh, ("accepted samples", fresh.n), earlier, replay, rules.select.per_problem)
        clean = self._check_replay("sft", len(kept), earlier, replay)
        return self._freeze("sft", SFT_FORMAT, fresh, kept, earlier, clean)

    def freeze_dpo(self, parent_id: str) -> Snapshot:
        """Freeze the pairs of the iteration, curated, with replay where the recipe has it, for DPO of ``parent_id``."""
        rules = self.rules
        pairs = read_pairs(
            self.store, self.run_id, self.iteration, rules.verifier, conflicts=rules.curate.conflicts, shown=rules.shown
        )
        earlier = read_earlier(self.store, self.run_id, self.iteration, "dpo", parent_id, self.rules.verifier)
        replay = self._choose_replay(earlier.n, round(self.rules.select.replay_pairs * pairs.n))
        kept = self._curate("dpo", pairs, ("pairs", pairs.n), earlier, replay, 0)
        clean = self._check_replay("dpo", len(kept), earlier, replay)
        return self._freeze("dpo", DPO_FORMAT, pairs, kept, earlier, clean)

    # --- inside ------------------------------------------------------------------------------------------------

    def _choose_replay(self, n_earlier: int, n: int) -> list[int]:
        """Return places of rows of earlier iterations."""
        if not n or self.iteration <= 1:
            return []
        return random.Random(f"{self.seed}/replay/{self.iteration}").sample(range(n_earlier), min(n, n_earlier))

    def _curate(
        self, stage: str, rows: Spooled, entered: tuple[str, int], earlier: Spooled, replay: Sequence[int], per_prompt: int
    ) -> Array:  # fmt: skip
        """Return the places of the rows that stay, in the order of training; the others are drops with their evidence."""
        step = f"{stage}/curate"
        self.store.replan(self.run_id, self.iteration, step, [entered])
        struck = [(i, *row.why_failed) for i, row in enumerate(rows_of(rows)) if row.failed_by]
        places = np.delete(np.arange(rows.n), [i for i, *_ in struck])
        made = curate(
            (row.as_curated() for row in rows_of(rows) if not row.failed_by),
            self._config(stage),
            decontaminator=self.decontaminator,
            count_tokens=self.count_tokens,
            embed=self.embed,
            earlier=self._known(earlier, replay),
            per_prompt=per_prompt,
            mapper=self.mapper,
        )
        self._drop(step, rows, [*struck, *_reasons(made, places)])
        kept: Array = places[made.order]
        return kept

    def _config(self, stage: str) -> CurationConfig:
        """Return curation without the order, which is that of the whole snapshot, and for pairs without a selection."""
        changes: dict[str, object] = {
            "seed": self.rules.curate.seed ^ self.seed,
            "difficulty": self.rules.curate.difficulty.model_copy(update={"order": "given"}),
        }
        if stage == "dpo":
            changes["selection"] = SelectionConfig()
        return self.rules.curate.model_copy(update=changes)

    def _known(self, earlier: Spooled, replay: Sequence[int]) -> Iterator[tuple[str, str, str]]:
        """Yield what fresh rows must not repeat: rows that the model was trained on, and those that are replayed."""
        if self.rules.curate.duplicates.earlier:
            chosen = set(replay)
            for i, row in enumerate(rows_of(earlier)):
                if row.is_in_model or i in chosen:
                    yield row.texts

    def _check_replay(self, stage: str, n_fresh: int, earlier: Spooled, replay: Sequence[int]) -> list[int]:
        """Return the replayed rows without evaluation items."""
        step = f"{stage}/snapshot"
        is_pairs = stage == "dpo"
        inputs = [("curated rows", n_fresh)]
        if replay or not is_pairs:
            inputs.append(("replayed pairs" if is_pairs else "replayed samples", len(replay)))
        self.store.replan(self.run_id, self.iteration, step, inputs)
        matches = self.decontaminator.find_all(row.full_text for row in rows_of(earlier, replay))
        found = {
            i: (f"contaminated: {m.suite}/{m.split}", m.evidence) for i, m in zip(replay, matches, strict=True) if m
        }
        self._drop(step, earlier, [(i, *why) for i, why in found.items()])
        return [i for i in replay if i not in found]

    def _drop(self, step: str, rows: Spooled, gone: Sequence[tuple[int, str, str]]) -> None:
        """Put the rows that go at a step on record, with their texts."""
        found = rows_of(rows, [place for place, _, _ in gone])
        drops = [
            DropRow(
                content_id("drop", [self.run_id, self.iteration, step, row.row_id]), self.run_id, self.iteration, step,
                reason, row.row_id, None, row.text, evidence=evidence,
            )
            for row, (_, reason, evidence) in zip(found, gone, strict=True)
        ]  # fmt: skip
        replace_drops(self.store, self.run_id, self.iteration, step, drops)

    def _freeze(
        self, stage: str, fmt: str, fresh: Spooled, kept: Array, earlier: Spooled, replay: Sequence[int]
    ) -> Snapshot:  # fmt: skip
        """Write the rows, fresh and replayed, in the order of training."""
        order = self._order(fresh, kept, earlier, replay)
        rows = _Joined(fresh, kept, earlier, replay)
        work = self.store.project.snapshots / f".{stage}-{self.iteration}.part"
        digest = hashlib.blake2b(digest_size=20)
        members: list[pa.Table] = []
        with work.open("w", encoding="utf-8") as stream:
            for start in range(0, len(order), BATCH):
                part = list(rows.take(order[start : start + BATCH]))
                lines = [row.as_trl() + "\n" for row in part]
                stream.writelines(lines)
                for row, line in zip(part, lines, strict=True):
                    digest.update(f"{row.row_id}\t{line}".encode("utf-8", "surrogatepass"))
                members.append(members_of([r.member for r in part], start))
        rules = self.rules.identity()
        snapshot_id = content_id(
            "snap", [self.run_id, self.iteration, stage, fmt, rules, len(order), digest.hexdigest()]
        )
        path = self.store.project.snapshots / f"{snapshot_id}.jsonl"
        os.replace(work, path)
        whole = pa.concat_tables(members) if members else members_of([], 0)
        return record_snapshot(self.store, self.run_id, self.iteration, stage, fmt, snapshot_id, path, whole)

    def _order(self, fresh: Spooled, kept: Array, earlier: Spooled, replay: Sequence[int]) -> Array:
        """Return the order of training: curation's, or the curriculum's over fresh and replayed rows together."""
        config: DifficultyConfig = self.rules.curate.difficulty
        if config.order == "given":
            return np.arange(len(kept) + len(replay))
        rates = [row.pass_rate for rows, places in ((fresh, kept), (earlier, replay)) for row in rows_of(rows, places)]
        return np.array(order_rows(rates, config, self.seed), np.int64)


def members_of(rows: Sequence[tuple[str, str | None]], start: int) -> pa.Table:
    """Return rows, a sample's id and a pair's or None each, as they stand in ``snapshot_rows``."""
    return pa.table({
        "ordinal": pa.array(range(start, start + len(rows)), pa.int64()),
        "sample_id": pa.array([sample_id for sample_id, _ in rows], pa.string()),
        "pair_id": pa.array([pair_id for _, pair_id in rows], pa.string()),
    })  # fmt: skip


def record_snapshot(
    store: Store, run_id: str, iteration: int, stage: str, fmt: str, snapshot_id: str, path: Path, members: pa.Table
) -> Snapshot:
    """Put a snapshot whose file is written on record, once; return it."""
    record = {
        "snapshot_id": snapshot_id, "run_id": run_id, "iteration": iteration, "stage": stage, "n_rows": members.num_rows,
        "format": fmt, "path": str(path.relative_to(store.project.root)), "created_at": utc_now(),
    }  # fmt: skip
    known = "EXISTS (SELECT 1 FROM snapshot_rows x WHERE x.snapshot_id = batch.snapshot_id)"
    store.insert_table("snapshot_rows", members, same={"snapshot_id": snapshot_id}, unless=known)
    store.insert("snapshots", [record], key="snapshot_id")
    return Snapshot(snapshot_id, path, members.num_rows)


@dataclass(frozen=True)
class _Joined:
    """Fresh rows, then replayed ones, as one list."""

    fresh: Spooled
    kept: Array
    earlier: Spooled
    replay: Sequence[int]

    def take(self, places: Array) -> Iterator[TrainingRow]:
        """Yield the rows of some places, in their order."""
        n = len(self.kept)
        fresh = rows_of(self.fresh, self.kept[places[places < n]])
        replayed = rows_of(self.earlier, [self.replay[i - n] for i in places.tolist() if i >= n])
        for place in places.tolist():
            yield next(fresh if place < n else replayed)


def _reasons(made: Curated, places: Array) -> Iterator[tuple[int, str, str]]:
    for drop in made.drops:
        yield int(places[drop.place]), drop.reason, f"{drop.step}: {drop.evidence}"
