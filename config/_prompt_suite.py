"""Prompt suites: files of prompts with what is expected of the answers, as frozen models. Configs never act."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, AliasChoices, Field, ValidationError, field_validator, model_validator

from ..errors import RecipeError, UserError
from ._explain import explain_faults
from ._problems import ProblemsConfig, ProblemSetConfig
from ._source import Source
from ._strict import Strict as _Strict
from ._strict import fault as _fault
from ._text import parse_yaml, read_text

Match = Literal["exact", "contains", "contains_any", "regex", "numeric", "math", "relaxed", "anls"]


def _not_empty(texts: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if texts == ():
        raise _fault("a text, or a list of at least one item", "an empty list", "write a text, or remove the key")
    return texts


Texts = Annotated[str | tuple[str, ...], AfterValidator(_not_empty)]
Number = Annotated[float, Field(allow_inf_nan=False)]
KINDS = (
    "exact", "contains", "contains_any", "not_contains", "regex", "numeric", "relaxed", "anls", "json_schema", "verifier",
    "rubric", "max_words", "max_chars", "refusal",
)  # fmt: skip
"""What a check may ask; each check asks one of them."""
_BELONGS = {
    "tolerance": ("numeric",), "whole_words": ("contains", "contains_any", "not_contains"), "ignore_case": ("exact", "contains", "contains_any", "not_contains", "regex"),
    "options": ("verifier",), "expected": ("verifier",), "fields": ("verifier",), "passes_at": ("rubric",), "levels": ("rubric",),
}  # fmt: skip
"""Which kinds the other keys of a check go with."""


class CheckConfig(_Strict):
    """One thing that is asked of a completion: exactly one of the kinds, and what belongs to it."""

    other_names: ClassVar[Mapping[str, str]] = {
        "judge": "rubric", "criteria": "rubric", "llm": "rubric", "schema": "json_schema", "equals": "exact", "pattern": "regex",
        "number": "numeric", "max_length": "max_chars", "includes": "contains",
    }  # fmt: skip

    exact: Texts | None = None
    """The whole answer; of a list any. Case, punctuation at the ends of words and spacing do not count."""
    contains: Texts | None = None
    """Each of these texts occurs."""
    contains_any: Texts | None = None
    """One of them occurs."""
    not_contains: Texts | None = None
    """None of them occurs."""
    regex: str | None = None
    """The pattern is found."""
    numeric: Number | None = None
    """The last number of the answer (behind ``####`` or in ``\\boxed{}`` where there is such a mark)."""
    tolerance: float = Field(0.0, ge=0)
    """How far off a number may be, absolutely."""
    relaxed: Texts | None = None
    """The whole answer as ChartQA counts: a number may be 5 % off, anything else is the same text; of a list any."""
    anls: Texts | None = None
    """The whole answer, nearer than half of its letters (average normalised Levenshtein similarity, ANLS, as DocVQA counts); the score says how near. Of a list any."""
    json_schema: dict[str, Any] | None = None
    """The answer is JSON that fits the schema."""
    verifier: str | None = None
    """A verifier by name (docs/verifiers.md), or ``own.py:name``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The verifier's options."""
    expected: Any = None
    """The verifier's reference; default: the item's."""
    fields: dict[str, Any] = Field(default_factory=dict)
    """Columns that the verifier reads: ``sources``, ``choices``, ``tests``."""
    rubric: str | None = None
    """Criteria by which the suite's ``judge`` gives 1 to 5."""
    passes_at: float | None = Field(None, gt=1, le=5)
    """Lowest score that passes; default: 3."""
    levels: dict[int, str] = Field(default_factory=dict)
    """What a score means, by score."""
    max_words: int | None = Field(None, ge=1)
    max_chars: int | None = Field(None, ge=1)
    refusal: bool | None = None
    """true: the model has to refuse; false: it must not."""
    ignore_case: bool = True
    whole_words: bool = False
    """A text counts only where it stands by itself: ``8`` is not in ``18`` or ``1.8``, ``pain`` not in ``paint``."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        _compile(pattern or "")
        return pattern

    @model_validator(mode="after")
    def _one_kind(self) -> "CheckConfig":
        given = [k for k in KINDS if getattr(self, k) is not None]
        if len(given) != 1:
            received = "none of them" if not given else " and ".join(given)
            raise _fault(f"one of {', '.join(KINDS)}", received, "begin each check with a '-' of its own")
        for key, kinds in _BELONGS.items():
            if key in self.model_fields_set and given[0] not in kinds:
                raise _fault(f"{key} beside {' or '.join(kinds)}", f"{key} beside {given[0]}", f"remove {key}", (key,))
        return self

    @property
    def kind(self) -> str:
        """What it asks."""
        return next(k for k in KINDS if getattr(self, k) is not None)


class MessageConfig(_Strict):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class PromptConfig(_Strict):
    """One item: a prompt and what is asked of its answer."""

    id: str | int | None = None
    prompt: str | None = None
    messages: tuple[MessageConfig, ...] = ()
    """Instead of ``prompt``: a whole chat, the last message a user's."""
    image: str | None = Field(None, min_length=1)
    """An image that the last message shows: a file below the suite's folder."""
    images: tuple[str, ...] = ()
    """Several of them, in their order."""
    system: str | None = None
    """Default: the suite's."""
    expected: Texts | None = Field(None, validation_alias=AliasChoices("expected", "answer"))
    """The right answer, of a list any; compared as ``match`` says."""
    match: Match | None = None
    """Default: the suite's."""
    checks: tuple[CheckConfig, ...] = ()
    tags: tuple[str, ...] = ()
    weight: float = Field(1.0, gt=0)
    """How much it counts in ``weighted_pass``."""

    @model_validator(mode="after")
    def _one_prompt(self) -> "PromptConfig":
        if (self.prompt is None) == (not self.messages):
            received = "neither" if self.prompt is None else "both"
            raise _fault("prompt or messages", received, "write the question under prompt, or a chat under messages")
        if self.prompt is not None and not self.prompt.strip():
            raise _fault("a prompt", "an empty one", "write the question", ("prompt",))
        if self.image is not None and self.images:
            raise _fault("image or images", "both", "list them all under images", ("image",))
        if self.messages and self.messages[-1].role != "user":
            raise _fault(
                "a chat that ends with the user",
                f"one that ends with the {self.messages[-1].role}",
                "add the question",
                ("messages",),
            )
        return self


class JudgeConfig(_Strict):
    """Which model judges by rubrics. It is asked at the recipe's ``engine.base_url``, or at OPENAI_BASE_URL."""

    model: str = Field(min_length=1)


class PromptSuiteConfig(_Strict):
    """A prompt suite: items, and what holds for all of them."""

    system: str | None = None
    match: Match = "exact"
    """How ``expected`` is compared."""
    judge: JudgeConfig | None = None
    checks: tuple[CheckConfig, ...] = ()
    """Asked of each item, besides its own."""
    tags: tuple[str, ...] = ()
    items: tuple[PromptConfig, ...] = ()
    problems: ProblemsConfig | None = None
    """Instead of ``items``, or behind them: rows of files or of the hub, with their images, read as a recipe reads problems. Each item has
    the name of its file as a tag."""
    template: str | None = None
    """What makes a prompt of a row's columns: a template by name, the recipe's in ``prompts/`` first. Default: the question alone."""

    @model_validator(mode="after")
    def _complete(self) -> "PromptSuiteConfig":
        if not self.items and self.problems is None:
            raise _fault(
                "at least one item, or problems",
                "neither",
                "write a list of prompts; docs/eval.md has an example",
                ("items",),
            )
        if self.template is not None and self.problems is None:
            raise _fault("a template beside problems", "no problems", "remove template", ("template",))
        for i, one in enumerate(() if self.problems is None else self.problems.sets):
            _check_rows(one, () if i == 0 else ("more", i - 1))
        for i, item in enumerate(self.items):
            if item.expected is None and not item.checks and not self.checks:
                raise _fault("expected, or checks", "neither", "say what a right answer is", ("items", i))
            if self.judge is None and any(c.rubric for c in (*item.checks, *self.checks)):
                cure = (
                    "add judge: {model: NAME} at the top of the file; it is asked at engine.base_url or OPENAI_BASE_URL"
                )
                raise _fault("a judge, for rubrics", "none", cure, ("items", i))
            if (
                (match := item.match or self.match) == "numeric"
                and item.expected is not None
                and not _is_number(item.expected)
            ):
                received = repr(item.expected if isinstance(item.expected, str) else list(item.expected))
                cure = "write one finite number, as 0.5 or 1,234; or choose another match"
                raise _fault("a number, for match: numeric", received, cure, ("items", i, "expected"))
            if match == "regex" and item.expected is not None:
                for pattern in (item.expected,) if isinstance(item.expected, str) else item.expected:
                    _compile(pattern, ("items", i, "expected"))
        return self


def _check_rows(one: ProblemSetConfig, loc: tuple[str | int, ...]) -> None:
    """Refuse what a suite cannot do with rows."""
    place = ("problems", *loc)
    if one.share is not None:
        raise _fault("every row of a suite", f"share: {one.share:g}", "remove share", (*place, "share"))


def _compile(pattern: str, loc: tuple[str | int, ...] = ()) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise _fault("a regular expression", f"{pattern!r}: {error}", "mend the pattern", loc) from None


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(str(value).replace(",", "")))
    except ValueError:
        return False


