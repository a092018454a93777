"""Flywheel's own verifiers."""

from ._choice import choice
from ._citations import citations
from ._code import verify_code
from ._exact import exact
from ._f1 import f1
from ._grader import grader
from ._json_schema import json_schema
from ._label import label
from ._math import math
from ._regex import regex_verifier
from ._tool_calls import tool_calls

ALL = (choice, citations, verify_code, exact, f1, grader, json_schema, label, math, regex_verifier, tool_calls)
