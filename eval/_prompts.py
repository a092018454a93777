"""Prompt suites: files of prompts as rows of an lm-eval task, each with its checks.

YAML is a list of items, or a mapping with ``items`` and what holds for all. CSV has one item a line: ``prompt``, ``expected``,
``match``, ``tags`` (separated by ``;``), ``weight``, ``system``, ``id``, and any kind of check whose value is a text or
a number as a column of its own.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..config import (
    CheckConfig,
    PromptConfig,
    PromptSuiteConfig,
    Source,
    explain_faults,
    load_prompt_suite,
    require_file,
)
from ..errors import InputError, RecipeError
from ..files import keep_image, read_image, read_lines
from ..prompts import with_images
from ..schema import canonical_json
from ..store import Project, SourceRow
from ._problem_items import read_items

TABLES = (".csv", ".tsv")
ITEM_COLUMNS = ("id", "prompt", "image", "system", "expected", "answer", "match", "tags", "weight")
CHECK_COLUMNS = (
    "exact",
    "contains",
    "contains_any",
    "not_contains",
    "regex",
    "numeric",
    "relaxed",
    "anls",
    "max_words",
    "max_chars",
    "refusal",
)
STRUCTURED = ("json_schema", "verifier", "rubric")
"""Kinds of checks that no cell holds."""
YAML_ONLY = (
    *STRUCTURED,
    *CheckConfig.other_names,
    *(set(CheckConfig.model_fields) - set(CHECK_COLUMNS)),
    "checks",
    "messages",
)
SEPARATOR = ";"


def read_prompts(spec: str, base: Path, place: str, project: Project) -> list[SourceRow]:
    """Return the items of a prompt file as rows: ``prompt``, ``messages``, ``target``, ``checks``, ``tags``, ``weight``.

    Args:
        spec: the file, or a slice of it.
        base: folder that it is looked for in.
        place: where it is named, for messages.
        project: keeps the images that items show.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: a key or value that is not allowed; the message has line and key.
        InputError: the slice is behind the file's end, or two items have one id.
    """
    source = Source.parse(spec)
    path = base / Path(source.where).expanduser()
    require_file(path, place, expected="a file of prompts in YAML or CSV", cure="check the path")
    suite, lines = _read_table(path) if path.suffix.lower() in TABLES else load_prompt_suite(path)
    _refuse_twins(suite, lines, path)
    rows = [
        SourceRow(line - 1, _as_row(suite, item, _keep_images(item, path, line, project)))
        for item, line in zip(suite.items, lines, strict=True)
    ]
    if suite.problems is not None:
        alone = suite.model_copy(update={"checks": ()})  # each item has them, with its row's reference and columns
        rows += [
            SourceRow(len(rows) + i, _as_row(alone, item, list(item.images)))
            for i, item in enumerate(read_items(suite, path, project))
        ]
    kept = rows[source.start : source.stop]
    if not kept:
        raise InputError(
            f"{place}: {spec}",
            expected=f"items within the {len(rows)} of the file",
            received="none",
            cure="choose another slice",
        )
    return kept


def _refuse_twins(suite: PromptSuiteConfig, lines: list[int], path: Path) -> None:
    seen: dict[str, int] = {}
    for item, line in zip(suite.items, lines, strict=True):
        if item.id is not None and (first := seen.setdefault(str(item.id), line)) != line:
            raise InputError(
                f"{path}:{line}: key id",
                expected="each id once",
                received=f"{item.id!r} on line {first} and again",
                cure="rename one",
            )


def _keep_images(item: PromptConfig, path: Path, line: int, project: Project) -> list[str]:
    """Return an item's images by the names under which the project has them; a name stands for the content."""
    kept = []
    for name in item.images or ((item.image,) if item.image else ()):
        try:
            kept.append(keep_image(read_image(name, path.parent), project.media, project.root))
        except ValueError as error:
            raise InputError(
                f"{path}:{line}: image {name}", expected="an image file below the suite's folder", received=str(error),
                cure="check the path; it starts from the folder of the suite's file",
            ) from None  # fmt: skip
    return kept


def _as_row(suite: PromptSuiteConfig, item: PromptConfig, images: list[str]) -> dict[str, Any]:
    system = item.system if item.system is not None else suite.system
    chat: list[dict[str, Any]] = [m.model_dump() for m in item.messages] or [{"role": "user", "content": item.prompt}]
    prompt = chat[-1]["content"]
    chat[-1] = {**chat[-1], "content": with_images(prompt, images)}
    if system is not None and chat[0]["role"] != "system":
        chat = [{"role": "system", "content": system}, *chat]
    checks = [] if item.expected is None else [_from_expected(item, item.match or suite.match)]
    checks += [_from_check(c, item, suite) for c in (*item.checks, *suite.checks)]
    target = "" if item.expected is None else " | ".join(map(str, _as_list(item.expected)))
    row = {
        "prompt": prompt, "messages": canonical_json(chat), "target": target, "checks": canonical_json(_name(checks)),
        "tags": sorted({*suite.tags, *item.tags}), "weight": item.weight,
    }  # fmt: skip
    return row if item.id is None else {"id": str(item.id), **row}


