"""medical-scribe: drafts that lack a section, name a person or invent a finding are not trained on; what is learnt is the note."""

import csv
import json
import shutil

import pytest
import yaml
from flywheel.judge import Case, find_verifier, run_verifier
from flywheel.prompts import load_template
from support import HERE, sql, write_jsonl
from support_recipes import flywheel, init_recipe

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
VERDICTS = """
    SELECT split_part(judge, '@', 1) AS judge, count(*) FILTER (passed) AS passed, count(*) FILTER (NOT passed) AS failed
    FROM verdicts GROUP BY ALL ORDER BY ALL
"""
LIKENESS = "SELECT completion, score FROM verdicts JOIN samples USING (sample_id) WHERE judge LIKE 'rouge%'"
USED = "SELECT s.completion FROM snapshot_rows JOIN samples s USING (sample_id)"
TEACHER = "Qwen/Qwen3-30B-A3B-Instruct-2507"
FOLDER = HERE.parent / "recipes" / "medical-scribe"
SOAP = ("SUBJECTIVE", "OBJECTIVE", "ASSESSMENT", "PLAN")
PARTS = {
    "EXAM": 1,
    "LABS": 1,
    "IMAGING": 1,
    "PROCEDURES": 1,
    "EDCOURSE": 1,
    "ASSESSMENT": 2,
    "DIAGNOSIS": 2,
    "PLAN": 3,
    "DISPOSITION": 3,
}
"""Where a part of MTS-Dialog belongs, if not to what the patient says."""


def write_note(*parts):
    return "\n".join(f"{name}: {part or 'Not discussed.'}" for name, part in zip(SOAP, parts, strict=True))


def spoil(note):
    """Return a note spoilt in each of four ways."""
    return {
        "section": note.partition("\nASSESSMENT:")[0] + "\nPLAN: rest.",
        "phi": note.replace("SUBJECTIVE: ", "SUBJECTIVE: Maria Albers, 43 years, of 12 Main Street: "),
        "invented": note.replace("OBJECTIVE: ", "OBJECTIVE: blood pressure 180, "),
        "silent": write_note("", "", "", ""),
    }


def teach(rows, file):
    """Write what the endpoint drafts of each conversation (the first of the notes rightly), and how it judges the invented."""
    template, known = load_template("soap-note"), []
    for dialogue, note, *others in rows:
        wrong = spoil(note)
        grades = dict.fromkeys((note, *others, *wrong.values()), 5) | {wrong["invented"]: 2}
        said = template.render({"dialogue": dialogue})[-1]["content"]
        known.append({"question": said, "answer": note, "wrong": [*others, *wrong.values()], "grades": grades})
    write_jsonl(file, known)
    return file


def verdicts(folder):
    return {r["judge"]: (r["passed"], r["failed"]) for r in sql(folder, VERDICTS)}


def test_notes_are_drafted_checked_and_learnt(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "medical-scribe")
    rows = [json.loads(line) for line in (folder / "mini" / "visits.jsonl").read_text().splitlines()]
    known = teach([(r["dialogue"], r["section_text"]) for r in rows], tmp_path / "known.jsonl")
    made = miniature("medical-scribe", env=endpoint(known, right=0.6, models=TEACHER).env, page=True)
    assert made.rows["notes"] == 288
    said = verdicts(made.folder)
    assert all(said[name][1] > 5 for name in ("sections", "phi", "faithful"))
    used = [r["completion"] for r in sql(made.folder, USED)]
    assert len(used) > 90
    assert not [text for text in used if "Albers" in text or "180" in text or "ASSESSMENT" not in text]
    ((_, first, last),) = made.losses
    assert last < first / 3
    before, after, n = made.score("notes")
    assert before == 0.0 and after > 0.5 and n == 24
    assert [d["promoted"] for d in made.decisions] == [True]


def read_table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def likeness(folder):
    return {row["completion"]: row["score"] for row in sql(folder, LIKENESS)}


