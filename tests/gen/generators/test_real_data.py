"""Real documents, problems, critiques and tool definitions through the generators."""

import itertools
import json

import pytest
from flywheel.gen import built_in
from flywheel.gen._answers import final_answer, same_answer
from flywheel.gen._text import _essence, locate_quote
from flywheel.gen._tools import read_definitions
from flywheel.prompts import load_template
from support_generators import reasons, run, text_of


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def passages(shared_data):
    """Passages of 1,500 characters of every document that is text, braces and markup included."""
    files = [*shared_data.glob("docs/rst/*"), *shared_data.glob("docs/txt/*"), *shared_data.glob("docs/md/*"),
             *shared_data.glob("docs/html/*"), *shared_data.glob("docs/ipynb/*"), *shared_data.glob("docs/expected_markdown/*")]  # fmt: skip
    found = []
    for file in sorted(files):
        text = file.read_text(encoding="utf-8", errors="replace")
        found += [text[i : i + 1500] for i in range(0, min(len(text), 30_000), 1500)]
    assert len(found) > 200
    return [p for p in found if len(p.strip()) > 200]


def test_passages_stand_in_prompts_unchanged(passages):
    jinja = load_template("self-instruct")
    for text in passages:
        _, _, ask = run(built_in()["backtranslate"], {"text": text}, ['{"pairs": []}'])
        assert f"<document>\n{text}\n</document>" in text_of(ask.asked[0]["messages"])
        assert f"1. {text}\n" in text_of(jinja.render({"tasks": [text], "new": 1}))


def test_quotes_of_real_passages_are_found_through_other_white_space_and_case(passages):
    for text in passages:
        words = text.split()
        for start in range(0, len(words) - 12, 40):
            quote = " ".join(words[start : start + 12])
            found = locate_quote(text, quote.upper().replace("“", '"').replace("’", "'"))
            if any(c.isalnum() for c in quote):
                assert found is not None, quote
                assert _essence(text[slice(*found)])[0] == _essence(quote)[0]


def test_no_quote_of_another_document_is_found(passages):
    ours, theirs = passages[:40], passages[-40:]
    for text, other in zip(ours, theirs, strict=True):
        words = other.split()[3:15]
        assert len(words) < 8 or locate_quote(text, " ".join(words)) is None


def test_critiques_of_mr_gsm8k(shared_data):
    """The human's first wrong step, given as a model would, comes back; the prompt numbers the steps as the human did."""
    rows = read_jsonl(shared_data / "mr_gsm8k" / "wrong_solutions_with_error_step.jsonl")
    kept = 0
    for row in rows:
        step, steps = int(row["model_output_solution_first_error_step"]), row["model_output_steps"]
        item = {"question": row["question"], "completion": "\n".join(s.replace("\n", " ") for s in steps)}
        reply = f'Verdict:\n{{"critique": {json.dumps(row["model_output_solution_first_error_reason"])}, "first_wrong_step": "{step}", "verdict": "Wrong",}}'
        made, faults, ask = run(built_in()["critique"], item, [reply])
        prompt = text_of(ask.asked[0]["messages"])
        assert row["question"] in prompt
        if 1 <= step <= len(steps) and row["model_output_solution_first_error_reason"].strip():
            assert not faults, (reasons(faults), row["uuid"])
            assert made[0].fields["first_wrong_step"] == step
            assert made[0].fields["n_steps"] == len(steps)
            assert f"\n{step}. " in prompt
            kept += 1
    assert kept > 0.95 * len(rows)


def test_final_answers_of_gsm8k(shared_data):
    rows = read_jsonl(shared_data / "gsm8k" / "test.jsonl")
    for row in rows:
        answer = row["answer"].rpartition("#### ")[2]
        assert final_answer(row["answer"]) == answer
        assert same_answer(f"${answer}.00", answer)
        assert not same_answer(f"1{answer}", answer)


