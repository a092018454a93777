"""Symbolic equality of two answers by math-verify, read whole: an answer of which only a part can be read is not read.

math-verify's own ``parse`` falls back on the first number of what it cannot read (``7//8`` is 7), takes ``cm`` off and
lets powers of ten vanish in rounding; here each side goes through its LaTeX reader as it stands, and equal numbers
must agree in relative terms as well.
"""

import logging
from typing import Any

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig, latex2sympy, normalize_latex
from math_verify import verify
from math_verify.grader import should_treat_as_complex

logging.disable()

TOLERANCE = 1e-6
"""Relative: how far decimals may be from the exact value (``1.414214`` from a root)."""
NEAR = 0.01
"""Relative: how far the right side of "≈" may be from the left one."""
_READING = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)


def work(relation: str, answer: str, found: str) -> str:
    """Compare ``found`` with ``answer``; ``relation``: equal or near.

    Returns:
        ``yes``, ``no``; ``unread answer`` or ``unread found`` for the side that is no expression.
    """
    gold, said = _read(answer), _read(found)
    if gold is None or said is None:
        return "unread answer" if gold is None else "unread found"
    if relation == "near":
        return "yes" if _is_close(gold, said, NEAR) else "no"
    same = verify(gold, said, timeout_seconds=None)
    return "yes" if same and _is_close(gold, said, TOLERANCE) is not False else "no"


def _read(text: str) -> Any:
    normal = normalize_latex(text, _READING)
    try:
        return latex2sympy(
            normal, is_real=not should_treat_as_complex(normal), convert_degrees=False, normalization_config=None
        )
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001  # of any kind: the reader is generated code
        return None


def _is_close(gold: Any, said: Any, tolerance: float) -> bool | None:
    """Say whether two numbers are close; None where one is no number."""
    try:
        left, right = complex(gold.evalf(20)), complex(said.evalf(20))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None
    return left == right or abs(left - right) <= tolerance * max(abs(left), abs(right))
