"""The interpreter that a training runs under: the user's choice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import NotFoundError

NEEDED = ("torch", "transformers", "trl", "peft", "datasets", "pydantic", "duckdb")
"""What an interpreter that trains has to have; flywheel itself it is given."""


def resolve_python(given: str | None) -> str:
    """Return the interpreter's path.

    Raises:
        NotFoundError: there is no such file or command.
    """
    if given is None:
        return sys.executable
    found = shutil.which(str(Path(given).expanduser()))
    if found is None:
        raise NotFoundError(
            "recipe key train.python", expected="the path of a Python interpreter, or a command", received=repr(given),
            cure="name the python of an environment that has TRL: /opt/train/bin/python",
        )  # fmt: skip
    return found


def check_python(given: str | None) -> None:
    """Refuse an interpreter that could not train.

    Raises:
        NotFoundError: there is none, or it lacks a package.
    """
    python = resolve_python(given)
    if python == sys.executable:
        return
    code = f"import importlib.util as u; print(*[p for p in {NEEDED!r} if u.find_spec(p) is None])"
    done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=False)
    lacks = done.stdout.strip() if done.returncode == 0 else done.stderr.strip().split("\n")[-1]
    if lacks:
        raise NotFoundError(
            f"interpreter {python} (train.python)", expected=f"one that has {', '.join(NEEDED)}",
            received=f"it lacks {lacks}", cure=f"{python} -m pip install llm-flywheel",
        )  # fmt: skip


def environment(given: str | None, work: Path) -> dict[str, str]:
    """Return variables for the training process: another interpreter finds this flywheel, whatever it has itself."""
    if given is None:
        return {}
    links = (work / "path").resolve()
    links.mkdir(parents=True, exist_ok=True)
    link = links / "flywheel"
    package = Path(__file__).resolve().parent.parent
    if not link.is_symlink() or link.resolve() != package:
        link.unlink(missing_ok=True)
        link.symlink_to(package, target_is_directory=True)
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(links), *([inherited] if inherited else [])])}
