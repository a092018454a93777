"""Which versions made something: put on record beside it."""

from collections.abc import Iterable
from importlib import metadata

from .. import __version__


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of flywheel and of those of the named distributions that are installed."""
    found = {"flywheel": __version__}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
