"""Prompt templates: data, not code."""

from ._templates import Template, list_templates, load_template, parse_template

__all__ = ["Template", "list_templates", "load_template", "parse_template"]
