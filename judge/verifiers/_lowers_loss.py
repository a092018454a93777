"""The ``lowers_loss`` verifier: a call that was put into a text is worth it if its result helps a model to expect what follows."""

from collections.abc import Mapping
from typing import Any

from ...llm import continuation_losses
from .._verdict import Verdict
from ._verifier import CannotJudge, Case, verifier


@verifier(
    "lowers_loss", needs=("before", "called", "inserted", "after"), options={"model": "seed", "threshold": 1.0, "window": 5}
)  # fmt: skip
def lowers_loss(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Pass an insertion that lowers the ``model``'s loss on what follows by ``threshold`` (nats a token) or more.

    Toolformer's filter (Schick et al. 2023, arXiv 2302.04761, section 2): the loss on ``after`` behind ``before`` and the call with its
    result (``inserted``), against the lower of that behind ``before`` alone and behind the call without a result (``called``). The first ``window``
    tokens count, with falling weights. The row's prompt stands before all of them, by the model's chat template. Unlike in the paper the call stands where it
    was put, not before the whole text. The model is loaded in this process: ``seed``, a hub id, or a folder. Score = the gain, between 0 and 1.
    """
    texts = {name: case.fields[name] for name in ("before", "called", "inserted", "after")}
    if not all(isinstance(text, str) for text in texts.values()) or not texts["after"].strip():
        raise CannotJudge("nothing follows" if not str(texts["after"]).strip() else "no text")
    before = texts["before"]
    alone, called, whole = continuation_losses(
        options["model"], [dict(m) for m in case.prompt], [before, before + texts["called"], before + texts["inserted"]],
        texts["after"], window=options["window"],
    )  # fmt: skip
    gain = min(alone, called) - whole
    evidence = f"loss {alone:.2f} without, {called:.2f} with the call, {whole:.2f} with its result"
    passed = gain >= options["threshold"]
    return Verdict(passed, min(1.0, max(0.0, gain)), "helps" if passed else "does not help", evidence)
