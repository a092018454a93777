"""docs/verifiers.md: its table is what the code says, its example runs."""

import os
import re
from pathlib import Path

from flywheel.judge.verifiers import REQUIRED, built_in
from support import run_cli, write_jsonl
from support_verify import figures

DOCS = Path(__file__).parents[2] / "docs" / "verifiers.md"
MARK = re.compile(r"(<!-- table: .*? -->\n)(.*?)(<!-- /table -->)", re.DOTALL)


def option(verifier, name, default):
    choices = verifier.choices.get(name)
    shown = (
        "required"
        if default is REQUIRED
        else {True: "true", False: "false"}.get(default)
        if isinstance(default, bool)
        else None
    )
    if shown is None:
        shown = (
            ", ".join(map(str, default))
            if isinstance(default, tuple | list)
            else ""
            if default in (None, {})
            else str(default)
        )
    several = f" of {', '.join(str(c) or 'none' for c in choices)}" if choices else ""
    return f"`{name}` ({shown or 'none'}{several})"


def row(verifier):
    summary = " ".join((verifier.check.__doc__ or "").split("\n\n")[0].split())
    cells = [
        f"`{verifier.name}`", summary, ", ".join(f"`{n}`" for n in verifier.needs) or "–",
        "<br>".join(option(verifier, n, d) for n, d in verifier.options.items()) or "–",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def test_the_table_is_what_there_is():
    table = "\n".join(
        [
            "| verifier | what it does | needs | options (default) |",
            "| --- | --- | --- | --- |",
            *map(row, built_in().values()),
        ]
    )
    text = DOCS.read_text()
    wanted = MARK.sub(lambda m: m[1] + table + "\n" + m[3], text)
    if os.environ.get("FLYWHEEL_GOLDEN"):
        DOCS.write_text(wanted)
    assert DOCS.read_text() == wanted


def test_a_verifier_of_ones_own(tmp_path):
    source = re.search(r"<!-- file: rhyme.py -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    assert len(source.splitlines()) < 20
    (tmp_path / "rhyme.py").write_text(source)
    poems = [("The cat\nsat on the mat.", 2), ("The cat\nsat on the rug.", 2), ("One line", 2), ("x", 1), ("x", None)]
    write_jsonl(tmp_path / "poems.jsonl", [{"completion": poem, "lines": n} for poem, n in poems])
    done = run_cli(tmp_path, "judge", "verify", str(tmp_path / "poems.jsonl"), "--verifier", "rhyme.py", check=0)
    found = figures(done.stdout)
    assert [found[k][0] for k in ("completions", "passed", "failed", "abstained")] == ["5", "1", "2", "2"]
    assert found["accuracy"][1] == "passed of 3 decided, abstentions left out"
    for reason in ("rhymes", "does not rhyme", "wrong number of lines", "too few lines asked for", "no lines"):
        assert reason in done.stdout
