"""Every template rendered from fixed inputs; FLYWHEEL_GOLDEN=1 writes the files anew."""

import os

import pytest
from flywheel.prompts import list_templates, load_template
from support import HERE
from support_generators import text_of

GOLDEN = HERE / "gen" / "golden"
TEXT = 'Pumps move fluids.\nA pump of type B lifts {{text}} 12 m; {% raw %} costs "9 €" </doc> \\ %s 100 %.'
DOCUMENT = {"text": TEXT, "tag": "document", "where": "Manual > Pumps"}
QUESTION = "A pump lifts 12 m³ in 3 minutes. How much in an hour? {{x}}"
INPUTS = {
    "api-calls": {**DOCUMENT, "calls": 3},
    "api-question": {"question": QUESTION, "text": TEXT, "tag": "document"},
    "backtranslate-check": {"text": TEXT, "tag": "document", "question": "How high?", "answer": "12 m"},
    "backtranslate-instruction": DOCUMENT,
    "backtranslate-qa": {**DOCUMENT, "plan": "1. type: why; difficulty: hard\n2. type: how; difficulty: easy"},
    "backtranslate-qa.image": {**DOCUMENT, "plan": "1. type: why; difficulty: hard", "images": ["data:image/png;base64,AA"]},
    "backward-fobar": {"question": "A pump lifts X m³.", "answer": "240"},
    "backward-question": {"statement": "A pump lifts X m³ in 3 minutes, 240 m³ in an hour."},
    "backward-statement": {"question": "A pump lifts X m³ in 3 minutes. How much in an hour?", "answer": "240"},
    "cobol-to-python": {"cobol": "       DISPLAY 'HI {{x}}'.\n       STOP RUN."},
    "cot": {"question": QUESTION},
    "cot-hint": {"question": QUESTION, "answer": "240"},
    "critique": {"question": QUESTION, "steps": "1. 12 * 20 = 250\n2. #### 250"},
    "critique.known": {"question": QUESTION, "steps": "1. 12 * 20 = 250", "known": "\n\nKnown: 240"},
    "dialogue": {**DOCUMENT, "person": "a curious beginner", "exchanges": 3},
    "evolve.breadth": {"operation": "breadth", "instruction": QUESTION},
    "evolve.complicate-input": {"operation": "complicate-input", "instruction": QUESTION},
    "evolve.concretise": {"operation": "concretise", "instruction": QUESTION},
    "evolve.constraints": {"operation": "constraints", "instruction": QUESTION},
    "evolve.deepen": {"operation": "deepen", "instruction": QUESTION},
    "evolve.reasoning": {"operation": "reasoning", "instruction": QUESTION},
    "exercises": {**DOCUMENT, "exercises": 5},
    "grounded-dialogue": {"text": TEXT, "tag": "document", "question": "How high?"},
    "grounded-question": {"text": TEXT, "tag": "document", "question": "How high?"},
    "insert-calls": {"described": "calc(expression): Work {{x}} out.", "question": QUESTION, "text": "It is 240 m³."},
    "judge-checklist": {"question": QUESTION, "completion": TEXT, "checks": ["Is it short?", "Is {{x}} there?"]},
    "judge-checklist.reference": {"question": QUESTION, "completion": "240", "checks": ["Is it so?"], "reference": "240 m³"},
    "judge-grader": {"user": TEXT, "low": "0", "high": "1"},
    "judge-grader.system": {"system": "Be strict with {{x}}.", "user": QUESTION, "low": "0", "high": "10"},
    "judge-pairwise": {"question": QUESTION, "a": TEXT, "b": "240 m³", "criteria": "It is right."},
    "judge-pairwise.no-ties": {"question": QUESTION, "a": "240", "b": TEXT, "criteria": "It is right.", "form": "win"},
    "judge-reference": {"question": QUESTION, "completion": TEXT, "reference": "240 m³"},
    "judge-rubric": {
        "question": QUESTION, "completion": TEXT, "criteria": "It is right.", "low": 1, "high": 5, "mark": "-2",
        "levels": ["1: {{wrong}}", "5: right and shown why"],
    },
    "judge-rubric.alone": {
        "question": QUESTION, "completion": "240", "criteria": "It is right.", "low": 1, "high": 10, "form": "alone",
        "reference": "240 m³",
    },
    "persona-infer": {"text": TEXT, "per_item": 3},
    "persona-rewrite": {"persona": "A plumber of 50 years.", "instruction": QUESTION},
    "question-over-text": {"text": TEXT, "tag": "document", "question": "How high?"},
    "rephrase": {"question": QUESTION},
    "respond": {"instruction": QUESTION},
    "revise": {"question": QUESTION, "completion": "12 * 20 = 250\n#### 250", "critique": "12 * 20 is 240."},
    "seed-cot": {"question": QUESTION},
    "seed-cot-hint": {"question": QUESTION, "answer": "240"},
    "seed-critique": {"question": QUESTION, "steps": "1. 12 * 20 = 250\n2. #### 250"},
    "seed-question-over-text": {"text": TEXT, "question": "How high?"},
    "seed-questions": {"text": TEXT, "plan": "1. type: factual; difficulty: easy"},
    "seed-revise": {"question": QUESTION, "completion": "12 * 20 = 250\n#### 250", "critique": "12 * 20 is 240."},
    "self-instruct": {"tasks": ["Name three {{x}} pumps.", "Sort {% raw %} 3, 1, 2."], "new": 8},
    "soap-note": {"dialogue": "Doctor: How are you?\nPatient: {{well}}."},
    "solve": {"question": QUESTION},
    "solve-cot": {"question": QUESTION},
    "tool-retry": {"tried": '- find({"a": 1})'},
    "tool-simulate": {"definition": '{"name": "find"}', "arguments": '{"a": 1}', "before": "none"},
    "tool-solve": {"question": QUESTION},
    "verify-claim": {"claim": "Pumps lift 12 m.", "evidence": TEXT},
}  # fmt: skip


def test_every_template_has_a_golden_prompt_and_none_is_left_over():
    assert {name.partition(".")[0] for name in INPUTS} == set(list_templates())
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(INPUTS)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_golden_prompt(name):
    prompt = text_of(load_template(name.partition(".")[0]).render(INPUTS[name]))
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("FLYWHEEL_GOLDEN"):
        file.write_text(prompt, encoding="utf-8", newline="\n")
    assert prompt == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_values_stand_in_the_prompt_as_they_are(name):
    prompt = text_of(load_template(name.partition(".")[0]).render(INPUTS[name]))
    for key, value in INPUTS[name].items():
        for text in value if isinstance(value, list) else [value]:
            if key not in ("operation", "images", "form"):
                assert str(text) in prompt


@pytest.mark.parametrize("name", list_templates())
def test_every_template_says_where_it_comes_from(name):
    assert load_template(name).source.startswith("flywheel;")
    assert load_template(name).name == name
