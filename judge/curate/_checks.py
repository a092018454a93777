"""The filters that look at one row alone, in their order: of many rows they run in parts, wherever a mapper has these done."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from ...config import CurationConfig
from .._mapper import Mapper
from . import _filters as filters
from ._filters import Finding
from ._pii import find_pii

Row = TypeVar("Row")
Texts = tuple[str, str]
"""Prompt and completion."""
CountTokens = Callable[[str], int]


class Checked(NamedTuple):
    """What the filters say of a row: the step at which it goes and why, or None; kinds of personal data, of a row that stays."""

    step: str | None
    finding: Finding | None
    pii: tuple[str, ...]


STAYS = Checked(None, None, ())
Check = tuple[str, Callable[[str, str], Finding | None]]


def list_checks(config: CurationConfig, count_tokens: CountTokens | None) -> list[Check]:
    """Return the filters that a recipe has, personal data aside; each by the name of its step."""
    checks: list[Check] = [("length", lambda _, said: filters.check_length(said, config.length, count_tokens))]
    if config.language.allowed:
        checks.append(("language", lambda _, said: filters.check_language(said, config.language)))
    if config.refusals:
        checks.append(("refusals", lambda _, said: filters.check_refusal(said)))
    if config.boilerplate:
        checks.append(("boilerplate", lambda _, said: filters.check_boilerplate(said, config.boilerplate)))
    if config.without:
        checks.append(("without", lambda asked, said: filters.check_without(asked, said, config.without)))
    if config.repetition.enabled:
        checks.append(("repetition", lambda _, said: filters.check_repetition(said, config.repetition)))
    return checks


def list_steps(config: CurationConfig) -> list[str]:
    """Return the steps of the filters, in their order."""
    return [step for step, _ in list_checks(config, None)] + ["pii"] * (config.pii != "off")


def _check_part(rows: list[Texts], config: CurationConfig, count_tokens: CountTokens | None) -> list[Checked]:
    checks = list_checks(config, count_tokens)
    return [_check(asked, said, checks, config.pii) for asked, said in rows]


def _check(asked: str, said: str, checks: list[Check], pii: str) -> Checked:
    for step, check in checks:
        if (finding := check(asked, said)) is not None:
            return Checked(step, finding, ())
    kinds = tuple(sorted({f.kind for f in find_pii(f"{asked}\n{said}")})) if pii != "off" else ()
    if not kinds:
        return STAYS
    if pii == "flag":
        return Checked(None, None, kinds)
    return Checked("pii", Finding(f"pii: {kinds[0]}", ", ".join(kinds)), ())


def check_rows(
    rows: Iterable[Row], texts_of: Callable[[Row], Texts], config: CurationConfig, count_tokens: CountTokens | None,
    mapper: Mapper,
) -> Iterator[tuple[Row, Checked]]:  # fmt: skip
    """Yield each row with what the filters say of it.

    Raises:
        ValueError: tokens are bounded without ``count_tokens``.
    """
    held: deque[list[Row]] = deque()

    def cut() -> Iterator[list[Texts]]:
        part: list[Row] = []
        texts: list[Texts] = []
        chars = 0
        for row in rows:
            part.append(row)
            texts.append(texts_of(row))
            chars += sum(map(len, texts[-1]))
            if chars >= mapper.part_chars:
                held.append(part)
                yield texts
                part, texts, chars = [], [], 0
        if part:
            held.append(part)
            yield texts

    for checked in mapper.map(_check_part, cut(), config, count_tokens):
        yield from zip(held.popleft(), checked, strict=True)
