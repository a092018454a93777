"""insert_calls: what is taken of a marked text, what is called, and what is a drop."""

import json

import pytest
from flywheel.gen._tools import load_tools
from flywheel.gen.generators._insert_calls import _find_calls, read_call
from support import run_cli, sql, write_jsonl

TOOLS = '''
def calc(expression: str) -> str:
    """Work out a sum."""
    left, sign, right = expression.split()
    return str({"+": int(left) + int(right), "*": int(left) * int(right)}[sign])
'''
RECIPE = """
name: insert
engine: {kind: openai}
problems: {source: rows.jsonl, format: {question: question, answer: answer, columns: {text: answer}}}
generate:
  - {step: inserted, generator: insert_calls, source: problems, options: {tools: tools.py}}
train: {dpo: null}
select: {steps: [inserted]}
suites: [{name: s, task: prompts, gate: s.yaml}]
"""


@pytest.fixture
def tools(tmp_path):
    (tmp_path / "tools.py").write_text(TOOLS)
    return load_tools(tmp_path / "tools.py", "tools")


def test_calls_are_read_as_python_writes_them(tools):
    assert read_call('calc("2 + 2")', tools)[1] == {"expression": "2 + 2"}
    assert read_call("calc(expression='2 + 2')", tools)[1] == {"expression": "2 + 2"}
    for call in ("calc(2", "sum(1)", "calc('a', 'b')", "calc(*x)", "calc(x)", "2 + 2", "__import__('os').system('x')"):
        with pytest.raises(ValueError):
            read_call(call, tools)


def test_each_call_stands_in_the_text_without_the_others():
    assert list(_find_calls("a <call>f(1)</call>b <call>g(2)</call>c")) == [
        (("a ", "b c"), "f(1)"),
        (("a b ", "c"), "g(2)"),
    ]


def test_what_a_teacher_marks_becomes_rows_or_drops(tmp_path, endpoint):
    folder = tmp_path / "p"
    folder.mkdir()
    said = {
        "good": '<call>calc("2 + 3")</call>5 it is, and <call>calc("5 * 4")</call>20.',
        "changed": '<call>calc("2 + 3")</call>6 it is, and 20.',
        "none": "5 it is, and 20.",
        "broken": "<call>calc(</call>5 it is, and 20.",
        "failing": '<call>calc("2 ? 3")</call>5 it is, and 20.',
    }
    write_jsonl(folder / "rows.jsonl", [{"question": f"{k}?", "answer": "5 it is, and 20."} for k in said])
    (folder / "tools.py").write_text(TOOLS)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "s.yaml").write_text("- {prompt: x, expected: y}")
    from flywheel.prompts import load_template

    template, known = load_template("insert-calls"), []
    for key, marked in said.items():
        values = {"described": "calc(expression): Work out a sum.", "question": f"{key}?", "text": "5 it is, and 20."}
        known.append({"question": template.render(values)[-1]["content"], "answer": marked})
    write_jsonl(tmp_path / "known.jsonl", known)
    run_cli(folder, "generate", env=endpoint(tmp_path / "known.jsonl", right=1.0).env, check=0)
    rows = sql(folder, "select completion, fields from samples where step = 'inserted' order by completion")
    assert [r["completion"] for r in rows] == [
        '5 it is, and [calc("5 * 4") → 20] 20.', '[calc("2 + 3") → 5] 5 it is, and 20.',
    ]  # fmt: skip
    fields = json.loads(rows[0]["fields"])
    assert (fields["before"], fields["after"], fields["result"]) == ("5 it is, and ", "20.", "20")
    assert fields["called"] == '[calc("5 * 4") → ] '
    drops = sql(folder, "select reason from drops where step like 'inserted%' order by reason")
    assert [d["reason"].partition(":")[0] for d in drops] == [
        "call cannot be read",
        "call failed",
        "no call",
        "text was changed",
    ]
