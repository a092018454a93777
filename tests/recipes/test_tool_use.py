"""tool-use: right calls are trained on, and no call where none fits; real rows of BFCL by its own rules."""

import copy
import json
import shutil

import pytest
import yaml
from flywheel.prompts import load_template
from support import sql, write_jsonl
from support_recipes import flywheel, init_recipe

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
REASONS = "SELECT reason, count(*) AS n FROM verdicts WHERE judge LIKE 'tool_calls%' GROUP BY ALL"
NONE = "None fits."


XLAM = [
    {
        "name": "live_giveaways_by_type",
        "description": "Retrieve live giveaways from an API, by their type.",
        "parameters": {
            "type": {"description": "The type of giveaways (game, loot).", "type": "str", "default": "game"},
            "limit": {"description": "Most giveaways.", "type": "int, optional", "default": ""},
            "country": {"description": "Where they are valid.", "type": "str"},
        },
    }
]
"""In the shape of xLAM: parameters by name without a schema around them; a data set has the list as a text of JSON."""


def show(name, arguments):
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"


def teach(folder, rows, file):
    """Write what the endpoint knows: the call of each row, or that none fits, and wrong ones."""
    template, known = load_template("call", folder), []
    for row in rows:
        said = template.render({"question": row["question"], "api": row["tools"]})[-1]["content"]
        if row["calls"]:
            right, (first, *_) = [show(c["name"], c["arguments"]) for c in row["calls"]], row["calls"]
            odd = copy.deepcopy(first["arguments"]) | {next(iter(first["arguments"])): "something else"}
            answer, wrong = ", ".join(right), [NONE, show(first["name"], odd), right[0][:-1]]
        else:
            tool = row["tools"][0].get("function", row["tools"][0])
            answer, wrong = NONE, [show(tool["name"], {"x": 1})]
        known.append({"question": said, "answer": answer, "wrong": wrong})
    write_jsonl(file, known)
    return file


def rows_of(file):
    return [json.loads(line) for line in file.read_text().split("\n") if line]


def reasons(folder):
    return {r["reason"]: r["n"] for r in sql(folder, REASONS)}


def test_calls_are_learnt_and_so_is_when_not_to_call(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "tool-use")
    known = teach(folder, rows_of(folder / "mini" / "rows.jsonl"), tmp_path / "known.jsonl")
    made = miniature("tool-use", env=endpoint(known, right=0.7).env, page=True)
    assert made.rows["solve"] == 216
    said = reasons(made.folder)
    assert said["correct"] > 60 and said["no call, as it should be"] > 30 and said["unwanted call"] > 5
    ((_, first, last),) = made.losses
    assert last < first / 3
    before, after, n = made.score("ast")
    assert before == 0.0 and after > 0.2 and n == 24
    before, after, n = made.score("irrelevance")
    assert before == 1.0 and after > 0.7 and n == 16, "a model that calls whatever is asked would fall here"
    assert [d["promoted"] for d in made.decisions] == [True]


