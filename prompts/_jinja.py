"""Jinja for templates that need loops and conditions, in a sandbox.

A template sees its values and nothing else: no attribute that starts with an underscore, no other file, no change to a
value. Values are inserted as text in one pass, so that template syntax in a document stays text. A render is bounded in
time and size; what exceeds a bound is an error, never a hang.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from threading import local
from types import TracebackType
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_CHARS = 8_000_000
"""Longest rendered text, in characters."""
TIMEOUT_S = 5.0
"""Longest time of one render."""
_CHARS_PER_BIT = 100
"""What a bit of a power counts for: 80,000 bits are the most, since powers cost more time than text."""

_FILTERS_LEFT_OUT = ("center", "format", "indent", "pprint", "random", "wordwrap", "xmlattr", "urlize")
_METHODS_LEFT_OUT = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill"})
"""Methods of text that make it as long as their argument says."""
_GLOBALS = ("range", "dict", "namespace")


class JinjaFault(Exception):
    """A text that Jinja cannot compile or render. ``line`` counts from 1 within the text."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with a clock, which each loop round and each call looks at, and a limit to what values grow to."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
        )  # fmt: skip
        self.globals = {name: self.globals[name] for name in _GLOBALS}
        for name in _FILTERS_LEFT_OUT:
            self.filters.pop(name)
        self.filters |= {"_ticking": self.tick_through, "_joined": self.join_bounded, "from_json": from_json}
        self.clock = local()

    def tick(self) -> None:
        if time.monotonic() > self.clock.deadline:
            raise SecurityError(f"rendering took longer than {TIMEOUT_S:g} s")

    def tick_through(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.tick()
            yield value

    def join_bounded(self, parts: list[Any]) -> str:
        texts = [str(part) for part in parts]
        _refuse_long(sum(map(len, texts)))
        return "".join(texts)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.tick()
        result = super().call(context, obj, *args, **kwargs)
        _refuse_long(len(result) if isinstance(result, str | list) else 0)
        return result

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr in _METHODS_LEFT_OUT)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _refuse_long(_size_of_result(operator, left, right))
        return super().call_binop(context, operator, left, right)


def from_json(value: Any) -> Any:
    """Return what a text of JSON holds: many data sets keep lists and objects as such texts. Anything else stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _size_of_result(operator: str, left: Any, right: Any) -> float:
    """Estimate the length, or the number of digits, of what an operator makes."""
    sizes = [len(v) if isinstance(v, str | list | tuple) else 0 for v in (left, right)]
    if operator == "+":
        return sum(sizes)
    if operator == "*":
        return max(sizes) * max((v for v in (left, right) if isinstance(v, int)), default=1)
    if operator == "**":
        is_whole = isinstance(left, int) and isinstance(right, int)
        return abs(right) * left.bit_length() * _CHARS_PER_BIT if is_whole else 0
    return MAX_CHARS + 1 if isinstance(left, str) else 0


def _refuse_long(size: float) -> None:
    if size > MAX_CHARS:
        raise SecurityError(f"a value grew longer than {MAX_CHARS:,} characters")


class _Bounder(NodeTransformer):
    """Put the sandbox's clock into loops and its limit into ``~``; refuse other files."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        node.iter = nodes.Filter(node.iter, "_ticking", [], [], None, None, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        parts = nodes.List(list(node.nodes), lineno=node.lineno)
        return self.generic_visit(nodes.Filter(parts, "_joined", [], [], None, None, lineno=node.lineno))

    def _refuse(self, node: nodes.Node) -> nodes.Node:
        raise TemplateSyntaxError("a template cannot include, import or extend another", node.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _refuse


_SANDBOX = _Sandbox()


class JinjaText:
    """A compiled text.

    Attributes:
        variables: the names that it uses and does not set itself.

    Raises:
        JinjaFault: the syntax is wrong.
    """

    def __init__(self, text: str) -> None:
        try:
            tree = _SANDBOX.parse(text)
            self.variables = frozenset(meta.find_undeclared_variables(tree)) - set(_GLOBALS)
            code = _SANDBOX.compile(_Bounder().visit(tree))
        except TemplateSyntaxError as error:
            raise JinjaFault(error.message or "syntax error", error.lineno) from None
        self._template = _SANDBOX.template_class.from_code(_SANDBOX, code, dict(_SANDBOX.globals))

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text with ``values`` in it.

        Raises:
            JinjaFault: an undefined name, a forbidden access, a bound exceeded, or whatever an expression raises.
        """
        _SANDBOX.clock.deadline = time.monotonic() + TIMEOUT_S
        pieces, size = [], 0
        try:
            for piece in self._template.generate(values):
                pieces.append(piece)
                size += len(piece)
                _refuse_long(size)
                _SANDBOX.tick()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise JinjaFault(_name(error), _line_in_template(error.__traceback__)) from None
        return "".join(pieces)


def _name(error: Exception) -> str:
    return str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"


def _line_in_template(trace: TracebackType | None) -> int:
    line = 1
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
