"""dialogue, exercises, transform, api_calls."""

import json

import pytest
from flywheel.errors import RecipeError
from flywheel.gen import built_in, complete_options
from support_generators import reasons, run, text_of

DIALOGUE, EXERCISES, TRANSFORM, API = (built_in()[n] for n in ("dialogue", "exercises", "transform", "api_calls"))
TEXT = (
    "A lever has a fulcrum. The longer the arm, the smaller the force: F1 · a = F2 · b. " * 3
    + "{{Archimedes}} knew it."
)
CHUNK = {"text": TEXT, "title": "Machines"}


def exchange(user, assistant="The fulcrum.", quote="a lever has a FULCRUM"):
    return {"user": user, "assistant": assistant, "quote": quote}


def conversation(*exchanges):
    return json.dumps({"exchanges": exchanges})


TALK = [
    exchange("What does a lever turn on?"),
    exchange("Why is a long arm good?", "Less force.", "the smaller the force"),
]


def test_a_conversation_is_a_row_of_messages():
    made, faults, ask = run(DIALOGUE, CHUNK, [conversation(*TALK)])
    assert not faults
    messages = made[0].fields["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2
    assert (made[0].prompt, made[0].completion) == (messages[:-1], "Less force.")
    assert [TEXT[a:b] for a, b in made[0].fields["spans"]] == ["A lever has a fulcrum", "the smaller the force"]
    assert made[0].fields["person"] in text_of(ask.asked[0]["messages"])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (exchange("And {x}?", "Gold.", "made of gold"), "quote not in the text"),
        (exchange("What else is in the passage?"), "turn leans on the passage"),
        (exchange("Why so?", "I'm sorry, I do not know."), "refusal"),
        (exchange("What does a lever turn on?"), "repeated turn"),
    ],
)
def test_a_conversation_is_cut_before_a_bad_exchange(bad, reason):
    made, faults, _ = run(DIALOGUE, CHUNK, [conversation(*TALK, bad, exchange("And then?"))])
    assert len(made[0].fields["messages"]) == 4
    assert reasons(faults) == [reason]
    made, faults, _ = run(DIALOGUE, CHUNK, [conversation(TALK[0], bad)])
    assert (made, reasons(faults)) == ([], [reason, "too few exchanges"])


def test_open_book_conversations_begin_with_the_text():
    made, _, _ = run(DIALOGUE, CHUNK, [conversation(*TALK)], closed_book=False)
    messages = made[0].fields["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2
    assert TEXT in messages[0]["content"]
    assert messages[0]["content"].endswith("What does a lever turn on?")


def exercise(text, difficulty="easy", solution="Work.\n#### 4", answer="4 N"):
    return {"difficulty": difficulty, "exercise": text, "solution": solution, "answer": answer}


def test_exercises_go_from_easy_to_hard():
    found = [
        exercise("Find the force for arms of 1 m and 2 m.", "hard"),
        exercise("What is a fulcrum? {{x}}", "Easy", "It carries.", ""),
    ]
    made, faults, _ = run(EXERCISES, CHUNK, [json.dumps({"exercises": found})])
    assert not faults
    assert [(m.fields["difficulty"], m.fields["rank"]) for m in made] == [("easy", 1), ("hard", 2)]
    assert made[0].prompt == [{"role": "user", "content": "What is a fulcrum? {{x}}"}]
    assert made[1].completion == "Work.\n#### 4"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (exercise("Find F.", solution=""), "no solution"),
        (exercise("Find F.", solution="I cannot solve it."), "refusal"),
        (exercise("Name what this section says of F."), "exercise leans on the passage"),
        (exercise("Find F.", answer="5 N"), "solution ends at another answer"),
    ],
)
def test_exercises_that_cannot_be_used(bad, reason):
    made, faults, _ = run(EXERCISES, CHUNK, [json.dumps({"exercises": [bad, exercise("Find the length of arm b.")]})])
    assert (len(made), reasons(faults)) == (1, [reason])


NOTE = {"dialogue": "Doctor: {{how}}?\nPatient: {% well %}."}


def test_transform_by_a_template():
    made, faults, ask = run(TRANSFORM, {"talk": NOTE["dialogue"]}, ["PLAN: {rest}"], template="soap-note", columns={"dialogue": "talk"}, output="note")  # fmt: skip
    assert not faults
    assert made[0].fields == {"note": "PLAN: {rest}"}
    assert NOTE["dialogue"] in text_of(ask.asked[0]["messages"])


def test_a_variable_of_transform_is_the_column_of_its_name_and_a_missing_one_costs_its_item():
    made, faults, _ = run(TRANSFORM, NOTE, ["PLAN"], template="soap-note")
    assert (made[0].completion, faults) == ("PLAN", [])
    made, faults, _ = run(TRANSFORM, {"talk": "x", "note": "y"}, [], template="soap-note")
    assert (made, reasons(faults)) == ([], ["input lacks dialogue"])
    assert faults[0].raw == "options.columns of the step names the columns of the item; it has: note, talk"