def test_documentation_is_shown_whole_in_every_shape(tmp_path):
    template = load_template("call", init_recipe(tmp_path / "p", "tool-use"))

    def shown(api):
        return template.render({"question": "Which are there?", "api": api})[-1]["content"]

    schema = {
        "type": "object",
        "properties": {
            "unit": {"type": "string", "description": "Unit of the result.", "enum": ["m", "ft"], "default": "m"},
            "sides": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["sides"],
    }
    tool = {"name": "area", "description": "Work out an area.", "parameters": schema}
    lines = [
        "area(unit: string, sides: array[integer]): Work out an area.",
        '  unit (optional, default "m", one of ["m", "ft"]): Unit of the result.',
    ]
    assert shown([tool]).split("\n")[1:3] == lines
    assert shown([tool]) == shown([{"type": "function", "function": tool}]) == shown(json.dumps([tool])) == shown(tool)
    flat = [
        "live_giveaways_by_type(type: str, limit: int, country: str): Retrieve live giveaways from an API, by their type.",
        '  type (optional, default "game"): The type of giveaways (game, loot).',
        "  limit (optional): Most giveaways.",
        "  country (required): Where they are valid.",
    ]
    assert shown(json.dumps(XLAM)).split("\n")[1:5] == flat
    assert "\nwhoami(): Who asks.\n\n" in shown([{"name": "whoami", "description": "Who asks.", "parameters": {}}])
    assert shown("Call ping() to ping.").startswith("Functions:\nCall ping() to ping.\n\nWhich are there?")


def test_prompts_of_the_suites_are_those_of_the_rows(tmp_path):
    folder = init_recipe(tmp_path / "p", "tool-use")
    template = load_template("call", folder)
    for item in (
        i for f in ("ast.yaml", "irrelevance.yaml") for i in yaml.safe_load((folder / f).read_text())["items"]
    ):
        question = item["prompt"].split("\n\n")[1]
        said = template.render({"question": question, "api": item["checks"][0]["fields"]["tools"]})
        assert item["prompt"] == said[-1]["content"]


def test_rows_in_the_shape_of_xlam_with_a_stated_share_that_wants_no_call(tmp_path, endpoint):
    """Tools and answers are texts of JSON; of each iteration's requests a quarter wants no call, though there are six times as many others."""
    folder = init_recipe(tmp_path / "p", "tool-use")
    wanted = [[{"name": "live_giveaways_by_type", "arguments": {"type": "loot", "country": c}} for c in names] for names in zip("ABCDEFGHIJKLMNOPQRSTUVWX", "abcdefghijklmnopqrstuvwx", strict=True)]  # fmt: skip
    rows = [{"question": f"Loot valid in {a['arguments']['country']} and in {b['arguments']['country']}?", "tools": json.dumps(XLAM), "calls": [a, b]} for a, b in wanted]  # fmt: skip
    none = [{"question": f"Translate word {i}.", "tools": json.dumps(XLAM), "calls": []} for i in range(4)]
    known = teach(folder, [r | {"tools": XLAM} for r in rows + none], tmp_path / "known.jsonl")
    for name, kept in (("calls", rows), ("none", none)):
        xlam = [
            {"query": r["question"], "tools": r["tools"], "answers": json.dumps(r["calls"]), "id": i}
            for i, r in enumerate(kept)
        ]
        write_jsonl(folder / f"{name}.jsonl", xlam)
    shape = "format: {question: query, answer: answers, columns: {api: tools, tools: tools}}"
    (folder / "xlam.yaml").write_text(
        f"extends: mini.yaml\nproblems:\n  source: calls.jsonl\n  {shape}\n  more: [{{source: none.jsonl, share: 0.25, {shape}}}]\n"
        "solve: {problems: 16}\n"
    )
    flywheel(folder, "generate", recipe="xlam.yaml", env=endpoint(known, right=1.0).env)
    assert reasons(folder) == {"correct": 24, "no call, as it should be": 8}, "12 requests for calls, 4 for none, twice"
    (asked,) = sql(
        folder, "select any_value(messages::varchar) as m from requests where messages::varchar like '%Loot%'"
    )
    assert "country (required): Where they are valid." in asked["m"]


BFCL = ("simple_python", "multiple", "parallel", "irrelevance")


def bring_bfcl(folder, shared_data):
    """Lay BFCL's files where the recipe looks for them, under the names that they have there; return their rows by id, with plain calls."""
    rows = {}
    for name in BFCL:
        for part in ("", "possible_answer/"):
            file = shared_data / "bfcl" / f"{part}BFCL_v4_{name}.jsonl"
            if file.is_file():
                there = folder / "bfcl" / f"{part}BFCL_v4_{name}.json"
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, there)
                for row in rows_of(file):
                    rows.setdefault(row["id"], {}).update(row)
    return {i: row | {"calls": [plain(call) for call in row.get("ground_truth", [])]} for i, row in rows.items()}


def plain(call):
    """Return one of the calls that BFCL allows: of each argument the first value that is one."""
    ((name, arguments),) = call.items()
    return {"name": name, "arguments": {k: first_of(v) for k, v in arguments.items() if first_of(v) != ""}}


