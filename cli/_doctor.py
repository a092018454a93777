"""``flywheel doctor``."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import click

from ..errors import EndpointError, NotFoundError, RecipeError
from ..judge.sandbox import probe
from ..llm import PYTHON_VARIABLE, OpenAIEngine, find_vllm_python, make_environment, without_userinfo
from ._tables import print_table

ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        is_needed: what does not work and is needed makes the exit code 1.
    """

    what: str
    works: bool
    found: str
    cure: str = ""
    is_needed: bool = False


MODULES = {
    "duckdb": "duckdb", "torch": "torch", "transformers": "transformers", "trl": "trl", "datasets": "datasets",
    "lm-eval": "lm_eval", "openai": "openai", "math-verify": "math_verify",
}  # fmt: skip
"""Packages that the demo needs, and their import names."""

MINIMUM_DISK_GB = 2.0
IMPORT_ALL = """
import importlib, json, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        fault = ""
    except BaseException as error:
        fault = f"{type(error).__name__}: {error}".split(chr(10))[0]
    print(json.dumps([name, fault]), flush=True)
"""
IMPORT_TIMEOUT_S = 120.0


@click.command("doctor")
@click.pass_obj
def doctor_command(root: Path) -> None:
    """Check Python, packages, the machine, the endpoint and the project folder.

    Each package is imported, in a process of its own: this takes some seconds. Exit code 1 when the demo cannot run, or
    when an endpoint is set that does not answer.
    """
    checks = [*_python(), *_packages(), *_machine(), *_sandbox(), *_vllm(), *_endpoint(), *_project(root)]
    print_table(
        ["", "what", "found", "to do"],
        [["ok" if c.works else "FAILS" if c.is_needed else "—", c.what, c.found, c.cure] for c in checks],
    )
    broken = [c.what for c in checks if c.is_needed and not c.works]
    demo = [what for what in broken if what != ENDPOINT]
    click.echo(f"The demo cannot run: {', '.join(demo)}." if demo else "The demo can run.")
    if ENDPOINT in broken:
        click.echo(
            "The endpoint that OPENAI_BASE_URL names does not answer: recipes with engine.kind: openai cannot run."
        )
    if broken:
        raise SystemExit(1)


def _python() -> list[Check]:
    works = sys.version_info >= (3, 11)
    version = ".".join(map(str, sys.version_info[:3]))
    return [Check("Python", works, version, "" if works else "install Python 3.11 or newer", is_needed=True)]


def _packages() -> list[Check]:
    faults = _import_all(list(MODULES.values()))
    return [_package(name, faults.get(module, "the import ended the process")) for name, module in MODULES.items()]


def _package(name: str, fault: str) -> Check:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, False, "not installed", f"pip install {name}", is_needed=True)
    found = f"{version}, but it does not import: {fault}" if fault else version
    return Check(name, not fault, found, f"pip install --force-reinstall {name}" if fault else "", is_needed=True)


def _import_all(modules: list[str]) -> dict[str, str]:
    """Import each in a child process, so that one that crashes ends nothing here; return what each raised."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT_ALL, *modules], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return dict(json.loads(line) for line in told)


def _machine() -> list[Check]:
    checks = [Check("CPU", True, f"{os.cpu_count() or 1} cores")]
    try:
        import torch
    except ImportError:
        return checks
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cure = "" if gpus else "not needed for the demo; larger models want one"
    return [*checks, Check("GPU", bool(gpus), ", ".join(gpus) or "none", cure), _quantization()]


def _quantization() -> Check:
    """Say whether QLoRA can train here; LoRA alone needs nothing more."""
    try:
        return Check("QLoRA", True, f"bitsandbytes {metadata.version('bitsandbytes')}")
    except metadata.PackageNotFoundError:
        return Check("QLoRA", False, "bitsandbytes is not installed", "only needed for train.quantization")


def _sandbox() -> list[Check]:
    report = probe()
    found = "; ".join(f"{r.isolation}: {r.fault or 'works'}" for r in report.rungs)
    cure = "" if report.best else "only needed to run generated programs; see docs/sandbox.md"
    return [Check("sandbox", report.best is not None, found, cure)]


def _vllm() -> list[Check]:
    cure = f"only needed for engine.kind: vllm; set {PYTHON_VARIABLE} to the Python of an environment with vLLM"
    try:
        python = find_vllm_python()
    except NotFoundError as error:
        return [Check("vllm", False, error.received, cure)]
    works, told = _import_vllm(python)
    where = "this environment" if python == sys.executable else python
    return [Check("vllm", works, f"{told} ({where})", "" if works else cure)]


def _import_vllm(python: str) -> tuple[bool, str]:
    """Import vLLM in its own interpreter; return whether that works, and its version or the reason."""
    try:
        done = subprocess.run(
            [python, "-c", "import vllm; print(vllm.__version__)"], capture_output=True, text=True, errors="replace",
            timeout=IMPORT_TIMEOUT_S, stdin=subprocess.DEVNULL, cwd="/", env=make_environment(python, "", {}),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or ["nothing"]
    return done.returncode == 0, lines[-1]


def _endpoint() -> list[Check]:
    url = os.environ.get("OPENAI_BASE_URL")
    key = "with a key" if os.environ.get("OPENAI_API_KEY") else "no key"
    if not url:
        return [Check(ENDPOINT, False, "OPENAI_BASE_URL is not set", "only needed for engine.kind: openai")]
    answered, told = _ask(url)
    found = f"{without_userinfo(url)} ({key}): {told}"
    return [
        Check(ENDPOINT, answered, found, "" if answered else "start the server or mend the address", is_needed=True)
    ]


def _ask(url: str) -> tuple[bool, str]:
    import asyncio

    async def connect() -> str:
        engine = OpenAIEngine(base_url=url, model=None, concurrency=1, timeout_s=5, max_attempts=1)
        try:
            return (await engine.connect()).identity.model
        finally:
            await engine.close()

    try:
        return True, asyncio.run(connect())
    except (EndpointError, RecipeError) as error:
        return False, error.received


def _project(root: Path) -> list[Check]:
    place = next(p for p in (root, *root.parents) if p.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    enough = free_gb >= MINIMUM_DISK_GB
    fault = _try_to_write(place)
    made = "" if place == root else f" (missing; flywheel -C {root} init makes it)"
    cure = "choose a folder that you can write to, with flywheel -C DIR" if fault else ""
    return [
        Check(
            "disk", enough, f"{free_gb:.1f} GB free", "" if enough else f"free at least {MINIMUM_DISK_GB:g} GB",
            is_needed=True,
        ),
        Check("project folder", not fault, f"{root}{made}" + (f": {fault}" if fault else ""), cure, is_needed=True),
    ]  # fmt: skip


def _try_to_write(folder: Path) -> str:
    """Return why nothing can be written in ``folder``; empty when it can."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)
