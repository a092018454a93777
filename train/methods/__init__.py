"""Ways to train, by name: one small file a method."""

from ...errors import RecipeError
from ._classify import CLASSIFY, NO_LIMIT
from ._classify import MAX_LENGTH as CLASSIFY_LENGTH
from ._dpo import DPO
from ._grpo import GRPO
from ._kto import KTO
from ._method import CAUSAL, CLASSIFIER, SCORER, SEQ2SEQ, Method, Setup, error_of
from ._reward import REWARD
from ._seq2seq import MAX_COMPLETION, content_of, text_of
from ._seq2seq import MAX_LENGTH as SEQ2SEQ_LENGTH
from ._seq2seq import SEQ2SEQ as _SEQ2SEQ
from ._sft import SFT

METHODS: dict[str, Method] = {m.name: m for m in (SFT, DPO, KTO, GRPO, REWARD, _SEQ2SEQ, CLASSIFY)}

MAX_LENGTHS = {"classify": CLASSIFY_LENGTH, "seq2seq": SEQ2SEQ_LENGTH}
"""``max_length`` of the methods whose trainer knows none, where the recipe has none."""

__all__ = [
    "CAUSAL",
    "CLASSIFIER",
    "MAX_COMPLETION",
    "MAX_LENGTHS",
    "METHODS",
    "NO_LIMIT",
    "SCORER",
    "SEQ2SEQ",
    "Method",
    "Setup",
    "content_of",
    "error_of",
    "find_method",
    "text_of",
]


def find_method(name: str) -> Method:
    """Return the method called ``name``.

    Raises:
        RecipeError: there is none.
    """
    if name not in METHODS:
        raise RecipeError(
            f"training method {name!r}", expected=f"one of {', '.join(METHODS)}", received="no such method",
            cure="check --method",
        )  # fmt: skip
    return METHODS[name]