def _name(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number the checks of one kind, so that each has a name of its own."""
    named: list[dict[str, Any]] = []
    for check in checks:
        n = 1 + sum(c["kind"] == check["kind"] for c in named)
        named.append({**check, "as": check["kind"] if n == 1 else f"{check['kind']} {n}"})
    return named


def _from_expected(item: PromptConfig, match: str) -> dict[str, Any]:
    expected: Any = item.expected
    if match == "numeric":
        expected = float(expected.replace(",", ""))
    if match == "math":
        return {
            "kind": "math",
            "verifier": "math",
            "expected": expected,
            "options": {"markers": ["auto", "whole text"]},
        }
    if match == "regex" and len(_as_list(expected)) > 1:
        pattern = f"(?|{'|'.join(f'(?:{p})' for p in expected)})"  # groups are counted anew in each
        return {"kind": match, "verifier": match, "options": {"pattern": pattern, "ignore_case": True}}
    value = _as_list(expected)[0] if match == "regex" else expected
    check = _from_check(CheckConfig.model_validate({match: value}), item, None)
    return {**check, "plain": "contains_any"} if match == "contains" else check


def _from_check(check: CheckConfig, item: PromptConfig, suite: PromptSuiteConfig | None) -> dict[str, Any]:
    """Return a check as it is run: by a verifier, by plain code, or by the judge."""
    kind = check.kind
    value: Any = getattr(check, kind)
    found: dict[str, Any] = {"kind": kind}
    if kind == "verifier":
        reference = item.expected if check.expected is None else check.expected
        return {
            "kind": value,
            "verifier": value,
            "options": check.options,
            "expected": reference,
            "fields": check.fields,
        }
    if kind == "exact":
        expected = [str(v) for v in _as_list(value)]
        return {
            **found,
            "verifier": "exact",
            "expected": expected,
            "options": {"case": not check.ignore_case, "punctuation": False},
        }
    if kind in ("relaxed", "anls"):
        return {**found, "verifier": kind, "expected": [str(v) for v in _as_list(value)], "options": {}}
    if kind == "regex":
        return {**found, "verifier": "regex", "options": {"pattern": value, "ignore_case": check.ignore_case}}
    if kind == "json_schema":
        return {**found, "verifier": "json_schema", "options": {"schema": value}}
    if kind == "rubric":
        assert suite is not None and suite.judge is not None
        rubric = {
            "criteria": value,
            "passes_at": check.passes_at,
            "levels": {str(k): v for k, v in check.levels.items()},
        }
        return {**found, "rubric": rubric, "model": suite.judge.model, "expected": item.expected}
    texts = {"value": _as_list(value), "ignore_case": check.ignore_case} if "contains" in kind else {"value": value}
    if check.whole_words:
        texts["whole_words"] = True
    return {**found, "plain": kind, **texts, **({"tolerance": check.tolerance} if kind == "numeric" else {})}


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


# --- CSV -------------------------------------------------------------------------------------------------------


def _read_table(path: Path) -> tuple[PromptSuiteConfig, list[int]]:
    items, lines = [], []
    for line in read_lines(path):
        if line.fault or line.row is None:
            raise InputError(
                f"{path}:{line.number}", expected="a line with as many cells as the first", received=f"{line.fault}: {line.raw[:120]!r}",
                cure="put cells that hold commas or line breaks in quotation marks",
            )  # fmt: skip
        items.append(_from_cells(line.row, f"{path}:{line.number}"))
        lines.append(line.number)
    try:
        return PromptSuiteConfig.model_validate({"items": items}), lines
    except ValidationError as error:
        told = explain_faults(path, None, error, model=PromptSuiteConfig)
        raise _at_line(told, error, path, lines) from None


def _at_line(told: RecipeError, error: ValidationError, path: Path, lines: list[int]) -> RecipeError:
    """Return a fault with the line of the table that its item stands on."""
    _, _, key = told.place.partition(": key items.")
    number, _, column = key.partition(".")
    if not number.isdigit():
        return RecipeError(
            str(path), expected=told.expected, received=told.received, cure="a header line, then one item a line"
        )
    place = f"{path}:{lines[int(number)]}" + (f": column {column.split('.')[-1]}" if column else "")
    return RecipeError(place, expected=told.expected, received=told.received, cure=told.cure)


def _from_cells(cells: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a line as an item; empty cells are left out."""
    given = {str(k).strip(): v for k, v in cells.items() if v is not None and str(v).strip()}
    known = (*ITEM_COLUMNS, *CHECK_COLUMNS)
    for column in given:
        if column not in known:
            raise RecipeError(
                f"{place}: column {column}", expected=f"one of {', '.join(known)}", received=f"unknown column {column!r}",
                cure=_cure_column(column, known),
            )  # fmt: skip
    item: dict[str, Any] = {k: v for k, v in given.items() if k in ITEM_COLUMNS}
    if "tags" in item:
        item["tags"] = _split(item["tags"])
    item["checks"] = list(_cell_checks(given))
    return item


MEANT = {
    "question": "prompt", "instruction": "prompt", "input": "prompt", "query": "prompt", "answer": "exact", "expected": "exact",
    "target": "exact", "reference": "exact", "output": "exact",
}  # fmt: skip
"""What tables call the columns of a suite."""


def _cure_column(column: str, known: Collection[str]) -> str:
    if column in YAML_ONLY:
        return f"{column} needs a suite in YAML, as {', '.join(STRUCTURED)} do; docs/eval.md shows one"
    near = [MEANT[column.lower()]] if column.lower() in MEANT else difflib.get_close_matches(column, known, n=1)
    return f"did you mean {near[0]!r}?" if near else "remove the column, or write the suite as YAML"


def _cell_checks(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in CHECK_COLUMNS:
        if kind in given:
            yield {kind: _split(given[kind]) if "contains" in kind else given[kind]}


def _split(cell: Any) -> list[str]:
    return [part.strip() for part in str(cell).split(SEPARATOR) if part.strip()]
