"""Cases of a COBOL program: inputs by a model, outputs by the program itself, compiled by GnuCOBOL and run in the sandbox."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from hashlib import sha256

from flywheel.gen import Ask, Fault, Item, Made, generator
from flywheel.judge.sandbox import run_command

INPUTS = {"type": "array", "items": {"type": "string"}, "minItems": 2}
SCHEMA = {"type": "object", "properties": {"inputs": INPUTS}, "required": ["inputs"], "additionalProperties": False}


@generator("cases", consumes=("text",), options={"flags": []}, templates=("write-inputs",), yields=("cobol", "cases"))
async def cases(item: Item, ask: Ask) -> AsyncIterator[Made | Fault]:
    """Compile a program, have inputs written for it, and keep those on which it ends by itself, each with its output."""
    program, flags = item.text("text"), list(map(str, ask.options["flags"]))
    folder = ask.folder.absolute() / ".flywheel" / "cobol"
    binary = folder / sha256("\0".join([program, *flags]).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    binary.with_suffix(".cbl").write_text(program + "\n", encoding="utf-8")
    command = ["cobc", "-x", *flags, "-o", binary.name, f"{binary.name}.cbl"]
    built = await asyncio.to_thread(subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=120)
    if built.returncode:
        yield Fault("does not compile", built.stderr[-1000:])
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
