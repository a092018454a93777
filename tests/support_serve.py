"""``flywheel serve`` as a process of its own, and champions that come and go under it."""

import re
import shutil
import signal
import time
from pathlib import Path

import openai
from flywheel.config import load_recipe
from flywheel.llm import resolve_model, seed_model_path
from flywheel.loop._checkpoints import Checkpoints
from flywheel.loop._rollback import roll_back
from flywheel.loop._run import id_of, record_run
from flywheel.schema import utc_now
from flywheel.store import Project, Store
from support import start_cli

ALONE = {"OMP_NUM_THREADS": "1"}
"""More threads of a small model only get in each other's way."""
PLAIN = {"api_key": "none", "max_retries": 0, "timeout": 120}
SEED_ID = id_of(resolve_model("seed"))


class Serving:
    """A server; its lines on standard error are read as they come."""

    def __init__(self, folder, *args, env=None):
        self.clients = []
        self.log = Path(folder) / "serve.err"
        with self.log.open("w") as stream:
            self.process = start_cli(
                folder, "serve", "--port", "0", "--poll", "0.1", *args, env={**ALONE, **(env or {})}, stderr=stream
            )  # fmt: skip
        self.url = self._wait(r"(http://\S+)/v1 ")
        self.wait_for_line(r"ckpt_\w+ answers")

    def _wait(self, pattern, seconds=90):
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return found[1] if found.re.groups else found[0]

    def wait_for_line(self, pattern):
        return self._wait(pattern)

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def client(self, **options):
        self.clients.append(
            openai.OpenAI(base_url=f"{self.url}/v1", **{"api_key": "none", "max_retries": 0, "timeout": 120, **options})
        )
        return self.clients[-1]

    def end(self, number=signal.SIGINT):
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(60)
        finally:
            self.process.stdout.close()
            if self.process.poll() is None:
                self.process.kill()


class Champions:
    """A run in a project's store, of which challengers become champion as the gate and a person would have them."""

    def __init__(self, folder):
        self.folder = folder
        self.recipe = load_recipe(folder / "recipe.yaml")
        self.store = Store(Project(folder)).open()
        self.first = resolve_model("seed")
        record_run(self.store, "run_1", self.recipe, self.first, None, {})
        self.n = 0

    def promote(self, change=None):
        """Make a copy of the seed model, changed by ``change``, the champion; return its id."""
        self.n += 1
        checkpoint_id = f"ckpt_challenger{self.n}"
        folder = self.store.project.checkpoints / checkpoint_id
        shutil.copytree(seed_model_path(), folder)
        if change:
            change(folder)
        now = utc_now()
        row = {
            "checkpoint_id": checkpoint_id, "run_id": "run_1", "iteration": self.n, "stage": "sft", "parent_id": SEED_ID,
            "snapshot_id": None, "path": str(folder.relative_to(self.folder)), "config": "{}", "metrics": None, "created_at": now,
        }  # fmt: skip
        decision = {
            "decision_id": f"dec_{self.n}", "run_id": "run_1", "iteration": self.n, "stage": "sft",
            "checkpoint_id": checkpoint_id, "score_id": f"s{self.n}", "champion_id": SEED_ID, "champion_score_id": "s0",
            "role": "gate", "n": 10, "won": 9, "lost": 0, "delta": 0.9, "p_value": 0.001, "test": "mcnemar", "promoted": True,
            "reason": "better", "created_at": now,
        }  # fmt: skip
        self.store.insert("checkpoints", [row], key="checkpoint_id")
        self.store.insert("decisions", [decision], key="decision_id")
        return checkpoint_id

    def roll_back(self, name=None):
        checkpoints = Checkpoints(self.store, "run_1", self.first)
        return roll_back(self.store, checkpoints, "run_1", self.n, name, None)[1]
