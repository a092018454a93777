"""Stages that run in a child process, and the JSON contract between the two sides."""

from ._child import NO_ROOM, Emit, child_main, no_room
from ._parent import Event, clear_stage, run_stage, write_json

__all__ = ["NO_ROOM", "Emit", "Event", "child_main", "clear_stage", "no_room", "run_stage", "write_json"]
