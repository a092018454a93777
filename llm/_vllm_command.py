"""What a managed vLLM server is started with: interpreter, flags, environment. Nothing is started here."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import NotFoundError
from ._models import ResolvedModel

PYTHON_VARIABLE = "FLYWHEEL_VLLM_PYTHON"
HOST = "127.0.0.1"
MODULE = "vllm.entrypoints.openai.api_server"

DEFAULT_ARGS = {"generation_config": "vllm", "uvicorn_log_level": "warning"}
"""A recipe's sampling is the whole of it: no top_k or penalty out of the model's generation_config.json. And no line in
the log for each request."""
DEFAULT_ENV = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONSAFEPATH": "1"}
"""No telemetry, and no module of the project folder in place of one of vLLM's."""
FOREIGN_PATHS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
"""Variables that make one interpreter load another one's packages."""

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
    "{{ '\\n' }}"
)
"""For a model without a chat template: the plain contents, as the local engine gives them."""


@dataclass(frozen=True)
class ServerSettings:
    """How a managed server is run.

    Attributes:
        logs: folder of its logs.
        base: folder that relative paths start from: the recipe's.
        python: interpreter that has vLLM; default: FLYWHEEL_VLLM_PYTHON, else this one.
        server_args: vLLM's own flags, by name.
        env: environment variables added to this process's.
        startup_s: how long it may take to be ready.
        max_restarts: how often one that died is started again.
    """

    logs: Path
    base: Path
    python: str | None = None
    server_args: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    startup_s: float = 600.0
    max_restarts: int = 1


def find_vllm_python(configured: str | None = None, base: Path | None = None) -> str:
    """Return the interpreter that runs vLLM: ``configured``, else FLYWHEEL_VLLM_PYTHON, else this one.

    Raises:
        NotFoundError: there is no such program.
    """
    given, place = configured, "key engine.python"
    if given is None:
        given, place = os.environ.get(PYTHON_VARIABLE) or sys.executable, PYTHON_VARIABLE
    path = os.path.expanduser(given)  # noqa: PTH111 - a command without a folder must stay one
    if os.sep in path:
        path = str((base if base is not None and configured else Path()).absolute() / path)
    found = shutil.which(path)
    if found is None:
        raise NotFoundError(
            place, expected="the Python interpreter of the environment that has vLLM", received=f"no program {path}",
            cure=f"set engine.python or {PYTHON_VARIABLE}, for example to /opt/vllm/bin/python",
        )  # fmt: skip
    return found


def render_command(python: str, model: ResolvedModel, port: int, server_args: Mapping[str, Any]) -> list[str]:
    """Return the command line of the server: no secret is in it."""
    command = [python, "-m", MODULE, f"--model={model.path}", f"--served-model-name={model.name}"]
    command += [f"--host={HOST}", f"--port={port}"]
    given = {name.replace("_", "-"): value for name, value in server_args.items()}
    defaults: dict[str, Any] = dict(DEFAULT_ARGS)
    if not _has_chat_template(Path(model.path)):
        defaults["chat_template"] = PLAIN_TEMPLATE
    merged = {**{name.replace("_", "-"): value for name, value in defaults.items()}, **given}
    return command + [part for name, value in merged.items() for part in _render_flag(name, value)]


def _render_flag(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list | tuple):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}={json.dumps(value) if isinstance(value, dict) else value}"]


def _has_chat_template(folder: Path) -> bool:
    if any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")):
        return True
    if (folder / "additional_chat_templates").is_dir():
        return True
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return bool(config.get("chat_template"))


def make_environment(python: str, api_key: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the server's environment: this process's, the key, and the recipe's."""
    inherited = dict(os.environ)
    if Path(python) != Path(sys.executable):
        for name in FOREIGN_PATHS:
            inherited.pop(name, None)
    defaults = {name: value for name, value in DEFAULT_ENV.items() if name not in inherited}
    return {**inherited, **defaults, "VLLM_API_KEY": api_key, **env}
