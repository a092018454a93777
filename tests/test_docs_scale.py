"""The plan of capacity: what the page says is what the script prints, and the simulation is near what was measured."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_has_the_tables_as_printed_and_the_simulation_is_near_what_was_measured():
    printed = subprocess.run(
        [sys.executable, ROOT / "bench/scale.py"], capture_output=True, text=True, check=True
    ).stdout
    page = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    missing = [table for table in printed.strip().split("\n\n") if table not in page]
    assert not missing, "\n\n".join(missing)
    check = subprocess.run([sys.executable, ROOT / "bench/scale.py", "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
