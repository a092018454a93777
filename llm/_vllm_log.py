"""Why a vLLM server ended, out of its log: the telling line, and what helps in the common cases."""

import re
import signal
from dataclasses import dataclass
from pathlib import Path

READ_LAST_BYTES = 1 << 20
LONGEST_LINE = 400

_PREFIX = re.compile(
    r"^(\x1b\[[0-9;]*m|\s|\([\w@ -]+ pid=\d+\)|(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b:?|\d\d-\d\d \d\d:\d\d:\d\d"
    r"|\[[\w./-]+:\d+\])+"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LAST_WORD = re.compile(r"\b\w*(Error|Exception|Interrupt)\b|\berror:", re.IGNORECASE)
_FOLLOWS_FROM_ANOTHER = re.compile(r"See root cause above|Engine core proc .* died|EngineDeadError")


@dataclass(frozen=True)
class Finding:
    """What a log says. ``is_no_vllm``: the interpreter has no vLLM at all."""

    line: str
    cure: str = ""
    is_no_vllm: bool = False


_NO_VLLM = re.compile(r"No module named '?vllm'?(\.|$|\b)")
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"larger than the available KV cache|greater than the derived max_model_len|exceeds the model.s max",
        "set engine.server_args.max_model_len to what fits, or raise gpu_memory_utilization",
    ),
    (
        r"OutOfMemoryError|out of memory|No available memory for the cache|is less than desired (GPU|CPU) memory"
        r"|can't allocate memory|Cannot allocate memory|MemoryError",
        "free the GPU of other programs, or lower gpu_memory_utilization, max_model_len or max_num_seqs in "
        "engine.server_args, or raise tensor_parallel_size (on a CPU: VLLM_CPU_KVCACHE_SPACE in engine.env, in GB)",
    ),
    (
        r"architectures? .* (is|are) not supported|does not recognize this architecture|Unsupported architecture",
        "use a newer vLLM (engine.python), or engine: local, which runs what transformers runs",
    ),
    (
        r"[Aa]ddress already in use|Errno 98\b|Errno 48\b",
        "give the same command again: another port is taken",
    ),
    (
        r"driver on your system is too old|CUDA driver version is insufficient|no kernel image is available"
        r"|undefined symbol|lib(cuda|cudart|nvrtc|cublas)\S*\.so|not compiled with CUDA|forward compatibility was attempted"
        r"|CUDA version .* mismatch|Failed to infer device type|operator torchvision::nms does not exist",
        "vLLM, torch and the driver of this machine do not fit: install in vLLM's environment a build for this CUDA "
        "version (or for CPU); nvidia-smi shows what the driver supports",
    ),
    (
        r"trust[-_]remote[-_]code",
        "the model brings code of its own: set engine.server_args.trust_remote_code: true if you trust it",
    ),
    (
        r"unrecognized arguments|error: argument |invalid choice|expected (one|at least one) argument",
        "mend engine.server_args: the names and values are vLLM's own (vllm serve --help=all)",
    ),
    (r"divisible by tensor parallel size|[Ww]orld size .* is larger than", "lower engine.server_args.tensor_parallel_size"),
    (r"No space left on device", "free some space on the disk"),
    (r"^cannot start |Permission denied", "check engine.python"),
)  # fmt: skip


def read_log(path: Path, offset: int) -> str:
    """Return the last part of a log, from ``offset`` at the earliest."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(offset, stream.tell() - READ_LAST_BYTES))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def find_cause(log: str) -> Finding | None:
    """Return the line of ``log`` that tells why the server ended; None when no line does."""
    lines = [line for raw in log.splitlines() if (line := _clean(raw))]
    for line in lines:
        if _NO_VLLM.search(line):
            return Finding(line, is_no_vllm=True)
    told = [line for line in lines if _LAST_WORD.search(line)]
    for pattern, cure in _CAUSES:
        wanted = re.compile(pattern)
        found = next((x for x in told if wanted.search(x)), None) or next((x for x in lines if wanted.search(x)), None)
        if found is not None:
            return Finding(found[:LONGEST_LINE], cure)
    first_hand = [line for line in told if not _FOLLOWS_FROM_ANOTHER.search(line)] or told or lines
    return Finding(first_hand[-1][:LONGEST_LINE]) if first_hand else None


def describe_exit(code: int) -> str:
    """Return an exit code in words; 128 + n is signal n, as a shell has it."""
    try:
        return f"signal {signal.Signals(code - 128).name}" if code > 128 else f"exit code {code}"
    except ValueError:
        return f"exit code {code}"


def _clean(line: str) -> str:
    return _PREFIX.sub("", _COLOURS.sub("", line)).strip()
