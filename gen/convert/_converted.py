"""What a converter returns, and how it says that it cannot."""

from dataclasses import dataclass, field
from typing import Any, Literal

Syntax = Literal["markdown", "rst", "asciidoc", "plain", "code", "records"]
"""How blocks are found in a text: by its markup, by blank lines, by top-level lines of code, or line by line."""

RAW_CHARS = 500


DAMAGED = "damaged, or of another format than its name says"


class Refused(Exception):
    """A file that no text or image can be had of.

    Args:
        reason: the same words for the same fault, so that drops can be counted by it.
        raw: the beginning of what was there, where that is text; else the parser's own words.
    """

    def __init__(self, reason: str, raw: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.raw = raw[:RAW_CHARS] if raw else None


@dataclass
class Converted:
    r"""A file as text.

    Attributes:
        text: newlines are ``\n``; there is no BOM.
        pages: where each page, slide or sheet begins in ``text``; None for a format without them.
        lines: line of the original file for each line of ``text``; ``"same"`` for a text that is kept verbatim; None where
            the format has no lines.
        media: the suffix under which an image is kept; None for a text.
        metadata: parser, encoding and whatever the file says of itself.
    """

    text: str
    syntax: Syntax = "markdown"
    format: str = ""
    title: str | None = None
    pages: list[int] | None = None
    lines: list[int] | Literal["same"] | None = None
    media: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def join_pages(pages: list[str]) -> tuple[str, list[int]]:
    """Join the texts of pages by blank lines; return the whole and where each page begins in it."""
    starts, parts, at = [], [], 0
    for page in pages:
        starts.append(at)
        body = page.strip("\n")
        if body:
            parts.append(body)
            at += len(body) + 2
    return "\n\n".join(parts), starts
