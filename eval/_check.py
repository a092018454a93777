"""Suites checked before anything is scored: the task's keys, templates and metric, and each row against the templates.

What only running the task can show (its own Python functions, graded metrics) is told by the evaluation process.
"""

import difflib
from pathlib import Path
from typing import Any

from ..config import SuiteConfig
from ..errors import InputError, RecipeError
from ..stage import class_fields, package_folder
from ..store import SourceRow
from ._task_files import LM_EVAL, Function, Task

OUTPUT_TYPES = ("generate_until", "multiple_choice", "loglikelihood", "loglikelihood_rolling")
TEMPLATES = ("doc_to_text", "doc_to_target", "description")
ALSO_KNOWN = {"include", "group", "class", "task_list"}
"""Keys of task files that are no fields of lm-eval's TaskConfig."""


def check_task(suite: SuiteConfig, task: Task, task_file: Path, *, is_own: bool) -> None:
    """Refuse a task that lm-eval would not load, that cannot be served, or that does not measure the suite's metric.

    Args:
        suite: the suite that names the task.
        task: its definition.
        task_file: where that stands.
        is_own: it is the user's own file; lm-eval's may hold keys of their own.

    Raises:
        RecipeError: says which key.
    """
    if is_own:
        _check_keys(task, task_file)
    kind = task.get("output_type", "generate_until")
    if kind not in OUTPUT_TYPES:
        raise RecipeError(
            f"suite {suite.name}: task {suite.task}", expected=f"an output_type of {', '.join(OUTPUT_TYPES)}",
            received=str(kind), cure="mend the task's output_type",
        )  # fmt: skip
    for key in TEMPLATES:
        place = _place(suite, task_file, key)
        if isinstance(template := _template(suite, task, key), str):
            _compile(template, place)
    _check_metric(suite, task)


def check_rows(suite: SuiteConfig, task: Task, rows: list[SourceRow], place: str) -> None:
    """Refuse the first row that the task's templates cannot be filled from.

    Raises:
        InputError: the row and what it lacks.
    """
    if any(task.get(key) for key in ("process_docs", "use_prompt", "custom_dataset")):
        return  # what the templates see is made by the task's own code
    for key in TEMPLATES[:2]:
        template = _template(suite, task, key)
        if not isinstance(template, str) or "{" not in template:
            continue
        filled = _compile(template, place)
        for row in rows:
            _fill(filled, row, f"{place}:{row.ordinal + 1}", key, template)


def _fill(filled: Any, row: SourceRow, place: str, key: str, template: str) -> None:
    import jinja2

    try:
        filled.render(**row.row)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise InputError(
            place, expected=f"a row that fills {key}: {template[:120]!r}",
            received=f"{error}; the row has {', '.join(row.row) or 'nothing'}",
            cure="rename the row's fields, or give the suite a doc_to_text (or task file) that fits them",
        ) from None  # fmt: skip


def _compile(template: str, place: str) -> Any:
    """Return the template as lm-eval makes it, but in Jinja's sandbox."""
    import re

    import jinja2
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = lambda text, pattern, new, count=0: re.sub(pattern, new, text, count=count)
    try:
        return environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise RecipeError(
            place, expected="a Jinja template", received=f"{error.message} (its line {error.lineno}): {template[:120]!r}",
            cure="close what is open: {{ field }} and {% if … %} … {% endif %}",
        ) from None  # fmt: skip


def _template(suite: SuiteConfig, task: Task, key: str) -> Any:
    found = suite.doc_to_text if key == "doc_to_text" and suite.doc_to_text is not None else task.get(key)
    return None if isinstance(found, Function) else found


def _place(suite: SuiteConfig, task_file: Path, key: str) -> str:
    if key == "doc_to_text" and suite.doc_to_text is not None:
        return f"recipe key suites, {suite.name}: doc_to_text"
    return f"task file {task_file}: key {key}"


def _check_keys(task: Task, task_file: Path) -> None:
    known = sorted({*_task_keys(), *ALSO_KNOWN})
    for key in task:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            cure = f"did you mean {near[0]!r}?" if near else "remove the key"
            raise RecipeError(
                f"task file {task_file}: key {key}", expected=f"one of {', '.join(known)}",
                received=f"unknown key {key!r}", cure=cure,
            )  # fmt: skip


def _task_keys() -> dict[str, str]:
    return class_fields(package_folder(LM_EVAL, "evaluation", "eval") / "config" / "task.py", "TaskConfig")


def _check_metric(suite: SuiteConfig, task: Task) -> None:
    measured = _measured(task)
    if suite.metric and measured and suite.metric not in measured:  # none is asked for where nothing is decided
        near = difflib.get_close_matches(suite.metric, measured, n=1, cutoff=0.8)
        raise RecipeError(
            f"recipe key suites, {suite.name}: metric",
            expected=f"one of {'; '.join(measured)}",
            received=repr(suite.metric),
            cure=f"did you mean {near[0]!r}?" if near else f"set metric to one of them, for example {measured[0]!r}",
        )


def _measured(task: Task) -> list[str]:
    """Return the metrics, with their filters, that a task says it measures; none when only its code knows."""
    metrics = task.get("metric_list")
    if task.get("process_results") or not isinstance(metrics, list):
        return []
    names = [m.get("metric") for m in metrics if isinstance(m, dict)]
    filters = [f.get("name") for f in task.get("filter_list") or [{"name": "none"}] if isinstance(f, dict)]
    if not names or any(isinstance(n, Function) or not isinstance(n, str) for n in (*names, *filters)):
        return []
    return [f"{name},{kind}" for name in names for kind in filters]
