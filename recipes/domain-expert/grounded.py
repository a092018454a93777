"""Whether an answer rests on the document above its question: a verifier of a user's size, for the suite."""

import re
from collections.abc import Mapping
from typing import Any

from flywheel.judge import CannotJudge, Case, Verdict, verifier

DECLINES = " the document does not say "
DOCUMENT = re.compile(r"<(document[-\d]*)>\n(.*)\n</\1>", re.DOTALL)
WORD = re.compile(r"[^\W_]+")
PROVED = re.compile(r"(.+)\nSource: [“\"](.+)[”\"]", re.DOTALL)


def fold(text: str) -> str:
    """Return the words alone, with a blank around each."""
    return " " + " ".join(WORD.findall(text.casefold())) + " "


@verifier("grounded", version=1, options={"max_words": 40, "min_words": 3})
def grounded(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Pass what answers briefly and then quotes the document, at most ``max_words`` each; and what declines, and says no more."""
    if (shown := DOCUMENT.search(case.prompt[-1]["content"])) is None:
        raise CannotJudge("no document in the prompt")
    if fold(case.completion) == DECLINES:
        return Verdict(True, 1.0, "declines")
    if (proved := PROVED.fullmatch(case.completion.strip())) is None:
        return Verdict(False, 0.0, "no quoted proof")
    answer, quote = fold(proved[1]), fold(proved[2])
    if quote not in fold(shown[2]):
        return Verdict(False, 0.0, "quote not in the document", proved[2])
    if not options["min_words"] <= len(quote.split()) <= options["max_words"]:
        return Verdict(False, 0.0, "quote too short or too long", proved[2])
    if len(answer.split()) > options["max_words"]:
        return Verdict(False, 0.0, "answer too long", proved[1])
    wanted = [case.expected] if isinstance(case.expected, str) else case.expected or [answer]
    right = any(fold(one) in answer for one in wanted)
    return Verdict(right, float(right), "answers and proves" if right else "another answer", proved[1])
