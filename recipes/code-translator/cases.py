"""Cases of a COBOL program: inputs by a model, outputs by the program itself, compiled by GnuCOBOL and run in the sandbox."""

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

from flywheel.gen import Ask, Fault, Item, Made, generator
from flywheel.judge.sandbox import Limits, may_start_processes, run_command

INPUTS = {"type": "array", "items": {"type": "string"}, "minItems": 2}
SCHEMA = {"type": "object", "properties": {"inputs": INPUTS}, "required": ["inputs"], "additionalProperties": False}
BUILD = 'cobc -x -o program "$@" program.cbl && base64 program'
SYSTEM = [path for path in ("/usr", "/etc/gnucobol", "/etc/gnucobol3") if Path(path).exists()]
ROOM = Limits(cpu_s=60, wall_s=120, memory_mb=2048, open_files=256, output_bytes=32 << 20)


def place_flags(flags: list[str], folder: Path) -> list[str]:
    """Return the compiler's flags with each ``-I`` and its folder in one, from ``folder`` on: the compiler is started in another.

    Raises:
        ValueError: an ``-I`` names no folder.
    """
    placed, waiting = list[str](), iter(flags)
    for flag in waiting:
        named = next(waiting, "") if flag == "-I" else flag.removeprefix("-I")
        if not named or (flag == "-I" and named.startswith("-")):
            raise ValueError("flags: -I names no folder; write [-I/path/to/copybooks]")
        placed.append(f"-I{(folder / named).resolve()}" if flag.startswith("-I") else flag)
    return placed


def build(program: str, flags: list[str], binary: Path) -> str:
    """Compile a program to ``binary``, in the sandbox where that may start a compiler; return what is wrong with it.

    Args:
        flags: the compiler's, as :func:`place_flags` returns them: the folders of ``-I`` are all of yours that it may read.
    """
    if may_start_processes():
        files, seen = {"program.cbl": program + "\n"}, [*SYSTEM, *(f[2:] for f in flags if f.startswith("-I"))]
        done = run_command(["sh", "-c", BUILD, "sh", *flags], files=files, readable=seen, limits=ROOM)
        if not done.ok:
            return done.stderr or done.reason
        binary.write_bytes(base64.b64decode(done.stdout))
        binary.chmod(0o755)
        return ""
    binary.with_suffix(".cbl").write_text(program + "\n", encoding="utf-8")
    command = ["cobc", "-x", *flags, "-o", binary.name, f"{binary.name}.cbl"]
    built = subprocess.run(command, cwd=binary.parent, capture_output=True, text=True, timeout=120)
    return built.stderr or f"cobc ended with {built.returncode}" if built.returncode else ""


@generator("cases", consumes=("text",), options={"flags": []}, templates=("write-inputs",), yields=("cobol", "cases"))
async def cases(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Compile a program, have inputs written for it, and keep those on which it ends by itself, each with its output."""
    program = item.text("text")
    try:
        flags = place_flags(list(map(str, ask.options["flags"])), ask.folder.absolute())
    except ValueError as error:
        yield Fault(str(error), program)
        return
    folder = ask.folder.absolute() / ".flywheel" / "cobol"
    binary = folder / sha256("\0".join([program, *flags]).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if wrong := await asyncio.to_thread(build, program, flags, binary):
        yield Fault("does not compile", wrong[-1000:])
        return
    for completion in await ask.json("write-inputs", schema=SCHEMA, program=program):
        for loss in completion.losses():
            yield loss
        kept = []
        for text in dict.fromkeys(completion.value["inputs"] if completion.value else ()):
            done = await asyncio.to_thread(run_command, [str(binary)], stdin=text, readable=[folder])
            kept += [{"input": text, "output": done.stdout}] if done.ok else []
        if completion.value and len({case["output"] for case in kept}) < 2:
            yield completion.fail("inputs that make no difference")
        elif completion.value:
            yield completion.made(cobol=program, cases=kept)
