"""What the tests of packaged recipes share: the commands of a recipe's cookbook page, executed, and what they came to."""

import json
import os
import re
import shlex
import subprocess
import sys

from support import HERE, run_cli, sql, write_jsonl

PAGES = HERE.parent / "docs" / "cookbook"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands_of(name, heading="In miniature"):
    """Return the commands that a cookbook page gives under a heading."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for block in _BLOCK.findall(section) for line in block.splitlines() if line.strip()]
    return [line.split(" #")[0].rstrip() for line in lines]


def run_command(folder, command, env=None, timeout=300):
    """Run a line of a page in the project's folder, as a user does; it has to end with exit code 0."""
    first, *args = shlex.split(command)
    assert first == "flywheel", command
    done = subprocess.run(
        [sys.executable, "-m", "flywheel", *args],
        cwd=folder, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def init_recipe(folder, name):
    """Copy a packaged recipe into ``folder`` and return it."""
    run_cli(folder, "init", "--recipe", name, check=0)
    return folder


def flywheel(folder, *args, recipe="mini.yaml", check=0, **more):
    """Run a command on a variant of a copied recipe."""
    return run_cli(folder, *args, "--recipe", str(folder / recipe), check=check, **more)


def losses(folder, stage):
    """Return the losses of the last training of a stage, in order."""
    last = f"select checkpoint_id from checkpoints where stage = '{stage}' order by created_at desc limit 1"
    rows = sql(folder, f"select loss from train_log where checkpoint_id = ({last}) and loss is not null order by step")
    return [row["loss"] for row in rows]


def before_after(folder, suite, metric):
    """Return a score of the first model, of what was trained last, and of how many items."""
    rows = sql(
        folder,
        f"select score, n from scores s join checkpoints c using (checkpoint_id) where suite = '{suite}' and metric = '{metric}' "
        "order by c.snapshot_id is not null, c.created_at",
    )
    assert len(rows) >= 2, rows
    return rows[0]["score"], rows[-1]["score"], rows[-1]["n"]


def drops(folder):
    """Return how many inputs went at each step, by reason."""
    rows = sql(folder, "select step, reason, sum(n)::int as n from drops group by all order by all")
    return {(row["step"], row["reason"]): row["n"] for row in rows}


def write_rows(path, rows):
    """Write rows as JSON lines."""
    write_jsonl(path, rows)
    return path


def table_rows(text):
    """Return the cells of the lines of the tables that a command printed."""
    return [[c.strip() for c in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def read_rows(path):
    """Return the rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_trained(folder):
    """Return the questions of the problems whose completions stand in a snapshot."""
    rows = "select p.question from snapshot_rows join samples using (sample_id) join problems p using (problem_id)"
    return {row["question"] for row in sql(folder, rows)}
