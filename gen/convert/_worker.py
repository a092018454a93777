"""The worker process: one JSON line in is a file to convert and cut, one JSON line out is what came of it.

It limits its own memory, and sets an alarm that kills it when a file takes too long: so it ends even when a parser hangs in
C code and the parent is gone. Whatever a parser raises becomes a drop, its type the reason and its words the raw text; nothing that it prints gets into
the answers.
"""

import contextlib
import json
import os
import re
import resource
import signal
import sys
import warnings
from itertools import islice
from pathlib import Path
from typing import Any

from ._blocks import find_blocks
from ._chunk import chunk_text
from ._convert import convert_bytes
from ._converted import Converted, Refused
from ._definitions import find_definitions
from ._hash import hash_bytes
from ._tokens import load_counter

GRACE_S = 5.0
"""How much longer than the time limit the alarm waits: the parent is to notice first."""
MESSAGE_CHARS = 500
DEEPEST = 4000
"""Most calls inside each other: real pages nest some hundred elements."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def main() -> None:
    """Answer jobs until the parent closes the pipe. Arguments: seconds a file, megabytes of memory."""
    seconds, megabytes = float(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(DEEPEST)
    _limit(resource.RLIMIT_AS, megabytes << 20)
    _limit(resource.RLIMIT_CORE, 0)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_S)
        answer = _answer(json.loads(line), megabytes)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _limit(what: int, value: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(what, (value, value))


def _answer(job: dict[str, Any], megabytes: int) -> dict[str, Any]:
    digest: str | None = None
    try:
        data = Path(job["path"]).read_bytes()
        digest = hash_bytes(data)
        return {"content_hash": digest, **convert_job(data, job)}
    except Refused as refused:
        reason, raw = refused.reason, refused.raw
    except MemoryError:
        reason, raw = f"needs more than {megabytes} MB of memory", None
    except OSError as error:
        reason, raw = f"unreadable: {error.strerror or type(error).__name__}", None
    except ImportError as error:
        reason, raw = f"parser not installed: {error.name}", None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the one boundary: whatever a parser raises costs one file
        reason, raw = f"parser failed: {type(error).__name__}", str(error)[:MESSAGE_CHARS] or None
    return {"content_hash": digest, "refused": _clean(reason), "raw": _clean(raw) if raw else None}


def convert_job(data: bytes, job: dict[str, Any]) -> dict[str, Any]:
    """Convert and cut one file.

    Raises:
        Refused: nothing usable is in it.
    """
    converted = convert_bytes(data, job["name"], job["media_type"], parser=job["parser"])
    converted.text = _clean(converted.text)
    if converted.media is None and not _has_letters(converted.text, job["min_chars"]):
        raise Refused("near-empty", converted.text)
    alone = converted.syntax == "code" and job["code"] == "definitions"
    blocks = find_definitions(converted.text) if alone else find_blocks(converted.text, converted.syntax)
    count = load_counter(job["tokenizer"])
    chunks = chunk_text(converted, blocks, count, job["chunk_tokens"], job["overlap_tokens"], alone=alone)
    title = converted.title or next((b.title for b in blocks if b.kind == "heading" and b.title), None)
    return {
        "format": converted.format,
        "title": _clean(title) if title else None,
        "text": converted.text,
        "media": converted.media,
        "metadata": json.loads(_clean(json.dumps(converted.metadata, ensure_ascii=False))),
        "chunks": [_spell(chunk, converted) for chunk in chunks],
    }


def _has_letters(text: str, n: int) -> bool:
    """Say whether a text has ``n`` letters and digits."""
    return sum(1 for _ in islice(filter(str.isalnum, text), n)) >= n


def _spell(chunk: Any, converted: Converted) -> list[Any]:
    places = [chunk.line_start, chunk.line_end, chunk.page_start, chunk.page_end]
    return [chunk.start, chunk.end, list(map(_clean, chunk.headings)), chunk.n_tokens, _clean(chunk.before), *places]


def _clean(text: str) -> str:
    """Return ``text`` without what no store can hold: NULs, and halves of surrogate pairs."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", " ")
