"""Verifiers for those who may not import them: an evaluation process is told this module's name and grades through it.

What goes in and comes out is what JSON holds, so that neither side knows the other's types.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .verifiers import Case, Verifier, complete_options, find_verifier, run_verifier


class Grader:
    """Grades completions by verifiers.

    Args:
        folder: the project's; a user's own verifiers are looked for under it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Verifier] = {}

    def complete(self, name: str, options: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return a verifier's options with its defaults filled in.

        Raises:
            NotFoundError: there is no such verifier.
            RecipeError: an option that it does not know, lacks or cannot use.
        """
        return complete_options(self._find(name, place), options, place)

    def judge_of(self, name: str) -> str:
        """Return ``name@version`` of a verifier: a new version may give other grades."""
        return self._find(name, "verifier").judge

    def grade(
        self, name: str, options: Mapping[str, Any], completion: str, *, expected: Any = None,
        fields: Mapping[str, Any] | None = None, finish_reason: str | None = None,
        prompt: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:  # fmt: skip
        """Return ``passed`` (None = abstained), ``score``, ``reason``, ``evidence``, and of a verifier that compares labels
        ``labels``: predicted (None = none given) and gold.
        """
        verifier = self._find(name, "verifier")
        case = Case(completion, expected, fields or {}, finish_reason, prompt)
        verdict = run_verifier(verifier, case, options)
        is_graded = verifier.classify is not None and verdict.passed is not None
        labels = verifier.classify(case, options) if is_graded and verifier.classify else None
        return {
            "passed": verdict.passed, "score": verdict.score, "reason": verdict.reason, "evidence": verdict.evidence,
            "labels": list(labels) if labels else None,
        }  # fmt: skip

    def _find(self, name: str, place: str) -> Verifier:
        if name not in self._found:
            self._found[name] = find_verifier(name, self._folder, place)
        return self._found[name]
