"""Rows of programming problems in the shapes in which they are found, made into one: what is asked, and tests to run in the sandbox.

HumanEval's (``prompt``, ``entry_point``, ``test``; Chen et al. 2021, arXiv 2107.03374), MBPP's (``text`` or ``prompt``, ``test_list``;
Austin et al. 2021, arXiv 2108.07732), and rows with ``question`` and any tests that the verifier ``code`` reads. A reference solution in the
row is not looked at.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..schema import canonical_json
from ..store import SourceRow

TESTS = ("test", "entry_point", "test_list", "test_setup_code", "test_imports", "cases")
_QUESTIONS = ("question", "text", "prompt", "instruction")
_IDS = ("id", "task_id")
_SHOWN = 3
"""So many asserts tell a model what its function is called and takes, as in MBPP's own prompt."""


def read_program(row: SourceRow, place: str) -> dict[str, Any]:
    """Return ``question``, ``code`` (what a completion goes on from), ``asserts`` (shown to the model) and ``checks``.

    Args:
        row: as the file or hub has it.
        place: where the row stands, for messages.

    Raises:
        InputError: no question, or no tests.
    """
    given = row.row
    question = next((given[k] for k in _QUESTIONS if isinstance(given.get(k), str) and given[k].strip()), None)
    tests = {key: given[key] for key in TESTS if given.get(key)}
    if question is None or not tests.keys() & {"test", "test_list", "cases"}:
        raise InputError(
            place, expected="a question (question, text, prompt) and tests (test with entry_point, test_list, or cases)",
            received=", ".join(given) or "nothing", cure="rename the row's columns, or remove the row",
        )  # fmt: skip
    goes_on = _goes_on(given)
    fields = {**tests, "prompt": question} if goes_on else tests
    asserts = [] if goes_on or "test" in tests else list(tests.get("test_list", ()))[:_SHOWN]
    checks = [{"as": "pass", "verifier": "code", "options": {}, "fields": fields}]
    found = {
        "question": question, "code": question if goes_on else "", "asserts": asserts, "checks": canonical_json(checks),
    }  # fmt: skip
    known = next((given[k] for k in _IDS if given.get(k) is not None), None)
    return found if known is None else {"id": str(known), **found}


def _goes_on(row: Mapping[str, Any]) -> bool:
    """Whether the prompt is the beginning of the program (HumanEval)."""
    return all(isinstance(row.get(key), str) for key in ("prompt", "entry_point", "test")) and "def " in row["prompt"]
