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


def test_conflicts_of_imported_sets_are_told_with_their_places(stored, tmp_path):
    sets = {
        "labels": [{"prompt": f"Claim {i % 3}", "completion": ["SUPPORTS", "REFUTES"][i == 3]} for i in range(4)] + [{"prompt": "Claim 9", "completion": "REFUTES"}],
        "kto": [{"prompt": "P", "completion": "A long reply to it", "label": k} for k in (True, False)],
        "pairs": [{"prompt": "W?", "chosen": a, "rejected": b} for a, b in (("one of them", "none"), ("none", "one of them"))],
        "chat": [{"prompt": "Hi", "completion": f"Hello there, number {i}"} for i in range(2)],
        "problems": [{"question": "How many?", "answer": f"so #### {i}"} for i in (3, 4)],
    }  # fmt: skip
    for name, rows in sets.items():
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    run_cli(stored, "import", *(str(tmp_path / f"{name}.jsonl") for name in sets), "--yes", check=0)
    run_cli(stored, "data", "report", "--rows", "all", check=0)
    card = (stored / "data-card.md").read_text(encoding="utf-8")
    assert "| several labels of one prompt | 2 | 4 | " in card
    assert all(place in card for place in ("labels.jsonl:1", "labels.jsonl:4", "problems.jsonl:1"))
    assert "| one completion accepted and rejected | 1 | 2 | " in card
    assert "| each of two preferred to the other | 1 | 2 | " in card
    assert "chat.jsonl:1" not in card  # two good replies are no conflict


def test_without_rows_it_says_what_to_do(stored):
    refused(run_cli(stored, "data", "report"), "samples", "flywheel import")
    refused(run_cli(stored, "data", "report", "--rows", "trained"), "samples of --rows trained")
