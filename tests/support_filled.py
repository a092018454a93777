"""A store that is filled by hand with draws of problems, to freeze training sets of."""

import json

from flywheel.config import CurationConfig, DecontaminateConfig, SelectConfig
from flywheel.judge import MATH_JUDGE, Decontaminator, EvalText, Freezer, Rules
from flywheel.schema import ProblemRow, RequestRow, SampleRow, VerdictRow, utc_now
from flywheel.seed import generate_distinct

ITEM = (
    "Zara paints 41 fences and then 7 more fences with Gus before the long winter begins. How many fences are painted?"
)


class Filled:
    """A store with draws of problems: (iteration, step, problem number, completion, passed)."""

    def __init__(self, store):
        self.store = store
        self.questions = [p.question for p in generate_distinct("loop", 11, {2: 1.0}, 30)]

    def add(self, iteration, problem, *draws, step="solve", key=None, answer=None, fields=None, prompt=None):
        """Add a problem, unless it is there, and draws of it; ``key`` tells problems of one question apart."""
        now, rows = utc_now(), []
        question = self.questions[problem] if isinstance(problem, int) else problem
        label, key = key or problem, f"prb_{key or problem}"
        if not self.store.query("SELECT 1 FROM problems WHERE problem_id = ?", [key]):
            rows.append(
                ProblemRow(key, "p.jsonl", 0, question, answer or str(problem), None, fields and json.dumps(fields))
            )
        for i, (text, passed) in enumerate(draws):
            name = f"{iteration}_{step}_{label}_{i}"
            messages = json.dumps([{"role": "user", "content": prompt or question}])
            rows += [
                RequestRow(f"req_{name}", "run_a", iteration, step, key, None, "local", "m", None, messages, "{}", 1, "[]", 1, 1, 1, 0.0, now, now),
                SampleRow(f"smp_{name}", f"req_{name}", i, "run_a", iteration, step, key, text, "stop", None, "local"),
                VerdictRow(f"vrd_{name}", f"smp_{name}", MATH_JUDGE, passed, float(passed), "correct" if passed else "wrong answer", None),
            ]  # fmt: skip
        self.store.append(rows)
        self.store.fold()

    def freezer(self, iteration=1, curate=None, select=None, **rules):
        decontaminate = DecontaminateConfig()
        found = Rules(CurationConfig(**(curate or {})), select or SelectConfig(), decontaminate, MATH_JUDGE, **rules)
        items = [EvalText("gsm", "gate", "1", ITEM)]
        return Freezer(self.store, "run_a", iteration, found, Decontaminator(items, decontaminate), seed=3)

    def train(self, iteration, snapshot, parent="ckpt_seed"):
        """Say that a checkpoint was trained on a snapshot."""
        name = f"ckpt_{iteration}"
        row = {
            "checkpoint_id": name, "run_id": "run_a", "iteration": iteration, "stage": "sft", "parent_id": parent,
            "snapshot_id": snapshot.snapshot_id, "path": "x", "config": "{}", "metrics": "{}", "created_at": utc_now(),
        }  # fmt: skip
        self.store.insert("checkpoints", [row], key="checkpoint_id")
        return name

    def drops(self, step):
        return dict(self.store.query("SELECT input_id, reason FROM drops WHERE step = ? ORDER BY 1", [step]))

    def funnel(self):
        rows = self.store.query(
            "SELECT iteration, step, entered, kept, dropped FROM funnel WHERE step LIKE '%curate' OR step LIKE '%snapshot'"
        )
        assert all(entered == kept + dropped for _, _, entered, kept, dropped in rows), rows
        return {(iteration, step): (entered, kept) for iteration, step, entered, kept, _ in rows}
