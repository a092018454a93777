"""Rows as they are."""

from .._generator import Ask, Fault, Item, Made, generator
from ._common import Outcome, why_unfit


@generator(
    "keep",
    consumes=("completion",),
    yields=("whatever the row has",),
    most=lambda options, draws: (0, 1),
    source="flywheel",
)
async def keep(item: Item, ask: Ask) -> Outcome:
    """Take rows over as they are, and ask nothing: so that imported ones are judged, selected and trained on like any sample.

    The prompt may have several turns; refusals are kept. Of a completion that is more than text, such as a call of a tool, the text
    counts; one without any is a drop.
    """
    text = item.text("completion")
    if item.request_id is None or why_unfit(text, keep_refusals=True):
        yield Fault("empty", text)
        return
    yield Made(item.request_id, 0, text, item.get("prompt"))
