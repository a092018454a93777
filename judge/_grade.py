"""Verifiers and rubrics for those who may not import them: an evaluation process is told this module's name and grades through it.

What goes in and comes out is what JSON holds, so that neither side knows the other's types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..llm import TokenChances
from ..prompts import load_template
from .verifiers import Case, Verifier, complete_options, find_verifier, run_verifier

if TYPE_CHECKING:  # no command needs judges that have nothing to judge
    from .judges import Rubric


@dataclass(frozen=True)
class _Said:
    """One reply of a judge."""

    text: str
    finish_reason: str
    request_id: str
    draw: int
    tokens: Sequence[TokenChances]

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> "_Said":
        return cls(reply["text"], reply["finish_reason"], reply["request_id"], 0, reply.get("tokens") or ())


def _make_rubric(rubric: Mapping[str, Any], row: Mapping[str, Any]) -> "Rubric":
    from .judges import Rubric

    levels = {int(k): v for k, v in (rubric.get("levels") or {}).items()}
    is_known = row.get("reference") is not None
    return Rubric(
        "rubric", rubric["criteria"], levels=levels, passes_at=rubric.get("passes_at"), with_reference=is_known
    )


class Grading:
    """Grades completions by verifiers, and turns rubrics into questions to a judge and its replies into grades.

    Args:
        folder: the project's; a user's own verifiers and templates are looked for under it.
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

    def questions(self, rubric: Mapping[str, Any], row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what a judge is asked of ``row`` (``prompt``, ``completion``, ``reference``): messages and how to sample.

        Args:
            rubric: ``criteria``, ``passes_at``, ``levels``; see :class:`~flywheel.judge.judges.Rubric`.
            row: what is judged.
        """
        prompts = _make_rubric(rubric, row).requests(row)
        rendered = [load_template(p.template, self._folder).render(p.values) for p in prompts]
        return [
            {
                "messages": m,
                "n": p.n,
                "temperature": p.temperature,
                "max_tokens": p.max_tokens,
                "top_logprobs": p.top_logprobs,
            }
            for p, m in zip(prompts, rendered, strict=True)
        ]

    def read_replies(
        self, rubric: Mapping[str, Any], row: Mapping[str, Any], replies: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the grade that a judge's replies come to: ``text``, ``finish_reason``, ``tokens``, ``request_id``, or
        ``error``. What cannot be read is an abstention.
        """
        from .judges import Failed

        heard = [Failed(r["error"], r["request_id"]) if r.get("error") else [_Said.of(r)] for r in replies]
        verdict = _make_rubric(rubric, row).read(row, heard).verdict
        return {
            "passed": verdict.passed, "score": verdict.score, "reason": verdict.reason, "evidence": verdict.evidence, "labels": None,
        }  # fmt: skip

    def _find(self, name: str, place: str) -> Verifier:
        if name not in self._found:
            self._found[name] = find_verifier(name, self._folder, place)
        return self._found[name]
