"""The program in a completion: a fenced block, the whole text, or the continuation of a prompt."""

import ast
import re
import textwrap
import warnings
from collections.abc import Collection

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_PYTHON = ("", "python", "python3", "py", "py3")
_LOOKS_LIKE_CODE = re.compile(
    r"^\s*(?:def|class|import|from|for|while|if|with|try|return|print|async)\b.*", re.MULTILINE
)
_THINKING = re.compile(r"\A.*</think>", re.DOTALL)


def extract_program(completion: str, *, prompt: str = "", names: Collection[str] = ()) -> str | None:
    """Return the program of ``completion``; None where it has no code.

    Args:
        completion: the model's whole text. What stands before ``</think>`` is left out.
        prompt: Python that the completion goes on from (HumanEval), when it is that.
        names: functions that are called by the tests. Of several blocks the last that defines one of them is taken, else
            the longest.
    """
    text = _THINKING.sub("", completion)
    if not text.strip():
        return None
    fences = [(language.lower(), body) for _, language, body in _FENCE.findall(text)]
    blocks = [body for language, body in fences if language in _PYTHON and body.strip()]
    if fences and not blocks:
        return None
    if not blocks:
        return _from_text(text, prompt, names)
    block = _choose(blocks, names)
    if prompt and not _defines(block, names):
        return _go_on(prompt, block)
    return _join(prompt, textwrap.dedent(block))


def parse_prompt(prompt: object, entry: str | None) -> str:
    """Return ``prompt`` with a body for its last function when it is Python that defines ``entry``; else empty."""
    if not isinstance(prompt, str) or not entry or not _defines(prompt, [entry]):
        return ""
    for text in (prompt, prompt + "\n    pass\n"):
        if _parses(text):
            return text
    return ""


def _from_text(text: str, prompt: str, names: Collection[str]) -> str | None:
    if prompt:
        return _join(prompt, text) if _defines(text, names) else prompt + text
    return text if _is_code(text) else None


def _go_on(prompt: str, block: str) -> str:
    """Join a body to its function; a block whose indentation was lost gets it back."""
    joined = prompt + block
    indented = prompt + textwrap.indent(textwrap.dedent(block), "    ")
    return indented if not _parses(joined) and _parses(indented) else joined


def _join(prompt: str, program: str) -> str:
    """Put the prompt's imports and helpers before a program that defines its function anew."""
    complete = prompt if _parses(prompt) else prompt + "\n    pass\n"
    return f"{complete}\n{program}" if prompt else program


def _choose(blocks: list[str], names: Collection[str]) -> str:
    defining = [block for block in blocks if _defines(block, names)]
    return defining[-1] if defining else max(blocks, key=len)


def _defines(text: str, names: Collection[str]) -> bool:
    return any(
        re.search(rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(n)}\b", text, re.MULTILINE) for n in names
    )


def _is_code(text: str) -> bool:
    try:
        tree = _parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _LOOKS_LIKE_CODE.search(text) is not None
    return any(not isinstance(n, ast.Expr) or isinstance(n.value, ast.Call | ast.Await) for n in tree.body)


def _parses(text: str) -> bool:
    try:
        compile(_parse(text), "program.py", "exec", dont_inherit=True)  # beyond parsing: no return outside a function
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():  # what a program's strings are escaped like is no matter of ours
        warnings.simplefilter("ignore")
        return ast.parse(text)
