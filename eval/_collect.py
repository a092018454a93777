"""What lm-eval returns, as scores with one row per item."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..schema import content_id
from ._labels import bootstrap_stderr, f1_of, find_labels, statistic_of

NO_VALUE = "[invalid]"

Sample = Mapping[str, Any]
Score = dict[str, Any]


def collect_scores(task: Any, out: Mapping[str, Any], lm: Any) -> list[Score]:
    """Return the scores of one task: metric, score, standard error, items.

    Args:
        task: lm-eval's task object, after the run.
        out: what ``simple_evaluate`` returned.
        lm: the model that answered; it knows the requests.
    """
    name = task.task_name
    results, samples = out["results"][name], sorted(out["samples"][name], key=lambda s: s["doc_id"])
    scores: list[Score] = []
    for key, value in results.items():
        metric, _, kind = key.rpartition(",")  # the name may hold commas, a filter may not
        if not metric or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        stderr = results.get(f"{metric}_stderr,{kind}")
        chosen = [s for s in samples if s["filter"] == kind and metric in s]
        items = [_item(task, s, metric, lm) for s in chosen]
        score = {
            "metric": key, "score": value, "stderr": stderr if isinstance(stderr, float) else None, "items": items,
            "higher_is_better": bool(task.higher_is_better().get(metric, True)),
        }  # fmt: skip
        if metric == "weighted_pass":
            score["stderr"] = _weighted_stderr([s[metric] for s in chosen])
        scores += _with_labels(score, metric, kind, chosen) if metric == "macro_f1" else [score]
    return scores


def _with_labels(score: Score, metric: str, kind: str, samples: Sequence[Sample]) -> list[Score]:
    """Return a macro-F1 with its error bar, and after it the F1 of each label over the items that are gold of it."""
    pairs = [tuple(s[metric]) for s in samples]
    found = [{**score, "stderr": bootstrap_stderr(pairs, statistic_of(metric))}]
    for label in find_labels(pairs):
        name = f"f1[{label}]"
        items = [i for i, (gold, _) in zip(score["items"], pairs, strict=True) if gold == label]
        stderr = bootstrap_stderr(pairs, statistic_of(name))
        found.append({"metric": f"{name},{kind}", "score": f1_of(pairs, label), "stderr": stderr, "items": items})
    return found


def _weighted_stderr(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the standard error of a weighted mean, the weights taken as given (Cochran 1977, ratio estimate)."""
    if len(pairs) < 2:
        return None
    total = sum(w for _, w in pairs)
    mean = sum(v * w for v, w in pairs) / total
    n = len(pairs)
    return float((n / (n - 1) * sum((w * (v - mean)) ** 2 for v, w in pairs)) ** 0.5 / total)


def _item(task: Any, sample: Sample, metric: str, lm: Any) -> dict[str, Any]:
    value, parts = _measure(task, metric, sample[metric])
    item_id = content_id("item", sample["doc"])
    detail = {**parts, **_grades(task, item_id)}
    return {
        "ordinal": sample["doc_id"], "item_id": item_id, "request_id": lm.find_request(sample),
        "target": str(sample["target"]), "filtered": _filtered(task, sample), "value": value,
        "detail": json.dumps(detail, ensure_ascii=False, default=_plain) if detail else None,
    }  # fmt: skip


def _measure(task: Any, metric: str, given: Any) -> tuple[float, dict[str, Any]]:
    """Return an item's value, and what the metric is computed from where that is more than the value.

    A metric of the whole set (F1, perplexity, BLEU) has several numbers or texts an item. Of two labels the value says
    whether they agree; of anything else it is what the metric comes to for this item alone.
    """
    if not isinstance(given, list | tuple):
        return float(given), {}
    parts = {"of": [_plain(g) for g in given]}
    if len(given) == 2 and all(g is None or isinstance(g, str | int) for g in parts["of"]):
        return float(parts["of"][0] == parts["of"][1]), parts
    return float(task.aggregation()[metric]([given])), parts


def _grades(task: Any, item_id: str) -> dict[str, Any]:
    grades = getattr(task, "grades", {}).get(item_id)
    if not grades:
        return {}
    kept = ("as", "passed", "score", "reason", "evidence")
    return {"checks": [{k: g[k] for k in kept if g.get(k) is not None} for g in grades]}


def _filtered(task: Any, sample: Sample) -> str | None:
    """Return the answer that the metric saw: filtered text; of choices the one that was found likeliest."""
    found = sample["filtered_resps"][0] if sample["filtered_resps"] else None
    if task.OUTPUT_TYPE == "multiple_choice":
        likelihoods = [r[0] for r in sample["filtered_resps"]]
        return str(sample["arguments"][likelihoods.index(max(likelihoods))][1]).strip()
    if task.OUTPUT_TYPE != "generate_until":
        return json.dumps(found, default=_plain)
    return None if found in (None, NO_VALUE) else str(found)


def _plain(value: Any) -> Any:
    """Return numpy's numbers and lists as Python's."""
    return value.tolist() if hasattr(value, "tolist") else value