def first_of(allowed):
    value = next((v for v in allowed if v != ""), "")
    if isinstance(value, dict):
        return {k: first_of(v) for k, v in value.items() if first_of(v) != ""}
    return [{k: first_of(v) for k, v in one.items()} if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value  # fmt: skip


def test_all_four_files_of_bfcl_are_problems_as_they_are(tmp_path, endpoint, shared_data):
    """Questions in chats, answers in files of their own, and rows of two key sets: those that want no call have no answer anywhere."""
    folder = init_recipe(tmp_path / "p", "tool-use")
    rows = bring_bfcl(folder, shared_data)
    asked = [{"question": r["question"][0][0]["content"], "tools": in_order(r["function"]), "calls": r["calls"]} for r in rows.values()]  # fmt: skip
    known = teach(folder, asked, tmp_path / "known.jsonl")
    calls, none = (
        yaml.safe_load((folder / f"bfcl-{n}.yaml").read_text())["problems"] for n in ("calls", "irrelevance")
    )
    problems = calls | {"more": [*calls["more"], none]}
    recipe = {"extends": "mini.yaml", "problems": problems, "solve": {"problems": 1040, "draws": 1, "max_tokens": 256}}
    (folder / "real.yaml").write_text(yaml.safe_dump(recipe))
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(known, right=0.6).env)
    assert sql(folder, "select count(*) as n from problems") == [{"n": len(rows)}] == [{"n": 1040}]
    said = reasons(folder)
    assert sum(said.values()) == 1040, said
    assert said["correct"] > 400 and said["no call, as it should be"] > 120 and said["unwanted call"] > 60
    assert said["no answer"] > 60, "broken calls, and none where one was wanted"


def in_order(value):
    """Return a value with its keys in the order in which the store keeps them."""
    return json.loads(json.dumps(value, sort_keys=True))


def test_all_four_files_of_bfcl_are_suites_as_they_are(tmp_path, shared_data):
    folder = init_recipe(tmp_path / "p", "tool-use")
    rows = bring_bfcl(folder, shared_data)
    (folder / "real.yaml").write_text(
        "extends: bfcl.yaml\nmodel: seed\n"
        "problems: {source: mini/rows.jsonl, format: {question: question, answer: calls}, more: []}\n"
    )
    answers = []
    for i, row in rows.items():
        right = ", ".join(show(c["name"], c["arguments"]) for c in row["calls"]) or NONE
        wrong = NONE if row["calls"] else show(row["function"][0]["name"], {"x": 1})
        answers.append({"id": i, "answer": wrong if i.endswith("7") else right})
    of_suite = {"calls": [a for a in answers if "irrelevance" not in a["id"]], "irrelevance": [a for a in answers if "irrelevance" in a["id"]]}  # fmt: skip
    for suite, given in of_suite.items():
        write_jsonl(tmp_path / "answers.jsonl", given)
        flywheel(folder, "eval", "--suite", suite, "--answers", str(tmp_path / "answers.jsonl"), recipe="real.yaml")
    scores = sql(folder, "select suite, metric, n, round(score * n)::int as passed from scores where metric like 'pass%' order by all")  # fmt: skip
    wrong = {name: sum(i.startswith(f"{name}_") and i.endswith("7") for i in rows) for name in BFCL}
    n = {name: sum(i.startswith(f"{name}_") for i in rows) for name in BFCL}
    assert n == {"simple_python": 400, "multiple": 200, "parallel": 200, "irrelevance": 240}
    by_file = {s["metric"]: (s["n"], s["passed"]) for s in scores if "[" in s["metric"]}
    assert by_file == {f"pass[BFCL_v4_{name}],none": (n[name], n[name] - wrong[name]) for name in BFCL}


def test_real_chats_with_calls_are_trained_on_as_they_are(tmp_path, shared_data):
    """The stock-market sample: 86 chats with tools, of which a third ask back instead of calling."""
    folder = init_recipe(tmp_path / "p", "tool-use")
    rows = rows_of(
        shared_data / "ms_foundry_ft" / "Supervised_Fine_Tuning" / "Tool-Calling" / "stock_toolcall_training.jsonl"
    )
    write_jsonl(folder / "stock.jsonl", rows)
    (folder / "stock.yaml").write_text(
        "extends: chats.yaml\nmodel: seed\ncurate: {duplicates: {near: 0}}\n"
        "train: {rows: stock.jsonl, sft: {chat_template_path: tools.jinja, max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 1}}\n"
    )
    done = flywheel(folder, "data", "check", recipe="stock.yaml")
    assert f"{len(rows)} rows, {len(rows)} would be trained on" in done.stdout
    flywheel(folder, "train", recipe="stock.yaml")
    assert sql(folder, "select count(*) as n from checkpoints where stage = 'sft'") == [{"n": 1}]
    (folder / "strict.yaml").write_text("extends: stock.yaml\ntrain: {accept: []}\n")
    done = flywheel(folder, "data", "check", recipe="strict.yaml", check=1)
    assert "tools are offered, and no message calls one" in " ".join(done.stdout.split())