VERDICT = {
    "type": "object", "required": ["verdict", "citations"],
    "properties": {
        "verdict": {"type": "string", "enum": ["SUPPORTS", "REFUTES", "NOT ENOUGH INFO"]}, "reason": {"type": "string"},
        "citations": {"type": "array", "items": {"type": "string"}},
    },
}  # fmt: skip
CLAIM = {
    "claim": "Levers save force.",
    "evidence": ["The longer the arm, the “smaller” the force.", "Archimedes knew it."],
}


def check_claim(reply):
    item = {**CLAIM, "evidence": "\n".join(CLAIM["evidence"])}
    columns, quotes = {"claim": "claim", "evidence": "evidence"}, {"citations": "evidence"}
    return run(TRANSFORM, item, [reply], template="verify-claim", columns=columns, schema=VERDICT, quotes=quotes)


def test_transform_with_a_schema_and_citations():
    reply = {"verdict": "supports", "citations": ['the "smaller" the force'], "reason": "so"}
    made, faults, _ = check_claim(json.dumps(reply))
    assert not faults
    assert made[0].fields == {**reply, "verdict": "SUPPORTS"}
    assert json.loads(made[0].completion) == made[0].fields


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ('{"verdict": "SUPPORTS", "citations": ["the greater the force"]}', "quote not in evidence"),
        (
            '{"verdict": "MAYBE", "citations": []}',
            "not parsed: verdict: expected one of SUPPORTS, REFUTES, NOT ENOUGH INFO",
        ),
        ("SUPPORTS", "not parsed: no JSON value in the reply"),
    ],
)
def test_transform_drops(reply, reason):
    made, faults, _ = check_claim(reply)
    assert (made, reasons(faults)) == ([], [reason])


def test_transform_takes_lists_into_jinja_templates_and_another_prompt(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ask.yaml").write_text(
        "name: ask\nengine: jinja\nvariables: [claim, evidence]\nuser: '{% for e in evidence %}[{{ loop.index }}] {{ e }} {% endfor %}{{ claim }}'"
    )
    reply = '{"verdict": "SUPPORTS", "citations": ["Archimedes knew it"]}'
    made, faults, ask = run(
        TRANSFORM, CLAIM, [reply], folder=tmp_path, template="ask", prompt="ask", schema=VERDICT,
        columns={"claim": "claim", "evidence": "evidence"}, quotes={"citations": "evidence"},
    )  # fmt: skip
    assert not faults
    expected = "[1] The longer the arm, the “smaller” the force. [2] Archimedes knew it. Levers save force."
    assert made[0].prompt[-1]["content"] == ask.asked[0]["messages"][-1]["content"] == expected


def test_transform_needs_a_template_and_the_columns():
    with pytest.raises(RecipeError, match=r"options.template[\s\S]*transform needs it"):
        complete_options(TRANSFORM, {})
    made, faults, _ = run(TRANSFORM, {}, [], template="soap-note", columns={"dialogue": "talk"})
    assert (made, reasons(faults)) == ([], ["input lacks talk"])
    with pytest.raises(RecipeError, match="uniqueItems"):
        run(TRANSFORM, NOTE, [], template="soap-note", columns={"dialogue": "dialogue"}, schema={"uniqueItems": True})


DOC = "hub.load(repo, model, pretrained=True): loads a model such as 'slow_r50' for video."


def call(code, instruction="Sort my sports videos by {sport}."):
    return {"instruction": instruction, "call": code, "explanation": "fits"}


def test_api_calls():
    made, faults, _ = run(API, {"text": DOC}, [json.dumps({"calls": [call("m = hub.load('a', model='slow_r50')")]})])
    assert not faults
    assert made[0].completion == "m = hub.load('a', model='slow_r50')"
    assert made[0].fields["api"] == "load"
    assert DOC in made[0].prompt[0]["content"]
    made, _, _ = run(API, {"text": DOC}, [json.dumps({"calls": [call("hub.load('a')")]})], show_document=False)
    assert made[0].prompt == [{"role": "user", "content": "Sort my sports videos by {sport}."}]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (call("hub.load('a'"), "not a call that parses"),
        (call("model"), "not a call that parses"),
        (call("hub.fetch('a')"), "call of something that the text does not have"),
        (call("hub.load('a', force=True)"), "call of something that the text does not have"),
        (call("hub.load('a')", "Use load for my videos."), "instruction names the API"),
        (call("(" * 5000), "not a call that parses"),
    ],
)
def test_calls_that_cannot_be(bad, reason):
    made, faults, _ = run(API, {"text": DOC}, [json.dumps({"calls": [bad]})])
    assert (made, reasons(faults)) == ([], [reason])


def test_calls_of_another_language():
    good, bad = call("curl -X POST /load -d model=slow_r50"), call("curl /fetch", "Fetch it all.")
    made, faults, _ = run(API, {"text": DOC}, [json.dumps({"calls": [good, bad]})], language="any")
    assert len(made) == 1
    assert reasons(faults) == ["call of something that the text does not have"]
