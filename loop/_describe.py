"""What a stage came to, in one line for a person."""

import json
import math
from collections.abc import Sequence
from typing import Any

from ..eval import Split, Subject
from ..gen import Progress, Step
from ..judge import Snapshot
from ..store import Store
from ..train import Checkpoint
from ._cut import show_cut
from ._words import count, show_score


def describe_progress(progress: Progress) -> str:
    """Return what steps of ``generate`` asked and made."""
    reused = f", {count(progress.reused, 'answer')} from the store" if progress.reused else ""
    made = f"{count(progress.samples, 'sample')}, {count(progress.drops, 'drop')}"
    return f"{count(progress.requests, 'request')}{reused}, {made}{_early(progress)}"


def describe_draws(store: Store, step: Step, progress: Progress) -> str:
    """Return how many completions a step has and how many of them are correct."""
    rows = store.query(
        "SELECT step, entered, kept, dropped, reason FROM funnel WHERE run_id = ? AND iteration = ? AND step IN (?, ?) ORDER BY step",
        [step.run_id, step.iteration, step.name, f"{step.name}/verify"],
    )
    made = next((r for r in rows if r[0] == step.name), (step.name, 0, 0, 0, None))
    verified = next((r for r in rows if r[0] != step.name), (step.name, 0, 0, 0, None))
    share = 100 * verified[2] / verified[1] if verified[1] else 0.0
    lost = f", {made[3]} dropped ({made[4]})" if made[3] else ""
    return f"{made[2]} completions{lost}, {verified[2]} correct ({share:.1f} %){_early(progress)}"


def describe_scores(store: Store, subject: Subject, splits: Sequence[Split]) -> str:
    """Return a subject's score on each split, with its error."""
    parts = []
    for split in splits:
        rows = store.query(
            "SELECT score, stderr, n, coalesce((settings ->> '$.higher_is_better')::BOOLEAN, true), (settings ->> '$.cut')::BIGINT, "
            "(settings ->> '$.max_gen_toks')::BIGINT FROM scores WHERE checkpoint_id = ? AND suite_hash = ? AND split = ? AND metric = ?",
            [subject.checkpoint_id, subject.hash_of(split), split.name, split.suite.metric],
        )
        parts += [
            f"{split.suite.name}/{split.name} {show_score(split.suite.metric, s, e, higher_is_better=up, n=n)} "
            f"({', '.join(filter(None, [f'n={n}', show_cut(cut, limit)]))})"
            for s, e, n, up, cut, limit in rows
        ]
    return ", ".join(parts)


def describe_training(store: Store, checkpoint: Checkpoint, snapshot: Snapshot, parent: Checkpoint) -> str:
    """Return how many rows a training read, its first and last loss (and reward), and where it started."""
    ((metrics,),) = store.query("SELECT metrics FROM checkpoints WHERE checkpoint_id = ?", [checkpoint.checkpoint_id])
    found = json.loads(metrics)
    used = found.get("n_rows", snapshot.n_rows)
    dropped = f" ({snapshot.n_rows - used} of the snapshot's dropped)" if used < snapshot.n_rows else ""
    log = store.query("SELECT entry FROM train_log WHERE checkpoint_id = ? ORDER BY step", [checkpoint.checkpoint_id])
    entries = [json.loads(entry) for (entry,) in log]
    curves = "".join(_describe_curve(entries, name) for name in ("loss", "reward"))
    start = "the first model" if parent.stage == "seed" else f"{parent.stage} checkpoint {parent.checkpoint_id}"
    return f"{count(used, 'row')}{dropped}{curves}{_describe_heldout(found)}; from {start}"


def _describe_curve(entries: Sequence[dict[str, Any]], name: str) -> str:
    """Return the first and the last value of what a trainer logs."""
    found = [entry[name] for entry in entries if math.isfinite(entry.get(name, math.nan))]
    return f", {name} " + " → ".join(f"{value:.4f}" for value in (found[:1] + found[1:][-1:])) if found else ""


def _describe_heldout(metrics: dict[str, Any]) -> str:
    before, after = metrics.get("before", {}), metrics.get("after", {})
    n = metrics.get("heldout_n", 0)
    shown = ["loss " + " → ".join(_describe_loss(m) for m in (before, after))] if "loss" in after else []
    for k in ("accuracy", "macro_f1", "rougeL"):
        if k in after:
            sides = (show_score(k, m[k], m.get(f"{k}_stderr"), n=n) for m in (before, after))
            shown.append(f"{k} " + " → ".join(sides))
    dropped = f", {metrics['heldout_dropped']} dropped" if "heldout_dropped" in metrics else ""
    return f"; held out (n={metrics['heldout_n']}{dropped}): {', '.join(shown)}" if shown else ""


def _describe_loss(measured: dict[str, Any]) -> str:
    stderr = measured.get("loss_stderr")
    return f"{measured['loss']:.4f}" + (f" ± {stderr:.2g}" if stderr else "")


def _early(progress: Progress) -> str:
    return f"; stopped early: {progress.stopped}" if progress.stopped else ""
