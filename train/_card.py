"""The model card of a checkpoint: where it comes from, before anybody has scored it."""

import json
from collections.abc import Mapping
from typing import Any


def render_card(origin: Mapping[str, Any], metrics: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return a README.md with the front matter that the Hugging Face hub reads.

    Args:
        origin: ``checkpoint_id run_id recipe iteration method parents snapshot_id n_rows versions`` of the training; parents
            from the nearest to the first model.
        metrics: what the training itself measured.
        config: all arguments.
    """
    loss = metrics["train_loss"]
    before, after = metrics.get("before"), metrics.get("after")
    return "\n".join(
        [
            "---", "library_name: transformers", f"base_model: {json.dumps(str(origin['base_model']))}",
            f"tags: [flywheel, {origin['method']}]", "---", "",
            f"# {origin['checkpoint_id']}", "",
            f"Made by flywheel {origin['versions'].get('flywheel', '')}: "
            f"{origin['title']} ({origin['method']}), iteration {origin['iteration']} of the recipe `{origin['recipe']}`, "
            f"run `{origin['run_id']}`.", "",
            "## Lineage", "",
            *(f"{i}. {parent}" for i, parent in enumerate(origin["parents"], start=1)), "",
            f"Trained on {metrics['n_rows']:,} of the {origin['n_rows']:,} rows of snapshot `{origin['snapshot_id']}`, "
            f"{metrics['steps']:,} steps, mean loss {'unknown' if loss is None else f'{loss:.4f}'}.", "",
            *_heldout(before, after),
            "Scores on suites are not known yet when a checkpoint is made: "
            f"`flywheel sql \"select suite, split, metric, score, stderr, n from scores where checkpoint_id = '{origin['checkpoint_id']}'\"`.",
            "", "## Arguments", "", "```json", json.dumps(config, indent=1, sort_keys=True, default=str), "```", "",
            "Versions: " + ", ".join(f"{name} {version}" for name, version in origin["versions"].items()) + ".", "",
        ]
    )  # fmt: skip


def _heldout(before: Mapping[str, float] | None, after: Mapping[str, float] | None) -> list[str]:
    if not before or not after:
        return []
    rows = [f"| {k} | {before[k]:.4f} | {after[k]:.4f} |" for k in after if k in before and _is_measure(k)]
    return ["Held-out rows:", "", "| metric | before | after |", "| --- | --- | --- |", *rows, ""]


def _is_measure(name: str) -> bool:
    """Say whether a number is of the model, not of the clock or of what it has read."""
    return not name.endswith(("runtime", "per_second", "preparation_time")) and name not in ("epoch", "num_tokens")
