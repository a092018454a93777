"""Flywheel's own verifiers; the module of each is imported when it is looked up: a run uses one or two of them."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from ._verifier import Verifier

_PLACES = {
    "anls": "_anls.anls",
    "choice": "_choice.choice",
    "citations": "_citations.citations",
    "code": "_code.verify_code",
    "exact": "_exact.exact",
    "f1": "_f1.f1",
    "fields": "_fields.fields",
    "grader": "_grader.grader",
    "json_schema": "_json_schema.json_schema",
    "label": "_label.label",
    "lowers_loss": "_lowers_loss.lowers_loss",
    "math": "_math.math",
    "regex": "_regex.regex_verifier",
    "relaxed": "_relaxed.relaxed",
    "sections": "_sections.sections",
    "tool_calls": "_tool_calls.tool_calls",
}


class _Verifiers(Mapping[str, Verifier]):
    def __getitem__(self, name: str) -> Verifier:
        module, _, attribute = _PLACES[name].partition(".")
        found: Verifier = getattr(import_module(f".{module}", __package__), attribute)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


ALL = _Verifiers()
"""By name, in alphabetical order."""
