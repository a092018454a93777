"""What a recipe's page of the cookbook says under *In miniature*: its test does that."""

import re

from support import HERE

MINIATURE = re.compile(r"^## In miniature$.*?^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_on_page(name):
    """Return the commands of a recipe's page, but for the one that sets it up and the recipe file that each of them names."""
    text = (HERE.parent / "docs" / "cookbook" / f"{name}.md").read_text()
    first, *others = MINIATURE.search(text)[1].strip().splitlines()
    assert first == f"flywheel init --recipe {name}"
    return [line.removeprefix("flywheel ").replace(" --recipe mini.yaml", "") for line in others]
