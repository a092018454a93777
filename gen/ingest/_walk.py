"""Which files and addresses the arguments of an ingest name, in an order that is always the same.

A *source* is the name by which a document is known: the real path of its folder and its own name, relative to the project
folder for what lies in it and absolute for anything else, so that it does not depend on the folder that the command is
given in; or its URL. A source that is named twice is read once.
"""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ...errors import InputError, NotFoundError
from ...store import Project
from .._source import name_source
from ..convert import Refused
from ..convert._decode import decode
from ._own import URL_LIST, OwnFiles, Skipped

CACHE_FOLDERS = frozenset({"__pycache__", "node_modules"})
CACHE_MARKS = ("CACHEDIR.TAG", "pyvenv.cfg")
"""Files by which a folder says that it is a cache or a virtual environment."""
COMPILED = (".pyc", ".pyo")


@dataclass(frozen=True, slots=True)
class Found:
    """One input: a file, an address, or what cannot be read at all, with the reason."""

    source: str
    path: Path | None = None
    url: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What an argument names."""

    kind: Literal["path", "list", "url"]
    where: str


def check_arguments(arguments: Sequence[str]) -> list[Target]:
    """Return what the arguments name.

    Raises:
        NotFoundError: an argument names nothing.
        InputError: there is no argument.
    """
    if not arguments:
        expected = "a file, folder, pattern or list of URLs"
        raise InputError("flywheel ingest", expected=expected, received="nothing", cure="name one")
    return [target for argument in arguments for target in _expand(argument)]


def _expand(argument: str) -> list[Target]:
    if is_url(argument):
        return [Target("url", argument)]
    path = Path(argument).expanduser()
    if os.path.lexists(path):
        return [_target(path)]
    if argument.startswith("@") and Path(argument[1:]).is_file():
        return [Target("list", argument[1:])]
    if any(c in argument for c in "*?["):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - a pattern may be absolute
        return [_target(Path(match)) for match in matches] or _missing(argument)
    return _missing(argument)


def _target(path: Path) -> Target:
    return Target("list" if path.suffix == URL_LIST and path.is_file() else "path", str(path))


def _missing(argument: str) -> list[Target]:
    raise NotFoundError(
        f"ingest {argument}",
        expected="a file, a folder, a pattern, a list of URLs (NAME.urls or @NAME) or a URL",
        received="nothing of that name",
        cure="check the path; it starts from the folder that the command is given in",
    )


def is_url(text: str) -> bool:
    """Say whether ``text`` is an address that can be fetched."""
    return text.lower().startswith(("http://", "https://"))


def find_inputs(
    targets: Sequence[Target], project: Project, own: OwnFiles, skipped: Skipped | None = None
) -> Iterator[Found]:
    """Yield each input once, without the project's own files. Memory grows by the names of the sources.

    Args:
        skipped: takes the own files that were met.
    """
    seen: set[str] = set()
    for target in targets:
        for found in _inputs(target, project):
            if found.source in seen:
                continue
            seen.add(found.source)
            reason = own.reason_of(found.source) if found.path is not None else None
            if reason is None:
                yield found
            elif skipped is not None:
                skipped.add(reason, found.source)


def _inputs(target: Target, project: Project) -> Iterator[Found]:
    if target.kind == "url":
        return iter([_address(target.where, target.where)])
    path = Path(target.where)
    if target.kind == "list":
        return _read_list(path, project)
    return _walk(path, project, frozenset()) if path.is_dir() else iter([_file(path, project)])


def _file(path: Path, project: Project) -> Found:
    source = name_source(path, project)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return Found(source, fault=f"unreadable: {error.strerror}")
    return Found(source, path) if stat.S_ISREG(mode) else Found(source, fault="not a regular file")


def _walk(folder: Path, project: Project, above: frozenset[tuple[int, int]]) -> Iterator[Found]:
    """Yield the files below ``folder`` by name. A folder that is its own ancestor through a link is not entered again."""
    try:
        here = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError as error:
        yield Found(name_source(folder, project), fault=f"unreadable: {error.strerror}")
        return
    key = (here.st_dev, here.st_ino)
    if key in above or any(e.name in CACHE_MARKS for e in entries):
        return
    for entry in entries:
        if _is_hidden_or_cache(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, project, above | {key})
        else:
            yield _file(folder / entry.name, project)


def _is_hidden_or_cache(name: str) -> bool:
    return name.startswith(".") or name in CACHE_FOLDERS or name.endswith(COMPILED)


def _read_list(path: Path, project: Project) -> Iterator[Found]:
    """Yield the addresses of a list, one a line; blank lines and lines that begin with ``#`` are left out.

    Raises:
        InputError: it is no text, or holds no address.
    """
    try:
        text, _ = decode(path.read_bytes())
    except Refused as refused:
        raise _no_list(path, refused.reason) from None
    lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), 1)]
    listed = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if not listed:
        raise _no_list(path, "none")
    for n, line in listed:
        yield _address(line, f"{name_source(path, project)}:{n}")


def _no_list(path: Path, received: str) -> InputError:
    return InputError(
        f"list of URLs {path}", expected="one URL a line", received=received, cure="write the URLs into it"
    )


def _address(url: str, place: str) -> Found:
    """Return an address; one with a name or password in it is refused, and kept by its place alone."""
    if not is_url(url):
        return Found(place, fault="not an http or https address")
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            return Found(
                place if place != url else parts.scheme + "://…", fault="an address with a name or password in it"
            )
    except ValueError:
        return Found(place, fault="not an http or https address")
    return Found(url, url=url) if parts.hostname else Found(place, fault="not an http or https address")
