"""Recipes in miniature: each is set up by the real command, looked at by ``flywheel run --dry-run``, and done; what came of it is
read by SQL, and told in a table at the end of the session (``make test-recipes``).

A test of a recipe asks for the fixture ``miniature`` and says only what is special::

    def test_stories(miniature):
        made = miniature("stories", bring=[("ingest", "documents/00*.txt")])
        assert made.rows["questions"] > 0 and made.pairs["revised/original"] > 0
"""

import json
import time
from dataclasses import asdict, dataclass, field

import pytest
from flywheel.cli._packaged import BRINGING, list_commands
from flywheel.config import load_recipe
from support import run_cli, sql
from support_recipes import commands_of, run_command

MINI = "mini.yaml"
PROPERTY = "recipe"
COLUMNS = ("recipe", "rows made", "drops by reason", "pairs", "loss first → last", "score before → after", "wall time")
MOST_REASONS = 4
LOSSES = """
    SELECT k.stage || ' ' || coalesce(k.iteration, 0) AS training, arg_min(l.loss, l.step) AS first, arg_max(l.loss, l.step) AS last
    FROM train_log l JOIN checkpoints k USING (checkpoint_id) WHERE l.loss IS NOT NULL GROUP BY ALL ORDER BY min(k.created_at)
"""
SCORES = """
    WITH trained AS (SELECT s.* FROM scores s JOIN checkpoints k USING (checkpoint_id) WHERE k.stage <> 'seed')
    SELECT suite, split, metric, first(b.score) AS before, arg_max(t.score, t.created_at) AS after, first(b.n) AS n
    FROM scores b LEFT JOIN trained t USING (suite, split, metric, suite_hash)
    WHERE b.checkpoint_id IN (SELECT base_checkpoint_id FROM runs) GROUP BY ALL ORDER BY split, suite, metric
"""
"""Of the first model and of the checkpoint that was scored last."""


@dataclass
class Made:
    """What a recipe gave.

    Attributes:
        folder: the project.
        rows: samples by step.
        drops: inputs that went no further, by step and reason: ``curate: duplicate``.
        pairs: by kind.
        losses: (training and iteration, first loss, last loss), in the order of the trainings.
        scores: rows of suite, split, metric, before, after (None where nothing was trained), n.
        decisions: of the gate, in order: iteration, stage, promoted, reason.
        wall_s: of the recipe's own commands.
        said: standard output and error of each command.
    """

    folder: str
    rows: dict[str, int]
    drops: dict[str, int]
    pairs: dict[str, int]
    losses: list[tuple[str, float, float]]
    scores: list[dict]
    decisions: list[dict]
    wall_s: float
    said: list[str] = field(default_factory=list)

    def score(self, suite, split="gate"):
        """Return (before, after, n) of a suite by its first metric."""
        found = next(s for s in self.scores if (s["suite"], s["split"]) == (suite, split))
        return found["before"], found["after"], found["n"]


@pytest.fixture
def miniature(tmp_path, request):
    """Return what does a packaged recipe in miniature: ``miniature(name, bring=…, env=…)``."""

    def make(name, *, bring=(), commands=None, page=False, variant=MINI, lacks="", env=None, prepare=None, timeout=600):
        """Do a recipe in miniature and return what it :class:`Made`.

        Args:
            name: the packaged recipe.
            bring: commands that bring rows in; a word that ends in a path of the project folder is taken from there.
            commands: what does it; default: what ``flywheel init`` names for a recipe of its kind.
            page: do what its page of the cookbook says under *In miniature*, line by line.
            variant: the recipe file; where the folder has none of that name, ``recipe.yaml``.
            lacks: what ``recipe.yaml`` at full scale wants and this machine has not: its dry run has to say so, with exit code 2.
            env: of every command: an endpoint's address.
            prepare: is given the project folder before anything is done with it: to put real rows where the recipe looks.
            timeout: seconds of one command.
        """
        folder = tmp_path / name
        give = _Giver(folder, env or {}, timeout)
        give("init", "--recipe", name)
        if prepare is not None:
            prepare(folder)
        which = ["--recipe", str(folder / variant)] if (folder / variant).is_file() else []
        for words in bring:
            give(*(str(folder / w) if "/" in w and not w.startswith("/") else w for w in words))
        lines = commands_of(name)[1:] if page else []
        while lines and lines[0].removeprefix("flywheel ").startswith(BRINGING):
            give.line(lines.pop(0))
        full = run_cli(folder, "run", "--dry-run", env=env, timeout=timeout, check=2 if lacks else 0)
        assert lacks in full.stderr
        told = give("run", "--dry-run", *which)
        assert "It can start: " in told.stdout
        recipe = load_recipe(folder / variant if which else folder / "recipe.yaml")
        begun = time.monotonic()
        for command in lines:
            give.line(command)
        for command in (
            () if page else commands or [c for c in list_commands(recipe, folder) if not c.startswith(BRINGING)]
        ):
            give(*command.split(), *which)
        made = read_made(folder, time.monotonic() - begun, give.said)
        request.node.user_properties.append((PROPERTY, json.dumps({"name": name, **asdict(made), "said": []})))
        return made

    return make