def test_recorded_solutions_are_told_right_from_wrong(shared_data):
    """GSM8K's own recorded solutions: cot keeps just those that their labels call right."""
    rows = read_jsonl(shared_data / "gsm8k" / "example_model_solutions.jsonl")[:200]
    for row in rows:
        answer = final_answer(row["ground_truth"])
        solutions = [(s["solution"], s["is_correct"]) for s in row.values() if isinstance(s, dict)]
        texts = [text for text, _ in solutions]
        made, faults, _ = run(
            built_in()["cot"], {"question": row["question"], "answer": answer}, texts, draws=4, hint=False
        )
        assert [m.completion for m in made] == [text.strip() for text, is_right in solutions if is_right]
        assert len(faults) == sum(not is_right for _, is_right in solutions)


def test_backward_questions_of_gsm8k(shared_data):
    for row in itertools.islice(read_jsonl(shared_data / "gsm8k" / "test.jsonl"), 100):
        item = {"question": row["question"], "answer": row["answer"].rpartition("#### ")[2]}
        _, _, ask = run(built_in()["backward"], item, lambda *a: "#### 0")
        if ask.asked:
            prompt = ask.asked[0]["messages"][-1]["content"]
            assert "X" in prompt
            assert row["question"] not in prompt


def test_tool_definitions_of_toolbench(shared_data):
    queries = json.loads((shared_data / "toolbench" / "instruction" / "G1_query.json").read_text(encoding="utf-8"))
    for query in queries:
        definitions = read_definitions(query["api_list"])
        assert len(definitions) == len(query["api_list"])
        name = definitions[0]["function"]["name"]
        step = {"tool_calls": [{"function": {"name": name, "arguments": "{}"}}]}
        replies = [step, '{"ok": true}', "Done: it works."]
        made, faults, ask = run(
            built_in()["tool_calls"], {"question": query["query"], "api_list": query["api_list"]}, replies
        )
        assert not faults
        assert made[0].fields["tools"] == definitions
        assert text_of(ask.asked[0]["messages"]).endswith(f"[user]\n{query['query']}\n")
        assert all(d["function"]["name"].replace("_", "").replace("-", "").isalnum() for d in definitions)


def test_recorded_searches_of_toolbench_have_definitions_that_are_read(shared_data):
    for file in sorted((shared_data / "toolbench" / "answer" / "G1_answer").glob("*.json")):
        functions = json.loads(file.read_text(encoding="utf-8"))["answer_generation"]["function"]
        assert [d["function"]["name"] for d in read_definitions(functions)] == [f["name"] for f in functions]


def test_api_documentation_of_gorilla(shared_data):
    """The authors' call of each API passes the check, but for those that are no Python (a positional after a keyword)."""
    rows = read_jsonl(shared_data / "gorilla_apibench" / "torchhub_eval.jsonl")
    for row in rows:
        text = json.dumps(row["api_data"], ensure_ascii=False, indent=1)
        reply = json.dumps({"calls": [{"instruction": "Do what I need.", "call": row["api_call"], "explanation": ""}]})
        made, _, ask = run(built_in()["api_calls"], {"text": text}, [reply])
        assert text in text_of(ask.asked[0]["messages"])
        assert len(made) == ("'meal_v2', model=" not in row["api_call"])


def test_seed_tasks_of_self_instruct(shared_data):
    where = str(shared_data / "alpaca" / "stanford_seed_tasks.jsonl")
    item = {"question": "Name a river."}
    made, faults, ask = run(built_in()["self_instruct"], item, ["9. Name a river.\n10. Rank five fabrics by how warm they keep a sleeper.", "Wool first."], seeds=where)  # fmt: skip
    assert [m.fields["question"] for m in made] == ["Rank five fabrics by how warm they keep a sleeper."]
    assert reasons(faults) in (["too short"], ["like another task"])
    assert "numbered from 9" in text_of(ask.asked[0]["messages"])
