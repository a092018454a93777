"""A judge from what a person writes."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...errors import RecipeError
from ._checklist import Checklist
from ._grader import GraderJudge, check_grader
from ._judge import Judge
from ._pairwise import Pairwise
from ._panel import Panel
from ._reference import Reference
from ._rubric import Rubric

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
KINDS: dict[str, type[Any]] = {
    "rubric": Rubric, "pairwise": Pairwise, "reference": Reference, "checklist": Checklist, "grader": GraderJudge,
}  # fmt: skip


def make_judge(settings: Mapping[str, Any], place: str) -> Judge:
    """Return the judge that ``settings`` describe: ``kind``, ``name``, and the attributes of its kind. ``models`` (a list)
    and ``vote`` make a panel of it. A grader of OpenAI's format (``type``) stands for a judge of kind ``grader``.

    Args:
        settings: as YAML has them.
        place: where they stand, for messages.

    Raises:
        RecipeError: an unknown kind or key, a missing one, or a value that does not fit.
    """
    given = dict(settings)
    if "type" in given and "kind" not in given:
        given = {"kind": "grader", "name": _name_of(given), "spec": given}
    models, vote = given.pop("models", None), given.pop("vote", "majority")
    kind = given.pop("kind", None)
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        raise RecipeError(
            f"{place}: key kind", expected=f"one of {', '.join(KINDS)}", received=repr(kind),
            cure=f"did you mean {near[0]!r}?" if near else "name a kind",
        )  # fmt: skip
    judge: Judge = _check(KINDS[kind], given, place)
    _check_sense(judge, place)
    if models is None:
        return judge
    if (
        not isinstance(models, list)
        or len(set(map(str, models))) < max(2, len(models))
        or vote not in ("majority", "mean")
    ):
        raise RecipeError(
            f"{place}: key models", expected="two models or more, each once, and vote: majority or mean", received=f"{models!r}, {vote!r}",
            cure="for example models: [gpt-4.1-mini, claude-haiku, qwen3-32b]",
        )  # fmt: skip
    return Panel(judge.name, judge, tuple(map(str, models)), vote)


def _name_of(grader: Mapping[str, Any]) -> str:
    """Return a grader's name as judges have it; ``grader`` where it has none."""
    return re.sub(r"[^a-z0-9_.-]+", "-", str(grader.get("name") or "").lower()).strip("-._") or "grader"


def _check(kind: type[Any], given: Mapping[str, Any], place: str) -> Any:
    names = [f.name for f in fields(kind)]
    if unknown := [k for k in given if k not in names]:
        near = difflib.get_close_matches(str(unknown[0]), names, n=1)
        raise RecipeError(
            f"{place}: key {unknown[0]}", expected=f"one of kind, {', '.join(names)}, models, vote",
            received=f"unknown key {unknown[0]!r}", cure=f"did you mean {near[0]!r}?" if near else "remove the key",
        )  # fmt: skip
    try:
        return TypeAdapter(kind).validate_python(dict(given))
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        received = "nothing" if fault["type"].startswith("missing") else repr(fault.get("input"))[:100]
        raise RecipeError(
            f"{place}: key {key}", expected=fault["msg"].removeprefix("Input should be "), received=received,
            cure=f"set {key} as docs/judges.md describes",
        ) from None  # fmt: skip


def _check_sense(judge: Any, place: str) -> None:
    """Refuse settings that fit their types and still make no judge.

    Raises:
        RecipeError: with the key.
    """
    faults: dict[str, tuple[bool, str]] = {
        "name": (not _NAME.fullmatch(judge.name), "a-z, 0-9, '_', '.' and '-', a letter or a digit first")
    }
    if isinstance(judge, GraderJudge):
        check_grader(judge, f"{place}: key spec")
    else:
        faults |= _faults_of_draws(judge)
    if isinstance(judge, Rubric):
        faults["low"] = (not 0 <= judge.low < judge.high, "0 or more, and below high")
        at = judge.passes_at
        faults["passes_at"] = (at is not None and not judge.low < at <= judge.high, "above low, at most high")
        faults["levels"] = (any(not judge.low <= n <= judge.high for n in judge.levels), "scores of the scale")
    if isinstance(judge, Pairwise):
        faults["compare"] = (judge.compare < 1, "1 or more")
    if isinstance(judge, Checklist):
        faults["checks"] = (not judge.checks, "one question or more")
        faults["passes_at"] = (not 0 < judge.passes_at <= 1, "above 0, at most 1")
    for key, (is_wrong, expected) in faults.items():
        if is_wrong:
            raise RecipeError(
                f"{place}: key {key}", expected=expected, received=repr(getattr(judge, key)), cure=f"change {key}"
            )


def _faults_of_draws(judge: Any) -> dict[str, tuple[bool, str]]:
    return {
        "draws": (judge.draws < 1, "1 or more"),
        "temperature": (judge.temperature < 0 or (judge.draws > 1 and judge.temperature == 0), "above 0 where draws are several"),
        "max_tokens": (judge.max_tokens < 1, "1 or more"),
    }  # fmt: skip
