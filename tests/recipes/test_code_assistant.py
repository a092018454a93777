"""code-assistant: tests count where the known program passes them, programs where they pass these; real rows of CodeAlpaca, HumanEval and MBPP."""

import gzip
import json
import re
from functools import partial
from pathlib import Path

import pytest
import yaml
from flywheel.gen.convert import convert_bytes
from flywheel.gen.convert._definitions import find_definitions
from flywheel.judge.sandbox import run_python
from flywheel.prompts import load_template
from support import HERE, run_cli, sql, write_jsonl
from support_recipes import drops, flywheel, init_recipe, read_rows

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
SAID = {"-": "takes {} from n", "+": "adds {} to n", "*": "gives n times {}"}


def question_of(code):
    """Return what somebody asked for, of a function or a method of the miniature's repository."""
    name, body = re.findall(r"def (\w+)", code)[-1], code.rpartition("return ")[2].strip()
    first, sign, second = body.replace("RATE", "7").replace("self.", "").split()
    said = SAID[sign].format(second) if first == "n" else f"gives {first} minus n"
    if method := re.search(r"class (\w+)", code):
        return f"Write a class {method[1]}(n) with a method {name}() that {said}."
    return f"Write a function {name}(n) that {said}."


def asserts_of(code, name, arguments=(1, 7, 30)):
    """Return what is true of a program, by running it."""
    names = {}
    exec(code, names)
    calls = [f"{name}({n})" if name in names else f"Box({n}).{name}()" for n in arguments]
    return [f"assert {call} == {eval(call, names)!r}" for call in calls]


class Teacher:
    """What the endpoint knows: requests, tests and programs, and wrong ones of each."""

    def __init__(self, folder):
        self.folder, self.known = folder, []

    def ask(self, template, answer, wrong, **values):
        said = load_template(template, self.folder).render(values)[-1]["content"]
        self.known.append({"question": said, "answer": answer, "wrong": wrong})

    def function(self, code, question):
        """Know what a function is asked for by."""
        said = {"instruction": question, "reason": "It is whole.", "suitable": True}
        self.ask("request-code", json.dumps(said), [json.dumps({**said, "suitable": False})], text=code, tag="document")

    def program(self, code, question, asserts, wrong):
        """Know tests and attempts: tests that hold, that do not, that anything passes."""
        name = re.search(r"(?:def|class) (\w+)", code)[1]
        tests = [asserts, [*asserts[:1], f"assert {name} == 1"], [f"assert callable({name})"] * 2]
        right, *bad = [json.dumps({"tests": t}) for t in tests]
        self.ask("write-tests", right, bad, question=question, code=code)
        self.ask("solve-code", code, wrong, question=question)

    def save(self, file):
        write_jsonl(file, self.known)
        return file


def functions_of(folder):
    """Yield what the miniature's repository is cut into, but for classes without a method and runs of lines between definitions."""
    for file in sorted((folder / "mini" / "shop").glob("*.py")):
        converted = convert_bytes(file.read_bytes(), file.name)
        blocks = find_definitions(converted.text)
        yield from (
            b.before + converted.text[b.start : b.end] for b in blocks if "return " in converted.text[b.start : b.end]
        )


def teach(folder, file):
    teacher = Teacher(folder)
    programs = [(code, question_of(code)) for code in functions_of(folder)]
    for code, question in programs:
        teacher.function(code, question)
    rows = json.loads((folder / "mini" / "alpaca.json").read_text())
    programs += [(r["output"], r["instruction"]) for r in rows if r["output"].startswith("def ")]
    for code, question in programs:
        name = re.findall(r"def (\w+)", code)[-1]
        wrong = [re.sub(r"\d+", lambda m: str(int(m[0]) + 1), code), code.replace("return ", "print("), "I cannot say."]
        teacher.program(code, question, asserts_of(code, name), wrong)
    return teacher.save(file)


