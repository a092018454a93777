"""A recipe whose managed vLLM server is tests/fake_vllm.py, and what that server noted."""

import os
import sys
from pathlib import Path

from support import HERE
from support_flow import STEPS, make_flow_project


class FakeVllm:
    """A fake interpreter with vLLM. ``env`` goes into the recipe."""

    def __init__(self, folder, **env):
        self.folder = folder
        folder.mkdir()
        self.python = folder / "python"
        self.python.write_text(
            f'#!/bin/sh\nexec env -u PYTHONSAFEPATH PYTHONPATH={HERE} {sys.executable} {HERE / "fake_vllm.py"} "$@"\n'
        )
        self.python.chmod(0o755)
        self.env = {"FAKE_VLLM_FOLDER": str(folder), **{f"FAKE_VLLM_{k.upper()}": str(v) for k, v in env.items()}}

    def engine(self, **more):
        return {"kind": "vllm", "python": str(self.python), "env": self.env, "concurrency": 8, **more}

    def notes(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def living(self):
        return [pid for pid in self.notes("pids") if is_alive(int(pid))]


def make_vllm_project(folder, fake, n=40, steps=STEPS, **engine):
    return make_flow_project(folder, n=n, steps=steps, engine=fake.engine(**engine))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended between the two questions
        return False
