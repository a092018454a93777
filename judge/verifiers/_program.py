"""The program in a completion: a fenced block, what stands between ``[BEGIN]`` and ``[DONE]``, the whole text, the lines of it
that are code, or the continuation of a prompt.
"""

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
_BEGIN = re.compile(r"^[ \t]*\[(?:BEGIN|PYTHON)\][ \t]*\n?", re.MULTILINE)
_DONE = re.compile(r"\[(?:DONE|/PYTHON)\]")
_DONE_LINE = re.compile(r"^[ \t]*\[(?:DONE|/PYTHON)\][ \t]*$", re.MULTILINE)
_STARTS_CODE = re.compile(
    r"(?:async[ ]+def|def|class)[ ]+\w+[ ]*[(:]|import[ ]+[\w.]+|from[ ]+[\w.]+[ ]+import\b|@\w|\w+[ ]*=[^=]|print\(|#"
    r"|(?:for|while|if|with)\b.*:[ \t]*(?:#.*)?$|try:"
)
_UNFINISHED = re.compile(
    r"[ \t]+\S|(?:async[ ]+def|def|class)[ ]+\w+[ ]*[(:]|import[ ]+[\w.]+$|from[ ]+[\w.]+[ ]+import\b"
)
"""A line that is code: where the parser stops at it, the program is broken, and no prose begins."""
MOST_STARTS, MOST_CUTS = 20, 5
LONGEST = 50_000
"""Characters of a text that is searched for the lines that are code: each try parses them all."""
_DEFINES = re.compile(r"^(?:import|from|def|class|async)\b", re.MULTILINE)
_THINKING = re.compile(r"\A.*</think>", re.DOTALL)


def extract_program(completion: str, *, prompt: str = "", names: Collection[str] = ()) -> str | None:
    """Return the program of ``completion``; None where it has no code.

    Args:
        completion: the model's whole text. What stands before ``</think>`` is left out.
        prompt: Python that the completion goes on from (HumanEval), when it is that.
        names: functions that are called by the tests. Of several blocks the last that defines one of them is taken, else
            the longest.
    """
    text = _unwrap(_THINKING.sub("", completion))
    if not text.strip():
        return None
    fences = [(language.lower(), body) for _, language, body in _FENCE.findall(text)]
    blocks = [body for language, body in fences if language in _PYTHON and body.strip()]
    if fences and not blocks:
        return None
    if not blocks:
        return _from_text(text, prompt, names)
    block = _with_helpers(_choose(blocks, names), blocks, names)
    if prompt and not _defines(block, names):
        return _go_on(prompt, block)
    return _join(prompt, textwrap.dedent(block))


def parse_prompt(prompt: object, entry: str | None) -> str:
    """Return ``prompt`` when it is Python that defines something, with a body for its last function; else empty."""
    if not isinstance(prompt, str) or not entry:
        return ""
    found = _complete(prompt)
    return found if found and (_defines(prompt, [entry]) or _DEFINES.search(prompt)) else ""


def bind_method(program: str, name: str, holder: str = "Solution") -> str:
    """Return ``program`` with a function ``name`` that calls the method of that name of class ``holder``, a new object each
    time (LeetCode's form); unchanged where it has such a function, or no such method.
    """
    try:
        body = _parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return program
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    methods = {
        one.name for node in body if isinstance(node, ast.ClassDef) and node.name == holder for one in node.body
        if isinstance(one, functions)
    }  # fmt: skip
    own = {n.id for node in body for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {node.name for node in body if isinstance(node, functions)}
    if name not in methods or name in own:
        return program
    return f"{program}\n\ndef {name}(*args, **kwargs):\n    return {holder}().{name}(*args, **kwargs)\n"


def _unwrap(text: str) -> str:
    """Return what stands between the first ``[BEGIN]`` and the next ``[DONE]`` (MBPP's form); either may be missing."""
    begin = _BEGIN.search(text)
    if begin is not None:
        return _DONE.split(text[begin.end() :], maxsplit=1)[0]
    return _DONE_LINE.split(text, maxsplit=1)[0]


def _from_text(text: str, prompt: str, names: Collection[str]) -> str | None:
    if prompt and not _defines(text, names):
        return _go_on(prompt, text)
    if not prompt and not _is_code(text):
        return None
    program = text if _parses(text) else _cut_out(text, names) or text
    return _join(prompt, program)


def _go_on(prompt: str, text: str) -> str:
    """Join a body to its function; a text that lost its indentation gets it back, and prose around it is left out."""
    indent = _indent_of(prompt)
    lines = text.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line[:1] in " \t" and line.strip()), 0)
    forms = [text, textwrap.indent(textwrap.dedent(text), indent), indent + text.lstrip(), "".join(lines[first:])]
    for form in forms:
        if _parses(prompt + form):
            return prompt + form
    for form in forms:
        if (cut := _cut_end(form.splitlines(keepends=True), prompt)) is not None:
            return prompt + cut
    return prompt + text


