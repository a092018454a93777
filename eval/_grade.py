"""Who grades completions by verifiers. This package knows only what such a grader can do; ``loop/`` names one, as
``module:name``, since neighbours do not import each other.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Grader(Protocol):
    """Grades completions by verifiers; see :class:`flywheel.judge.Grading`."""

    def complete(self, name: str, options: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return a verifier's options with its defaults filled in, or refuse them."""
        ...

    def judge_of(self, name: str) -> str:
        """Return ``name@version`` of a verifier."""
        ...

    def grade(
        self, name: str, options: Mapping[str, Any], completion: str, *, expected: Any = None,
        fields: Mapping[str, Any] | None = None, finish_reason: str | None = None,
        prompt: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:  # fmt: skip
        """Return ``passed`` (None = abstained), ``score``, ``reason``, ``evidence`` and ``labels``."""
        ...

    def questions(self, rubric: Mapping[str, Any], row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what a judge is asked of ``row``: ``messages``, ``n``, ``temperature``, ``max_tokens``, ``top_logprobs``."""
        ...

    def read_replies(
        self, rubric: Mapping[str, Any], row: Mapping[str, Any], replies: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the grade that a judge's replies come to."""
        ...


def load_grader(name: str, folder: Path) -> Grader:
    """Return the grader called ``module:name``, for the project in ``folder``."""
    module, _, attribute = name.partition(":")
    made: Grader = getattr(importlib.import_module(module), attribute)(folder)
    return made
