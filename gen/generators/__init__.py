"""Flywheel's own generators, one module a family."""

from ._api_calls import api_calls
from ._backtranslate import backtranslate
from ._cot import cot
from ._critique import critique, critique_revise, revise
from ._dialogue import dialogue
from ._exercises import exercises
from ._insert_calls import insert_calls
from ._instructions import evolve, persona, self_instruct
from ._metamath import backward, rephrase
from ._solve import solve
from ._tool_calls import tool_calls
from ._transform import transform

ALL = (
    api_calls, backtranslate, backward, cot, critique, critique_revise, dialogue, evolve, exercises, insert_calls, persona, rephrase,
    revise, self_instruct, solve, tool_calls, transform,
)  # fmt: skip
"""All of them."""

__all__ = ["ALL"]
