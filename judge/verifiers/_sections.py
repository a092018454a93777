"""The ``sections`` verifier: a text has its parts, in order, and each is like the same part of a person's text.

A heading is a line's first word or words, in any case, with marks of Markdown and numbers before it, and a colon, a dash or the
end of the line behind: ``PLAN:``, ``## Plan``, ``**Plan:** rest``, ``4. plan - rest``. Words that only begin a sentence are none.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._similarity import measure_similarity
from ._verifier import REQUIRED, CannotJudge, Case, verifier

EMPTY = ("not discussed", "not mentioned", "not applicable", "not available", "none", "n a", "na", "nothing", "unknown")
"""What says, under a heading, that there is nothing to say."""


@lru_cache(maxsize=64)
def _headings(names: tuple[str, ...]) -> re.Pattern[str]:
    any_name = "|".join(re.escape(n).replace(r"\ ", r"\s+") for n in sorted(names, key=len, reverse=True))
    return re.compile(
        rf"^[ \t>#*_]*(?:\d+[.)][ \t]*)?[*_]*(?P<name>{any_name})[ \t]*[*_]*[ \t]*(?::[*_]*|[-–—][ \t]|$)",
        re.IGNORECASE | re.MULTILINE,
    )


def split_sections(text: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (heading in capitals, what stands under it) of each of these headings, in the text's order."""
    found = list(_headings(tuple(names)).finditer(text))
    ends = [m.start() for m in found[1:]] + [len(text)] * bool(found)
    return [
        (" ".join(m["name"].split()).upper(), text[m.end() : end].strip()) for m, end in zip(found, ends, strict=True)
    ]


def _is_empty(text: str, phrases: Sequence[str]) -> bool:
    folded = " ".join(re.findall(r"\w+", text.casefold()))
    return not folded or folded in {" ".join(re.findall(r"\w+", p.casefold())) for p in phrases}


def _read_reference(case: Case, options: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Return parts of the person's text, with the headings that each stands for; a name of several stands for all of them."""
    text = case.fields.get(options["reference"])
    if not isinstance(text, str) or not text.strip():
        raise CannotJudge(f"no {options['reference']}")
    owners: dict[str, tuple[str, ...]] = {name.upper(): (name.upper(),) for name in options["headings"]}
    for name, others in options["others"].items():
        for other in others:
            owners[other.upper()] = (*owners.get(other.upper(), ()), name.upper())
    part = case.fields.get(options["part"]) if options["part"] else None
    if isinstance(part, str) and part.strip():
        if part.strip().upper() not in owners:
            raise CannotJudge("unknown part", f"{part!r}, expected one of {', '.join(owners)}"[:300])
        return [(owners[part.strip().upper()], text)]
    parts: dict[tuple[str, ...], str] = {}
    for name, under in split_sections(text, list(owners)):
        if not _is_empty(under, options["empty"]):
            parts[owners[name]] = f"{parts.get(owners[name], '')}\n{under}".strip()
    return list(parts.items()) or [(tuple(n.upper() for n in options["headings"]), text)]


def _check_options(options: Mapping[str, Any], place: str) -> Sequence[str]:
    names = [name.upper() for name in options["headings"]]
    if not names or len(set(names)) < len(names):
        raise RecipeError(
            f"{place}: headings", expected="a list of headings, each once", received=repr(options["headings"]),
            cure="for example headings: [SUBJECTIVE, OBJECTIVE, ASSESSMENT, PLAN]",
        )  # fmt: skip
    if unknown := [name for name in options["others"] if name.upper() not in names]:
        raise RecipeError(
            f"{place}: others", expected=f"keys of {', '.join(names)}", received=repr(unknown[0]),
            cure="name other words for one of the headings",
        )  # fmt: skip
    return [options["reference"]] if options["reference"] else []


@verifier(
    "sections", options={
        "headings": REQUIRED, "others": {}, "empty": EMPTY, "filled": 1, "reference": "", "part": "", "threshold": 0.0,
    }, prepare=_check_options,
)  # fmt: skip
def sections(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Check that a text has its ``headings``, each once and in order, with something under each, and ``filled`` of them more than ``empty`` words.

    ``reference``: the column with a person's text; then the score is the mean of ROUGE-L, over the parts of that text, of the same part
    of the completion, and passed from ``threshold`` on; the form does not count. ``part``: the column that says which part the person's
    text is, where it is one; otherwise its own headings do. ``others``: what else headings are called there (``{PLAN: [INSTRUCTIONS]}``);
    a word of several headings stands for these together. A reference without headings is compared with the whole.
    """
    wanted = [name.upper() for name in options["headings"]]
    found = split_sections(case.completion, wanted)
    if options["reference"]:
        return _compare(dict(found), _read_reference(case, options), options)
    names = [name for name, _ in found]
    full = [name for name, under in found if under]
    score = len(set(full)) / len(wanted)
    if missing := [name for name in wanted if name not in names]:
        return Verdict(False, score, "section missing", ", ".join(missing))
    if names != wanted:
        return Verdict(False, score, "sections out of order", ", ".join(names))
    if len(full) < len(names):
        return Verdict(False, score, "section empty", ", ".join(n for n in names if n not in full))
    said = [name for name, under in found if not _is_empty(under, options["empty"])]
    if len(said) < options["filled"]:
        return Verdict(False, score, "too little said", f"{len(said)} of {len(wanted)} sections say something")
    return Verdict(True, score, "correct", f"{len(said)} of {len(wanted)} sections say something")


def _compare(
    found: Mapping[str, str], parts: Sequence[tuple[tuple[str, ...], str]], options: Mapping[str, Any]
) -> Verdict:
    scores = {}
    for names, text in parts:
        under = "\n".join(found.get(name, "") for name in names)
        scores["+".join(names)] = measure_similarity("rouge_l", under, text)
    score = sum(scores.values()) / len(scores)
    told = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    return Verdict(score >= options["threshold"], score, "alike" if score >= options["threshold"] else "unlike", told)
