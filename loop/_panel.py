"""The verdicts of a panel: put together from those of its members, which are rows of their own.

Each member judges like any judge, in a step of its own, so that its requests, tokens, drops and abstentions are on record per
member. The panel asks nobody: its verdict names the members' verdicts, and a sample of which no member has one is a drop.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..gen import Step
from ..judge import Verdict, verdict_row
from ..judge.judges import Panel
from ..schema import DropRow, VerdictRow, content_id
from ..store import Store

PREFIX = "judge."
"""What the steps of judges begin with."""
PAGE = 2000
NO_VERDICT = "no verdict of any member"


def judge_by_members(store: Store, panel: Panel, filed: str, members: Mapping[str, str], step: Step) -> int:
    """Put the members' verdicts together, for every sample that they were asked of; return how many verdicts there are.

    Args:
        filed: what the panel's verdicts are filed under.
        members: what each model's are filed under.
        step: the panel's.
    """
    ids = _plan(store, step, [step_of(name) for name in members.values()])
    done = {str(i) for (i,) in store.query("SELECT sample_id FROM verdicts WHERE judge = ?", [filed])}
    left = [i for i in ids if i not in done]
    for start in range(0, len(left), PAGE):
        part = left[start : start + PAGE]
        found = _read_verdicts(store, members, part)
        store.append([_combine(panel, filed, found[i], i) for i in part if i in found])
        drops = [asdict(_drop(store, step, members, i)) for i in part if i not in found]
        store.insert("drops", drops, key="drop_id")
    store.fold()
    return len(ids)


def step_of(filed: str) -> str:
    """Return the name of the step of a judge."""
    return PREFIX + filed.replace("@", ".").replace("/", ".")


def _plan(store: Store, step: Step, steps: Sequence[str]) -> list[str]:
    """Write down that all samples that the members were to judge are the panel's; return their ids."""
    sql = "SELECT DISTINCT input_id FROM plans WHERE run_id = ? AND iteration = ? AND list_contains(?::VARCHAR[], step) ORDER BY input_id"
    ids = [str(i) for (i,) in store.query(sql, [step.run_id, step.iteration, list(steps)])]
    store.fix_plan(step.run_id, step.iteration, step.name, [(i, 1) for i in ids], grow=True)
    return ids


Said = dict[str, tuple[str, Verdict]]
"""Id and verdict by model."""


def _read_verdicts(store: Store, members: Mapping[str, str], ids: Sequence[str]) -> dict[str, Said]:
    models = {filed: model for model, filed in members.items()}
    rows = store.query(
        "SELECT sample_id, judge, verdict_id, passed, score, reason, evidence FROM verdicts"
        " WHERE list_contains(?::VARCHAR[], judge) AND sample_id IN (SELECT unnest(?::VARCHAR[]))",
        [list(models), list(ids)],
    )
    found: dict[str, Said] = {}
    for sample_id, judge, verdict_id, passed, score, reason, evidence in rows:
        found.setdefault(str(sample_id), {})[models[str(judge)]] = (
            str(verdict_id),
            Verdict(passed, score, reason, evidence),
        )
    return found


def _combine(panel: Panel, filed: str, said: Said, sample_id: str) -> VerdictRow:
    """Return the panel's verdict; a member without one has no voice."""
    verdicts = {m: said[m][1] if m in said else Verdict(None, None, "no verdict") for m in panel.models}
    details: dict[str, Any] = {
        "verdicts": {m: verdict_id for m, (verdict_id, _) in said.items()},
        "requests": [r for m in panel.models if m in said for r in json.loads(said[m][1].evidence or "{}").get("requests", ())],
        "unread": sum(v.score is None for v in verdicts.values()),
    }  # fmt: skip
    return verdict_row(sample_id, panel.combine(verdicts, (), details).verdict, filed)


def _drop(store: Store, step: Step, members: Mapping[str, str], sample_id: str) -> DropRow:
    """Return the drop of a sample on which no member has a verdict, with the reason that most of them give."""
    sql = "SELECT reason FROM drops WHERE run_id = ? AND input_id = ? AND list_contains(?::VARCHAR[], step) ORDER BY reason"
    reasons = store.query(sql, [step.run_id, sample_id, [step_of(name) for name in members.values()]])
    reason = Counter(str(r) for (r,) in reasons).most_common(1)[0][0] if reasons else NO_VERDICT
    drop_id = content_id("drop", [step.run_id, step.iteration, step.name, sample_id])
    return DropRow(drop_id, step.run_id, step.iteration, step.name, reason, sample_id, None, None)
