"""``flywheel data report``: the card is made from what the store holds."""

import json

import yaml
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


OWN = [
    {"prompt": "What is the colour of grass?", "completion": "Green.", "kind": "facts"},
    {"prompt": "Thanks!", "completion": "You are welcome.", "kind": "courtesy"},
    {"prompt": "What is the colour of grass?", "completion": "green.", "kind": "facts"},
    {"prompt": "How many legs has a spider?", "kind": "facts"},
    {"prompt": "Who?", "completion": "As an AI language model, I cannot help with that.", "kind": "courtesy"},
    {"prompt": "What is the colour of snow?", "completion": "White.", "kind": "facts"},
    {"prompt": "Count.", "completion": "one two three four " * 40, "kind": "facts"},
]


def own_rows(folder, rows, **train):
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "rows.jsonl", rows)
    write_jsonl(folder / "held.jsonl", [OWN[5]])
    (folder / "suite.yaml").write_text(
        "- {prompt: Name one thing that is cold and falls from the sky., expected: snow}\n"
    )
    suites = [{"name": "s", "task": "prompts", "gate": "suite.yaml"}]
    keys = {"rows": "rows.jsonl", "heldout": "held.jsonl", "sft": {"max_length": 64}, **train}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"name": "own", "suites": suites, "train": keys}))
    return folder


def test_check_says_what_a_training_would_leave_out_and_records_nothing(tmp_path):
    folder = own_rows(
        tmp_path / "p", [*OWN, {"prompt": "Name one thing that is cold and falls from the sky.", "completion": "Snow."}]
    )
    out = run_cli(folder, "data", "check", check=1).stdout
    for row, said in (
        (3, "exact"), (4, "missing_columns: no completion"), (5, "refusal"), (6, "held_out"), (7, "repe"), (8, "contaminated: s/gate"),
    ):  # fmt: skip
        (line,) = [x for x in out.splitlines() if x.startswith("│") and x.split("│")[1].strip() == str(row)]
        assert said in line, line
    assert "rows.jsonl: 8 rows, 2 would be trained on, 6 not" in out
    assert not (folder / ".flywheel" / "flywheel.duckdb").exists() and not list(folder.glob("*.duckdb"))


def test_check_counts_by_a_column_and_ends_with_0_where_all_rows_stay(tmp_path):
    folder = own_rows(tmp_path / "p", OWN[:2])
    out = run_cli(folder, "data", "check", "--by", "kind", check=0).stdout
    rows = [[c.strip() for c in x.split("│")[1:-1]] for x in out.splitlines() if x.startswith("│")]
    assert rows == [["facts", "1", "1", "median 1, most 1"], ["courtesy", "1", "1", "median 3, most 3"]]
    refused(run_cli(folder, "data", "check", "--by", "category"), "'category'", "kind")
    (folder / "recipe.yaml").write_text("name: x\nsuites: [{name: s, task: prompts, gate: suite.yaml}]\n")
    refused(run_cli(folder, "data", "check"), "train.rows")
