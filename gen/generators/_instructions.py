"""New instructions from old ones: evolved, self-instructed, rewritten by personas."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import InputError
from .._generator import Ask, Completion, Fault, Item, generator
from .._text import is_refusal, nearest, words_of
from ._common import SAID, Outcome, is_cut, list_of, record, sort_out

DEPTH = ("constraints", "deepen", "concretise", "reasoning", "complicate-input")
OPERATIONS = (*DEPTH, "breadth")
PERSONAS = record(personas=list_of(SAID))
KEYWORDS = (
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot", "video",
    "audio", "music", "flowchart", "diagram",
)  # fmt: skip
"""Words of tasks that a text model cannot do, as Self-Instruct filters them."""
_LEAKS = re.compile(
    r"(?:given|rewritten|created|original|new|evolved|above) (?:prompt|instruction|request)s?\b|#\s*(?:the )?\w+ prompt\s*#",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\W*(?:rewritten|new|evolved)?\s*(?:instruction|request|prompt|task|question)\W*:\s*", re.IGNORECASE
)
_NUMBERED = re.compile(r"^\s*(?:\*\*)?\d{1,3}\s*[.):]\s*(?:\*\*)?\s*")
_IDLE = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "but",
        "of",
        "to",
        "in",
        "on",
        "at",
        "is",
        "are",
        "was",
        "it",
        "this",
        "that",
        "i",
        "you",
        "he",
        "she",
        "we",
        "they",
        "do",
        "does",
        "for",
        "with",
        "as",
    ]
)
_SHORT_REPLY = 80
"""Words: a shorter reply that says sorry is a failure (Evol-Instruct's rule)."""


def clean_instruction(text: str) -> str:
    """Return an instruction without the label, the quotes or the fence that models put around it."""
    bare = _LABEL.sub("", text.strip().removeprefix("```").removesuffix("```").strip(), count=1).strip()
    return bare[1:-1].strip() if len(bare) > 1 and bare[0] + bare[-1] in ('""', "“”", "''") else bare


def _say_nothing(text: str) -> bool:
    return not set(words_of(text)) - _IDLE


def why_failed(new: str, old: str, same: float) -> str | None:
    """Return why an evolution failed: nothing said, a refusal, words of the prompt, no change. None when it did not."""
    if _say_nothing(new):
        return "empty"
    if is_refusal(new) or ("sorry" in new.casefold() and len(words_of(new)) < _SHORT_REPLY):
        return "refusal"
    if _LEAKS.search(new) and not _LEAKS.search(old):
        return "speaks of the prompt"
    if len(words_of(new)) < min(4, len(words_of(old))):
        return "too short"
    return "unchanged" if nearest(new, [old]) >= same else None


async def respond(ask: Ask, made: Completion, instruction: str, **fields: Any) -> Outcome:
    """Yield a new instruction as a row: answered by the model when ``options.answer``, else by itself."""
    fields = {"question": instruction, **fields}
    if not ask.options["answer"]:
        yield made.made(instruction, **fields)
        return
    good, faults = sort_out(await ask("respond", n=1, instruction=instruction))
    for fault in faults:
        yield fault
    for reply in good:
        if is_cut(reply):
            yield reply.fail("cut off")
        elif _say_nothing(reply.text) or (
            "sorry" in reply.text.casefold() and len(words_of(reply.text)) < _SHORT_REPLY
        ):
            yield reply.fail("refusal")
        else:
            yield reply.made(reply.text.strip(), prompt=instruction, **fields)


@generator(
    "evolve", consumes=("question",),
    options={"operations": OPERATIONS, "rounds": 1, "answer": True, "same": 0.9, "max_words": 400},
    choices={"operations": OPERATIONS}, templates=("evolve", "respond"),
    yields=("question", "parent", "operation", "round"), source="Evol-Instruct (Xu et al. 2023, arXiv 2304.12244)",
    most=lambda options, draws: (
        1 + draws * (options["rounds"] - 1) + draws * options["rounds"] * options["answer"], draws * options["rounds"]
    ),
)  # fmt: skip
async def evolve(item: Item, ask: Ask) -> Outcome:
    """Make an instruction harder (depth: five operations) or make a new one of its kind (breadth), round after round.

    Operations come in turn from a seeded start. An evolution that failed is dropped (unchanged, with ROUGE-L ``same`` or
    more; too short or over ``max_words``; a refusal; words of the prompt), and the next round evolves the last good
    one. Each evolution is a row, answered by the model unless ``answer: false``.
    """
    operations = list(ask.options["operations"] or OPERATIONS)
    first = ask.random.randrange(len(operations))
    chains: list[tuple[str, int]] = [(item.text("question"), 0)]
    for turn in range(ask.options["rounds"]):
        operation = operations[(first + turn) % len(operations)]
        ongoing: list[tuple[str, int]] = []
        for parent, lane in chains:
            n = None if turn == 0 else 1
            replies = await ask("evolve", n=n, draw=lane, operation=operation, instruction=parent)
            for i, completion in enumerate(replies):
                new = clean_instruction(completion.text)
                if reason := "cut off" if is_cut(completion) else _why_dropped(new, parent, ask):
                    yield completion.fail(reason)
                    ongoing.append((parent, lane + i))
                    continue
                ongoing.append((new, lane + i))
                async for outcome in respond(ask, completion, new, parent=parent, operation=operation, round=turn + 1):
                    yield outcome
        chains = ongoing


def _why_dropped(new: str, parent: str, ask: Ask) -> str | None:
    if len(words_of(new)) > ask.options["max_words"]:
        return "too long"
    return why_failed(new, parent, ask.options["same"])


@generator(
    "self_instruct", consumes=("question",),
    options={
        "seeds": "", "in_context": 8, "new": 8, "similarity": 0.7, "min_words": 4, "max_words": 150, "keywords": KEYWORDS,
        "answer": True,
    },
    templates=("self-instruct", "respond"), yields=("question", "similarity"),
    source="Self-Instruct (Wang et al. 2022, arXiv 2212.10560)",
    most=lambda options, draws: (1 + draws * options["new"] * options["answer"], draws * options["new"]),
)  # fmt: skip
async def self_instruct(item: Item, ask: Ask) -> Outcome:
    """Continue a list of seed tasks with new ones, and keep those that are unlike the seeds and each other.

    ``seeds`` is a file (JSONL with ``instruction`` or ``question``, or one task a line); ``in_context`` of them are
    sampled beside the item's own. Dropped are tasks with a ROUGE-L of ``similarity`` or more to any seed or sibling, of
    fewer than ``min_words`` or more than ``max_words`` words, or with one of ``keywords``; and the last one of a reply
    that was cut off.
    """
    options, own = ask.options, item.text("question")
    seeds = [s for s in read_texts(options["seeds"], ask.folder) if s != own]
    shown = [*ask.random.sample(seeds, min(max(options["in_context"] - 1, 0), len(seeds))), own]
    ask.random.shuffle(shown)
    known = [own, *seeds]
    completions = await ask("self-instruct", tasks=shown, new=options["new"])
    for completion in completions:
        found = split_numbered(completion.text)
        if is_cut(completion) and found:
            yield completion.fail("cut off", found.pop())
        if not found:
            yield completion.fail("no numbered list")
        for task in found:
            closeness = nearest(task, known)
            if reason := _why_unwanted(task, closeness, ask):
                yield completion.fail(reason, task)
                continue
            known.append(task)
            async for outcome in respond(ask, completion, task, similarity=round(closeness, 3)):
                yield outcome


def split_numbered(text: str) -> list[str]:
    """Return the items of a numbered list; lines without a number belong to the item above."""
    items: list[list[str]] = []
    for line in text.splitlines():
        if match := _NUMBERED.match(line):
            items.append([line[match.end() :]])
        elif items:
            items[-1].append(line)
    return [task for lines in items if (task := clean_instruction("\n".join(lines)))]


def _why_unwanted(task: str, closeness: float, ask: Ask) -> str | None:
    words = words_of(task)
    if len(words) < ask.options["min_words"]:
        return "too short"
    if len(words) > ask.options["max_words"]:
        return "too long"
    if is_refusal(task):
        return "refusal"
    if set(words) & set(ask.options["keywords"]):
        return "needs more than text"
    return "like another task" if closeness >= ask.options["similarity"] else None


def read_texts(where: str | Sequence[str], folder: Path) -> Sequence[str]:
    """Return texts given in the recipe, or in a file: JSONL with ``instruction``, ``question`` or ``persona``, or lines.

    Raises:
        InputError: there is no such file, or a line is JSON without any of these keys.
    """
    if not isinstance(where, str):
        return where
    if not where:
        return ()
    path = folder / where
    if not path.is_file():
        raise InputError(str(path), expected="a file of texts", received="no such file", cure="check the option's path")
    return _read_lines(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read_lines(path: Path, changed_ns: int) -> tuple[str, ...]:
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    return tuple(_text_of_line(line, f"{path}:{i}") for i, line in enumerate(lines, 1) if line.strip())


def _text_of_line(line: str, place: str) -> str:
    if not line.lstrip().startswith("{"):
        return line.strip()
    keys = ("instruction", "question", "persona", "text")
    try:
        row = json.loads(line)
        return str(next(row[key] for key in keys if row.get(key)))
    except (ValueError, StopIteration):
        raise InputError(
            place, expected=f"JSON with one of {', '.join(keys)}", received=line[:100], cure="mend the line"
        ) from None


@generator(
    "persona", consumes=("question",), options={"personas": "", "per_item": 3, "answer": True, "same": 0.9},
    templates=("persona-infer", "persona-rewrite", "respond"), yields=("question", "parent", "persona"),
    source="Persona Hub (Ge et al. 2024, arXiv 2406.20094)",
    most=lambda options, draws: (
        (not options["personas"]) + options["per_item"] * (1 + draws * options["answer"]), options["per_item"] * draws
    ),
)  # fmt: skip
async def persona(item: Item, ask: Ask) -> Outcome:
    """Rewrite an instruction as different people would put it, each out of their own need and knowledge.

    ``personas`` is a list, or a file (JSONL with ``persona``, or one a line), of which ``per_item`` are sampled for each
    item; without any, the model is asked who would want this (from the item's ``text`` where it has one).
    """
    question = item.text("question")
    people = list(read_texts(ask.options["personas"], ask.folder))
    chosen = ask.random.sample(people, min(ask.options["per_item"], len(people)))
    if not people:
        (reply,) = await ask.json(
            "persona-infer", schema=PERSONAS, n=1, text=item.text("text") or question, per_item=ask.options["per_item"]
        )
        for loss in reply.losses():
            yield loss
        chosen = reply.value["personas"][: ask.options["per_item"]] if reply.value else []
    seen = [question]
    for someone in chosen:
        for completion in await ask("persona-rewrite", persona=someone, instruction=question):
            new = clean_instruction(completion.text)
            reason = next((r for old in seen if (r := why_failed(new, old, ask.options["same"]))), None)
            if reason := "cut off" if is_cut(completion) else reason:
                yield completion.fail(reason)
                continue
            seen.append(new)
            async for outcome in respond(ask, completion, new, parent=question, persona=someone):
                yield outcome
    if not chosen:
        yield Fault("no persona", question)
