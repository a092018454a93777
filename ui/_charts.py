"""Charts as SVG, written here: no library, no script. Every text is escaped; colours come from the page's style sheet.

Each chart is one function from rows to markup, has a title for screen readers, and says its numbers in tooltips; the page shows the same
numbers in a table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

from markupsafe import Markup

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 24, 44
SERIES = 6
"""Classes of colours in the style sheet: s0 …"""


@dataclass(frozen=True)
class Point:
    """A value at a place on the axis below; its bar reaches from ``low`` to ``high``; ``mark``: *promoted* is a ring, *undone* a broken one, *in use* a square."""

    place: int
    value: float
    low: float | None = None
    high: float | None = None
    mark: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Frame:
    """From values to pixels."""

    low: float
    high: float
    n: int

    def x(self, place: float) -> float:
        """Return the middle of a place."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(1, self.n)

    def y(self, value: float) -> float:
        """Return the height of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Return about ``n`` round numbers between two."""
    if not high > low:
        return [low]
    rough = (high - low) / n
    unit = 10 ** floor(log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * 0.999)
    first = floor(low / step + 0.999999)
    return [round((first + i) * step, 12) for i in range(n * 3) if (first + i) * step <= high * 1.0000001]


def draw_lines(title: str, labels: Sequence[str], series: Mapping[str, Sequence[Point]], unit: str = "") -> Markup:
    """Draw lines with error bars and marks; ``unit`` says what the axis measures."""
    points = [p for line in series.values() for p in line]
    if not points:
        return Markup("")
    ends = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    pad = (max(ends) - min(ends)) * 0.08 or abs(max(ends)) * 0.1 or 1
    frame = Frame(min(ends) - pad, max(ends) + pad, len(labels))
    body = [_axes(frame, labels, unit)]
    for i, (name, line) in enumerate(series.items()):
        body.append(_line(frame, i, len(series), name, line))
    return _wrap(title, Markup("").join(body), list(series))


def _line(frame: Frame, i: int, n: int, name: str, line: Sequence[Point]) -> Markup:
    shift = (i - (n - 1) / 2) * 7  # so that error bars of several lines do not cover each other
    at = [(frame.x(p.place) + shift, frame.y(p.value), p) for p in line]
    parts = []
    if len(at) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
        parts.append(Markup('<polyline class="line s{}" points="{}"/>').format(i % SERIES, path))
    for x, y, p in at:
        note = p.note or f"{name}: {show(p.value)}"
        bar = Markup("")
        if p.low is not None and p.high is not None:
            bar = _error_bar(f"s{i % SERIES}", x, frame.y(p.high), frame.y(p.low))
        marks = Markup("").join(_draw_mark(m, f"s{i % SERIES}", x, y) for m in p.mark)
        parts.append(
            Markup('<g>{}{}<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="4"/><title>{}</title></g>').format(
                bar, marks, i % SERIES, x, y, note
            )
        )
    return Markup("").join(parts)


def _error_bar(colour: str, x: float, top: float, end: float) -> Markup:
    return Markup(
        '<path class="bar-line {0}" d="M{1:.1f} {2:.1f}V{3:.1f}M{4:.1f} {2:.1f}h8M{4:.1f} {3:.1f}h8"/>'
    ).format(colour, x, top, end, x - 4)


def _draw_mark(mark: str, colour: str, x: float, y: float) -> Markup:
    if mark == "in use":
        shape = '<rect class="square {}" x="{:.1f}" y="{:.1f}" width="26" height="26"/>'
        return Markup(shape).format(colour, x - 13, y - 13)
    broken = " undone" if mark == "undone" else ""
    return Markup('<circle class="ring {}{}" cx="{:.1f}" cy="{:.1f}" r="9"/>').format(colour, broken, x, y)


def draw_bars(
    title: str, labels: Sequence[str], values: Sequence[float], unit: str = "",
    ends: Sequence[tuple[float, float] | None] = (),
) -> Markup:  # fmt: skip
    """Draw upright bars from zero; ``ends`` are those of their error bars, ``unit`` says what the axis measures."""
    if not values:
        return Markup("")
    reached = [*values, *(v for pair in ends if pair for v in pair)]
    frame = Frame(min(0.0, *reached), max(0.0, *reached) or 1.0, len(labels))
    width = max(2.0, (WIDTH - LEFT - RIGHT) / len(labels) * 0.7)
    bars = []
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        y, zero = frame.y(value), frame.y(0)
        bars.append(
            Markup(
                '<rect class="fill s0" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}: {}</title></rect>'
            ).format(frame.x(i) - width / 2, min(y, zero), width, max(0.5, abs(zero - y)), label, show(value))
        )
    whiskers = [_error_bar("ink", frame.x(i), frame.y(end[1]), frame.y(end[0])) for i, end in enumerate(ends) if end]
    return _wrap(title, _axes(frame, labels, unit) + Markup("").join([*bars, *whiskers]), [])


def draw_share(kept: float, dropped: float, entered: float) -> Markup:
    """Draw one flat bar: what was kept, what was dropped, what is open."""
    total = max(entered, kept + dropped, 1)
    a, b = 160 * kept / total, 160 * dropped / total
    return Markup(
        '<svg class="share" viewBox="0 0 160 12" width="160" height="12" role="img" aria-label="{} of {} kept, {} dropped">'
        '<rect class="open" width="160" height="12"/><rect class="kept" width="{:.1f}" height="12"/>'
        '<rect class="lost" x="{:.1f}" width="{:.1f}" height="12"/></svg>'
    ).format(show(kept), show(entered), show(dropped), a, a, b)


def _axes(frame: Frame, labels: Sequence[str], unit: str = "") -> Markup:
    parts = []
    if unit:
        parts.append(Markup('<text class="tick unit" x="{}" y="13">{}</text>').format(LEFT, shorten(unit, 90)))
    for t in ticks(frame.low, frame.high):
        y = frame.y(t)
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, show(t))
        )
    every = max(1, -(-len(labels) // 12))
    room = max(6, int((WIDTH - LEFT - RIGHT) / max(1, -(-len(labels) // every)) / 7))
    for i, label in enumerate(labels):
        if i % every == 0:
            parts.append(
                Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}<title>{}</title></text>').format(
                    frame.x(i), HEIGHT - BOTTOM + 18, shorten(label, room), label
                )
            )
    return Markup("").join(parts)


def _wrap(title: str, body: Markup, names: Sequence[str]) -> Markup:
    keys, x = [], LEFT
    for i, name in enumerate(names):
        keys.append(
            Markup('<circle class="dot s{}" cx="{}" cy="{}" r="4"/><text class="tick" x="{}" y="{}">{}</text>').format(
                i % SERIES, x, HEIGHT - 8, x + 8, HEIGHT - 4, shorten(name, 40)
            )
        )
        x += 24 + 7 * min(len(name), 40)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}{}</svg>'
    ).format(WIDTH, HEIGHT, title, title, body, Markup("").join(keys))


def shorten(text: str, n: int) -> str:
    """Return at most ``n`` characters."""
    return text if len(text) <= n else text[: max(1, n - 1)] + "…"


def show(value: float) -> str:
    """Write a number for people."""
    if not isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"