def test_programs_that_pass_are_learnt_and_preferred(miniature, endpoint, tmp_path):
    known = teach(init_recipe(tmp_path / "look", "code-assistant"), tmp_path / "known.jsonl")
    made = miniature("code-assistant", page=True, env=endpoint(known, right=0.75).env)
    assert "2 rows with response" in made.said[2] and "1 rows have an empty completion" in made.said[2]
    assert 25 < made.rows["requests"] < 51 and made.rows["tested"] > 15 and made.rows["tested-import"] > 25
    dropped = {reason: n for reason, n in made.drops.items() if reason.startswith("tested")}
    assert sum(n for reason, n in dropped.items() if "disagree" in reason) > 5, dropped
    assert sum(n for reason, n in dropped.items() if "broken programs" in reason) > 0, dropped
    used = sql(
        made.folder,
        "select s.step, s.completion, v.passed from snapshot_rows join samples s using (sample_id) left join verdicts v using (sample_id)",
    )
    assert len(used) > 40 and all(row["passed"] for row in used), "nothing is trained on that fails its tests"
    assert sum("(n: int) -> int" in row["completion"] for row in used) > 15, "the repository's style"
    known = {r["completion"] for r in sql(made.folder, "select completion from samples where step = 'tested'")}
    assert any("RATE = 7" in text for text in known) or any("class Box" in text for text in known), (
        "with what they need"
    )
    check_items_are_new(Path(made.folder))
    pairs = sql(made.folder, "select chosen, rejected from dpo")
    assert len(pairs) >= 10 and made.pairs["correct/incorrect"] >= len(pairs)
    (_, first, last), *_ = made.losses
    assert last < first / 10
    before, after, n = made.score("mbpp")
    assert before == 0.0 and after > 0.5 and n == 28
    assert next((d["stage"], d["promoted"]) for d in made.decisions) == ("sft", True)


nameless = partial(re.sub, r"(function|class) \w+", "it")


def test_the_readme_says_how_many_different_sums_the_items_hold():
    folder = HERE.parent / "recipes" / "code-assistant"
    asked = [[r["question"] for r in read_rows(folder / "mini" / f"{name}.jsonl")] for name in ("suite", "guard")]
    (n, sums), (guarded, others) = ((len(questions), len(set(map(nameless, questions)))) for questions in asked)
    said = " ".join((folder / "README.md").read_text().split())
    assert f"The {n} hold {sums} different sums and the {guarded} hold {others}," in said


def check_items_are_new(folder):
    """See that no item of the suites asks for what a row of the miniature asks for, whatever it is called."""
    rows = [r["instruction"] for r in json.loads((folder / "mini" / "alpaca.json").read_text())]
    known = {nameless(q) for q in [*rows, *map(question_of, functions_of(folder))]}
    items = [r["question"] for name in ("suite", "guard") for r in read_rows(folder / "mini" / f"{name}.jsonl")]
    assert len(items) == len(set(items)) == 40 and not {nameless(q) for q in items} & known


def asserts_by_running(code, name):
    """Return asserts of a real program, as a teacher that runs it would write them; none where nothing comes of any argument."""
    found = []
    for argument in ("6", "[3, 1, 2]", "'level'", "10"):
        done = run_python(f"{code}\nvalue = {name}({argument})\nprint('\\nMADE', repr(value))")
        made = done.stdout.rpartition("MADE ")[2].strip()
        if done.ok and made != "None":
            found.append(f"assert {name}({argument}) == {made}")
    return found


PRIME = """def is_prime(n):
    if n < 2:
        return False
    for d in range(2, n):
        if n % d == 0:
            return False
    return True"""


