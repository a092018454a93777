"""medical-scribe: drafts that lack a section, name a person or invent a finding are not trained on; what is learnt is the note."""

import csv
import json

import pytest
from flywheel.prompts import load_template
from support import sql, write_jsonl
from support_recipes import flywheel, init_recipe

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
VERDICTS = """
    SELECT split_part(judge, '@', 1) AS judge, count(*) FILTER (passed) AS passed, count(*) FILTER (NOT passed) AS failed
    FROM verdicts GROUP BY ALL ORDER BY ALL
"""
USED = "SELECT s.completion FROM snapshot_rows JOIN samples s USING (sample_id)"
TEACHER = "Qwen/Qwen3-32B"


def spoil(note):
    """Return a note spoilt in each of the three ways."""
    return {
        "section": note.partition("\nASSESSMENT:")[0] + "\nPLAN: rest.",
        "phi": note.replace("SUBJECTIVE: ", "SUBJECTIVE: Mrs. Albers, phone 555-0134-2298: "),
        "invented": note.replace("OBJECTIVE: ", "OBJECTIVE: blood pressure 180, "),
    }


def teach(rows, file):
    """Write what the endpoint drafts of each conversation, and how it judges the faithful and the invented."""
    template, known = load_template("soap-note"), []
    for dialogue, note in rows:
        wrong = spoil(note)
        grades = {text: 2 if kind == "invented" else 5 for kind, text in [("right", note), *wrong.items()]}
        said = template.render({"dialogue": dialogue})[-1]["content"]
        known.append({"question": said, "answer": note, "wrong": list(wrong.values()), "grades": grades})
    write_jsonl(file, known)
    return file


def verdicts(folder):
    return {r["judge"]: (r["passed"], r["failed"]) for r in sql(folder, VERDICTS)}


def test_notes_are_drafted_checked_and_learnt(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "medical-scribe")
    rows = [json.loads(line) for line in (folder / "mini" / "visits.jsonl").read_text().splitlines()]
    known = teach([(r["dialogue"], r["section_text"]) for r in rows], tmp_path / "known.jsonl")
    made = miniature("medical-scribe", env=endpoint(known, right=0.6, models=TEACHER).env, page=True)
    assert made.rows["notes"] == 144
    said = verdicts(made.folder)
    assert all(said[name][1] > 5 for name in ("sections", "phi", "faithful"))
    used = [r["completion"] for r in sql(made.folder, USED)]
    assert len(used) > 40
    assert not [text for text in used if "Albers" in text or "180" in text or "ASSESSMENT" not in text]
    ((_, first, last),) = made.losses
    assert last < first / 3
    before, after, n = made.score("notes")
    assert before == 0.0 and after > 0.5 and n == 24
    assert [d["promoted"] for d in made.decisions] == [True]


def test_real_conversations_of_mts_dialog_are_drafted_and_checked(tmp_path, endpoint, shared_data):
    """40 rows of MTS-Dialog as they are; the people's own note of a section stands in the draft, so that ROUGE is high where it is whole."""
    folder = init_recipe(tmp_path / "p", "medical-scribe")
    with (shared_data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [r for r in csv.DictReader(file) if len(r["section_text"].split()) > 15][:40]
    write_jsonl(folder / "mts.jsonl", rows)
    drafts = [
        (r["dialogue"], f"SUBJECTIVE: {' '.join(r['section_text'].split())}\nOBJECTIVE: Not discussed.\nASSESSMENT: Not discussed.\nPLAN: Not discussed.")
        for r in rows
    ]  # fmt: skip
    known = teach(drafts, tmp_path / "known.jsonl")
    (folder / "real.yaml").write_text("extends: mini.yaml\nproblems: {source: mts.jsonl}\n")
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(known, right=0.5, models=TEACHER).env)
    said = verdicts(folder)
    made = len({r["dialogue"] for r in rows}) * 2
    assert {name: sum(said[name]) for name in said} == dict.fromkeys(("faithful", "phi", "rouge", "sections"), made)
    assert all(said[name][1] > 5 for name in ("sections", "phi", "faithful"))
    assert said["rouge"][0] > 0.9 * made
