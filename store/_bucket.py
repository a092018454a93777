"""Journals of workers at an address of fsspec, for machines that share no folder: whole segments as objects, each put once and never changed.

Guarantees: an object under its name is whole. Objects of one worker come in the order in which it wrote them. What cannot be put or fetched
is tried again for a quarter of a minute; then it is an error. Objects of one project lie in a folder of their own, named by the project's mark.
"""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from ..errors import RecipeError, StoreError
from ._journal import SUFFIX
from ._project import Project
from ._remote import make_folder, put_whole, try_to_write

log = logging.getLogger(__name__)
T = TypeVar("T")

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each further try."""
MENDED = "see that each machine reaches it and has the right to write, list and remove there; fsspec takes keys from the environment and needs a package for most protocols (s3fs, gcsfs)"


class Bucket:
    """A folder at an address; nothing is asked of it before it is used.

    Args:
        address: with its protocol: ``s3://bucket/folder``.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def check(self) -> None:
        """See that it can be written to.

        Raises:
            RecipeError: it cannot, or a package is missing.
        """
        try:
            self._try_to_write()
        except Exception as error:  # noqa: BLE001 - of whatever kind the protocol's package has
            raise RecipeError(
                f"recipe key executor.journals: {self.address}", expected="an address that fsspec can write to",
                received=_say(error), cure=MENDED,
            ) from None  # fmt: skip

    def await_access(self) -> None:
        """See that it can be written to, from another machine than the one that checked it.

        Raises:
            StoreError: it cannot, however often it was tried.
        """
        self._persist("write there", self._try_to_write)

    def put(self, segment: Path) -> None:
        """Put a worker's finished segment there; its folder has the worker's name.

        Raises:
            StoreError: it could not be put, however often it was tried.
        """
        self._persist(f"put {segment}", lambda: self._put(segment))

    def fetch(self, folder: Path) -> list[Path]:
        """Fetch what lies there and is not in ``folder`` yet, in a folder for each worker; return the files of all that lies there.

        Raises:
            StoreError: it could not be fetched, however often it was tried.
        """
        return self._persist("fetch what workers put", lambda: self._fetch(folder))

    def remove(self, segments: Sequence[Path]) -> None:
        """Remove the objects of files that :meth:`fetch` returned.

        Raises:
            StoreError: they could not be removed, however often it was tried.
        """
        if segments:
            names = [f"{s.parent.name}/{s.name}" for s in segments]
            self._persist("remove what is folded", lambda: self._remove(names))

    def forget(self) -> None:
        """Remove all that lies there.

        Raises:
            StoreError: it could not be removed, however often it was tried.
        """
        self._persist("remove what is folded", self._forget)

    def _open(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(self.address)
        return files, str(path).rstrip("/")

    def _try_to_write(self) -> None:
        files, path = self._open()
        make_folder(files, path)
        try_to_write(files, path)

    def _put(self, segment: Path) -> None:
        files, path = self._open()
        folder = f"{path}/{segment.parent.name}"
        make_folder(files, folder)
        put_whole(files, segment, f"{folder}/{segment.name}")

    def _fetch(self, folder: Path) -> list[Path]:
        files, path = self._open()
        files.invalidate_cache()
        found: dict[Path, str] = {}
        for remote in files.find(path):
            parts = str(remote)[len(path) :].strip("/").split("/")
            if len(parts) == 2 and parts[1].endswith(SUFFIX) and not any(p.startswith(".") for p in parts):
                found[folder.joinpath(*parts)] = str(remote)
        new = [local for local in found if not local.exists()]
        for parent in {local.parent for local in new}:
            parent.mkdir(parents=True, exist_ok=True)
        if new:
            files.get([found[local] for local in new], [f"{local}.part" for local in new])
        for local in new:
            local.with_name(f"{local.name}.part").replace(local)
        return sorted(found)

    def _remove(self, names: Sequence[str]) -> None:
        files, path = self._open()
        with suppress(FileNotFoundError):
            files.rm([f"{path}/{name}" for name in names])

    def _forget(self) -> None:
        files, path = self._open()
        files.invalidate_cache()
        with suppress(FileNotFoundError):
            files.rm(path, recursive=True)

    def _persist(self, what: str, act: Callable[[], T]) -> T:
        for pause in PAUSES_S:
            try:
                return act()
            except Exception as error:  # noqa: BLE001 - of whatever kind the protocol's package has
                log.warning("journals at %s: could not %s (%s); again in %.1f s", self.address, what, error, pause)
                time.sleep(pause)
        try:
            return act()
        except Exception as error:
            raise StoreError(
                f"executor.journals: {self.address}", expected=f"to {what}", received=f"{_say(error)}, {1 + len(PAUSES_S)} times",
                cure=f"{MENDED}; then give the same command again: what is not there is asked for again. What a worker could not put lies on its machine, in a folder flywheel-journals-* for temporary files",
            ) from error  # fmt: skip


def bucket_of(project: Project, address: str) -> Bucket:
    """Return the folder of a project at an address; the project is given its mark, which names it, where it has none.

    The mark is that of a project in its place: a copy elsewhere gets its own, and takes nothing from the other.
    """
    place = str(project.root.resolve())
    file = project.state / "journals.id"
    mark, _, marked = file.read_text().partition(" ") if file.exists() else ("", "", "")
    if not mark or marked != place:
        mark = uuid.uuid4().hex
        file.write_text(f"{mark} {place}")
    return Bucket(f"{address.rstrip('/')}/{mark}")


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