def _cut_out(text: str, names: Collection[str]) -> str | None:
    """Return the lines of ``text`` that are a program with one of ``names`` (with none: any), prose around them left out."""
    lines = text.splitlines(keepends=True) if len(text) <= LONGEST else []
    starts = [i for i, line in enumerate(lines) if _STARTS_CODE.match(line)]
    for start in starts[:MOST_STARTS]:
        found = _cut_end(lines[start:])
        if found is not None and (_defines(found, names) if names else _is_code(found)):
            return found
    return None


def _cut_end(lines: list[str], head: str = "") -> str | None:
    """Return the first lines that parse, behind ``head``; None where there are none, or where code breaks off.

    Behind a prompt anything from the first column on may follow the body, as HumanEval's stop sequences have it.
    """
    end = len(lines)
    if sum(map(len, lines)) > LONGEST:
        return None
    for _ in range(MOST_CUTS):
        at = _find_error(head + "".join(lines[:end]), head.count("\n"))
        if at is None:
            break
        end = min(at, end - 1)
        is_broken = lines[end][:1] in " \t" if head else _UNFINISHED.match(lines[end])
        if end <= 0 or is_broken:
            return None
    kept = "".join(lines[:end])
    return _drop_words(kept) if kept.strip() and _parses(head + kept) else None


def _find_error(text: str, skipped: int) -> int | None:
    """Return on which line the parser stops, counted from 0 after ``skipped`` ones; None where it does not."""
    try:
        _parse(text)
    except SyntaxError as error:
        return max((error.lineno or 1) - 1 - skipped, 0)
    except (ValueError, RecursionError, MemoryError):
        return 0
    return None


def _drop_words(program: str) -> str:
    """Leave out words at the end that happen to parse (``Done``): they are prose, and do nothing."""
    try:
        body = _parse(program).body
    except SyntaxError:  # a body, which parses only behind its head
        return program
    lines = program.splitlines(keepends=True)
    while body and isinstance(body[-1], ast.Expr) and isinstance(body[-1].value, ast.Name | ast.Tuple | ast.Compare):
        lines = lines[: body.pop().lineno - 1]
    return "".join(lines)


def _indent_of(prompt: str) -> str:
    """Return the indentation of the body of the last function of a prompt."""
    found = re.findall(r"^([ \t]*)(?:async[ \t]+)?def\b", prompt, re.MULTILINE)
    return (found[-1] if found else "") + "    "


def _complete(prompt: str) -> str:
    """Return ``prompt`` with a body for its last function, where it lacks one; empty where it is no Python."""
    forms = (prompt, f"{prompt}\n{_indent_of(prompt)}pass\n")
    return next((form for form in forms if _parses(form)), "")


def _join(prompt: str, program: str) -> str:
    """Put the prompt's imports and helpers before a program that defines its function anew."""
    return f"{_complete(prompt) or prompt}\n{program}" if prompt else program


def _choose(blocks: list[str], names: Collection[str]) -> str:
    defining = [block for block in blocks if _defines(block, names)]
    return defining[-1] if defining else max(blocks, key=len)


def _with_helpers(block: str, blocks: list[str], names: Collection[str]) -> str:
    """Put the earlier blocks that only import and define, other things than ``names``, before the chosen one."""
    earlier = [textwrap.dedent(one) for one in blocks[: blocks.index(block)] if not _defines(one, names)]
    helpers = [one for one in earlier if _only_defines(one)] if names and _defines(block, names) else []
    return "\n".join([*helpers, textwrap.dedent(block)]) if helpers else block


def _only_defines(block: str) -> bool:
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    try:
        return all(isinstance(node, kinds) for node in _parse(block).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


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