def test_real_parts_of_mts_dialog_are_compared_with_the_same_part_of_the_note(tmp_path, endpoint, shared_data):
    """The first 40 rows as they are, the file as it is: half of them have 14 words or fewer, and each is one part of a note.

    A draft with two thirds of the person's words where they belong is nearer than a short one, and than one with all
    of the words under another heading.
    """
    folder = init_recipe(tmp_path / "p", "medical-scribe")
    shutil.copy(shared_data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv", folder)
    rows = read_table(folder / "MTS-Dialog-TrainingSet.csv")[:40]
    drafts, known = [], {}
    for row in rows:
        words, place = row["section_text"].split(), PARTS.get(row["section_header"], 0)
        some = [w for i, w in enumerate(words) if i % 3 != 2]
        texts = [" ".join(some), words[0], ""]
        made = [write_note(*[text if i == place else "As said." for i in range(4)]) for text in texts]
        made[2] = write_note(*["Not discussed." if i == place else row["section_text"] for i in range(4)])
        drafts.append((row["dialogue"], *made))
        known[made[0]] = (made[1], made[2])
    (folder / "real.yaml").write_text(
        "extends: mts.yaml\nmodel: seed\nproblems: {source: 'MTS-Dialog-TrainingSet.csv[0:40]'}\n"
        "generate:\n  - {step: notes, generator: transform, source: problems, options: {template: soap-note, prompt: scribe}, draws: 4}\n"
    )
    told = teach(drafts, tmp_path / "known.jsonl")
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(told, right=0.3, models=TEACHER).env)
    said = verdicts(folder)
    assert {name: sum(said[name]) for name in said} == dict.fromkeys(("faithful", "phi", "rouge", "sections"), 160)
    assert all(said[name][1] > 5 for name in ("sections", "phi", "faithful"))
    scores = likeness(folder)
    apart = [
        (scores[right], scores[other])
        for right, others in known.items()
        for other in others
        if {right, other} <= scores.keys()
    ]
    assert len(apart) > 25
    assert all(a > b for a, b in apart if a < 1), "of one word no two thirds can be left out"
    assert 0.7 < sum(a for a, _ in apart) / len(apart) < 0.95, "the drafts are not the notes"
    misplaced = [scores[w] for _, w in known.values() if w in scores]
    assert len(misplaced) > 10 and max(misplaced) < 0.05, "words under another heading do not count"


def test_real_visits_of_aci_bench_are_compared_part_by_part(tmp_path, endpoint, shared_data):
    """All 20 visits, 800 to 1,700 words each. Their notes have ten headings, some of which are one part of ours, and name people."""
    folder = init_recipe(tmp_path / "p", "medical-scribe")
    shutil.copy(shared_data / "aci_bench" / "valid.csv", folder)
    rows = read_table(folder / "valid.csv")
    drafts, known = [], {}
    for row in rows:
        words = row["note"].split()
        first, middle, last = words[:60], words[len(words) // 2 :][:30], words[-50:]
        right = write_note(" ".join(first), " ".join(middle), "As said.", " ".join(last))
        turned = write_note(" ".join(last), " ".join(last), "As said.", " ".join(first))
        drafts.append((row["dialogue"], right, turned, turned, turned))
        known[right] = turned
    (folder / "real.yaml").write_text("extends: aci.yaml\nmodel: seed\nproblems: {source: valid.csv}\n")
    told = teach(drafts, tmp_path / "known.jsonl")
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(told, right=0.5, models=TEACHER).env)
    said = verdicts(folder)
    assert {name: sum(said[name]) for name in said} == dict.fromkeys(("faithful", "phi", "rouge", "sections"), 80)
    scores = likeness(folder)
    apart = [(scores[a], scores[b]) for a, b in known.items() if {a, b} <= scores.keys()]
    assert len(apart) >= 6 and all(a > b for a, b in apart)
    named = [text for text in known if "Mr. " in text or "Ms. " in text or "Mrs. " in text]
    flagged = sql(
        folder, "SELECT completion FROM verdicts JOIN samples USING (sample_id) WHERE judge LIKE 'phi%' AND NOT passed"
    )
    assert {text for text in named if text in scores} <= {row["completion"] for row in flagged}