def list_hub_rows(path: Path) -> list[str]:
    """Return the data sets of the hub that a suite's file names; none where it is no such file, which is told when it is read."""
    try:
        suite, _ = load_prompt_suite(path)
    except UserError:
        return []
    sets = () if suite.problems is None else suite.problems.sets
    return [spec for one in sets for spec in one.sources if Source.parse(spec).is_hub]


def load_prompt_suite(path: Path) -> tuple[PromptSuiteConfig, list[int]]:
    """Read a prompt suite in YAML; return it, and the line on which each item begins.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: not YAML, an unknown key, or a value that is not allowed; the message has line and key.
    """
    text = read_text(path, f"prompt suite {path}", expected="a file of prompts")
    node, data = parse_yaml(text, str(path), prepare=_keep_texts)
    if isinstance(data, list):
        data = {"items": data}
        node = None if node is None else _under(node, "items")
    if not isinstance(data, dict):
        raise RecipeError(
            str(path), expected="a list of items, or a mapping with items", received="nothing" if data is None else f"a {type(data).__name__}",
            cure="begin with '- prompt: …' and '  expected: …'; docs/eval.md has an example",
        )  # fmt: skip
    try:
        suite = PromptSuiteConfig.model_validate(data)
    except ValidationError as error:
        raise explain_faults(path, node, error, model=PromptSuiteConfig) from None
    items = next((v for k, v in node.value if k.value == "items"), None) if node is not None else None
    return suite, [n.start_mark.line + 1 for n in items.value] if items is not None else []


