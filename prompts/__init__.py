"""Prompt templates: data, not code."""

from ._files import list_templates, load_template, parse_template
from ._templates import Template, UnfitValueError, with_images

__all__ = ["Template", "UnfitValueError", "list_templates", "load_template", "parse_template", "with_images"]
