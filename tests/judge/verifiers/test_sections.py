"""The parts of a text: their headings however they are written, and each compared with the same part of a person's text."""

import pytest
from flywheel.errors import RecipeError
from flywheel.judge.verifiers import Case, built_in, complete_options, run_verifier

SOAP = ["SUBJECTIVE", "OBJECTIVE", "ASSESSMENT", "PLAN"]
OTHERS = {
    "SUBJECTIVE": ["CC", "HISTORY OF PRESENT ILLNESS"], "OBJECTIVE": ["EXAM"], "ASSESSMENT": ["ASSESSMENT AND PLAN"], "PLAN": ["ASSESSMENT AND PLAN"],
}  # fmt: skip


def judge(text, fields=None, **options):
    verifier = built_in()["sections"]
    return run_verifier(
        verifier, Case(text, None, fields or {}), complete_options(verifier, {"headings": SOAP, **options})
    )


GOOD = "SUBJECTIVE: cough.\nOBJECTIVE: clear.\nASSESSMENT: a cold.\nPLAN: rest."


@pytest.mark.parametrize(
    "text",
    [
        GOOD, GOOD.title(), GOOD.lower(), GOOD.replace(": ", ":\n"), GOOD.replace(": ", "\n"), "Here is the note.\n\n" + GOOD,
        "**SUBJECTIVE:** cough.\n\n**OBJECTIVE:** clear.\n\n**ASSESSMENT:** a cold.\n\n**PLAN:** rest.",
        "**Subjective**: cough.\n**Objective**: clear.\n**Assessment**: a cold.\n**Plan**: rest.",
        "# SUBJECTIVE\ncough.\n# OBJECTIVE\nclear.\n# ASSESSMENT\na cold.\n# PLAN\nrest.",
        "1. Subjective - cough.\n2. Objective - clear.\n3. Assessment - a cold.\n4. Plan - rest.",
        GOOD.replace("rest.", "rest.\nPlan to come back: in a week."),
    ],
)  # fmt: skip
def test_headings_are_known_however_they_are_written(text):
    assert judge(text).reason == "correct"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD.replace("OBJECTIVE: clear.\n", ""), "section missing"),
        (GOOD.replace("OBJECTIVE: clear.", "OBJECTIVE:"), "section empty"),
        ("PLAN: rest.\n" + GOOD.rpartition("\n")[0], "sections out of order"),
        (f"{GOOD}\nPLAN: more rest.", "sections out of order"),
        ("\n".join(f"{name}: Not discussed." for name in SOAP), "too little said"),
        ("\n".join(f"**{name}:** N/A" for name in SOAP), "too little said"),
        ("The subjective part is cough, the objective one clear, the assessment a cold, the plan rest.", "section missing"),
        ("", "section missing"),
    ],
)  # fmt: skip
def test_what_lacks_a_part_or_says_nothing_fails(text, reason):
    assert judge(text).reason == reason


def test_how_many_parts_have_to_say_something_is_a_choice():
    text = GOOD.replace("clear.", "Not discussed.").replace("a cold.", "None")
    assert judge(text).passed and judge(text, filled=2).passed
    assert judge(text, filled=3).reason == "too little said"


def test_a_persons_part_is_compared_with_the_same_part_alone():
    """MTS-Dialog: one part a row. A long note is no worse for what it says elsewhere; the right words elsewhere do not count."""
    options = {"reference": "section_text", "part": "section_header", "others": OTHERS}
    row = {"section_text": "Dry cough for twelve days.", "section_header": "CC"}
    right = GOOD.replace("cough.", "Dry cough for twelve days.")
    assert judge(right, row, **options).score == 1.0
    assert judge(GOOD.replace("rest.", "Dry cough for twelve days."), row, **options).score < 0.4
    assert judge(right.replace("clear.", "clear " * 200), row, **options).score == 1.0
    assert judge("no headings", row, **options).score == 0.0
    assert judge(right, {**row, "section_header": "XYZ"}, **options).reason == "unknown part"
    assert judge(right, {}, **options).reason == "no section_text"
    assert judge(right, row, threshold=0.9, **options).passed
    assert judge(GOOD, row, threshold=0.9, **options).reason == "unlike"


def test_a_whole_note_is_compared_part_by_part_by_its_own_headings():
    """ACI-Bench: several headings are one part of ours, and one of theirs is two of ours."""
    note = "CC\ncough\n\nHISTORY OF PRESENT ILLNESS\ntwelve days\n\nEXAM\nN/A\n\nASSESSMENT AND PLAN\na cold\nrest"
    options = {"reference": "note", "others": OTHERS}
    text = "SUBJECTIVE: cough, twelve days.\nOBJECTIVE: Not discussed.\nASSESSMENT: a cold.\nPLAN: rest."
    found = judge(text, {"note": note}, **options)
    assert (found.score, found.evidence) == (1.0, "SUBJECTIVE 1.00, ASSESSMENT+PLAN 1.00")
    assert judge(text, {"note": "cough twelve days not discussed a cold rest"}, **options).score == 1.0


@pytest.mark.parametrize("options", [{"headings": []}, {"headings": ["A", "a"]}, {"others": {"PLANS": ["X"]}}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(RecipeError):
        judge(GOOD, **options)