class _Giver:
    """Gives commands, each of which has to end with exit code 0."""

    def __init__(self, folder, env, timeout):
        self.folder, self.env, self.timeout, self.said = folder, env, timeout, []

    def __call__(self, *words):
        done = run_cli(self.folder, *words, env=self.env, timeout=self.timeout, check=0)
        self.said.append(f"$ flywheel {' '.join(words)}\n{done.stdout}\n{done.stderr}")
        return done

    def line(self, command):
        """Give a line of a page, in the project's folder."""
        done = run_command(self.folder, command, self.env, self.timeout)
        self.said.append(f"$ {command}\n{done.stdout}\n{done.stderr}")


def read_made(folder, wall_s, said):
    """Return what a project holds, by SQL."""
    rows = sql(
        folder, "SELECT step, count(*) AS n FROM samples WHERE step <> 'import' GROUP BY step ORDER BY min(created_at)"
    )
    drops = sql(
        folder,
        "SELECT step || ': ' || reason AS reason, sum(n)::BIGINT AS n FROM drops GROUP BY ALL ORDER BY n DESC, reason",
    )
    pairs = sql(folder, "SELECT kind, count(*) AS n FROM pairs GROUP BY kind ORDER BY kind")
    decided = "SELECT iteration, stage, promoted, reason FROM decisions WHERE role = 'gate' ORDER BY created_at"
    return Made(
        str(folder), {r["step"]: r["n"] for r in rows}, {r["reason"]: r["n"] for r in drops},
        {r["kind"]: r["n"] for r in pairs}, [(r["training"], r["first"], r["last"]) for r in sql(folder, LOSSES)],
        sql(folder, SCORES), sql(folder, decided), wall_s, said,
    )  # fmt: skip


def pytest_terminal_summary(terminalreporter):
    """Print a line for each recipe that was done; reports bring them from other processes too."""
    lines = []
    for report in [r for reports in terminalreporter.stats.values() for r in reports]:
        lines += [
            _cells(json.loads(v))
            for k, v in getattr(report, "user_properties", ())
            if k == PROPERTY and report.when == "call"
        ]
    if not lines:
        return
    terminalreporter.section("recipes in miniature")
    terminalreporter.write_line(f"| {' | '.join(COLUMNS)} |")
    terminalreporter.write_line("|" + " --- |" * len(COLUMNS))
    for cells in sorted(lines):
        terminalreporter.write_line(f"| {' | '.join(cells)} |")


def _cells(made):
    reasons = list(made["drops"].items())
    more = (
        [f"{sum(n for _, n in reasons[MOST_REASONS:])} for {len(reasons) - MOST_REASONS} more reasons"]
        if reasons[MOST_REASONS:]
        else []
    )
    losses = [f"{name}: {first:.3g} → {last:.3g}" for name, first, last in made["losses"]]
    return [
        made["name"], _list(f"{step} {n}" for step, n in made["rows"].items()),
        _list([*(f"{n} {reason}" for reason, n in reasons[:MOST_REASONS]), *more]),
        _list(f"{n} {kind}" for kind, n in made["pairs"].items()), _list(losses),
        _list(_show_score(s) for s in made["scores"]), f"{made['wall_s']:.0f} s",
    ]  # fmt: skip


def _show_score(score):
    after = "not trained" if score["after"] is None else f"{score['after']:.3g}"
    return f"{score['suite']}/{score['split']} {score['metric']}: {score['before']:.3g} → {after} (n = {score['n']})"


def _list(parts):
    return "; ".join(parts).replace("|", "/") or "none"