_TEXTS = frozenset(
    ("id", "prompt", "image", "images", "system", "content", "expected", "answer", "tags", "exact", "contains", "contains_any", "not_contains", "regex", "rubric",
     "relaxed", "anls")
)  # fmt: skip
"""Keys whose values are texts."""
_PARTS = frozenset(("items", "checks", "messages", "<<"))
"""Keys under which such keys stand; what a schema, options or fields hold is not ours to read."""
_NULL = "tag:yaml.org,2002:null"


def _keep_texts(node: Any) -> None:
    """Make of texts what was written: an answer ``no`` is no ``false``, ``007`` no 7, ``12:30`` no 750, ``1.50`` no 1.5."""
    if node.id == "sequence":
        for part in node.value:
            _keep_texts(part)
    elif node.id == "mapping":
        for key, value in node.value:
            if key.value in _PARTS:
                _keep_texts(value)
            elif key.value in _TEXTS:
                for scalar in value.value if value.id == "sequence" else [value]:
                    _as_text(scalar)


def _as_text(node: Any) -> None:
    if node.id == "scalar" and node.tag.startswith("tag:yaml.org,2002:") and node.tag != _NULL:
        node.tag = "tag:yaml.org,2002:str"


def _under(node: Any, key: str) -> Any:
    """Return a mapping node that has ``node`` under ``key``, so that line numbers are found."""
    import yaml

    name = yaml.ScalarNode("tag:yaml.org,2002:str", key, node.start_mark, node.start_mark)
    return yaml.MappingNode("tag:yaml.org,2002:map", [(name, node)], node.start_mark, node.end_mark)
