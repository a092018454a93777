"""Scores the document path of a model in the seed's world: ``python bench/score_stories.py [MODEL] [N] [RECIPE-CHANGES]``.

Held-out stories (gate split) go through ``flywheel ingest`` and ``flywheel generate`` with the recipe ``stories``; the world
knows what can be asked of each story and what the answer is. The figures of docs/lab-log.md. RECIPE-CHANGES is a YAML
mapping that replaces keys of the recipe, such as ``{engine: {kind: vllm, python: .venv-vllm/bin/python}}``.
"""

import itertools
import json
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import yaml
from flywheel.seed.stories import tell

RECIPE = Path(__file__).parents[1] / "recipes" / "stories" / "recipe.yaml"
FLYWHEEL = [sys.executable, "-m", "flywheel"]
SAMPLES = """
SELECT s.sample_id, s.input_id, s.step, s.completion, s.fields, c.text AS story
FROM samples s LEFT JOIN chunks c ON c.chunk_id = s.input_id
WHERE s.step = ? AND s.sample_id NOT IN (SELECT sample_id FROM worse_samples)
"""


def main():
    """Run the path and print a line per measure."""
    model, n = (sys.argv[1] if len(sys.argv) > 1 else "seed"), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    changes = yaml.safe_load(sys.argv[3]) if len(sys.argv) > 3 else {}
    stories = {s.text: s for s in itertools.islice((s for s in tell("gate", 2026) if len(s.text) >= 100), n)}
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        recipe = yaml.safe_load(RECIPE.read_text()) | {"model": model, **changes}
        (project / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        (project / "documents").mkdir()
        for i, text in enumerate(stories):
            (project / "documents" / f"{i}.txt").write_text(text + "\n")
        subprocess.run([*FLYWHEEL, "-C", name, "ingest", f"{name}/documents"], check=True, capture_output=True)
        subprocess.run([*FLYWHEEL, "-C", name, "generate"], check=True)
        with duckdb.connect(str(project / "flywheel.duckdb"), read_only=True) as connection:
            score(connection, stories)


def score(connection, stories):
    """Print the shares of parsable, answerable and correct results."""

    def rows(step):
        found = connection.execute(SAMPLES, [step]).fetchall()
        return [dict(zip(("id", "input", "step", "completion", "fields", "story"), r, strict=True)) for r in found]

    for step in ("questions", "criticised"):
        (lost,) = connection.execute(
            "SELECT count(DISTINCT request_id) FROM drops WHERE step = ? AND reason LIKE 'not parsed%'", [step]
        ).fetchone()
        (asked,) = connection.execute("SELECT count(*) FROM requests WHERE step = ?", [step]).fetchone()
        share(f"{step}: replies parsed", asked - lost, asked)
    pairs, truth = rows("questions"), {}
    (lost,) = connection.execute(
        "SELECT coalesce(sum(n), 0) FROM drops WHERE step = 'questions/items' AND reason NOT LIKE 'not parsed%'"
    ).fetchone()
    share("questions: pairs kept (quote found, no repeats, …)", len(pairs), len(pairs) + lost)
    for pair in pairs:
        fields = pair["fields"] = json.loads(pair["fields"])
        found = truth[pair["id"]] = stories[pair["story"].strip()].find(fields["question"])
        pair["right"] = found is not None and last_number(fields["answer"]) == found.final
    for kind in ("factual", "arithmetic"):
        some = [p for p in pairs if p["fields"]["type"] == kind]
        answerable = [p for p in some if truth[p["id"]]]
        share(f"questions, {kind}: answerable from the story", len(answerable), len(some))
        share(f"questions, {kind}: answer correct", sum(p["right"] for p in some), len(some))
    attempts = {a["id"]: a for a in rows("attempted")}
    score_solutions("reasoned: correct", rows("reasoned"), truth)
    score_solutions("attempted: correct", attempts.values(), truth)
    critiques = rows("criticised")
    for critique in critiques:
        critique["fields"], of = json.loads(critique["fields"]), truth[attempts[critique["input"]]["input"]]
        wrong = first_wrong(attempts[critique["input"]]["completion"], of)
        critique["verdict"] = (critique["fields"]["verdict"] == "correct") == (wrong is None)
        critique["place"] = critique["fields"]["first_wrong_step"] == wrong
    share("criticised: verdict correct", sum(c["verdict"] for c in critiques), len(critiques))
    share("criticised: first wrong step correct", sum(c["place"] for c in critiques), len(critiques))
    to_pair = {c["id"]: attempts[c["input"]]["input"] for c in critiques}
    revised = rows("revised")
    right = [last_number(r["completion"]) == f.final if (f := truth[to_pair[r["input"]]]) else False for r in revised]
    share("revised, the better ones of pairs: correct", sum(right), len(right))


def first_wrong(attempt, question):
    """Return the number of the first step of an attempt that the right solution does not have; None when it is right."""
    if question is None:
        return None
    if last_number(attempt) == question.final:
        return None
    right = question.solution.splitlines()
    steps = [line for line in attempt.splitlines() if line.strip()]
    return next((i for i, step in enumerate(steps, 1) if i > len(right) or step != right[i - 1]), len(steps))


def last_number(text):
    """Return the last number of a text."""
    return (re.findall(r"\d+", text) or [""])[-1]


def score_solutions(what, rows, truth):
    """Print the share of completions that end at the world's answer, over questions that have one."""
    known = [r for r in rows if truth[r["input"]] is not None]
    share(what, sum(last_number(r["completion"]) == truth[r["input"]].final for r in known), len(known))


def share(what, k, n):
    """Print a share with its standard error."""
    p = k / n if n else math.nan
    print(
        f"{what:58} {100 * p:5.1f} ± {100 * math.sqrt(p * (1 - p) / n) if n else math.nan:.1f} %  n = {n}", flush=True
    )


if __name__ == "__main__":
    main()
