"""What a verifier is: code that judges a completion, deterministically, by what is known of its input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...plugins import REQUIRED as REQUIRED
from .._verdict import Verdict


@dataclass(frozen=True)
class Case:
    """What a verifier is shown.

    Attributes:
        completion: the model's whole text.
        expected: the reference, as the data set has it: text, a number, a list of calls, …; None where there is none.
        fields: the other columns of the row by name: ``choices``, ``tests``, ``sources``, ``tools``, …
        finish_reason: ``stop``, ``length``, …; None = unknown.
        prompt: messages that the completion answers; empty where unknown.
    """

    completion: str
    expected: Any = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    prompt: Sequence[Mapping[str, Any]] = ()


Check = Callable[[Case, Mapping[str, Any]], Verdict]
"""Judges a case under complete options."""
Prepare = Callable[[Mapping[str, Any], str], Sequence[str]]
Classify = Callable[[Case, Mapping[str, Any]], tuple[str | None, str] | None]


class CannotJudge(ValueError):
    """Raised by a verifier that cannot say: an abstention with this reason, short and countable, and its evidence."""

    def __init__(self, reason: str, evidence: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = evidence


@dataclass(frozen=True)
class Verifier:
    """One verifier.

    Attributes:
        name: what recipes call it.
        version: counts up with every change that can change a verdict; the judge of a verdict is ``name@version``.
        check: the function.
        options: every option with its default, :data:`REQUIRED` where there is none.
        choices: allowed values, by option.
        needs: columns without which a row gets an abstention (``passed`` None, reason ``no COLUMN``).
        prepare: checks complete options before anything is judged; given them and their place, raises
            :class:`~flywheel.errors.RecipeError`, and returns the columns that they name (a grader's ``item.answer``).
        classify: for verifiers that compare labels: (predicted, gold) of a case; None where there is no gold label.
    """

    name: str
    version: int
    check: Check
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    prepare: Prepare | None = None
    classify: Classify | None = None

    @property
    def judge(self) -> str:
        """What the verdicts of it are filed under."""
        return f"{self.name}@{self.version}"


def verifier(
    name: str, *, version: int = 1, options: Mapping[str, Any] | None = None,
    choices: Mapping[str, Sequence[Any]] | None = None, needs: tuple[str, ...] = (),
    prepare: Prepare | None = None, classify: Classify | None = None,
) -> Callable[[Check], Verifier]:  # fmt: skip
    """Make a verifier of a function ``(case, options) -> Verdict``; used as a decorator, by users too."""
    return lambda check: Verifier(name, version, check, options or {}, choices or {}, needs, prepare, classify)
