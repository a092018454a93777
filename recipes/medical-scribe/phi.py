"""What may tell who a note is about, in one place for judge and suite. It flags; it does not make a text anonymous."""

from collections.abc import Mapping
from typing import Any

import regex
from flywheel.judge import Case, Verdict, verifier

_NAME = r"\p{Lu}\p{Ll}+(?:[ -]\p{Lu}[\p{Ll}.]*)*"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\p{Ll}*"
_STREET = r"Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Square|Sq"
KINDS = {
    "title and name": rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof)\b\.? {_NAME}|\b(?i:doctor|nurse) (?!\p{{Lu}}\p{{Lu}}){_NAME}",
    "name": rf"(?i:\b(?:named|name is|name:)) {_NAME}|(?i:\bpatient:) {_NAME} {_NAME}|\b{_NAME} {_NAME}(?:,| is an?| \()\s?\d{{1,3}}\b",
    "age above 89": r"(?i)\b(?:9\d|1[01]\d)[- ](?:years?|y/?o\b)|\baged?:? (?:9\d|1[01]\d)\b(?! ?%)",
    "birth": rf"(?i:\bborn(?: on| in)?:? )(?:\d|{_MONTH} \d)|(?i:\b(?:DOB|date of birth)\b)",
    "address": rf"\b\d{{1,5}}[A-Za-z]? (?:\p{{Lu}}[\p{{L}}.]+ ){{1,3}}(?:{_STREET})\b|\b\p{{Lu}}{{2}} \d{{5}}\b",
    "number of phone or insurance": r"(?<![\d.-])(?:\(\d{3}\) ?)?\d{3}-\d{4}(?![\d-])|\b\d{3}[-. ]\d{3,4}[-. ]\d{4}\b|\b\d{3}-\d{2}-\d{4}\b",
    "record number": r"(?i)\b(?:MRN|SSN|record (?:number|no)|account (?:number|no))\b",
    "mail or address of a page": r"(?i)[\w.+-]+@[\w-]+\.\w+|\bhttps?://",
}
_FOUND = {kind: regex.compile(pattern) for kind, pattern in KINDS.items()}


@verifier("phi", version=1)
def phi(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Pass texts in which none of these is found."""
    for kind, pattern in _FOUND.items():
        if found := pattern.search(case.completion):
            return Verdict(False, 0.0, kind, found[0])
    return Verdict(True, 1.0, "nothing found")
