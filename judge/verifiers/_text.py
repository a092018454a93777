"""What verifiers of texts share: the answer in a completion, normalisation as SQuAD's, references as lists of texts."""

import re
import string
from typing import Any

from ._verifier import CannotJudge

LONGEST_ANSWER = 10_000
"""Characters of the longest answer behind a phrase."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = {ord(c): None for c in string.punctuation}
TAKEN_BACK = re.compile(
    r"\bwait\b(?=\s*[,.!?:—–-]|\s+(?:no|that|actually|it)\b)|\bno(?:[,:—]|\s+-)|\bhold on\b|\bcorrection\b|\bscratch that\b|\bon second thoughts?\b"
    r"|\bI (?:was|am) wrong\b|\bI made (?:a|an) (?:mistake|error)\b|\breconsider|\bstrike that\b|\bI mean\b|\bmy mistake\b|不对|等等|更正",
    re.IGNORECASE,
)
"""Words by which a writer takes back what stands before them."""
DISOWNED = re.compile(
    r"\W*(?:(?:hmm+|but|no|oh|well),? )?(?:(?:that|this|it|which)(?:['’]s| is| was) (?:wrong|incorrect|mistaken|false|not (?:right|true|correct))|I disagree)\b(?=\s*(?:[.!]|$))",
    re.IGNORECASE,
)
"""What disowns an answer right behind it."""
SECOND_LOOK = re.compile(
    r"\bactually\b|\bon (?:further )?(?:reflection|closer (?:look|inspection)|review)\b|\bsorry\b|\bapolog(?:y|ies|i[sz]e)\b|\bo+ps\b|\bhm+\b|\bhowever\b|\bbut\b"
    r"|\blet(?:['’]s| me| us) (?:double[- ]?check|re-?check|check|verify|re-?do|recompute|recalculate|rethink|see)"
    r"|\b(?:that|this|it)(?:['’]s| is| was) (?:wrong|incorrect|mistaken|false|not (?:right|true|correct))\b|\bI (?:disagree|misread|miscounted|miscalculated|forgot)\b"
    r"|\b(?:edit|update|revised|new answer)\s*:|\b(?:or )?rather,|\bor (?:rather|maybe|perhaps)\b|\bmake that\b|\bmy bad\b|\bin fact\b|\bthen again\b|\btake (?:that|it) back\b|\bre-?calculating\b|\bre-?checking\b|\bchecking\b|\bjust kidding\b|\bupon (?:re)?view\b|\bwell,|其实|实际上|抱歉",
    re.IGNORECASE,
)
"""Words with which a writer looks at an answer again; what stands before them holds, unless another answer follows."""
_PEOPLE = "some|many|most|few|people|others|students|you|they|he|she|one|everyone|everybody|someone|somebody|anyone|friends?|critics?|readers?|users?|experts?"
_OPINION = "say|says|said|think|thinks|thought|believe|believes|believed|claim|claims|claimed|argue|argues|argued|suggest|suggests|suggested|guess|guesses|assume|assumes|assumed|expect|expects|expected|suppose|supposes|conclude"  # fmt: skip
NOT_SAID = re.compile(
    r"(?<!\bno )(?<!\bwithout )(?<!\bwithout a )(?<!\bbeyond )(?<!\bbeyond a )\bdoubt(?:s|ed|ful)?\b"
    r"|\b(?:unlikely|improbable|implausible|impossible|absurd|nonsense|nobody|no one|den(?:y|ies|ied)|disagrees?|refus(?:e|es|ed)|reject(?:s|ed)?"
    r"|dispute[sd]?|if|unless|whether|(?:why|how) (?:is|was|would|could|can|should|do|does)|(?:opposite|contrary|reverse) of|mistakenly|falsely|wrongly|suppos(?:e|ing)|assum(?:e|ing)|pretend|imagine|wish|told|used to be|by no means|under no circumstances|seldom|rarely|were the|a lie|second[- ]best|far from|avoid|hate)\b"
    r"|\b(?:false|wrong|incorrect|untrue|mistake|error|myth|misconception|mistaken) (?:that|to)\b|\b(?:any|every)(?:thing|one)(?: (?:but|except|other than))|\ball (?:but|except)\b"
    r"|(?:\bnot|n['’]t) (?:the case|true|clear|certain|sure|likely|think|believe|say|agree)\b|\bother than\b|\brather than\b|\binstead of\b"
    rf"|\b(?:{_PEOPLE}) (?:(?:would|may|might|could|will|often|also|once|wrongly) )?(?:{_OPINION})\b",
    re.IGNORECASE,
)
"""Words behind which a statement, to the end of its clause, is none of the writer's: doubted, denied, supposed, or another's."""
_STOP = re.compile(r"\.\s")


def text_behind(text: str, phrase: re.Pattern[str]) -> str | None:
    """Return what stands behind the last ``phrase`` that has something behind it: its line, to the end of the sentence.

    A final full stop is left off; numbers such as 1.5 are kept whole.
    """
    for found in reversed(list(phrase.finditer(text))):
        lines = text[found.end() : found.end() + LONGEST_ANSWER].lstrip().split("\n", 1)
        if said := _STOP.split(lines[0].strip() + " ", maxsplit=1)[0].strip():
            return said
    return None


def find_answer(completion: str, after: str) -> str | None:
    """Return the answer of a completion: the whole text, or what stands behind the phrase ``after``; None without it."""
    if not after:
        return completion
    return text_behind(completion, re.compile(re.escape(after) + ":?", re.IGNORECASE))


def normalize_text(text: str, *, case: bool, punctuation: bool, articles: bool, whitespace: bool) -> str:
    """Return ``text`` without what does not count; each flag says that something does.

    All four off is SQuAD's normalisation (Rajpurkar et al. 2016, arXiv 1606.05250; its evaluate-v1.1.py).
    """
    if not case:
        text = text.lower()
    if not punctuation:
        text = text.translate(_PUNCTUATION)
    if not articles:
        text = (_ARTICLES if not case else re.compile(_ARTICLES.pattern, re.IGNORECASE)).sub(" ", text)
    return text if whitespace else " ".join(text.split())


def as_texts(expected: Any) -> list[str]:
    """Return a reference as the texts that are right: a text, a number, or a list of these.

    Raises:
        CannotJudge: it is none of them, or empty.
    """
    values = list(expected) if isinstance(expected, list | tuple) else [expected]
    if not values or not all(isinstance(v, str | int | float) for v in values):
        raise CannotJudge("bad reference", f"{expected!r}, expected text, a number or a list of them"[:200])
    texts = [("yes" if v else "no") if isinstance(v, bool) else str(v) for v in values]
    texts = [t for t in texts if t.strip()]  # an empty one would pass an empty completion
    if not texts:
        raise CannotJudge("empty reference")
    return texts
