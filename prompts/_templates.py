"""A template: name, variables, source, and what each role says.

Substitution is a single pass over ``{{name}}``: whatever a value contains, braces included, stays text. ``engine: jinja``
gives loops and conditions, in a sandbox, with the same promise. A variable that is missing, or that the file does not
declare, raises.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ..errors import RecipeError
from ..schema import Message, content_id

if TYPE_CHECKING:  # Jinja is imported by the first template that needs it
    from ._jinja import JinjaFault, JinjaText

VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
Engine = Literal["plain", "jinja"]


class UnfitValueError(RecipeError):
    """A value of a kind that a template cannot put in: one row's fault, where the others have text."""


@dataclass(frozen=True)
class Template:
    """One version of a prompt template.

    Attributes:
        variables: names that ``render`` must be given, sorted.
        turns: (role, text) of the messages between system and user: examples of what is wanted.
        optional: names that may be left out, with what stands in for them.
        images: name of the variable that holds image URLs (``data:`` ones too); with some, the user message's content
            is a list of parts.
        place: the file, for messages.
        lines: line of the file on which the text of each part begins.
    """

    name: str
    source: str
    variables: tuple[str, ...]
    system: str | None
    user: str
    turns: tuple[tuple[str, str], ...] = ()
    engine: Engine = "plain"
    optional: Mapping[str, Any] = field(default_factory=dict)
    images: str | None = None
    place: str = field(default="", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    @cached_property
    def template_id(self) -> str:
        """Tagged hash of everything that shapes the prompt."""
        shape: dict[str, Any] = {"name": self.name, "system": self.system, "user": self.user}
        more = {"turns": [list(t) for t in self.turns], "optional": dict(self.optional), "images": self.images}
        shape |= {key: value for key, value in more.items() if value}
        if self.engine != "plain":
            shape["engine"] = self.engine
        return content_id("tpl", shape)

    @property
    def parts(self) -> list[tuple[str, str, str]]:
        """Each message as (key in the file, role, text), in order."""
        system = [] if self.system is None else [("system", "system", self.system)]
        turns = [(f"turns.{i}", role, text) for i, (role, text) in enumerate(self.turns)]
        return [*system, *turns, ("user", "user", self.user)]

    @property
    def text(self) -> str:
        """All parts as one text, as it is stored."""
        parts = self.parts
        return self.user if len(parts) == 1 else "\n".join(f"[{role}]\n{text}" for _, role, text in parts)

    def render(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """Return the messages of a prompt.

        Args:
            values: text (or a number) for each variable; Jinja templates take lists and dicts too.

        Raises:
            RecipeError: ``values`` lacks a variable, or has one that is not declared; a Jinja expression fails.
            UnfitValueError: one is of a kind that cannot be text.
        """
        if values.keys() != self._names:
            values = self._complete(values)
        messages: list[Message] = [{"role": role, "content": fill(values)} for role, fill in self._fillers]
        if self.images is not None and (urls := values[self.images]):
            messages[-1]["content"] = with_images(messages[-1]["content"], urls)
        return tuple(messages)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset((*self.variables, *self.optional))

    def _complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Add what was left out of the optional values."""
        if not set(self.variables) <= values.keys() <= self._names:
            raise RecipeError(
                f"template {self.name}",
                expected=f"values for {', '.join(self.variables) or 'nothing'}"
                + (f" and perhaps {', '.join(self.optional)}" if self.optional else ""),
                received=", ".join(sorted(values)) or "none",
                cure="give each variable exactly once",
            )
        return {**self.optional, **values}

    @cached_property
    def _fillers(self) -> list[tuple[str, Callable[[Mapping[str, Any]], str]]]:
        make = self._jinja_filler if self.engine == "jinja" else self._plain_filler
        return [(role, make(key, text)) for key, role, text in self.parts]

    def _plain_filler(self, key: str, text: str) -> Callable[[Mapping[str, Any]], str]:
        """Compile once: Python's own ``%`` fills the pieces in, in one pass and in C."""
        used = tuple(dict.fromkeys(VARIABLE.findall(text)))
        if not used:
            return lambda values: text
        form = VARIABLE.sub(r"%(\1)s", text.replace("%", "%%"))

        def fill(values: Mapping[str, Any]) -> str:
            for name in used:
                if values[name].__class__ is not str:
                    self._refuse_kind(name, values[name])
            return form % values

        return fill

    def _refuse_kind(self, name: str, value: Any) -> None:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise UnfitValueError(
                f"template {self.name}, variable {name}",
                expected="text or a number",
                received=type(value).__name__,
                cure="give text, or write 'engine: jinja' into the template to use lists and mappings",
            )

    def _jinja_filler(self, key: str, text: str) -> Callable[[Mapping[str, Any]], str]:
        from ._jinja import JinjaFault

        compiled = self.compile_jinja(key, text)

        def fill(values: Mapping[str, Any]) -> str:
            try:
                return compiled.render(values)
            except JinjaFault as fault:
                raise self._explain(key, fault) from None

        return fill

    def compile_jinja(self, key: str, text: str) -> "JinjaText":
        """Compile one part.

        Raises:
            RecipeError: with the file's line.
        """
        from ._jinja import JinjaFault, JinjaText

        try:
            return JinjaText(text)
        except JinjaFault as fault:
            raise self._explain(key, fault) from None

    def _explain(self, key: str, fault: "JinjaFault") -> RecipeError:
        line = self.lines.get(key, 1) + fault.line - 1
        place = f"{self.place or f'template {self.name}'}:{line}"
        return RecipeError(
            place, expected="Jinja that renders", received=str(fault), cure=f"mend the line ({key.split('.')[0]})"
        )


def with_images(text: str, urls: Sequence[str]) -> Any:
    """Return message content with images, in OpenAI's shape; images first, as vision models were trained. Without any, the text."""
    if not urls:
        return text
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return [*images, {"type": "text", "text": text}]
