"""What the judges of a recipe would ask and cost, without asking: an estimate for each judge and each step that it judges, and for each
suite with rubrics.

Prompts are those of the judge's own templates: around samples of the step while it has some, else around stand-ins as long as what the
step would be asked and would answer. A judge that has judged samples of this iteration is measured on these. Judges that are code ask
nothing, and are left out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import PricesConfig, Recipe
from ..eval import Grader as SuiteGrader
from ..eval import Split
from ..files import read_lines
from ..gen import (
    CHARS_PER_TOKEN,
    ON_POLICY,
    Effort,
    Estimate,
    Stage,
    Step,
    guess_message_tokens,
    guess_steps,
    load_samples,
    make_draw_stage,
    measure_effort,
)
from ..judge.judges import Judge, Pairwise, Panel, Prompt
from ..prompts import load_template
from ._calibrate import PREFIX as LABELLED
from ._calibrate import is_settled, show_labelled
from ._draws import config_of
from ._judge import Bench
from ._judges import ReadyJudge
from ._pair import steps_to_pair
from ._panel import step_of
from ._words import count

SAMPLE = 20
PUT, TO_COME = "samples put to it, max_tokens: at most", "samples to come at their longest, max_tokens: at most"
COMPARED = ("first", "second")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class _Judged:
    """What a judge would be shown: how many samples, their step and iteration, some of them, and whether these are stand-ins."""

    step: str
    iteration: int
    n: float
    shown: Sequence[Values]
    is_guessed: bool = False


def expect_on_policy(recipe: Recipe, problems: int, root: Path) -> list[Estimate]:
    """Return what the SFT checkpoint would draw for pairs, which no endpoint answers and judges may judge; empty where nothing is drawn.

    Args:
        problems: that the recipe has.
        root: the project's folder, where its own templates are.
    """
    if recipe.train.dpo is None or ON_POLICY not in steps_to_pair(recipe):
        return []
    config = config_of(recipe, ON_POLICY)
    stage = make_draw_stage(Step("", 1, ON_POLICY), config, root)
    rows = {ON_POLICY: min(problems, config.problems)}
    return guess_steps([stage], rows, concurrency=1, prices=PricesConfig())


def estimate_judges(
    recipe: Recipe, judges: Sequence[ReadyJudge], stages: Sequence[Stage], made: Sequence[Estimate], root: Path,
    bench: Bench | None = None,
) -> list[Estimate]:  # fmt: skip
    """Return an estimate per judge and step, one that asks a model.

    Args:
        stages: the steps.
        made: what the steps would ask and make; ``on-policy`` too.
        root: the project's folder, where its own templates are.
        bench: where the judges would judge; None: nothing is on record that they could be put to.
    """
    return _Costs(recipe, {stage.name: stage for stage in stages}, root, bench).estimate(judges, made)


class _Costs:
    def __init__(self, recipe: Recipe, stages: Mapping[str, Stage], root: Path, bench: Bench | None) -> None:
        self._recipe = recipe
        self._stages = stages
        self._root = root
        self._bench = bench

    def estimate(self, judges: Sequence[ReadyJudge], made: Sequence[Estimate]) -> list[Estimate]:
        found = []
        for ready in judges:
            if ready.judge is None:
                continue
            filed = None if self._bench is None else self._bench.at(ready).filed(ready.judge)
            found += [self._estimate(ready, ready.judge, filed, labels) for labels in self._find_labels(ready, filed)]
            for source in made:
                if source.step in ready.config.of:
                    found.append(self._estimate(ready, ready.judge, filed, self._find_samples(ready.judge, source)))
        return found

    def _find_labels(self, ready: ReadyJudge, filed: str | None) -> list[_Judged]:
        """Return the labelled rows that a judge has to be measured on first."""
        if ready.labels is None or ready.config.calibration is None:
            return []
        bench = self._bench
        if bench and filed and is_settled(bench.store, ready.config, filed, ready.labels, bench.run_id):
            return []
        rows = [line.row for line in read_lines(ready.labels) if line.row is not None]
        shown = [show_labelled(row, ready.config.calibration.map) for row in rows[:: max(1, len(rows) // SAMPLE)]]
        return [_Judged(LABELLED + ready.config.name, 0, len(rows), shown[:SAMPLE])]

    def _find_samples(self, judge: Judge, source: Estimate) -> _Judged:
        n, shown = self._read_samples(source.step)
        is_guessed = not shown
        if is_guessed:
            shown = [_stand_in(source)]
        n += source.rows
        asked = judge.judge if isinstance(judge, Panel) else judge
        if isinstance(asked, Pairwise) and not self._are_pairs(source.step, shown):
            n = self._count_comparisons(source.step, n, asked.compare)
            shown = [{**values, **dict.fromkeys(COMPARED, values.get("completion"))} for values in shown]
        iteration = 1 if self._bench is None else self._bench.iteration
        return _Judged(source.step, iteration, n, shown, is_guessed)

    def _read_samples(self, step: str) -> tuple[float, list[Values]]:
        """Return how many samples of a step are on record, and the first of them."""
        if self._bench is None:
            return 0.0, []
        scope = [self._bench.run_id, self._bench.iteration, step]
        ((n,),) = self._bench.store.query(f"SELECT count(*) {_SAMPLES}", scope)
        ids = self._bench.store.query(f"SELECT sample_id {_SAMPLES} ORDER BY sample_id LIMIT {SAMPLE}", scope)
        return float(n), [item.values for item in load_samples(self._bench.store, [str(i) for (i,) in ids])]

    def _are_pairs(self, step: str, shown: Sequence[Values]) -> bool:
        """Say whether the samples hold the two that are compared."""
        stage = self._stages.get(step)
        made = set(stage.generator.yields) if stage is not None else set()
        return made.issuperset(COMPARED) or all(values.get(name) is not None for values in shown for name in COMPARED)

    def _count_comparisons(self, step: str, n: float, most: int) -> float:
        """Return the most comparisons of ``n`` completions, so many of each prompt as the steps draw."""
        alike, name = 1, step
        while (stage := self._stages.get(name)) is not None:
            alike, name = alike * stage.sampling.n, stage.config.source
        alike = alike if name != step else config_of(self._recipe, step).draws
        return n / alike * min(most, alike * (alike - 1) // 2)

    def _count_judged(self, filed: str | None, judged: _Judged) -> int:
        """Return how many of a step's samples have had their outcome."""
        if self._bench is None or filed is None:
            return 0
        ((n,),) = self._bench.store.query(_JUDGED, [self._bench.run_id, judged.iteration, step_of(filed), judged.step])
        return int(n)

    def _measure(self, filed: str | None) -> Effort | None:
        if self._bench is None or filed is None:
            return None
        return measure_effort(self._bench.store, Step(self._bench.run_id, self._bench.iteration, step_of(filed)))

    def _estimate(self, ready: ReadyJudge, judge: Judge, filed: str | None, judged: _Judged) -> Estimate:
        asked = [judge.requests(values) for values in judged.shown]
        prompts = [prompt for row in asked for prompt in row]
        effort = self._measure(filed) or _expect(judge, asked, judged)
        inputs = max(0, math.ceil(judged.n) - self._count_judged(filed, judged))
        requests = math.ceil(inputs * effort.per_input)
        per_prompt = _mean([self._size(prompt) for prompt in prompts])
        prompt_tokens, completion_tokens = round(requests * per_prompt), round(requests * effort.completion_tokens)
        engine = ready.config.engine or self._recipe.engine
        usd = self._recipe.prices.usd(prompt_tokens, completion_tokens) if engine.kind == "openai" else 0.0
        time_s = None if effort.latency_s is None else requests * effort.latency_s / engine.concurrency
        return Estimate(
            f"judge {ready.config.name}: {judged.step}", inputs, requests, prompt_tokens, completion_tokens, usd, time_s, effort.basis,
            per_prompt, max((prompt.max_tokens for prompt in prompts), default=0),
        )  # fmt: skip

    def _size(self, prompt: Prompt) -> float:
        messages = load_template(prompt.template, self._root).render(prompt.values)
        return guess_message_tokens([*messages, *prompt.messages])


