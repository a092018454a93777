"""The ``fields`` verifier: JSON that was extracted from a document, field by field."""

import json
from collections.abc import Mapping
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._anls import similarity
from ._json_text import read_json
from ._relaxed import is_near, read_number
from ._text import as_texts, normalize_text
from ._verifier import CannotJudge, Case, verifier

EXACT, NUMBER = "exact", "number"
HOW = (EXACT, NUMBER, "relaxed", "anls")


def _prepare(options: Mapping[str, Any], place: str) -> list[str]:
    match = options["match"]
    if not isinstance(match, Mapping) or any(how not in HOW for how in match.values()):
        raise RecipeError(
            f"{place}.match", expected=f"for each field that is not compared exactly, one of {', '.join(HOW)}",
            received=json.dumps(match, default=str), cure="write match: {total: number, address: anls}",
        )  # fmt: skip
    return []


@verifier("fields", needs=("expected",), options={"match": {}, "threshold": 1.0, "only": ()}, prepare=_prepare)
def fields(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare the JSON of a completion with the reference's fields; score = mean over them, passed from ``threshold`` on.

    ``match`` says how a field is compared where that is not ``exact`` (case, spacing and punctuation do not count): ``number`` (``RM 5.00`` is 5),
    ``relaxed``, ``anls``. ``only`` lists the fields that count; default: all of the reference. A field that the reference has as null
    must be null or absent; one that it lacks counts for nothing. The evidence names the fields that are wrong, with what stood there.
    """
    wanted = _read_reference(case.expected)
    names = [name for name in options["only"] or wanted if name in wanted]
    if not names:
        raise CannotJudge("bad reference", f"none of the fields {', '.join(options['only'])}")
    try:
        said = read_json(case.completion)
    except ValueError as error:
        return Verdict(False, 0.0, "not JSON", str(error)[:300])
    if not isinstance(said, Mapping):
        return Verdict(False, 0.0, "no object", json.dumps(said, ensure_ascii=False)[:300])
    scores = {name: compare(said.get(name), wanted[name], options["match"].get(name, EXACT)) for name in names}
    score = sum(scores.values()) / len(scores)
    wrong = {name: said.get(name) for name, value in scores.items() if value < 1}
    passed = score >= options["threshold"]
    reason = "correct" if not wrong else "near enough" if passed else f"wrong: {', '.join(sorted(wrong))}"
    return Verdict(passed, score, reason, json.dumps(wrong, ensure_ascii=False) if wrong else None)


def compare(said: Any, wanted: Any, how: str) -> float:
    """Return the score, 0 to 1, of one field; a list as reference is met by any of its texts."""
    if wanted in (None, "", []):
        return float(said in (None, "", []))
    if not isinstance(said, str | int | float) or isinstance(said, bool):
        return float(said == wanted)
    return max(_compare_texts(str(said), text, how) for text in as_texts(wanted))


def _compare_texts(said: str, wanted: str, how: str) -> float:
    if how == "anls":
        return similarity(said, wanted)
    near = is_near(_amount(said), _amount(wanted), 0.05 if how == "relaxed" else 0.0) if how != EXACT else None
    return float(_plain(said) == _plain(wanted) if near is None else near)


def _amount(text: str) -> str:
    """Return a text without the letters of a currency before or behind its number."""
    bare = text.strip().strip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
    return bare if read_number(bare) is not None else text


def _plain(text: str) -> str:
    return normalize_text(text, case=False, punctuation=False, articles=True, whitespace=False)


def _read_reference(expected: Any) -> Mapping[str, Any]:
    if isinstance(expected, str):
        try:
            expected = json.loads(expected)
        except ValueError:
            raise CannotJudge("bad reference", f"{expected[:200]!r}, expected an object in JSON") from None
    if not isinstance(expected, Mapping) or not expected:
        raise CannotJudge("bad reference", f"{expected!r}, expected an object"[:200])
    return expected
