"""Rows of a user's own, as curation reads them: prompt, completion, rejected and label, whatever columns hold them.

Guarantee: a row of no known shape, or whose answer says nothing, is left to the trainer's checks, and is never dropped here for
what it lacks.
"""

import hashlib
import json
import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..config import CurationConfig, SelectionConfig
from ..errors import RecipeError
from ..schema import is_blank, texts_in
from ._completion import text_of
from ._decontaminate import Decontaminator
from ._mapper import HERE, Mapper
from ._tokens import Array
from .curate import Curated, CurateRow, curate, read_labels

log = logging.getLogger(__name__)

NEARLY_ALL = 0.9
"""Share of the completions with one ending from which on it is told: a model trained on them will say it too."""
WITHOUT_COMPLETION = ("grpo", "classify")
"""Methods whose rows have no completion: what looks at one cannot apply."""
CHANCE = "chance"
"""Instead of a column with scores: numbers drawn by the seed."""
_OF_COMPLETIONS = ("length", "language", "refusals", "boilerplate", "repetition", "affixes")


@dataclass(frozen=True)
class OwnRow:
    """A row of a user's file: its columns, or why it cannot be read."""

    columns: dict[str, Any] | None
    raw: str
    fault: str | None = None


@dataclass(frozen=True)
class OwnCuration:
    """How rows of one's own are curated: the recipe's rules, what counts tokens, what embeds, columns with a reference, the column
    with a score, or :data:`CHANCE`, and what has the parts done.
    """

    config: CurationConfig
    count_tokens: Callable[[str], int] | None = None
    embed: Callable[[Sequence[str]], Any] | None = None
    references: tuple[str, ...] = ("answer",)
    score_by: str | None = None
    mapper: Mapper = HERE

    def read_parts(self, columns: Mapping[str, Any], method: str) -> "Parts":
        """Return what a row of a method holds, its score with it."""
        score = None if self.score_by is None else _as_number(columns.get(self.score_by))
        return replace(read_parts(columns, method, self.references), score=score)


@dataclass(frozen=True)
class Parts:
    """What a row holds.

    Attributes:
        messages: the prompt's; None = the row has no prompt.
        prompt: these as one text, with a mark for the images that stand with them.
        completion: what is learnt to be said, of a pair the chosen one; None = the columns are of no known shape.
        rejected: of a pair.
        label: of the prompt, or of ``subject``.
        subject: what the label is said of, where that is more than the prompt.
        score: the better the higher; None comes last.
    """

    messages: list[Any] | None
    prompt: str
    completion: str | None
    rejected: str = ""
    label: str | None = None
    subject: str = ""
    score: float | None = None


def read_parts(columns: Mapping[str, Any], method: str, references: Sequence[str] = ("answer",)) -> Parts:
    """Return what a row of a method holds; of messages and of a pair without a prompt the prompt is what comes before the answer."""
    if method == "classify":
        text, label = columns.get("text"), columns.get("label")
        known = isinstance(text, str) and label is not None
        asked = [{"role": "user", "content": text}] if known else None
        return Parts(asked, str(text or ""), str(label) if known else None, label=str(label) if known else None)
    messages, completion, rejected = _split(columns)
    prompt = _mark(columns, messages)
    if method == "grpo":
        found = next((columns[c] for c in (*references, "label") if columns.get(c) is not None), None)
        label = (
            None
            if found is None
            else found
            if isinstance(found, str)
            else json.dumps(found, sort_keys=True, default=str)
        )
        return Parts(messages, prompt, (label or "") if messages else None, label=label)
    if completion is None:
        return Parts(messages, prompt, None)
    if method == "kto":
        label = columns.get("label")
        return Parts(messages, prompt, completion, "", None if label is None else str(label), f"{prompt}\n{completion}")
    return Parts(messages, prompt, completion, rejected)


def _as_number(value: Any) -> float | None:
    """Return a finite number, also one that a table has as text; None of anything else."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _split(columns: Mapping[str, Any]) -> tuple[list[Any] | None, str | None, str]:
    """Return the prompt's messages, the completion, and of a pair the rejected one."""
    given = columns.get("prompt")
    prompt = (
        given if isinstance(given, list) else [{"role": "user", "content": given}] if isinstance(given, str) else None
    )
    if (chosen := columns.get("chosen")) is not None and columns.get("rejected") is not None:
        if prompt is None and isinstance(chosen, list):
            prompt = chosen[:-1]
        return prompt, text_of(chosen), text_of(columns["rejected"])
    if columns.get("completion") is not None:
        return prompt, text_of(columns["completion"]), ""
    if isinstance(said := columns.get("messages"), list) and said:
        last = max(
            (i for i, m in enumerate(said) if isinstance(m, Mapping) and m.get("role") == "assistant"), default=None
        )
        return (said, None, "") if last is None else (said[:last], text_of(said[last]), "")
    text = columns.get("text")
    return prompt, text if isinstance(text, str) else None, ""


def _mark(columns: Mapping[str, Any], messages: Sequence[Any] | None) -> str:
    """Return the prompt as text, images and tools as a number: rows with others of them are not alike."""
    texts = [text_of(m) for m in messages or ()]
    beside = {c: columns[c] for c in ("images", "image", "tools") if columns.get(c)}
    contents = (m.get("content") for m in messages or () if isinstance(m, Mapping))
    parts = [p for c in contents if isinstance(c, list) for p in c if isinstance(p, Mapping) and "text" not in p]
    if beside or parts:
        said = json.dumps([beside, parts], sort_keys=True, default=str).encode("utf-8", "surrogatepass")
        texts.append(f"[{int.from_bytes(hashlib.blake2b(said, digest_size=7).digest(), 'little')}]")
    return "\n".join(texts)


