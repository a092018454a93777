"""Stands in for the interpreter that has vLLM: takes its command line, prints like it, and serves like it or fails.

Run by a wrapper script as ``python fake_vllm.py -m vllm.entrypoints.openai.api_server --model=… --port=…``. The recipe's
``env`` says how: FAKE_VLLM_MODE (``oom``, ``no-vllm``, ``arch``, ``cuda``, ``port``, ``flag``, ``hang``: how it fails to
start), FAKE_VLLM_DIES_AFTER (answers; each life, or the first FAKE_VLLM_DEATHS), FAKE_VLLM_STUBBORN (ignores SIGTERM),
FAKE_VLLM_LATENCY. The folder FAKE_VLLM_FOLDER gets ``pids`` (of the server, a worker, and a worker in a session of its
own), ``argv``, ``keys`` and ``answered``.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from aiohttp import web
from fake_endpoint import Endpoint

FOLDER = Path(os.environ["FAKE_VLLM_FOLDER"])
MODE = os.environ.get("FAKE_VLLM_MODE", "")
DIES_AFTER = int(os.environ.get("FAKE_VLLM_DIES_AFTER", 0))
DEATHS = int(os.environ.get("FAKE_VLLM_DEATHS", 99))
KEY = os.environ["VLLM_API_KEY"]
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB. GPU 0 has a total capacity of 79.25 GiB of "
    "which 512.00 MiB is free."
)
CORE = "(EngineCore pid=7) ERROR 11-20 14:00:00 [core.py:936] "
FAILURES = {
    "oom": f"{CORE}Traceback (most recent call last):\n{CORE}{OOM}\n"
    "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
    "no-vllm": f"{sys.executable}: Error while finding module specification for 'vllm.entrypoints.openai.api_server' "
    "(ModuleNotFoundError: No module named 'vllm')",
    "arch": "(APIServer pid=7) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
    "  Value error, Model architectures ['NewForCausalLM'] are not supported for now. Supported architectures: …",
    "cuda": "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
    "port": "OSError: [Errno 98] Address already in use",
    "flag": "api_server.py: error: unrecognized arguments: --gpu-memory-utilisation=0.85",
}


def note(name, line):
    with (FOLDER / name).open("a") as stream:
        stream.write(f"{line}\n")


def option(name):
    return next(a.split("=", 1)[1] for a in sys.argv if a.startswith(f"--{name}="))


class Server(Endpoint):
    def __init__(self):
        super().__init__(FOLDER / "answered", os.devnull, latency=os.environ.get("FAKE_VLLM_LATENCY", 0))
        self.left = DIES_AFTER if DIES_AFTER and len((FOLDER / "keys").read_text().split()) <= DEATHS else None

    async def answer(self, request):
        if self.left == 0:
            await asyncio.sleep(0.3)  # what was answered has left by then
            print(
                f"{CORE}{OOM}\nvllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.", flush=True
            )
            os._exit(1)
        reply = await super().answer(request)
        if self.left:
            self.left -= 1
        return reply

    async def models(self, request):
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return web.json_response({"object": "list", "data": [{"id": option("served-model-name")}]})

    async def health(self, request):
        return web.Response()


async def serve():
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.chat)
    app.router.add_get("/v1/models", server.models)
    app.router.add_get("/health", server.health)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, option("host"), int(option("port")), reuse_address=True).start()
    await asyncio.Event().wait()


def main():
    note("argv", " ".join(sys.argv))
    note("keys", KEY)
    worker = [sys.executable, "-c", "import time; time.sleep(600)"]
    started = [subprocess.Popen(worker, start_new_session=own) for own in (False, True)]
    for pid in (os.getpid(), *(p.pid for p in started)):
        note("pids", pid)
    print("(APIServer pid=7) INFO 11-20 14:00:00 [utils.py:233] non-default args: {}", flush=True)
    if os.environ.get("FAKE_VLLM_STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "hang":
        time.sleep(600)
    if MODE:
        print(FAILURES[MODE], flush=True)
        sys.exit(1)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
