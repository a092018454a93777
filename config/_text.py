"""Text that a user wrote: files read, and YAML parsed, with every fault in place, expected, received and cure."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ..errors import FileAccessError, InputError, NotFoundError, RecipeError, explain_os_error

CHECK_PATH = "check the path"


def require_file(path: Path, place: str, *, expected: str = "a file", cure: str = CHECK_PATH) -> None:
    """Refuse a path that is no file, and say what is there instead.

    Raises:
        NotFoundError: nothing is there, or a folder.
    """
    if path.is_dir():
        raise NotFoundError(
            place, expected=expected, received="a folder", cure=f"name a file in {path}, not the folder"
        )
    if not path.exists():
        raise NotFoundError(place, expected=expected, received="no such file", cure=cure)


def read_text(path: Path, place: str, *, expected: str = "a file", cure: str = CHECK_PATH) -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark.

    Raises:
        NotFoundError: nothing is there, or a folder.
        FileAccessError: the system does not let us read it.
        InputError: it is not text in UTF-8; the message has the line.
    """
    require_file(path, place, expected=expected, cure=cure)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileAccessError(place, **explain_os_error(error)._asdict()) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}", expected="text in UTF-8", received=f"the byte {data[error.start]:#04x}: {error.reason}",
            cure="save the file as UTF-8",
        ) from None  # fmt: skip


def parse_yaml(
    text: str, place: str, *, prepare: Callable[[yaml.Node], None] = lambda _: None
) -> tuple[yaml.Node | None, Any]:
    """Return the node tree (for line numbers) and the value of a YAML text.

    Args:
        text: the YAML.
        place: where it stands, for messages.
        prepare: may change the tree before values are made of it.

    Raises:
        RecipeError: not YAML, or a key that is there twice; the message has the lines.
    """
    try:
        node = _compose(text, place)
    except yaml.YAMLError as error:
        raise explain_yaml(error, place) from None
    if node is None:
        return None, None
    _refuse_twins(node, place)
    prepare(node)
    return node, construct_yaml(node, place)


def construct_yaml(node: yaml.Node, place: str) -> Any:
    """Return the value of a node tree.

    Raises:
        RecipeError: a value that is not plain.
    """
    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.YAMLError as error:
        raise explain_yaml(error, place) from None


def _compose(text: str, place: str) -> yaml.Node | None:
    """Return the node tree, whose marks know the place: trees of several files are put together."""
    loader = yaml.SafeLoader(text)
    loader.name = place
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def explain_yaml(error: yaml.YAMLError, place: str) -> RecipeError:
    """Turn a YAML fault into a message: at the line where the broken part begins, with a cure for its kind."""
    mark, begin = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    context, problem = getattr(error, "context", None), getattr(error, "problem", None)
    encloses = any(word in (context or "") for word in ("flow", "quoted"))
    start = begin if encloses else mark or begin
    where = f"{place}:{start.line + 1}" if start else place
    received = ", ".join(part for part in (context, problem) if part) or str(error).split("\n")[0]
    if start is begin and mark and begin and mark.line != begin.line:
        received += f" (seen at line {mark.line + 1})"
    return RecipeError(where, expected="YAML", received=received, cure=_yaml_cure(context or "", problem or str(error)))


def _yaml_cure(context: str, problem: str) -> str:
    if "\\t" in problem:
        return "indent with spaces, not with tabs"
    if "flow sequence" in context or "flow mapping" in context:
        end = "]" if "sequence" in context else "}"
        return f'close the bracket: {end} is missing, or a comma; quote a value that holds brackets, as in "rows.jsonl[0:100]"'
    if "quoted scalar" in context:
        return "close the quotation mark"
    if "mapping values" in problem or "block" in context or "simple key" in context:
        return "begin the keys of one mapping in one column, each with a colon; quote a value that holds ': '"
    if "constructor" in problem:
        return "write plain values: text, numbers, true, false, null, lists and mappings"
    return "put quotation marks around a value that begins with one of @ ` % & * ! | > { [ , ? -"


def _refuse_twins(node: yaml.Node | None, place: str) -> None:
    for mapping in _mappings(node):
        lines: dict[str, int] = {}
        for key, _ in mapping.value:
            line = key.start_mark.line + 1
            if key.value in lines and isinstance(key, yaml.ScalarNode):
                raise RecipeError(
                    f"{place}:{line}: key {key.value}", expected="each key once",
                    received=f"{key.value!r} on line {lines[key.value]} and again on line {line}",
                    cure="keep one of the two",
                )  # fmt: skip
            if isinstance(key, yaml.ScalarNode):
                lines[key.value] = line


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _mappings(item)
