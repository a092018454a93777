"""The programs that a recipe's own generators and verifiers start: are they there?"""

import shutil
from collections.abc import Mapping

from ..errors import NotFoundError


def find_missing_programs(programs: Mapping[str, str]) -> list[NotFoundError]:
    """Return a fault for each program that is not on the PATH.

    Args:
        programs: names, with how to get each.
    """
    return [
        NotFoundError(
            f"recipe, programs: {name}", expected=f"the program {name} on the PATH", received="none of that name",
            cure=cure or f"install {name}",
        )
        for name, cure in programs.items()
        if shutil.which(name) is None
    ]  # fmt: skip
