"""The ``exact`` verifier: the same text as the reference, after a normalisation that the options choose."""

from collections.abc import Mapping
from typing import Any

from .._verdict import Verdict
from ._text import as_texts, find_answer, normalize_text
from ._verifier import Case, verifier


@verifier(
    "exact", needs=("expected",),
    options={"after": "", "case": False, "punctuation": True, "articles": True, "whitespace": False},
)  # fmt: skip
def exact(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare texts; ``case``, ``punctuation``, ``articles`` and ``whitespace`` say what counts.

    ``after`` is a phrase (``the answer is``) behind which the answer stands; "" = the whole completion is the answer.
    A list of references is passed by any of them.
    """
    counts = {name: options[name] for name in ("case", "punctuation", "articles", "whitespace")}
    texts = as_texts(case.expected)
    references = {normal for t in texts if (normal := normalize_text(t, **counts))}  # nothing of "!!!" may be left
    found = find_answer(case.completion, options["after"])
    if found is None:
        return Verdict(False, 0.0, "no answer")
    same = normalize_text(found, **counts) in references or found.strip() in texts
    return Verdict(same, float(same), "correct" if same else "wrong answer", found)
