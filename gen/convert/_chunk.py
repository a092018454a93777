"""Text to chunks: spans of at most so many tokens that respect headings, paragraphs, list items, tables and code.

How a text is cut:

* A block that fits is never cut. One that does not is cut between sentences (prose), lines (code, tables, records), then
  words, then characters.
* A chunk ends, among the places that leave it at least half full (a quarter, before a heading), at the strongest: before
  the highest heading, else between blocks, else inside one. Among equals a hash of what follows decides, and not how full
  the chunk is: so an edit moves the cuts near it and no others, and the chunks behind it stay the same rows.
* A heading goes with what stands under it.
* A chunk starts with up to ``overlap_tokens`` of whole sentences or blocks from the end of the one before, unless it
  starts with a heading, or the rows of a table or records.
* The headings of a chunk are those above all of it; the header of a table that is cut counts as one for the pieces behind
  the first.
"""

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ._blocks import Block, Kind
from ._converted import Converted
from ._tokens import CountTokens

_SENTENCE = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*(?:\s+|(?<=[。！？]))|\n(?=\s*\n)")
_INSIDE, _AFTER_HEADING, _BETWEEN = 90, 99, 50
_HASHED_CHARS = 200
_LARGEST_HEADER = 0.25
"""Share of a chunk beyond which the header of a table is not repeated as a heading."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a text with the headings above it. Lines and pages count from 1, the last one included.

    ``before`` is what the chunk's text begins with beside the span: of a definition what it names of the top of its file.
    """

    start: int
    end: int
    headings: tuple[str, ...]
    n_tokens: int
    line_start: int | None = None
    line_end: int | None = None
    page_start: int | None = None
    page_end: int | None = None
    before: str = ""


@dataclass(slots=True)
class _Atom:
    """What is never cut: a block, or a piece of one that was too long."""

    start: int
    end: int
    tokens: int
    kind: Kind
    level: int
    path: tuple[str, ...]
    first: bool
    """Whether it begins its block."""
    units: list[tuple[int, int]] = field(default_factory=list)


def chunk_text(
    converted: Converted, blocks: list[Block], count: CountTokens, chunk_tokens: int, overlap_tokens: int, *,
    alone: bool = False,
) -> list[Chunk]:  # fmt: skip
    """Cut a text into chunks.

    Args:
        blocks: the blocks of its text, see :func:`find_blocks`.
        count: counts tokens.
        chunk_tokens: most tokens of a chunk.
        overlap_tokens: most tokens repeated from the chunk before; 0 = disabled.
        alone: no two blocks share a chunk, and none repeats another.
    """
    text = converted.text
    place = _Places(converted)
    if alone:
        return [chunk for block in blocks for chunk in _cut_alone(text, block, place, count, chunk_tokens)]
    atoms = list(_atoms(text, blocks, count, chunk_tokens))
    return [place.chunk(*cut) for cut in _pack(text, atoms, count, chunk_tokens, overlap_tokens)]


def _cut_alone(text: str, block: Block, place: "_Places", count: CountTokens, limit: int) -> list[Chunk]:
    """Return the chunks of a block; the first has what is before it, unless that takes half of the room or more."""
    n = count(block.before) + 1 if block.before else 0
    before, n = (block.before, n) if 2 * n < limit else ("", 0)
    atoms = list(_atoms(text, [block], count, limit - n))
    first, *rest = [place.chunk(*cut) for cut in _pack(text, atoms, count, limit - n, 0)]
    return [replace(first, before=before, n_tokens=count(before + text[first.start : first.end])), *rest]


