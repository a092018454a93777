"""Which flywheel a process runs: two that work together compare it, before either is given anything."""

import functools
import hashlib
import platform
from pathlib import Path

from .. import __version__
from ..errors import RecipeError

PARTS = (
    "__init__.py",
    "config",
    "errors.py",
    "files",
    "gen",
    "judge",
    "llm",
    "loop",
    "net",
    "plugins",
    "prompts",
    "schema",
    "stage",
    "store",
)
"""What a worker runs of the package, and reads: templates of prompts and rubrics are in the folders."""
SUFFIXES = (".py", ".yaml", ".md")


@functools.cache
def describe_program() -> str:
    """Return flywheel's version, a hash of what a worker runs of its sources, and Python's version without the last number."""
    root = Path(__file__).parents[1]
    files = sorted(
        p for part in PARTS for p in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    )
    sources = hashlib.sha256()
    for file in files:
        sources.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    python = ".".join(platform.python_version_tuple()[:2])
    return f"flywheel {__version__} (sources {sources.hexdigest()[:8]}) on Python {python}"


def require_alike(node: str, there: str, here: str) -> None:
    """See that a machine of the cluster runs what the command runs.

    Args:
        node: the machine.
        there: what :func:`describe_program` returned on it.
        here: what it returned where the command runs.

    Raises:
        RecipeError: it does not: requests and rows might not be those of one machine.
    """
    if there != here:
        raise RecipeError(
            f"executor: ray: worker on {node}", expected=f"{here}, as where the command runs", received=there,
            cure="install the same flywheel and Python on each machine of the cluster, and start Ray there again; then give the same command again",
        )  # fmt: skip
