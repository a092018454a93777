"""Stages that run in a child process, and the JSON contract between the two sides."""

from ._ahead import started_ahead
from ._child import NO_ROOM, Emit, child_main, no_room
from ._installed import class_fields, compared_values, enum_values, init_arguments, mapping_keys, package_folder
from ._parent import RESULT, Event, clear_stage, has_failed, leave_failure, run_stage, write_json
from ._under_way import UnderWay, find_under_way

__all__ = [
    "NO_ROOM",
    "RESULT",
    "Emit",
    "Event",
    "UnderWay",
    "child_main",
    "class_fields",
    "clear_stage",
    "compared_values",
    "enum_values",
    "find_under_way",
    "has_failed",
    "init_arguments",
    "leave_failure",
    "mapping_keys",
    "no_room",
    "package_folder",
    "run_stage",
    "started_ahead",
    "write_json",
]
