"""Where rows come from, as a recipe writes it."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from ._strict import Strict, fault

SourceSpec = Annotated[str, StringConstraints(min_length=1), AfterValidator(lambda spec: _check_source(spec))]
"""Where rows come from: ``file.jsonl``, ``file.csv``, ``file.jsonl[0:500]``, or ``hub:owner/name/config/split[0:500]``."""


def _check_source(spec: str) -> str:
    Source.parse(spec)
    return spec


_ROWS = re.compile(r"^(?P<where>.+?)(?:\[(?P<start>\d*):(?P<stop>\d*)\])?$")
_SLICE_LIKE = re.compile(r"\[[-\d:,\s]*\]$")


class Source(Strict):
    """A parsed :data:`SourceSpec`."""

    where: str
    """A path, or the hub's dataset id."""
    is_hub: bool
    config: str | None = None
    split: str | None = None
    start: int = 0
    stop: int | None = None

    @classmethod
    def parse(cls, spec: str) -> "Source":
        """Parse ``spec``.

        Raises:
            ValueError: a hub source that does not read ``hub:owner/name/config/split``, or a slice that is none.
        """
        match = _ROWS.match(spec)
        if match is None or _SLICE_LIKE.search(match["where"]):
            raise fault(
                "a slice of rows as in file.jsonl[0:500]", repr(spec), "count rows from 0: [5:], [:500], [5:500]"
            )
        where, start, stop = match["where"], int(match["start"] or 0), int(match["stop"]) if match["stop"] else None
        if stop is not None and stop <= start:
            raise fault("a slice that ends behind its start", f"[{start}:{stop}]", f"swap them: [{stop}:{start}]")
        if not where.startswith("hub:"):
            return cls(where=where, is_hub=False, start=start, stop=stop)
        parts = where[4:].split("/")
        if len(parts) != 4:
            raise fault(
                "hub:owner/name/config/split", repr(spec), "write all four parts, as in hub:openai/gsm8k/main/train"
            )
        return cls(where="/".join(parts[:2]), is_hub=True, config=parts[2], split=parts[3], start=start, stop=stop)

    def folder(self, base: Path) -> Path | None:
        """Return the folder that paths in its rows start from; None of the hub's, which have none."""
        return None if self.is_hub else (base / Path(self.where).expanduser()).parent
