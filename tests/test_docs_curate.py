import re
from pathlib import Path


def test_the_code_in_the_docs_runs():
    text = (Path(__file__).parent.parent / "docs/curate.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})
