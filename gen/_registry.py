"""Temporary."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._generator import Generator

BUILT_IN: dict[str, Generator] = {}


def find_generator(name: str, options: Mapping[str, Any], base: Path, *, place: str) -> tuple[Generator, dict[str, Any]]:
    """Find."""
    import importlib.util

    path, _, attribute = name.partition(":")
    if path in BUILT_IN:
        return BUILT_IN[path], {**BUILT_IN[path].options, **options}
    spec = importlib.util.spec_from_file_location(f"flywheel_user_{Path(path).stem}", base / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [v for v in vars(module).values() if isinstance(v, Generator) and attribute in ("", v.name)]
    return found[0], {**found[0].options, **options}
