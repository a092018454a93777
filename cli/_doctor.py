"""``flywheel doctor``."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click

from ..errors import EndpointError, NotFoundError
from ..llm import PYTHON_VARIABLE, OpenAIEngine, find_vllm_python, make_environment, without_userinfo
from ._tables import print_table

Check = tuple[str, bool, str, str]
"""(what, works, found, cure)."""

NEEDED = {
    "duckdb": "", "torch": "", "transformers": "", "trl": "", "datasets": "", "lm-eval": "", "openai": "", "math-verify": "",
}  # fmt: skip
MINIMUM_DISK_GB = 2.0
IMPORT_TIMEOUT_S = 120.0


@click.command("doctor")
@click.pass_obj
def doctor_command(root: Path) -> None:
    """Check Python, packages, the machine, the endpoint and the project folder. Exit code 1 when the demo cannot run."""
    checks = [check for part in (_packages, _machine, _vllm, _endpoint) for check in part()] + _project(root)
    print_table(
        ["", "what", "found", "to do"], [["ok" if ok else "—", what, found, cure] for what, ok, found, cure in checks]
    )
    broken = [what for what, ok, _, _ in checks if not ok and what in NEEDED]
    click.echo("The demo can run." if not broken else f"The demo cannot run: {', '.join(broken)}.")
    if broken:
        raise SystemExit(1)


def _packages() -> list[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    checks: list[Check] = [
        (
            "Python",
            sys.version_info >= (3, 11),
            version,
            "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer",
        )
    ]
    for name in NEEDED:
        try:
            checks.append((name, True, metadata.version(name), ""))
        except metadata.PackageNotFoundError:
            checks.append((name, False, "not installed", f"pip install {name}"))
    return checks


def _machine() -> list[Check]:
    cores = os.cpu_count() or 1
    checks: list[Check] = [("CPU", True, f"{cores} cores", "")]
    if importlib.util.find_spec("torch"):
        import torch

        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        found = ", ".join(gpus) or "none"
        checks.append(("GPU", bool(gpus), found, "" if gpus else "not needed for the demo; larger models want one"))
    return checks


def _vllm() -> list[Check]:
    cure = f"only needed for engine.kind: vllm; set {PYTHON_VARIABLE} to the Python of an environment with vLLM"
    try:
        python = find_vllm_python()
    except NotFoundError as error:
        return [("vllm", False, error.received, cure)]
    works, told = _import_vllm(python)
    where = "this environment" if python == sys.executable else python
    return [("vllm", works, f"{told} ({where})", "" if works else cure)]


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
        return [("endpoint", False, "OPENAI_BASE_URL is not set", "only needed for engine.kind: openai")]
    answered, told = _ask(url)
    return [
        (
            "endpoint",
            answered,
            f"{without_userinfo(url)} ({key}): {told}",
            "" if answered else "start the server or mend the address",
        )
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
    except EndpointError as error:
        return False, error.received


def _project(root: Path) -> list[Check]:
    free_gb = shutil.disk_usage(root if root.is_dir() else Path.cwd()).free / 1e9
    enough = free_gb >= MINIMUM_DISK_GB
    writable = os.access(root, os.W_OK)
    return [
        ("disk", enough, f"{free_gb:.1f} GB free", "" if enough else f"free at least {MINIMUM_DISK_GB:g} GB"),
        ("project folder", writable, str(root), "" if writable else "choose a writable folder with flywheel -C DIR"),
    ]
