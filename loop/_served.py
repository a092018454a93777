"""Served prompts as new prompts: what ``flywheel serve`` kept comes in when an iteration begins."""

import logging
from pathlib import Path

from ..errors import InputError
from ..gen import import_set, inspect_file
from ..store import Store

log = logging.getLogger(__name__)

SERVED_FOLDER = "served"
SERVED_FORMAT = "trl"


def import_served(store: Store) -> int:
    """Bring the prompts of ``served/*.jsonl`` in, without their replies; return how many are new.

    A file that a server still writes is read as far as it goes; the rest comes the next time.
    """
    return sum(_import(store, path) for path in sorted((store.project.root / SERVED_FOLDER).glob("*.jsonl")))


def _import(store: Store, path: Path) -> int:
    if not path.stat().st_size:
        return 0
    try:
        return import_set(store, inspect_file(path, SERVED_FORMAT), name=f"{SERVED_FOLDER}/{path.stem}").new
    except InputError as error:  # not a line is whole yet, or somebody else's file
        log.warning("%s", error)
        return 0
