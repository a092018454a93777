"""The scratch folder on disk, where no file system of its own bounds it: measured during a run, emptied after it."""

# pathlib is left out: every launcher would pay for its import, and descriptors need os in any case.
# ruff: noqa: PTH116

import os
import time

MOST_OPEN = 200
"""Folders that are open at a time while one is measured; a tree that needs more is taken for endless."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_WRITABLE = 0o300


def measure(folder: str, most: int) -> tuple[int, int]:
    """Return how many files and folders are in ``folder``, and their bytes on disk; no more than ``most`` + 1 are counted.

    Programs may change it meanwhile: what is gone again is left out, and no link is followed. Folders that hide what is in
    them count as ``most`` + 1.
    """
    n = size = 0
    stack = [(-1, [folder])]
    while stack and n <= most:
        parent, names = stack.pop()
        opened = _open(names.pop(), parent)
        if names:
            stack.append((parent, names))
        elif parent >= 0:
            os.close(parent)
        if opened is None:
            n = most + 1
        elif opened >= 0:
            below, more, used = _scan(opened, most - n)
            n, size = n + more, size + used
            stack.append((opened, below)) if below else os.close(opened)
        if len(stack) > MOST_OPEN:
            n = most + 1
    for parent, _ in stack:
        if parent >= 0:
            os.close(parent)
    return n, size


def _open(name: str, parent: int) -> int | None:
    """Return a descriptor of a folder; -1 = it is gone, or empty for sure; None = it can be filled and not be listed."""
    where = {"dir_fd": parent} if parent >= 0 else {}
    try:
        return os.open(name, _FOLDER, **where)
    except PermissionError:
        try:
            mode = os.stat(name, follow_symlinks=False, **where).st_mode
        except OSError:
            return -1
        return None if mode & _WRITABLE == _WRITABLE else -1
    except OSError:
        return -1


def _scan(folder: int, most: int) -> tuple[list[str], int, int]:
    """Return the folders right in a folder, how many entries it has, and the bytes of its files."""
    below: list[str] = []
    n = size = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                n += 1
                if n > most:
                    break
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                else:
                    size += _size(entry)
    except OSError:
        pass
    return below, n, size


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        told = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return told.st_blocks * 512 // max(told.st_nlink, 1)


def empty(folder: str, within_s: float = float("inf")) -> bool:
    """Remove all that is in ``folder``, however deep it is nested, following no link; say whether all is gone.

    Folders below folders are moved up before they are removed, so that no depth meets a limit.

    Args:
        within_s: seconds after which the rest is left.
    """
    deadline = time.monotonic() + within_s
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while entries := list(os.scandir(root)):
            for entry in entries:
                if time.monotonic() > deadline:
                    return False
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=root)
                elif not _remove_empty(entry.name, root):
                    _move_up(entry.name, root, deadline)
        return True
    finally:
        os.close(root)


def _remove_empty(name: str, root: int) -> bool:
    try:
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    return True


def _move_up(name: str, root: int, deadline: float) -> None:
    """Remove the files of a folder, and move the folders in it beside it."""
    os.chmod(name, 0o700, dir_fd=root)
    below = os.open(name, _FOLDER, dir_fd=root)
    try:
        for inner in list(os.scandir(below)):
            if time.monotonic() > deadline:
                return
            if not inner.is_dir(follow_symlinks=False):
                os.unlink(inner.name, dir_fd=below)
            elif not _remove_empty(inner.name, below):
                os.chmod(inner.name, 0o700, dir_fd=below)
                os.rename(inner.name, os.urandom(12).hex(), src_dir_fd=below, dst_dir_fd=root)
    finally:
        os.close(below)