def estimate_rubrics(recipe: Recipe, splits: Sequence[Split], grader: SuiteGrader, scorings: int) -> list[Estimate]:
    """Return what the rubrics of suites would ask when so many models are scored; nothing for suites without any.

    Args:
        grader: turns rubrics into questions.
        scorings: models that are scored in an iteration.
    """
    found = []
    for split in splits:
        asked = [_ask_rubrics(grader, row, split.max_gen_toks) for row in split.rows]
        questions = [question for row in asked for question in row]
        if not questions:
            continue
        requests = scorings * len(questions)
        per_prompt = _mean([guess_message_tokens(question["messages"]) for question in questions])
        most = max(question["max_tokens"] for question in questions)
        prompt_tokens = round(requests * per_prompt)
        completion_tokens = scorings * sum(question["n"] * question["max_tokens"] for question in questions)
        found.append(
            Estimate(
                f"rubrics of {split.suite.name}/{split.name}", scorings * sum(map(bool, asked)), requests, prompt_tokens, completion_tokens,
                recipe.prices.usd(prompt_tokens, completion_tokens), None, f"{count(scorings, 'model')} scored; {TO_COME}", per_prompt, most,
            )
        )  # fmt: skip
    return found


def _ask_rubrics(grader: SuiteGrader, row: Values, answer_tokens: int) -> list[dict[str, Any]]:
    """Return what a judge would be asked of an item whose answer is as long as it may be."""
    checks = [check for check in json.loads(row.get("checks") or "[]") if "rubric" in check]
    completion = "x" * round(answer_tokens * CHARS_PER_TOKEN)
    return [
        question
        for check in checks
        for question in grader.questions(
            check["rubric"],
            {"prompt": json.loads(row["messages"]), "completion": completion, "reference": check.get("expected")},
        )
    ]


