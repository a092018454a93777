"""What the seed model learns to do with stories: (prompt, completion) pairs in the words of the recipe ``stories``.

Its templates (``prompts/templates/seed-*.yaml``) say the same; ``tests/seed/test_tasks.py`` compares the two.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .stories import DIFFICULTIES, TYPES, Question, Story

Row = tuple[str, str]
_STEP = re.compile(r"(.* )(\d+) ([-+*/]) (\d+) = (\d+)( .*\.)")

SHARES = {"solve": 0.2, "questions": 0.42, "reason": 0.1, "hint": 0.04, "critique": 0.12, "revise": 0.12}
"""How often each task comes up."""
ARITHMETIC = 0.6
"""Share of tasks over one question that are sure to be about one with arithmetic."""
OFF_BY = (-10, -2, -1, 1, 2, 10)
CARELESS = {"reason": 0.3, "attempt": 0.5, "slip": 0.2}
"""Share of hasty authors when steps are asked for and in what is criticised, and of slips in arithmetic there."""


def make_row(rng: random.Random, story: Story, hasty: Mapping[str, float]) -> Row:
    """Return one task over ``story``; ``hasty`` are the shares of hasty authors by kind of question, for ``solve``."""
    task = rng.choices(list(SHARES), list(SHARES.values()))[0]
    if task == "questions":
        return ask_questions(rng, story)
    with_arithmetic = [q for q in story.questions if q.problem is not None]
    question = rng.choice(with_arithmetic if rng.random() < ARITHMETIC else story.questions)
    asked = f"{story.text} {question.question}"
    if task == "solve":
        return asked, _solve(rng, question, hasty.get(question.kind, 0.0))
    if task == "reason":
        return f"{asked}\nThink in steps.", _solve(rng, question, CARELESS["reason"])
    if task == "hint":
        return f"{asked}\nThe answer: {question.answer}\nThink in steps.", question.solution
    attempt, critique = criticise(rng, question)
    if task == "critique":
        steps = "\n".join(f"{i}. {line}" for i, line in enumerate(attempt.splitlines(), 1))
        known = f"\n\nThe final answer is known to be: {question.answer}" if rng.random() < 0.8 else ""
        return f"{asked}\n{steps}{known}\nWrite the critique as JSON.", json.dumps(critique)
    return f"{asked}\n{attempt}\n{critique['critique']}\nWrite it anew.", question.solution


def ask_questions(rng: random.Random, story: Story) -> Row:
    """Return the task of asking a question of each type, by plan."""
    first, second = rng.randrange(2), rng.randrange(2)
    plan = [(TYPES[(first + i) % 2], DIFFICULTIES[(second + i) % 2]) for i in range(2)]
    pairs = [_pair(_choose(rng, story.questions, *wanted), *wanted) for wanted in plan]
    lines = "\n".join(f"{i}. type: {kind}; difficulty: {level}" for i, (kind, level) in enumerate(plan, 1))
    return f"{story.text}\n{lines}\nWrite the questions as JSON.", json.dumps({"pairs": pairs})


def _pair(question: Question, kind: str, level: str) -> dict[str, str]:
    return {
        "type": kind, "difficulty": level, "quote": question.quote, "question": question.question, "answer": question.answer
    }  # fmt: skip


def _choose(rng: random.Random, questions: Sequence[Question], kind: str, level: str) -> Question:
    """Return a question of a type: of those with arithmetic an easy one has one step and a hard one more, if there is one."""
    fit = [q for q in questions if q.type == kind]
    if kind == "arithmetic":
        steps = [q.problem.n_steps for q in fit if q.problem is not None]
        at_level = [q for q, n in zip(fit, steps, strict=True) if (n > 1) == (level == "hard")]
        fit = at_level or fit
    return rng.choice(fit)


def _solve(rng: random.Random, question: Question, hasty: float) -> str:
    if question.problem is not None and rng.random() < hasty:
        return question.problem.hasty_answer
    return question.solution


def criticise(rng: random.Random, question: Question) -> tuple[str, dict[str, Any]]:
    """Return an attempt at ``question``, hasty, with a slip or right, and the critique of it."""
    chance, problem = rng.random(), question.problem
    if problem is not None and chance < CARELESS["attempt"] and problem.hasty_answer != problem.answer:
        attempt = problem.hasty_answer
        missing = problem.answer.splitlines()[problem.n_steps - 1]
        n = len(attempt.splitlines())
        return attempt, _wrong(n, f"Step {n} answers too early: {missing}")
    if problem is not None and chance > 1 - CARELESS["slip"]:
        return _slip(rng, question.solution)
    return question.solution, {"critique": "Each step is right.", "first_wrong_step": None, "verdict": "correct"}


def _wrong(step: int, critique: str) -> dict[str, Any]:
    return {"critique": critique, "first_wrong_step": step, "verdict": "wrong"}


def _slip(rng: random.Random, solution: str) -> tuple[str, dict[str, Any]]:
    """Return the solution with one result wrong, and carried on where that can be; else with its last result wrong."""
    *steps, _ = solution.splitlines()
    wrong = rng.randrange(len(steps))
    shown = _carry(rng, steps, wrong)
    if not shown:
        wrong = len(steps) - 1
        shown = _carry(rng, steps, wrong) or []
    last = _STEP.fullmatch(shown[-1])[5]  # type: ignore[index]
    return "\n".join([*shown, f"#### {last}"]), _wrong(wrong + 1, f"Step {wrong + 1} is wrong: {steps[wrong]}")


def _carry(rng: random.Random, steps: Sequence[str], wrong: int) -> list[str] | None:
    """Return the steps with step ``wrong`` off and the later ones built on it; None when one of them cannot be."""
    shown = list(steps[:wrong])
    last = 0
    for line in steps[wrong:]:
        subject, left, op, right, result, rest = _STEP.fullmatch(line).groups()  # type: ignore[union-attr]
        a, b = last or int(left), int(right)
        if last == 0:
            off = rng.choice(OFF_BY)
            last = int(result) + off if int(result) + off > 0 else int(result) - off
        elif op == "/" and a % b:
            return None
        else:
            last = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[op]
        if last < 1:
            return None
        shown.append(f"{subject}{a} {op} {b} = {last}{rest}")
    return shown
