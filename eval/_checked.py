"""An lm-eval task whose items carry their own checks: FEVER's variants, programs, and the prompts that users write.

Each row has ``checks``, JSON: what is asked of its completion, by whom, and under which metric it counts. Known only inside
the evaluation process, since it is built on lm-eval's own class.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from lm_eval.api.task import ConfigurableTask

from ..schema import content_id, image_urls
from ._answerers import as_chat
from ._grade import Grader
from ._labels import macro_f1
from ._plain_checks import run_plain

LABELS = "macro_f1"


class CheckedTask(ConfigurableTask):
    """Scores items by their checks.

    Args:
        config: lm-eval's keys.
        grader: runs the verifiers.

    Attributes:
        grades: of each item by its content id: what each check said, and why.
        verdicts: of judges, by item and check; there before the items are scored.
    """

    def __init__(self, config: dict[str, Any], grader: Grader) -> None:
        self._grader = grader
        self.verdicts: dict[tuple[str, str], dict[str, Any]] = {}
        self.grades: dict[str, list[dict[str, Any]]] = {}
        super().__init__(config=config)

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """Return the item's metrics: 0 or 1 for each check, all of them together, and (gold, predicted) where a check compares
        labels.
        """
        grades = self.grade(doc, results[0])
        metrics: dict[str, Any] = {g["as"]: float(bool(g["passed"])) for g in grades}
        if len(grades) > 1:
            metrics["_and_".join(metrics)] = float(all(metrics.values()))
        for grade in grades:
            if grade["labels"]:
                predicted, gold = grade["labels"]
                metrics[LABELS] = (gold, predicted)
        return metrics

    def aggregation(self) -> dict[str, Any]:
        """Return how items become a score, by metric; a mean where nothing is said."""
        return {**super().aggregation(), LABELS: macro_f1}

    def grade(self, doc: Mapping[str, Any], completion: str) -> list[dict[str, Any]]:
        """Return what each of an item's checks says of a completion, and keep it."""
        item_id = content_id("item", doc)
        grades = [{"as": c["as"], **self._run(c, item_id, doc, completion)} for c in json.loads(doc["checks"])]
        self.grades[item_id] = grades
        return grades

    def _run(self, check: Mapping[str, Any], item_id: str, doc: Mapping[str, Any], completion: str) -> dict[str, Any]:
        if "rubric" in check:
            return self.verdicts[item_id, check["as"]]
        if "plain" in check:
            return run_plain(check, completion)
        prompt = json.loads(doc["messages"]) if doc.get("messages") else ()
        return self._grader.grade(
            check["verifier"], check["options"], completion, expected=check.get("expected"), fields=check.get("fields"),
            prompt=prompt,
        )  # fmt: skip


class PromptTask(CheckedTask):
    """Scores the prompts of a user's file: an item passes when all its checks do.

    Metrics: ``pass``; ``score``, the mean of the checks' scores; ``pass[tag]`` over the items with a tag; where items
    have weights ``weighted_pass``. An item of which a check abstains, the others passing, has no ``pass``: it counts as
    ``unjudged``.
    """

    def fewshot_context(
        self, doc: Mapping[str, Any], num_fewshot: int, system_instruction: str | None = None,
        apply_chat_template: bool = False, fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., str] | None = None, gen_prefix: str | None = None,
    ) -> str:  # fmt: skip
        """Return the item's own messages as a prompt; as plain texts where no chat template is wanted, as a chat where they show images."""
        messages = json.loads(doc["messages"])
        if image_urls(messages):
            return as_chat(messages)
        return chat_template(messages) if chat_template else "\n\n".join(m["content"] for m in messages)

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """Return the item's metrics."""
        grades = self.grade(doc, results[0])
        said = [g["passed"] for g in grades]
        if None in said and False not in said:
            return {"unjudged": 1.0}
        passed = float(all(said))
        scores = [float(bool(g["passed"])) if g["score"] is None else g["score"] for g in grades]
        metrics: dict[str, Any] = {"pass": passed, "score": sum(scores) / len(scores)}
        if self._is_weighted:
            metrics["weighted_pass"] = (passed, float(doc["weight"]))
        return metrics | {f"pass[{tag}]": passed for tag in doc["tags"] or ()}

    @cached_property
    def _is_weighted(self) -> bool:
        return any(doc["weight"] != 1 for doc in self.eval_docs)

    def aggregation(self) -> dict[str, Any]:
        """Return how items become a score, by metric; a mean where nothing is said."""
        return {**super().aggregation(), "weighted_pass": weighted_mean}


def weighted_mean(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the mean of (value, weight) pairs."""
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs)


CLASSES: dict[str, type[CheckedTask]] = {"fever": CheckedTask, "code": CheckedTask, "prompts": PromptTask}
"""By what the task's metadata calls its rows."""