@dataclass(frozen=True)
class OwnCurated:
    """Places of the rows that stay, in the order of training; and (place, reason, evidence) of those that go."""

    kept: list[int]
    gone: list[tuple[int, str, str]]


def curate_own(ids: Sequence[str], parts: Sequence[Parts], method: str, rules: OwnCuration, seed: int) -> OwnCurated:
    """Curate rows of one's own by the recipe's rules, as far as they fit rows of the method; see :func:`fit_config`."""
    may_be_empty = method in WITHOUT_COMPLETION
    read = [i for i, p in enumerate(parts) if p.completion is not None and (may_be_empty or not is_blank(p.completion))]
    places = np.array(read, np.int64)
    known = [parts[i] for i in places.tolist()]
    labels = [p.label for p in known]
    if method in ("sft", "seq2seq"):
        labels = read_labels([p.prompt for p in known], [p.completion or "" for p in known], labels)
    drawn = random.Random(seed)
    by_chance = rules.score_by == CHANCE
    rows = (
        CurateRow(
            ids[i],
            p.prompt,
            p.completion or "",
            label,
            drawn.random() if by_chance else p.score,
            rejected=p.rejected,
            subject=p.subject,
        )
        for i, p, label in zip(places.tolist(), known, labels, strict=True)
    )
    config = fit_config(rules.config, method, seed, is_pairs=any(p.rejected for p in known))
    made = Curated()
    if known:
        made = curate(rows, config, embed=rules.embed, count_tokens=rules.count_tokens, mapper=rules.mapper)
    for affix in made.affixes:
        if affix.side == "suffix" and affix.share >= NEARLY_ALL:
            log.warning(
                "%d of %d completions end in %r: a model trained on them will say so too",
                affix.count,
                affix.total,
                affix.text,
            )
    gone = [(int(places[d.place]), d.reason, f"{d.step}: {d.evidence}") for d in made.drops]
    return OwnCurated(_in_order(places, made.order, len(parts), has_selection=bool(config.selection.n)), gone)


@dataclass(frozen=True)
class OwnFate:
    """What becomes of one row before any training: the step at which it goes, why, and what that rests on."""

    place: int
    step: str
    reason: str
    evidence: str | None = None


def sift_own(
    given: Sequence[OwnRow], method: str, rules: OwnCuration, decontaminator: Decontaminator, seed: int, first: int = 1
) -> tuple[list[int], list[OwnFate]]:
    """Return the places of the rows that a snapshot would hold, in its order, and the fate of each other; nothing is recorded.

    ``first`` is the number of the first row, as evidence names it.
    """
    gone = [OwnFate(i, "rows", row.fault or "no row") for i, row in enumerate(given) if row.columns is None]
    places = [i for i, row in enumerate(given) if row.columns is not None]
    parts = [rules.read_parts(given[i].columns or {}, method) for i in places]
    made = curate_own([f"row {first + i}" for i in places], parts, method, rules, seed)
    gone += [OwnFate(places[i], "curate", reason, evidence) for i, reason, evidence in made.gone]
    kept = [places[i] for i in made.kept]
    found = decontaminator.find_all(["\n".join(texts_in(given[i].columns)) for i in kept])
    items = {i: item for i, item in zip(kept, found, strict=True) if item}
    gone += [OwnFate(i, "snapshot", f"contaminated: {item.suite}/{item.split}") for i, item in items.items()]
    return [i for i in kept if i not in items], gone


def _in_order(places: Array, order: Array, n: int, *, has_selection: bool) -> list[int]:
    """Return the rows that stay: as they came, or those of a selection first, by rank; rows of no known shape with them."""
    kept = places[order].tolist() if len(order) else []
    others = sorted(set(range(n)) - set(places.tolist()))
    return [*kept, *others] if has_selection else sorted([*kept, *others])


def fit_config(config: CurationConfig, method: str, seed: int, *, is_pairs: bool = False) -> CurationConfig:
    """Return the rules that apply to rows of one's own: without evaluation items (searched in all columns, by the snapshot),
    for pairs without a selection, and for rows without a completion without what looks at one.

    Raises:
        RecipeError: a key was set that cannot apply.
    """
    off, usual = CurationConfig.off(), CurationConfig()
    cannot = {
        "difficulty": ("rows that have a pass rate; rows of one's own have none", "train.curriculum_by gives an order")
    }
    if method in WITHOUT_COMPLETION:
        why = (f"rows that have a completion; those of {method} have none", "filter the file beforehand")
        cannot |= dict.fromkeys(_OF_COMPLETIONS, why)
    for key, (expected, instead) in cannot.items():
        if getattr(config, key) not in (getattr(off, key), getattr(usual, key)):
            raise RecipeError(
                f"recipe, curate.{key}, with train.rows and --method {method}", expected=expected, received=f"curate.{key} set",
                cure=f"remove curate.{key}; {instead}",
            )  # fmt: skip
    changes: dict[str, Any] = {"seed": config.seed ^ seed, "decontaminate": False}
    if method in WITHOUT_COMPLETION:
        changes |= {key: getattr(off, key) for key in _OF_COMPLETIONS}
    if is_pairs:
        changes["selection"] = SelectionConfig()
    return config.model_copy(update=changes)