def _atoms(text: str, blocks: list[Block], count: CountTokens, limit: int) -> Iterator[_Atom]:
    path: list[tuple[int, str]] = []
    waiting = 0
    for block in blocks:
        if block.kind == "heading":
            path = [(level, title) for level, title in path if level < block.level] + [(block.level, block.title)]
        titles = tuple(title for _, title in path if title)
        tokens = count(text[block.start : block.end])
        room = limit if block.kind in ("code", "table", "record") else max(limit - waiting, limit // 2)
        if tokens <= room:
            yield _Atom(block.start, block.end, tokens, block.kind, block.level, titles, True)
        else:
            yield from _cut(text, block, titles, count, max(limit - waiting, limit // 2))
        waiting = waiting + tokens + 1 if block.kind == "heading" else 0


def _cut(text: str, block: Block, titles: tuple[str, ...], count: CountTokens, limit: int) -> Iterator[_Atom]:
    """Cut a block that is too long into the largest pieces that are not."""
    header = _table_header(text, block, count, limit)
    kind: Kind = "paragraph" if block.kind == "heading" else block.kind
    pieces = list(_merge(_pieces(text, block.start, block.end, kind, count, limit), limit))
    for i, (start, end, tokens) in enumerate(pieces):
        yield _Atom(start, end, tokens, kind, 0, titles + ((header,) if header and i else ()), i == 0)


def _table_header(text: str, block: Block, count: CountTokens, limit: int) -> str:
    if block.kind != "table":
        return ""
    header = " | ".join(filter(None, (c.strip() for c in text[block.start : block.end].split("\n", 1)[0].split("|"))))
    return header if count(header) <= limit * _LARGEST_HEADER else ""


def _pieces(
    text: str, start: int, end: int, kind: Kind, count: CountTokens, limit: int
) -> Iterator[tuple[int, int, int]]:
    """Yield spans of at most ``limit`` tokens, and their tokens: sentences or lines, else words, else characters."""
    spans = _sentences(text, start, end) if kind in ("paragraph", "item") else _split(text, start, end, "\n")
    for s, e in spans:
        tokens = count(text[s:e])
        if tokens <= limit:
            yield s, e, tokens
            continue
        for word_start, word_end in _split(text, s, e, None):
            tokens = count(text[word_start:word_end])
            step = word_end - word_start if tokens <= limit else limit
            for i in range(word_start, word_end, step):
                stop = min(i + step, word_end)
                yield i, stop, tokens if tokens <= limit else count(text[i:stop])


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    return _between(text, start, end, [(m.start(), m.end()) for m in _SENTENCE.finditer(text, start, end)])


def _split(text: str, start: int, end: int, at: str | None) -> list[tuple[int, int]]:
    pattern = re.compile(r"\s+" if at is None else re.escape(at))
    return _between(text, start, end, [(m.start(), m.end()) for m in pattern.finditer(text, start, end)])


def _between(text: str, start: int, end: int, gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans before, between and behind ``gaps``; closing quotes in a gap stay with what they close."""
    spans, at = [], start
    for gap_start, gap_end in [*gaps, (end, end)]:
        stop = gap_start + len(text[gap_start:gap_end].rstrip())
        if stop > at:
            spans.append((at, stop))
        at = gap_end
    return spans


def _merge(spans: Iterator[tuple[int, int, int]], limit: int) -> Iterator[tuple[int, int, int]]:
    """Join neighbouring spans as far as they fit, no further than an eighth of a chunk: cuts stay free to choose."""
    small = max(limit // 8, 1)
    start = end = tokens = -1
    for s, e, n in spans:
        if start >= 0 and tokens + n + 1 <= small:
            end, tokens = e, tokens + n + 1
            continue
        if start >= 0:
            yield start, end, tokens
        start, end, tokens = s, e, n
    if start >= 0:
        yield start, end, tokens


def _pack(
    text: str, atoms: list[_Atom], count: CountTokens, limit: int, overlap: int
) -> Iterator[tuple[int, int, tuple[str, ...], int]]:
    """Yield (start, end, headings, tokens) of each chunk."""
    at, before = 0, -1
    while at < len(atoms):
        start, used = _overlap_start(text, atoms, at, before, count, overlap)
        stop = _stop(text, atoms, at, limit - used)
        tokens = count(text[start : atoms[stop - 1].end])
        while tokens > limit and (stop > at + 1 or start < atoms[at].start):
            start, stop = (start, stop - 1) if stop > at + 1 else (atoms[at].start, stop)
            tokens = count(text[start : atoms[stop - 1].end])
        yield start, atoms[stop - 1].end, _common([a.path for a in atoms[at:stop]]), tokens
        at, before = stop, start


def _stop(text: str, atoms: list[_Atom], at: int, room: int) -> int:
    """Return the atom before which the chunk that begins at ``at`` ends."""
    filled = [0]
    while at + len(filled) <= len(atoms):
        tokens = filled[-1] + atoms[at + len(filled) - 1].tokens + (len(filled) > 1)
        if tokens > room and len(filled) > 1:
            break
        filled.append(tokens)
    last = at + len(filled) - 1
    if last == len(atoms):
        return last
    choices = [s for s in range(at + 1, last + 1) if filled[s - at] >= room // (4 if atoms[s].kind == "heading" else 2)]
    return min(choices or [last], key=lambda s: (_rank(atoms, s), _hash(text, atoms[s]), -s))


def _rank(atoms: list[_Atom], at: int) -> int:
    """Return how weak the place before atom ``at`` is."""
    before, after = atoms[at - 1], atoms[at]
    if before.kind == "heading":
        return _AFTER_HEADING
    if after.kind == "heading":
        return after.level
    if not after.first:
        return _INSIDE
    return _BETWEEN + (before.kind != after.kind) + (before.kind == after.kind == "item")


def _hash(text: str, atom: _Atom) -> int:
    return zlib.crc32(text[atom.start : min(atom.end, atom.start + _HASHED_CHARS)].encode())


def _overlap_start(
    text: str, atoms: list[_Atom], at: int, before: int, count: CountTokens, overlap: int
) -> tuple[int, int]:
    """Return where a chunk starts that repeats the end of the one before, and how many tokens that adds.

    Args:
        before: where the chunk before starts: it is never repeated whole.
    """
    start, used = atoms[at].start, 0
    if not overlap or _stands_alone(atoms[at]):
        return start, used
    for atom in reversed(atoms[:at]):
        if atom.kind == "heading" or atom.path != atoms[at].path or _stands_alone(atom):
            break
        whole = atom.kind == "code" and atom.first
        units = [(atom.start, atom.end)] if whole else _units(text, atom)
        for unit_start, unit_end in reversed(units):
            tokens = count(text[unit_start:unit_end]) + 1
            if used + tokens > overlap or unit_start <= before:
                return start, used
            start, used = unit_start, used + tokens
    return start, used


def _stands_alone(atom: _Atom) -> bool:
    return atom.kind in ("heading", "table", "record")


def _units(text: str, atom: _Atom) -> list[tuple[int, int]]:
    if atom.kind == "code":
        return _split(text, atom.start, atom.end, "\n")
    return _sentences(text, atom.start, atom.end)


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    first, last = min(paths), max(paths)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:n]


class _Places:
    """Lines and pages of spans."""

    def __init__(self, converted: Converted) -> None:
        self._text = converted.text
        self._newlines = [m.start() for m in re.finditer("\n", converted.text)] if converted.lines else []
        self._line_of = converted.lines
        self._pages = converted.pages

    def chunk(self, start: int, end: int, path: tuple[str, ...], tokens: int) -> Chunk:
        """Return a chunk with its lines and pages."""
        return Chunk(start, end, path, tokens, *self.lines(start, end), *self.pages(start, end))

    def lines(self, start: int, end: int) -> tuple[int | None, int | None]:
        """Return the first and the last line of a span, in the original file."""
        if self._line_of is None:
            return None, None
        first, last = (bisect_right(self._newlines, i - 1) for i in (start, max(end - 1, start)))
        return (first + 1, last + 1) if self._line_of == "same" else (self._line_of[first], self._line_of[last])

    def pages(self, start: int, end: int) -> tuple[int | None, int | None]:
        """Return the first and the last page of a span."""
        if self._pages is None:
            return None, None
        return max(bisect_right(self._pages, start), 1), max(bisect_right(self._pages, max(end - 1, start)), 1)
