"""docs/judges.md: its example is what the command prints, its judge can be made, and it names what there is."""

import re
from dataclasses import fields

import yaml
from flywheel.judge.calibration import ABSTENTIONS, KINDS, PARSERS, TARGETS, TIES
from flywheel.judge.judges import KINDS as JUDGES
from flywheel.judge.judges import make_judge
from support import HERE, run_cli

TEXT = (HERE.parent / "docs" / "judges.md").read_text(encoding="utf-8")


def test_the_example_is_what_the_command_prints(shared_data, tmp_path):
    command, shown = re.search(r"\$ flywheel (judge calibrate .*?)\n(gpt-3\.5.*?)```", TEXT, re.DOTALL).groups()
    args = [str(shared_data / "pandalm" / a) if a.endswith(".json") else a for a in command.replace("\\\n", "").split()]
    done = run_cli(tmp_path, *args, check=0, env={"COLUMNS": ""})
    assert [line.rstrip() for line in done.stdout.splitlines()] == [line.rstrip() for line in shown.splitlines()]


def test_the_judge_of_the_example_can_be_made():
    (block,) = re.findall(r"```yaml\n# quality.yaml\n(.*?)```", TEXT, re.DOTALL)
    assert make_judge(yaml.safe_load(block), "docs").name == "quality"


def test_everything_is_named():
    names = [*JUDGES, *KINDS, *PARSERS, *TARGETS]
    names += [f.name for kind in JUDGES.values() for f in fields(kind)]
    assert [n for n in names if f"`{n}" not in TEXT and f" {n}:" not in TEXT and f"\n{n}:" not in TEXT] == []
    assert [n for n in (*TIES.values(), *ABSTENTIONS.values()) if f"| {n} |" not in TEXT] == []
