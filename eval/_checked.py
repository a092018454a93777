"""An lm-eval task whose items carry their own checks: FEVER's variants, and the prompts that users write.

Each row has ``checks``, JSON: what is asked of its completion, by whom, and under which metric it counts. Known only inside
the evaluation process, since it is built on lm-eval's own class.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.task import ConfigurableTask

from ..schema import content_id
from ._grade import Grader
from ._labels import macro_f1

LABELS = "macro_f1"


class CheckedTask(ConfigurableTask):
    """Scores items by their checks.

    Args:
        config: lm-eval's keys.
        grader: runs the verifiers.

    Attributes:
        grades: of each item by its content id: what each check said, and why.
    """

    def __init__(self, config: dict[str, Any], grader: Grader) -> None:
        self._grader = grader
        self.grades: dict[str, list[dict[str, Any]]] = {}
        super().__init__(config=config)

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """Return the item's metrics: 0 or 1 for each check, all of them together, and (gold, predicted) where a check compares
        labels.
        """
        grades = [self._grade(check, results[0]) for check in json.loads(doc["checks"])]
        self.grades[content_id("item", doc)] = grades
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

    def _grade(self, check: Mapping[str, Any], completion: str) -> dict[str, Any]:
        grade = self._grader.grade(
            check["verifier"], check["options"], completion, expected=check.get("expected"), fields=check.get("fields")
        )
        return {"as": check["as"], **grade}