def _stand_in(source: Estimate) -> Values:
    """Return a row as long as those that a step would make: what is asked, and what is said."""
    question, completion = ("x" * round(size * CHARS_PER_TOKEN) for size in (source.per_prompt, source.completion_size))
    return {"question": question, "completion": completion, "reference": completion}


def _expect(judge: Judge, asked: Sequence[Sequence[Prompt]], judged: _Judged) -> Effort:
    """Return the most that a judge asks of a sample: what it asks of those that it was put to."""
    prompts = [prompt for row in asked for prompt in row]
    per_input = len(prompts) / len(asked) if asked else 0.0
    if judged.is_guessed and not prompts:  # a grader that shows columns which no stand-in has
        per_input = float(len(judge.models) if isinstance(judge, Panel) else 1)
    tokens = _mean([prompt.n * prompt.max_tokens for prompt in prompts])
    return Effort(per_input, tokens, None, 1.0, TO_COME if judged.is_guessed else PUT)


def _mean(given: Sequence[float]) -> float:
    return sum(given) / len(given) if given else 0.0


_SAMPLES = """
    FROM samples WHERE run_id = ? AND iteration = ? AND step = ? AND sample_id NOT IN (SELECT sample_id FROM worse_samples)
"""
_JUDGED = """
    WITH judged AS (
        SELECT input_id FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3
        UNION SELECT input_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3
    )
    SELECT count(*) FROM judged WHERE input_id IN (
        SELECT s.sample_id FROM samples s
        WHERE s.run_id = $1 AND s.iteration = $2 AND (s.step = $4 OR s.step LIKE 'compare.' || $4 || '.%'))
"""
