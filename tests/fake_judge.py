"""A judge for the fake endpoint: answers the prompts of judge-rubric, judge-pairwise, judge-reference, judge-checklist and
judge-grader.

What it says is decided by marks in the completions that it is shown: ``quality=4`` (its score, and which is better),
``mumble`` (it says nothing that can be read), ``first!`` (it takes whichever stands first), ``waver`` (each draw says
something else). Without a mark it goes by what it was told (``GRADES``), then by what it knows (``KNOWN``): an answer that ends rightly is worth 5, any other 2, and of 16 one is
misjudged.
"""

import hashlib
import math
import re

QUALITY = re.compile(r"quality=(\d+)")
SHOWN = re.compile(r"<(answer(?:-[ab])?)(?:-\d+)?>\n(.*?)\n</\1", re.DOTALL)
KNOWN = {}
"""Final answers by question."""
GRADES = {}
"""Scores of texts, letter by letter."""
AFTER = {}
"""Scores of texts by what was said before them: ``{text: {earlier: score}}``; they count more than ``GRADES``."""
DRAWS = (2, 4, 4, 3)
CHANCES = {"4": 0.6, " 5": 0.25, "3": 0.1, "good": 0.05}
"""Token probabilities in the place of the score 4."""


def judge(messages, draw):
    """Return a judge's reply, or None where nobody asks for one."""
    text = messages[-1]["content"]
    if "You are a grader" in str(messages[0]["content"]):
        return "I would rather not say." if "mumble" in text else f"It has merits.\nScore: {quality_of(text) / 5}"
    shown = [found for _, found in SHOWN.findall(text)] if isinstance(text, str) else []
    if not shown or "You are a judge" not in str(messages[0]["content"]):
        return None
    if "mumble" in text:
        return "I would rather not say."
    if "Winner:" in text:
        return f"They differ.\nWinner: {better_of(shown, draw)}"
    if "Verdict: correct" in text:
        is_right = quality_of(shown[0]) >= 4 if "waver" not in text else draw % 3 != 0
        return f"Compared.\nVerdict: {'correct' if is_right else 'incorrect'}"
    if "1: yes" in text:
        numbers = re.findall(r"^(\d+)\. ", text, re.MULTILINE)
        return "\n".join(f"{n}: {'yes' if int(n) <= quality_of(shown[0]) else 'no'}" for n in numbers if n != "9")
    score = (
        DRAWS[draw % 4]
        if "waver" in text
        else known_quality(text, shown[0]) or quality_after(text, shown[0]) or quality_of(shown[0])
    )
    return f"Score: {score}" if "score alone" in text else f"It has merits.\nScore: {score}"


def better_of(shown, draw):
    if any("first!" in s for s in shown):
        return "A"
    if any("waver" in s for s in shown):
        return "AAB"[draw % 3]
    a, b = map(quality_of, shown)
    return "A" if a > b else "B" if b > a else "tie"


def quality_of(text):
    found = QUALITY.search(text)
    return int(found[1]) if found else GRADES.get(text.strip(), 1)


def known_quality(text, shown):
    """Return the score of an answer to a question that it knows; None of any other."""
    final = next((f for q, f in KNOWN.items() if q in text), None)
    if final is None or QUALITY.search(shown):
        return None
    is_right = shown.rpartition("####")[2].strip() == final
    misjudged = hashlib.blake2b(text.encode(), digest_size=1).digest()[0] < 16
    return 5 if is_right != misjudged else 2


def quality_after(text, shown):
    """Return the score of an answer in the talk that it is shown with; None where that says nothing of it."""
    before = text.replace(shown, "")
    return next((score for earlier, score in AFTER.get(shown.strip(), {}).items() if earlier in before), None)


def chances_of(text, k):
    """Return log-probabilities in OpenAI's shape; a token is a word with the space before it, the score a digit alone."""
    tokens = re.findall(r"\d|\s?[^\s\d]+|\s", text)
    return {"content": [{"token": t, "logprob": -0.5, "top_logprobs": _likely(t, k)} for t in tokens]}


def _likely(token, k):
    chances = CHANCES if token == "4" else {token: 0.9}
    return [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in list(chances.items())[:k]]