def test_real_rows_get_tests_and_no_row_of_the_suites_is_trained_on(tmp_path, endpoint, shared_data):
    """CodeAlpaca's rows as they are, two without an answer among them, and rows of MBPP and HumanEval that have leaked into them."""
    folder = init_recipe(tmp_path / "p", "code-assistant")
    given = json.loads((shared_data / "codealpaca" / "code_alpaca_2k.json").read_text())
    python = [r for r in given if r["output"].startswith("def ") and r["output"].count("def ") == 1 and not r["input"]][
        :24
    ]
    rows = (
        python
        + [r for r in given if not r["output"].strip()]
        + [r for r in given if "function" in r["output"] and "def " not in r["output"]][:4]
    )
    rows[0] = {**rows[0], "response": "a column that other rows lack"}
    mbpp = read_rows(shared_data / "mbpp" / "mbpp.jsonl")[10:18]
    with gzip.open(shared_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as stream:
        human = [json.loads(line) for line in stream][:4]
    leaked = [{"instruction": r["text"], "input": "", "output": r["code"].replace("\r\n", "\n")} for r in mbpp[:5]]
    leaked += [
        {"instruction": r["prompt"].strip(), "input": "", "output": r["prompt"] + r["canonical_solution"]}
        for r in human[:2]
    ]
    rows.append({"instruction": "Write is_prime(n): whether a number is prime.", "input": "", "output": PRIME})
    (folder / "real.json").write_text(json.dumps([*rows, *leaked]))
    write_jsonl(folder / "mbpp.jsonl", mbpp)
    write_jsonl(folder / "human.jsonl", human)
    teacher = Teacher(folder)
    asserts = json.dumps(
        {"tests": [f"assert {said}is_prime({n})" for said, n in (("", 7), ("", 2), ("not ", 9), ("not ", 1))]}
    )
    teacher.ask("write-tests", asserts, [asserts], question=rows[-1]["instruction"], code=PRIME)
    tests = {r["text"]: r["test_list"] for r in mbpp} | {
        r["prompt"].strip(): re.findall(r"assert .*", r["test"]) for r in human
    }
    for row in [*python, *leaked]:
        code, question = row["output"].strip(), row["instruction"].strip()
        name = re.search(r"def (\w+)", code)[1]
        asserts = [
            a.replace("candidate(", f"{name}(") for a in tests.get(row["instruction"], ())
        ] or asserts_by_running(code, name)
        if asserts:
            teacher.program(
                code,
                question,
                asserts * 2 if len(asserts) == 1 else asserts,
                [code.replace("return ", "return not "), "No."],
            )
    known = teacher.save(tmp_path / "known.jsonl")
    real = {
        "extends": "mini.yaml", "train": {"dpo": None, "min_rows": 4, "sft": {"max_steps": 2, "max_length": 1024}},
        "generate": [s for s in yaml.safe_load((folder / "recipe.yaml").read_text())["generate"] if s["step"].endswith("-import")],
        "judges": [{"name": "tests", "kind": "verifier", "verifier": "code", "of": ["tested-import", "solved-import"]}],
        "select": {"steps": ["tested-import", "solved-import"]}, "pairs": {"steps": ["solved-import"]},
        "suites": [{"name": "mbpp", "task": "code", "gate": "mbpp.jsonl"}, {"name": "humaneval", "task": "code", "gate": "human.jsonl"}],
    }  # fmt: skip
    (folder / "real.yaml").write_text(yaml.safe_dump(real))
    done = run_cli(folder, "import", str(folder / "real.json"), "--yes", check=0)
    assert "1 rows with response" in done.stderr and "2 rows have an empty completion" in done.stderr
    env = endpoint(known, right=0.8).env
    flywheel(folder, "generate", recipe="real.yaml", env=env)
    flywheel(folder, "train", "--method", "sft", recipe="real.yaml", env=env)
    gone = drops(folder)
    kept = sql(folder, "select completion from samples where step = 'tested-import'")
    assert PRIME in {r["completion"] for r in kept}, "tests of a predicate are good, though None is as false as False"
    asked = "select distinct fields ->> 'question' as question, completion from snapshot_rows join samples using (sample_id)"
    trained = sql(folder, asked)
    own = {r["instruction"].strip() for r in rows}
    assert len(trained) >= 5 and {r["question"].strip() for r in trained} <= own, "nothing of MBPP and HumanEval"
    assert (
        gone["sft/curate", "contaminated: mbpp/gate"] >= 3 and gone["sft/curate", "contaminated: humaneval/gate"] >= 1
    )
