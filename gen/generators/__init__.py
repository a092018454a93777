"""Flywheel's own generators, one module a family."""

from ._backtranslate import backtranslate
from ._cot import cot
from ._critique import critique, critique_revise, revise
from ._solve import solve

ALL = (backtranslate, cot, critique, critique_revise, revise, solve)
"""All of them."""

__all__ = ["ALL"]
