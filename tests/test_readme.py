"""The README's commands, line by line, as a new user gives them: in a folder that has nothing but the repository's files."""

import pytest
from support import HERE, give_shell

README = HERE.parent / "README.md"


def commands(title):
    """Return the lines of the first console block under a heading."""
    section = README.read_text().partition(f"\n## {title}\n")[2]
    return section.partition("```console\n")[2].partition("```")[0].splitlines()


@pytest.fixture
def give(tmp_path):
    """Return what gives a line to a shell."""
    for name in ("README.md", "docs"):
        (tmp_path / name).symlink_to(README.parent / name)

    def run(line, **env):
        if " import " in line and "--yes" not in line:
            line = line.partition("#")[0] + " --yes"  # no terminal to ask on
        return give_shell(tmp_path, line, env)

    return run


def test_data_sets_come_in_and_go_out(give, tmp_path):
    for line in commands("Data sets in and out"):
        give(line)
    assert len((tmp_path / "imported.jsonl").read_text().splitlines()) == 2
    card = (tmp_path / "for-the-hub" / "README.md").read_text()
    assert (
        "| alpaca.jsonl | imported set | cc-by-4.0 | 1 |" in card
        and "| table.csv | imported set | not given | 1 |" in card
    )


def test_documents_become_revised_answers(give, tmp_path, endpoint, none):
    server = endpoint(none)
    for line in commands("Your documents"):
        give(line, **({} if "--dry-run" in line else server.env))
    assert (tmp_path / "revised.jsonl").read_text()
