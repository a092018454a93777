"""docs/generators.md: its table is current, its example runs, and it names every key and keyword."""

import json
import os
import re

from flywheel.gen import built_in, find_generator
from flywheel.gen._document import render_table
from flywheel.gen._schema import _KNOWN
from flywheel.prompts._files import _KEYS
from support import HERE
from support_generators import reasons, run, text_of

FILE = HERE.parent / "docs" / "generators.md"
TABLE = re.compile(r"(<!-- table: .*? -->\n).*?(<!-- /table -->)", re.DOTALL)


def examples():
    text = FILE.read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", text, re.DOTALL))


def test_the_table_is_current():
    text = FILE.read_text(encoding="utf-8")
    current = TABLE.sub(lambda m: m[1] + render_table(built_in().values()) + m[2], text)
    if os.environ.get("FLYWHEEL_GOLDEN"):
        FILE.write_text(current, encoding="utf-8", newline="\n")
    assert FILE.read_text(encoding="utf-8") == current


def test_the_users_own_generator_runs(tmp_path):
    for name, text in examples().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(examples()["haiku.py"].splitlines()) < 30
    haiku = find_generator("haiku.py", tmp_path)
    replies = [
        json.dumps({"lines": ["a", "b", "{c}"], "mood": "calm"}),
        "none",
        '{"lines": ["a", "b", "c", "d"], "mood": ""}',
    ]
    made, faults, ask = run(haiku, {"text": "A {{pond}}."}, replies, draws=3, folder=tmp_path)
    assert [(m.completion, m.fields) for m in made] == [("a\nb\n{c}", {"mood": "calm"})]
    assert reasons(faults) == ["not parsed: no JSON value in the reply", "not three lines"]
    assert "A {{pond}}." in text_of(ask.asked[0]["messages"])
    assert "set in autumn" in text_of(ask.asked[0]["messages"])


def test_every_template_key_and_schema_keyword_is_named():
    text = FILE.read_text(encoding="utf-8")
    annotations = {"title", "description", "default", "examples", "$schema"}
    for word in {*_KEYS, *(_KNOWN - annotations)}:
        assert re.search(rf"\b{word}\b", text), word
