"""What a person says of a sample, as rows: verdicts filed under ``human:NAME``, and an edited completion as a sample of its own."""

import re
from collections.abc import Sequence

from ..errors import InputError
from ..schema import SampleRow, VerdictRow, canonical_json, content_id, utc_now
from ..store import PeopleRow
from ._reader import Row

STEP, PARSER = "people", "human@1"
LONGEST_NAME, LONGEST_WORDS = 40, 500
_NAME = re.compile(r"[\w.@+ -]{1,40}")
PASSED = {"accept": True, "reject": False, "label": None}


def check_name(name: str) -> str:
    """Return what a person's verdicts are filed under.

    Raises:
        InputError: it has signs that judges' names use.
    """
    if not _NAME.fullmatch(name.strip()) or "@" in name:
        raise InputError(
            "name of the person", expected=f"1 to {LONGEST_NAME} letters, digits, spaces, dots and dashes", received=repr(name),
            cure="flywheel ui --as NAME",
        )  # fmt: skip
    return f"human:{name.strip()}"


def decide(judge: str, sample_id: str, action: str, words: str = "") -> VerdictRow:
    """Return the verdict that a person gave by ``accept``, ``reject`` or ``label``.

    Raises:
        InputError: there is no such action, or a label without words or with too many.
    """
    words = words.strip()
    if len(words) > LONGEST_WORDS:
        raise InputError(
            "label", expected=f"at most {LONGEST_WORDS} characters", received=f"{len(words):,}",
            cure="shorten it; nothing was saved",
        )  # fmt: skip
    if action not in PASSED or (action == "label" and not words):
        raise InputError(
            "decision",
            expected=f"one of {', '.join(PASSED)}, a label with its words",
            received=action or "nothing",
            cure="choose one",
        )
    usual = {"accept": "accepted", "reject": "rejected"}.get(action, "")
    return _verdict(judge, sample_id, PASSED[action], words or usual, "label" if action == "label" else None)


def edit(judge: str, sample: Row, text: str) -> Sequence[PeopleRow]:
    """Return the rows of an edited completion: the new sample, accepted, and the old one, rejected.

    Raises:
        InputError: nothing was changed, or nothing is left.
    """
    text = text.replace("\r\n", "\n")
    if not text.strip() or text == sample["completion"]:
        raise InputError(
            f"sample {sample['sample_id']}",
            expected="another text",
            received="the same, or none",
            cure="change it, or reject the row",
        )
    now = utc_now()
    edited_id = content_id("smp", [STEP, sample["sample_id"], judge, text])
    made = SampleRow(
        edited_id, sample["request_id"], int(sample["draw"] or 0), sample["run_id"], sample["iteration"], STEP, sample["problem_id"],
        text, "stop", None, judge, now, sample["sample_id"], 0, sample.get("prompt"),
        canonical_json({"edited": sample["sample_id"]}), PARSER,
    )  # fmt: skip
    return [
        made,
        _verdict(judge, edited_id, True, "edited", sample["sample_id"]),
        _verdict(judge, sample["sample_id"], False, "edited", edited_id),
    ]


def _verdict(judge: str, sample_id: str, passed: bool | None, reason: str, evidence: str | None) -> VerdictRow:
    now = utc_now()
    return VerdictRow(
        content_id("vrd", [judge, sample_id, passed, reason, now]),
        sample_id,
        judge,
        passed,
        None,
        reason,
        evidence,
        now,
    )
