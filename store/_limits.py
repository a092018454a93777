"""What a user's query may take: memory and time."""

import re
from dataclasses import dataclass

SPILL = 8
"""Most that a limited query may write to temporary files, as a multiple of its memory."""

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@dataclass(frozen=True)
class Limits:
    """What a query may take; its result may be as large as ``memory``, too.

    Args:
        memory: most memory, e.g. ``64MB``; empty = DuckDB's own limit.
        timeout_s: most seconds from its start to the last row; 0 = disabled.
    """

    memory: str = ""
    timeout_s: float = 0.0


UNLIMITED = Limits()
USERS = Limits("2GB", 300.0)
"""What a query of a user's may take where they say nothing, on the command line and on the page."""


def parse_bytes(text: str) -> int:
    """Return a size such as ``64MB`` or ``1.5 GiB`` in bytes.

    Raises:
        ValueError: it is none, or 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    if not match or match[2].upper() not in _UNITS or not float(match[1]):
        raise ValueError(f"no size: {text!r}")
    return int(float(match[1]) * _UNITS[match[2].upper()])
