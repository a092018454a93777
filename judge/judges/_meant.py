"""Whether a statement in a judge's words is meant: not denied, supposed, reported of another, or taken back later on.

These rules err to the side of silence: a statement that may not be meant is not read, and the reply is an abstention.
"""

import re

_WINDOW = 400
"""Characters around a statement in which its sentence is looked for."""
_BEGIN = re.compile(r"[.!?;]\s|\n")
_END = re.compile(r"[.!?](?=\s|$)|\n")
_CLAUSE = re.compile(r"[,;]|\b(?:but|so|therefore|thus|hence|because|since|instead)\b", re.IGNORECASE)
_SUPPOSED = re.compile(
    r"\b(?:if|unless|whether|suppose|supposing|imagine|unclear|uncertain|unsure|doubt\w*|unlikely|rubric|guidelines?|instead of|rather than"
    r"|(?:not|n['’]t) (?:\w+ )?(?:sure|certain|clear))\b",
    re.IGNORECASE,
)
_MINE = re.compile(r"\bI(?:['’](?:d|ll)| would| will| should| must)\b", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:not|never|nor?|neither|nobody|none|nothing|cannot|without|hardly|barely|scarcely|rarely|far from|anything but|other than|false|wrong"
    r"|refuse|avoid|would|could|might|may|should)\b|n['’]t\b|[¬≠❌✗✘❎✖🚫⛔👎]",
    re.IGNORECASE,
)
_DENIED_BEHIND = re.compile(
    r"[\s*_\"'’)\]}`]*(?:\b(?:would|could|might|may|should|must|means?|requires?|needs?|stands|corresponds|indicates|not|was|is\s+(?:the\s+)?"
    r"(?:\w+\s+)?(?:max\w*|min\w*|highest|lowest|best|worst|for|given|not|too|wrong|incorrect|false|unclear|unlikely))\b|is\s*n['’]t)"
    r"|[\s(]*(?:or|maybe|perhaps|should|could|might|may)\b[^\w\n]*(?:be\b|even\b|a\b|score\b|of\b|\s)*\W*(?:\d|[AB]\b)"
    r"|\s*(?:[?~+→⇒➜➔]|->)",
    re.IGNORECASE,
)
_CHOICE_BEFORE = re.compile(r"\b(?:or|versus|vs)\b\W*(?:(?:a|the)\s+)?\W*\Z", re.IGNORECASE)
_REPORTED = re.compile(
    r"\b(?:says?|said|saying|writes?|wrote|claims?|claimed|states?|stated|reads?|injects?|inject|contains?|includes?|asks?|asked|demands?|tells?|told)\b"
    r"[^\n.:\"'“‘]{0,60}(?::\s*|\s*[\"'“‘])[\"'“‘>\s*_`]*\Z",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\bwait\b(?=\s*[,.!?:…—–-]|\s+(?:no|that|actually|it|I)\b)|\bhold on\b|\bcorrection\b|\bscratch that\b|\bon (?:second thoughts?|reflection)\b"
    r"|\bI (?:was|am) wrong\b|\bI made (?:a|an) (?:mistake|error)\b|\b(?:I|me|let me|must|should|will|would|to) (?:reconsider|revise|correct (?:that|myself|this))\b"
    r"|\bstrike that\b|\bI mean\b|\bmy mistake\b|\bjust kidding\b|(?:\A|[.!?;,(…—–-]|\n)\s{0,20}actually\b|\bI change (?:my|it|that)\b|不对|等等|更正",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^“”\n]{0,300}”|`[^`\n]{0,300}`")


def drop_taken_back(text: str) -> str:
    """Return ``text`` with blanks for what its writer takes back (``Score: 4. Wait, …``), quotations aside."""
    bare = _QUOTED.sub(lambda m: " " * len(m[0]), text)
    end = max((m.end() for m in _TAKEN_BACK.finditer(bare)), default=0)
    return re.sub(r"[^\n]", " ", text[:end]) + text[end:]


def takes_back(text: str) -> bool:
    """Say whether a writer takes back, in ``text``, what stands before it."""
    return _TAKEN_BACK.search(text) is not None


def is_meant(text: str, start: int, end: int) -> bool:
    """Say whether the statement from ``start`` to ``end`` is the writer's own, neither denied nor supposed."""
    before, behind = text[max(0, start - _WINDOW) : start], text[end : end + _WINDOW]
    if _REPORTED.search(before) or _DENIED_BEHIND.match(behind) or _CHOICE_BEFORE.search(before):
        return False
    begins = [m.end() for m in _BEGIN.finditer(before)]
    ends = _END.search(behind)
    sentence = before[begins[-1] if begins else 0 :]
    rest = behind[: ends.start()] if ends else behind
    if _SUPPOSED.search(sentence) or _SUPPOSED.search(rest) or (ends and ends[0] == "?"):
        return False
    return _DENIED.search(_MINE.sub(" ", _CLAUSE.split(sentence)[-1])) is None


def is_reported(text: str, start: int) -> bool:
    """Say whether what begins at ``start`` is told of another: ``The completion says:``."""
    return _REPORTED.search(text[max(0, start - _WINDOW) : start]) is not None
