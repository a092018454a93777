"""Results into files: nothing that a project lives by is ever overwritten, and anything else only when asked."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ..config import RECIPE_FILE, walk_recipe_files
from ..errors import FileAccessError, FlywheelError, InputError, NotFoundError, explain_os_error
from ..store import Project


def check_output(path: Path, project: Project, *, force: bool) -> None:
    """Refuse a place for a result before anything is computed.

    Raises:
        NotFoundError: its folder is missing.
        InputError: it is the store, the recipe or part of the project's state; or it is there already.
    """
    place = f"--output {path}"
    if what := _protected(path, project):
        raise InputError(
            place, expected="a file of its own", received=f"{what}, which a result would destroy",
            cure="choose another name",
        )  # fmt: skip
    if path.is_dir():
        raise NotFoundError(place, expected="a file", received="a folder", cure=f"name a file in it: {path}/result.csv")
    if not path.parent.is_dir():
        raise NotFoundError(
            place, expected="a file in a folder that exists", received=f"no folder {path.parent}",
            cure=f"mkdir -p {path.parent}, or choose another place",
        )  # fmt: skip
    if path.is_file() and not force:
        raise InputError(
            place, expected="a new file", received="a file that is there already",
            cure="choose another name, or overwrite it with --force",
        )  # fmt: skip


def write_output(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let ``write`` fill the file: it is there whole or not at all. Pipes and devices are written straight.

    Raises:
        FileAccessError: the system refuses.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                write(stream)
            return
        _replace(path.resolve(), write)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileAccessError(f"--output {path}", **explain_os_error(error)._asdict()) from None


def _replace(path: Path, write: Callable[[BinaryIO], None]) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as partial:
        try:
            write(partial)  # type: ignore[arg-type]  # a temporary file's wrapper is a binary stream
            partial.flush()
            os.chmod(partial.fileno(), mode)  # noqa: PTH101  # by descriptor: the name is only for a moment
            os.replace(partial.name, path)
        except BaseException:
            Path(partial.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _protected(path: Path, project: Project) -> str:
    """Say which part of the project ``path`` is, links followed; empty for none."""
    real, store = path.resolve(), project.store_path.resolve()
    if real in (store, store.with_name(store.name + ".wal")) or _is_same(path, store):
        return "the store"
    if any(real == recipe.resolve() or _is_same(path, recipe) for recipe in _recipe_files(project)):
        return "the recipe"
    if project.state.resolve() in (real, *real.parents):
        return "part of the project's state"
    return ""


def _recipe_files(project: Project) -> set[Path]:
    """Return the project's recipe and what it extends, as far as they can be read."""
    found = {project.root / RECIPE_FILE}
    with suppress(FlywheelError):
        found |= {file.path for file in walk_recipe_files(project.root / RECIPE_FILE)}
    return found


def _is_same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)
