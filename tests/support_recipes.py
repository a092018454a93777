"""What the tests of packaged recipes share: the commands of a recipe's cookbook page, executed, and what they came to."""

import json
import os
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import documents
from flywheel.eval._plain_checks import run_plain
from flywheel.eval._prompts import read_prompts
from flywheel.judge import Grading
from flywheel.store import Project
from support import HERE, run_cli, sql, write_jsonl

PAGES = HERE.parent / "docs" / "cookbook"
UNREADABLE = {
    "pypdf_005_libreoffice-writer-password.pdf": "password-protected", "pypdf_019_grayscale-image.pdf": "no text layer",
    "markitdown_random.bin": "",
}  # fmt: skip
"""Real files without text, and what is said of each."""
BRIDGE = "Brücke über"
"""What a text in an old encoding says."""
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


def load_items(path):
    """Return a prompt suite's items by id (or place), each as a function: the checks by code that a reply fails."""
    grading, rows = Grading(path.parent), read_prompts(path.name, path.parent, str(path), Project(path.parent))
    return {row.row.get("id", row.ordinal): partial(_list_failed, grading, row.row) for row in rows}


def _list_failed(grading, item, reply):
    failed = []
    for check in json.loads(item["checks"]):
        if "rubric" in check:
            continue
        told = run_plain(check, reply) if "plain" in check else _grade(grading, check, reply, item)
        failed += [] if told["passed"] else [f"{check['as']}: {told['evidence']}"]
    return failed


def _grade(grading, check, reply, item):
    options = grading.complete(check["verifier"], check["options"], "suite")
    known = {"expected": check.get("expected"), "fields": check.get("fields"), "prompt": json.loads(item["messages"])}
    return grading.grade(check["verifier"], options, reply, **known)


def put_hard_documents(docs, folder, *more):
    """Copy real documents into ``folder``: all of :data:`UNREADABLE`, ``more`` of ``docs``, a text that begins with a BOM, and one in an old encoding."""
    folder.mkdir(exist_ok=True)
    kinds = {".pdf": "pdf", ".bin": "bin"}
    for name in (*(f"{kinds[Path(n).suffix]}/{n}" for n in UNREADABLE), *more):
        (folder / Path(name).name).write_bytes((docs / name).read_bytes())
    alice = (docs / "txt" / "gutenberg_11_alice.txt").read_bytes()
    assert alice.startswith(b"\xef\xbb\xbf"), "it begins with a BOM"
    (folder / "alice.txt").write_bytes(alice[:6000])
    (folder / "latin.txt").write_bytes(
        (f"{documents.WORDS} Die {BRIDGE} die Alder ist 81 m lang. " * 4).encode("cp1252")
    )


def check_unreadable(folder):
    """See that of all documents just :data:`UNREADABLE` were dropped, each with its reason."""
    drops = sql(folder, "select input_id, reason from drops where step = 'ingest'")
    lost = {Path(d["input_id"]).name: d["reason"] for d in drops}
    assert set(lost) == set(UNREADABLE) and all(said in lost[name] and lost[name] for name, said in UNREADABLE.items())