def test_calls_are_put_into_answers_and_kept_where_their_result_helps(tmp_path, endpoint):
    """Toolformer's filter by the embedded model: a sum whose result follows is kept, one beside the point and one of another number are not."""
    folder = init_recipe(tmp_path / "p", "tool-use")
    template, known, helpful = load_template("insert-calls"), [], set()
    described = [
        "calc(expression): Work out a sum of two numbers.",
        "find_price(item, size): Look up the price of an item.",
    ]
    for i, row in enumerate(rows_of(folder / "mini" / "texts.jsonl")):
        said = template.render({"described": "\n".join(described), "question": row["question"], "text": row["text"]})
        is_sum = row["text"].startswith("####")
        expression = row["expression"] if i % 3 else "1 + 1"
        helpful |= {row["question"]} if is_sum and i % 3 else set()
        known.append({"question": said[-1]["content"], "answer": f'<call>calc("{expression}")</call>{row["text"]}'})
    write_jsonl(tmp_path / "known.jsonl", known)
    (folder / "real.yaml").write_text(
        "extends: insert.yaml\nmodel: seed\njudges:\n  - {name: helps, kind: verifier, verifier: lowers_loss, options: {model: seed, threshold: 1.5}, of: [inserted]}\n"
    )
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(tmp_path / "known.jsonl", right=1.0).env)
    rows = sql(
        folder, "select s.fields ->> 'question' as question, passed from samples s join verdicts v using (sample_id)"
    )
    assert len(rows) == len(known)
    passed = {r["question"] for r in rows if r["passed"]}
    assert len(helpful) == 12 and passed == helpful
    said = sql(folder, "select reason, count(*) as n from verdicts group by all order by all")
    assert said == [{"reason": "does not help", "n": 12}, {"reason": "helps", "n": 12}]


def test_requests_are_searched_depth_first_and_a_failed_call_is_the_worse_half(tmp_path, endpoint):
    """ToolLLM: a call that fails is left for another one; the whole tree is on record, and the two ways are a pair."""
    folder = init_recipe(tmp_path / "p", "tool-use")
    rows = rows_of(folder / "mini" / "requests.jsonl")
    known = []
    for i, row in enumerate(rows):
        item = next(word for word in ("pen", "book", "bag") if word in row["question"])
        size = "small" if "small" in row["question"] else "large"
        right = ["find_price", {"item": item, "size": size}]
        calls = [["find_price", {"item": f"{size} {item}", "size": size}], right] if i % 2 else [right]
        known.append({"question": row["question"], "answer": f"It costs {row['answer']}.", "calls": calls})
    write_jsonl(tmp_path / "known.jsonl", known)
    (folder / "real.yaml").write_text("extends: search.yaml\nmodel: seed\n")
    flywheel(folder, "generate", recipe="real.yaml", env=endpoint(tmp_path / "known.jsonl").env)
    made = sql(
        folder,
        "select fields ->> 'question' as q, json_array_length(fields -> 'branches') as n from samples where step = 'calls' and sample_id not in (select sample_id from worse_samples)",
    )
    assert len(made) == len(rows) and sorted(r["n"] for r in made) == [0] * 5 + [1] * 5
    pairs = sql(folder, "select kind, count(*) as n from pairs group by kind")
    assert pairs == [{"kind": "solved/failed branch", "n": 5}]
    (worse,) = sql(
        folder,
        "select any_value(completion) as c from samples where sample_id in (select sample_id from worse_samples)",
    )
    assert "LookupError" in worse["c"] and "It costs" not in worse["c"]
