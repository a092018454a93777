"""What became of an item, as rows of one group: samples, pairs, drops, and the plan of what follows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..schema import DropRow, JournaledRow, PairRow, PlanRow, SampleRow, canonical_json, content_id, utc_now
from ._ask import StageAsk
from ._generator import Fault, Item, Made
from ._inputs import sample_values
from ._steps import Stage

ITEMS = "/items"
"""Suffix of the funnel's line for the single items that a step's completions held."""


def sort_outcome(outcome: object, made: list[Made], faults: list[Fault]) -> None:
    """Put what a generator yielded where it belongs.

    Raises:
        TypeError: it is neither of the two.
    """
    if isinstance(outcome, Made):
        made.append(outcome)
    elif isinstance(outcome, Fault):
        faults.append(outcome)
    else:
        raise TypeError(f"yielded {type(outcome).__name__}, not what completion.made() or .fail() returns")


def _as_json(fields: Mapping[str, Any]) -> str:
    """Return fields as JSON; numbers of any size stay as they are."""
    try:
        return orjson.dumps(fields, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, a key that is no text
        return json.dumps(fields, default=str, ensure_ascii=False)


@dataclass(frozen=True)
class Outcomes:
    """Makes the rows of one iteration of a run.

    Attributes:
        engine: kind of the engine that answers: the samples' ``source``.
    """

    run_id: str
    iteration: int
    engine: str

    def rows_of(
        self, stage: Stage, item: Item, ask: StageAsk, made: list[Made], faults: list[Fault]
    ) -> tuple[list[JournaledRow], list[Item]]:
        """Return the rows of an item's group, and the samples that go on to the steps that follow."""
        if stage.counts_draws:
            return self._rows_of_draws(stage, item, made, faults), []
        run_id, iteration, name = self.run_id, self.iteration, stage.name
        rows: list[JournaledRow] = []
        handed: list[Item] = []
        now = utc_now()
        for i, one in enumerate(made):
            sample = self._sample(stage, item, one, i, now)
            rows += [sample, *one.verdicts]
            if one.rejected is not None:
                worse = self._sample(stage, item, one.rejected, i, now, is_rejected=True)
                pair_id = content_id("pair", [run_id, iteration, sample.sample_id, worse.sample_id])
                rows += [
                    worse,
                    PairRow(
                        pair_id, run_id, iteration, sample.problem_id, sample.sample_id, worse.sample_id, one.kind, now
                    ),
                ]
            for follower in stage.followers:
                rows.append(PlanRow(run_id, iteration, follower.name, 0, sample.sample_id, 1))
            if stage.followers:
                prompt = one.prompt if one.prompt is not None else ask.messages.get(one.request_id, ())
                values = sample_values(dict(item.values), dict(one.fields), prompt, one.completion)
                handed.append(Item(sample.sample_id, values, one.request_id))
        if made or len(faults) > 1:
            rows += [self._drop(name + ITEMS, item, f, i, now) for i, f in enumerate(faults)]
            rows.append(PlanRow(run_id, iteration, name + ITEMS, 0, item.input_id, len(made) + len(faults)))
        if not made:
            rows.append(
                self._drop(name, item, faults[0] if faults else Fault("the generator made nothing of it"), 0, now)
            )
        return rows, handed

    def _rows_of_draws(self, stage: Stage, item: Item, made: list[Made], faults: list[Fault]) -> list[JournaledRow]:
        """Return a sample for each completion that came, and one drop for all those that were due and did not."""
        now = utc_now()
        rows: list[JournaledRow] = [
            SampleRow(
                content_id("smp", [one.request_id, one.draw]), one.request_id, one.draw, self.run_id, self.iteration,
                stage.name, item.input_id, one.completion, one.finish_reason, one.logprob, self.engine, now, item.input_id,
            )
            for one in made
        ]  # fmt: skip
        if missing := stage.sampling.n - len(made):
            fault = faults[0] if faults else Fault("the generator made nothing of it")
            rows.append(self._drop(stage.name, item, fault, 0, now, missing))
        return rows

    def _sample(self, stage: Stage, item: Item, one: Made, i: int, now: str, *, is_rejected: bool = False) -> SampleRow:
        kept = {name: item.get(name) for name in stage.config.keep}
        fields = {**kept, **one.fields, "rejected": True} if is_rejected else {**kept, **one.fields}
        key = [self.run_id, self.iteration, stage.name, item.input_id, one.request_id, one.draw, i, is_rejected]
        problem_id = item.input_id if item.input_id.startswith("prb_") else item.get("problem_id")
        return SampleRow(
            content_id("smp", key), one.request_id, one.draw, self.run_id, self.iteration, stage.name, problem_id,
            one.completion, one.finish_reason, one.logprob, self.engine, now, item.input_id, i,
            None if one.prompt is None else canonical_json(list(one.prompt)),
            _as_json(fields) if fields else None, stage.generator.parser,
        )  # fmt: skip

    def _drop(self, step: str, item: Item, fault: Fault, i: int, now: str, n: int = 1) -> DropRow:
        drop_id = content_id("drop", [self.run_id, self.iteration, step, item.input_id, i])
        return DropRow(
            drop_id,
            self.run_id,
            self.iteration,
            step,
            fault.reason,
            item.input_id,
            fault.request_id,
            fault.raw,
            n,
            now,
        )
