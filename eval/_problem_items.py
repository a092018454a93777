"""Items of a prompt suite from rows of files, as a recipe reads its problems: a prompt by a template, the reference and the columns for the checks."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import CheckConfig, ProblemSetConfig, PromptConfig, PromptSuiteConfig, Source
from ..errors import InputError
from ..files import IMAGES, take_images
from ..prompts import Template, load_template
from ..store import Parsed, Project, SourceRow, parse_problem, read_set


def read_items(suite: PromptSuiteConfig, path: Path, project: Project) -> Iterator[PromptConfig]:
    """Yield the items of a suite's ``problems``, in the order of the files; none is left out.

    Args:
        suite: names the sets, the template and the checks.
        path: the suite's file: its folder is where paths start from.
        project: in whose ``prompts/`` templates stand, and which keeps the images that rows show.

    Raises:
        InputError: a row cannot be read, or two items of the suite have one id.
        NotFoundError: there is no such file or template.
    """
    template = None if suite.template is None else load_template(suite.template, project.root)
    seen = {str(item.id): f"an item of {path}" for item in suite.items if item.id is not None}
    for one in () if suite.problems is None else suite.problems.sets:
        folder = Source.parse(one.source).folder(path.parent)
        for row in read_set(one, path.parent):
            place = f"{one.source}:{row.ordinal + 1}"
            parsed = _parse(row, one, folder, project)
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


def _parse(row: SourceRow, one: ProblemSetConfig, folder: Path | None, project: Project) -> Parsed | str:
    """Return the parts of a row, its images kept in the project and named in its columns, or why it is no item."""
    if isinstance(one.format, str) or row.fault:
        return parse_problem(row, one.format)
    found = take_images(row.row, one.format.images, folder, project.media, project.root)
    return found if isinstance(found, str) else parse_problem(replace(row, row=found), one.format)


def _name_set(one: ProblemSetConfig) -> str:
    source = Source.parse(one.source)
    return Path(source.where).name if source.is_hub else Path(source.where).name.removesuffix(".gz").rpartition(".")[0]


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
    given, images = row.row.get("id"), columns.get(IMAGES, ())
    item = PromptConfig.model_validate(
        {"id": given if isinstance(given, str | int) else None, "tags": [tag], "images": images, **asked}
    )
    if not suite.checks:
        return item.model_copy(update={"expected": _any_of(columns, answer)})
    return item.model_copy(update={"checks": tuple(_fill(check, columns) for check in suite.checks)})


def _any_of(columns: dict[str, Any], answer: str) -> str | tuple[str, ...]:
    """Return what is expected: of a reference that is a list of texts any of them."""
    given = columns.get("expected")
    is_list = isinstance(given, list) and given and all(isinstance(one, str) for one in given)
    return tuple(given) if is_list and json.dumps(given, ensure_ascii=False) == answer else answer  # type: ignore[arg-type]


def _fill(check: CheckConfig, columns: dict[str, Any]) -> CheckConfig:
    """Give a verifier the reference and the columns of its row, as the verifier of a recipe has them; what the suite says goes first."""
    if check.verifier is None:
        return check
    reference = columns.get("expected", columns["answer"]) if columns["answer"] != "" else None
    known = {"expected": reference if check.expected is None else check.expected, "fields": {**columns, **check.fields}}
    return check.model_copy(update=known)