def test_the_suite_at_full_size_tells_right_notes_from_spoilt_ones(tmp_path, endpoint):
    """suite.yaml, its judge scripted: a sheet of right answers and four of spoilt ones."""
    folder = init_recipe(tmp_path / "p", "medical-scribe")
    suite = yaml.safe_load((folder / "suite.yaml").read_text())
    right = {}
    for item in suite["items"]:
        words = [check["regex"].removeprefix("(?i)").split("|")[0] for check in item["checks"]]
        right[item["id"]] = write_note(f"{item['id']}: {', '.join(words)}.", "examined.", "as said.", "as said.")
    sheets = {"right": right} | {
        kind: {i: spoil(note)[kind] for i, note in right.items()} for kind in ("section", "phi", "invented", "silent")
    }
    grades = {note: 2 if kind == "invented" else 5 for kind, sheet in sheets.items() for note in sheet.values()}
    write_jsonl(tmp_path / "known.jsonl", [{"question": "none", "answer": "none", "grades": grades}])
    env = endpoint(tmp_path / "known.jsonl", models=TEACHER).env
    (folder / "check.yaml").write_text(
        "extends: recipe.yaml\nmodel: seed\nproblems: {source: mini/visits.jsonl}\n"
    )  # the answers are there: no model is fetched
    passed = {}
    for kind, sheet in sheets.items():
        write_jsonl(folder / f"{kind}.jsonl", [{"id": i, "completion": note} for i, note in sheet.items()])
        flywheel(folder, "eval", "--answers", str(folder / f"{kind}.jsonl"), recipe="check.yaml", env=env)
        (found,) = sql(
            folder, "SELECT score, n FROM scores WHERE metric = 'pass,none' ORDER BY created_at DESC LIMIT 1"
        )
        passed[kind] = (found["score"], found["n"])
    assert passed == {"right": (1.0, 8), "section": (0.0, 8), "phi": (0.0, 8), "invented": (0.0, 8), "silent": (0.0, 8)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Maria Lopez, 43 years, of Main Street", "name"), ("She lives at 12 Main Street", "address"), ("born 3/4/1980", "birth"),
        ("call 555-1234", "number of phone or insurance"), ("age 93", "age above 89"), ("Dr. Smith saw her", "title and name"),
        ("MRN 12", "record number"), ("a.b@c.org", "mail or address of a page"), ("(555) 123-4567", "number of phone or insurance"),
        ("Brian White is a 58-year-old male", "name"), ("Mr. Logan Walker", "title and name"), ("93 years old", "age above 89"),
        ("Blood pressure 124/78, pulse 93 per minute, oxygen 98 %", ""), ("born at 38 weeks", ""), ("Patient: Denies fever.", ""),
        ("Vitamin D, 1000-2000 units, follow up 02/10/2009", ""), ("HISTORY OF PRESENT ILLNESS", ""), ("Type 2 Diabetes, 26-year-old female", ""),
    ],
)  # fmt: skip
def test_what_tells_who_it_is_is_flagged_and_clinical_words_are_not(text, kind):
    verdict = run_verifier(find_verifier("phi.py", FOLDER), Case(text), {})
    assert (verdict.passed, verdict.reason) == ((False, kind) if kind else (True, "nothing found"))


def test_personal_data_in_real_parts_of_notes(shared_data):
    """600 parts that people wrote: 4 are flagged, all rightly; of 20 whole notes the 10 that open with a name or a title."""
    phi = find_verifier("phi.py", FOLDER)
    parts = read_table(shared_data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv")
    notes = read_table(shared_data / "aci_bench" / "valid.csv")
    flagged = [v.evidence for r in parts if not (v := run_verifier(phi, Case(r["section_text"]), {})).passed]
    assert sorted(flagged) == ["93 years", "Dr. Blackman", "Dr. Hudyncia", "Dr. Kumar"]
    assert sum(not run_verifier(phi, Case(r["note"]), {}).passed for r in notes) == 10
