"""Texts for people: differences by words, a cited span, numbers and times. All text stays text: it is escaped here."""

import difflib
import re
from datetime import datetime
from typing import Any

from markupsafe import Markup

from ._charts import show

MOST_WORDS = 4000
"""Longer texts are shown without marks: comparing takes the square of their length."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


def mark_differences(before: str, after: str) -> tuple[Markup, Markup]:
    """Return both texts with what only one of them has marked."""
    a, b = _WORDS.findall(before), _WORDS.findall(after)
    if len(a) > MOST_WORDS or len(b) > MOST_WORDS:
        return Markup("{}").format(before), Markup("{}").format(after)
    left, right = Markup(""), Markup("")
    for what, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        one, other = "".join(a[i:j]), "".join(b[k:m])
        left += Markup("{}").format(one) if what == "equal" or not one else Markup("<del>{}</del>").format(one)
        right += Markup("{}").format(other) if what == "equal" or not other else Markup("<ins>{}</ins>").format(other)
    return left, right


def mark_span(text: str, span: tuple[int, int] | None) -> Markup:
    """Return a text with one span of it marked."""
    if span is None:
        return Markup("{}").format(text)
    start, end = span
    return Markup('{}<mark id="cited">{}</mark>{}').format(text[:start], text[start:end], text[end:])


def write_number(value: Any) -> str:
    """Write a number; nothing is a dash."""
    return "–" if value is None else show(float(value))


def write_percent(value: Any) -> str:
    """Write a share."""
    return "–" if value is None else f"{100 * float(value):.1f} %"


def write_time(value: Any) -> str:
    """Write a time, in UTC."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)[:16].replace("T", " ")


def write_clock(value: datetime) -> str:
    """Write the time of day of a time."""
    return f"{value:%H:%M}"


def short_id(value: Any) -> str:
    """Write an id by its beginning."""
    text = "" if value is None else str(value)
    return text if len(text) <= 14 else text[:12] + "…"


def write_cell(value: Any) -> str:
    """Write a cell of a result."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 500 else text[:500] + "…"
