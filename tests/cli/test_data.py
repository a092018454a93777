"""``flywheel data report``: the card is made from what the store holds."""

import json

from support import refused, run_cli, write_jsonl


def test_the_data_card_tells_what_was_imported(stored, tmp_path):
    rows = [
        {"instruction": f"Question {i} about the number {i * 37}?", "input": "", "output": f"Well, {i * 7} it is!!!"}
        for i in range(60)
    ]
    rows += [rows[0], {"instruction": "Who?", "input": "", "output": "Ask someone@example.org now!!!"}]
    write_jsonl(tmp_path / "set.jsonl", rows)
    run_cli(stored, "import", str(tmp_path / "set.jsonl"), "--yes", check=0)
    done = run_cli(stored, "data", "report", check=0)
    card = (stored / "data-card.md").read_text(encoding="utf-8")
    assert done.stdout.strip().endswith("data-card.md")
    assert "| suffix | ` it is!!!` | 61 |" in card
    assert "| mail | 1 |" in card
    assert "Rows: 6" in card
    assert "someone@example.org" not in card
    for name in ("lengths", "drops"):
        assert (stored / f"data-card/{name}.png").stat().st_size > 1000
        assert (stored / f"data-card/{name}.svg").exists()
    assert json.dumps(card)


def test_without_rows_it_says_what_to_do(stored):
    refused(run_cli(stored, "data", "report"), "samples", "flywheel import")
    refused(run_cli(stored, "data", "report", "--rows", "trained"), "samples of --rows trained")
