"""Items of a prompt suite from rows of files, as a recipe reads its problems: a prompt by a template, the reference and the columns for the checks."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..config import CheckConfig, ProblemSetConfig, PromptConfig, PromptSuiteConfig
from ..errors import InputError
from ..prompts import Template, load_template
from ..store import Parsed, SourceRow, parse_problem, read_set


def read_items(suite: PromptSuiteConfig, path: Path, root: Path) -> Iterator[PromptConfig]:
    """Yield the items of a suite's ``problems``, in the order of the files; none is left out.

    Args:
        suite: names the sets, the template and the checks.
        path: the suite's file: its folder is where paths start from.
        root: the project's folder, in whose ``prompts/`` templates stand.

    Raises:
        InputError: a row cannot be read, or two items of the suite have one id.
        NotFoundError: there is no such file or template.
    """
    template = None if suite.template is None else load_template(suite.template, root)
    seen = {str(item.id): f"an item of {path}" for item in suite.items if item.id is not None}
    for one in () if suite.problems is None else suite.problems.sets:
        for row in read_set(one, path.parent):
            place = f"{one.source}:{row.ordinal + 1}"
            parsed = parse_problem(row, one.format)
            if (
                not isinstance(parsed, str)
                and suite.match == "numeric"
                and not suite.checks
                and not _is_number(parsed[1])
            ):
                parsed = f"no number, for match: numeric, but {parsed[1][:80]!r}"
            if isinstance(parsed, str):
                raise InputError(
                    f"{path}: problems {place}", expected="a row of the suite: it is never scored in part", received=parsed,
                    cure="mend or remove the row, or the columns under format; join and defaults fill columns in",
                )  # fmt: skip
            item = _as_item(suite, template, row, parsed, _name_set(one))
            if item.id is not None and str(item.id) in seen:
                raise InputError(
                    f"{path}: problems {place}", expected="each id once", received=f"{item.id!r} of {seen[str(item.id)]} again",
                    cure="remove one, or make suites of their own",
                )  # fmt: skip
            if item.id is not None:
                seen[str(item.id)] = place
            yield item


def _name_set(one: ProblemSetConfig) -> str:
    return Path(one.source.partition("[")[0]).name.removesuffix(".gz").rpartition(".")[0]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace(",", "")))
    except ValueError:
        return False


def _as_item(
    suite: PromptSuiteConfig, template: Template | None, row: SourceRow, parsed: Parsed, tag: str
) -> PromptConfig:  # fmt: skip
    question, answer, _, fields = parsed
    columns: dict[str, Any] = {"question": question, "answer": answer, **json.loads(fields or "{}")}
    asked: dict[str, Any] = {"prompt": question}
    if template is not None:
        asked = {"messages": template.render({n: columns[n] for n in template.variables if n in columns})}
    given = row.row.get("id")
    item = PromptConfig.model_validate({"id": given if isinstance(given, str | int) else None, "tags": [tag], **asked})
    if not suite.checks:
        return item.model_copy(update={"expected": answer})
    return item.model_copy(update={"checks": tuple(_fill(check, columns) for check in suite.checks)})


def _fill(check: CheckConfig, columns: dict[str, Any]) -> CheckConfig:
    """Give a verifier the reference and the columns of its row, as the verifier of a recipe has them; what the suite says goes first."""
    if check.verifier is None:
        return check
    reference = columns.get("expected", columns["answer"]) if columns["answer"] != "" else None
    known = {"expected": reference if check.expected is None else check.expected, "fields": {**columns, **check.fields}}
    return check.model_copy(update=known)
