"""code-translator: COBOL is compiled and run, translations are kept that print the same and read like Python; listings of a real course."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from flywheel.judge.sandbox import may_start_processes, run_command
from flywheel.prompts import load_template
from support import HERE, run_cli, sql, write_jsonl
from support_recipes import drops, flywheel, init_recipe, load_items, read_rows

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]
compiles = pytest.mark.skipif(shutil.which("cobc") is None, reason="no COBOL compiler here: apt-get install gnucobol")
RECIPE = HERE.parent / "recipes" / "code-translator"
ASKED = "\n\nTranslate this COBOL"
TEACHER = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
VERDICTS = """
    SELECT split_part(judge, '@', 1) AS judge, count(*) FILTER (passed) AS passed, count(*) FILTER (NOT passed) AS failed
    FROM verdicts GROUP BY ALL ORDER BY ALL
"""
PAIRS = """
    SELECT k.fields ->> 'cobol' AS cobol, c.completion AS chosen, r.completion AS rejected
    FROM pairs JOIN samples c ON c.sample_id = chosen_sample_id JOIN samples r ON r.sample_id = rejected_sample_id
    JOIN samples k ON k.sample_id = c.input_id
"""
PYTHON = {
    "times": 'print(f"{{n * {k}:06d}}")', "plus": 'print(f"{{(n + {k}) % 1000:03d}}")', "if": 'print("HIGH" if n > {k} else "LOW")',
    "edited": 'print(f"{{n * {k}:6d}}")', "divide": 'print(f"{{n // {k}:03d}} {{n % {k}:03d}}")',
    "label": 'print(f"TOTAL{{n * {k}:6d}}")', "signed": 'print(f"{{n - {k}:6d}}")', "bound": 'print(f"{{min(n, {k}):03d}}")',
}  # fmt: skip
"""Translations of the miniature's programs, by the first part of their files' names."""


def translate(file):
    kind, k = file.stem.split("-")
    return "n = int(input())\n" + PYTHON[kind].format(k=int(k))


def spoil(python):
    """Return a translation that is wrong in two ways, and one that is right and no Python."""
    said = re.sub(r"n = int\(input\(\)\)", "WS_N = input()\nWS_N = int(WS_N)\nn = WS_N\nWS_DONE = True", python)
    return {
        "number": re.sub(r"\b(\d+)(?!\d*[d:.])", lambda m: str(int(m[1]) + 1), python),
        "form": re.sub(r":0?\d+(\.2f|d)", "", python),
        "cobol": said,
    }


def teach(folder, programs, file):
    """Write what the endpoint knows of each program: inputs, translations, and how each reads. Which of its answers are wrong is a matter of the
    program, not of how it is asked for.
    """
    known = []

    def know(template, name, answer, wrong, grades=None, **values):
        said = load_template(template, folder).render(values)[-1]["content"]
        more = {"grades": grades} if grades else {}
        known.append({"question": said, "key": f"{template} {name}", "answer": answer, "wrong": wrong, **more})

    for name, cobol, python in programs:
        edge = int(re.search(r"\d+", cobol.partition("ACCEPT")[2])[0])
        inputs = [f"{n}\n" for n in (0, edge, edge + 1, 250, 998)]
        know(
            "write-inputs",
            name,
            json.dumps({"inputs": inputs}),
            [json.dumps({"inputs": ["5\n", "5\n"]}), "Twelve."],
            program=cobol,
        )
        wrong = spoil(python)
        grades = {text: 1 if kind == "cobol" else 5 for kind, text in [("right", python), *wrong.items()]}
        know("cobol-to-python", name, python, list(wrong.values()), grades, cobol=cobol)
    write_jsonl(file, known)
    return file


def verdicts(folder):
    return {r["judge"]: (r["passed"], r["failed"]) for r in sql(folder, VERDICTS)}


@compiles
def test_translations_that_print_the_same_are_learnt(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "code-translator")
    files = [f for f in sorted((folder / "mini" / "programs").glob("*.cbl")) if f.stem != "broken"]
    programs = [(f.stem, f.read_text().rstrip(), translate(f)) for f in files]
    known = teach(folder, programs, tmp_path / "known.jsonl")
    env = endpoint(known, right=0.8, models=TEACHER).env
    made = miniature("code-translator", page=True, env=env)
    assert made.drops["cases: does not compile"] == 1
    assert made.drops["cases: inputs that make no difference"] > 0 and 25 < made.rows["cases"] < 48
    said = verdicts(made.folder)
    assert said["same"][0] > 80 and said["same"][1] > 10 and said["idiom"][1] > 5
    rights = {python for *_, python in programs}
    used = {
        r["completion"] for r in sql(made.folder, "select completion from snapshot_rows join samples using (sample_id)")
    }
    assert len(used) > 20 and used <= rights, "neither what prints something else nor COBOL in Python's words"
    assert made.pairs["correct/incorrect"] >= 10
    assert made.drops["pair/items: chosen failed by idiom"] >= 1, "it prints the same, and is COBOL in Python's words"
    right = {cobol: python for _, cobol, python in programs}
    assert all(p["chosen"] == right[p["cobol"]] != p["rejected"] for p in sql(made.folder, PAIRS))
    ((_, first, last),) = made.losses
    assert last < first / 10
    before, after, n = made.score("programs")
    assert before == 0.0 and n == 30
    assert after > 0.1
    assert [d["stage"] for d in made.decisions] == ["sft"]


@compiles
def test_listings_of_a_real_course_are_fragments_and_cost_no_request(tmp_path, endpoint, shared_data):
    """The course's listings are parts of programs: each is a drop with the compiler's words, in free form too, and nobody is asked."""
    folder = init_recipe(tmp_path / "p", "code-translator")
    text = (shared_data / "cobol" / "course_text" / "COBOL_Programming_Course_2_-_Learning_COBOL.md").read_text()
    listings = dict.fromkeys(re.findall(r"^```COBOL\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    (folder / "course").mkdir()
    for i, listing in enumerate(listings):
        (folder / "course" / f"listing-{i:02d}.cbl").write_text(listing)
    (folder / "course" / "README.md").write_text(
        "# The listings of a course\n\nNo program, and no chunk for the compiler.\n"
    )
    write_jsonl(tmp_path / "known.jsonl", [{"question": "?", "answer": "?"}])
    server = endpoint(tmp_path / "known.jsonl", models=TEACHER)
    run_cli(folder, "ingest", str(folder / "course"), "--chunk-tokens", "4096", "--min-chars", "1", check=0)
    step = (folder / "recipe.yaml").read_text().replace("options: {flags: []}", "options: {flags: [-free]}")
    (folder / "recipe.yaml").write_text(step)
    flywheel(folder, "generate", env=server.env, check=None)
    assert drops(folder) == {("cases", "does not compile"): len(listings)} and len(listings) > 40
    assert server.answered() == []
    raw = [r["raw"] for r in sql(folder, "select raw from drops where step = 'cases'")]
    assert all(": error: " in text for text in raw)


def load_cases():
    """Return the recipe's own module."""
    spec = importlib.util.spec_from_file_location("cases", RECIPE / "cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@compiles
@pytest.mark.skipif(sys.platform != "linux" or not may_start_processes(), reason="the sandbox here starts no processes")
def test_a_program_is_compiled_inside_the_sandbox(tmp_path):
    """What its text tells the compiler to read is not there: neither the user's files nor their names come back."""
    (tmp_path / "secret.cpy").write_text("       01 TOKEN PIC X(9) VALUE 'hush-hush'.\n")
    program = "ID DIVISION.\nPROGRAM-ID. P.\nDATA DIVISION.\nWORKING-STORAGE SECTION.\n{}\nPROCEDURE DIVISION.\nDISPLAY TOKEN.\nGOBACK."
    cases, flags, binary = load_cases(), ["-free"], tmp_path / "made" / "program"
    binary.parent.mkdir()
    said = cases.build(program.format(f'COPY "{tmp_path}/secret.cpy".'), flags, binary)
    assert "secret.cpy" in said and "No such file" in said and not binary.exists()
    assert cases.build(program.format("01 TOKEN PIC X(3) VALUE 'abc'."), flags, binary) == ""
    done = run_command([str(binary)], readable=[binary.parent])
    assert (done.reason, done.stdout) == ("ok", "abc\n")


@compiles
@pytest.mark.skipif(sys.platform != "linux" or not may_start_processes(), reason="the sandbox here starts no processes")
@pytest.mark.parametrize("flags", [["-Icopybooks"], ["-I", "{}/copybooks"]])
def test_copybooks_are_found_where_the_project_has_them_and_nothing_else_is_read(tmp_path, monkeypatch, flags):
    """However their folder is named; the folder that flywheel happens to run in is none of the compiler's."""
    (tmp_path / "copybooks").mkdir()
    (tmp_path / "copybooks" / "token.cpy").write_text("       01 TOKEN PIC X(3) VALUE 'abc'.\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "secret.cpy").write_text("       01 TOKEN PIC X(9) VALUE 'hush-hush'.\n")
    monkeypatch.chdir(tmp_path / "here")
    cases, binary = load_cases(), tmp_path / "made" / "program"
    binary.parent.mkdir()
    placed = cases.place_flags(["-free", *(flag.format(tmp_path) for flag in flags)], tmp_path)
    assert cases.build(COPYING.format('COPY "token.cpy".'), placed, binary) == ""
    assert run_command([str(binary)], readable=[binary.parent]).stdout == "abc\n"
    assert "No such file" in cases.build(COPYING.format(f'COPY "{tmp_path}/here/secret.cpy".'), placed, binary)


COPYING = "ID DIVISION.\nPROGRAM-ID. P.\nDATA DIVISION.\nWORKING-STORAGE SECTION.\n{}\nPROCEDURE DIVISION.\nDISPLAY TOKEN.\nGOBACK."


def test_flags_that_name_no_folder_are_refused(tmp_path):
    cases = load_cases()
    for flags in (["-I"], ["-I", ""], ["-I", "-free"]):
        with pytest.raises(ValueError, match="-I names no folder"):
            cases.place_flags(flags, tmp_path)
    given = ["-free", "-I", "here", "-I/there", "-std=ibm"]
    assert cases.place_flags(given, tmp_path) == ["-free", f"-I{tmp_path.resolve()}/here", "-I/there", "-std=ibm"]


def test_the_suite_that_a_judge_reads_is_on_the_scale_of_the_judge_of_rows():
    (rubric,) = yaml.safe_load((RECIPE / "idiom.yaml").read_text())["checks"]
    judge = next(j for j in yaml.safe_load((RECIPE / "recipe.yaml").read_text())["judges"] if j["name"] == "idiom")
    assert (rubric["rubric"], rubric["levels"], rubric["passes_at"]) == (
        judge["criteria"],
        judge["levels"],
        judge["passes_at"],
    )


def test_the_idiom_suite_runs_what_a_judge_reads():
    """Its checks by code: what prints something else fails, however well it reads."""
    items = load_items(RECIPE / "idiom.yaml")
    assert items["loop-sum"](f"```python\n{SUM}\n```") == []
    assert items["loop-sum"](SUM.replace("n + 1", "n")) and items["loop-sum"]("Here you are.")
    assert items["cents-rate"](RATE) == []
    assert items["cents-rate"](RATE.replace(", rounding=ROUND_DOWN", "")), "COBOL truncates"


SUM = 'n = int(input())\nprint(f"{sum(range(n + 1)):06d}")'
RATE = """from decimal import ROUND_DOWN, Decimal

price = (int(input()) * Decimal("1.19")).quantize(Decimal("0.1"), rounding=ROUND_DOWN)
print(f"{price:06.1f}")
"""


@compiles
def test_the_suites_outputs_are_those_of_the_compiled_programs(tmp_path):
    folder = init_recipe(tmp_path / "p", "code-translator")
    idiom = yaml.safe_load((folder / "idiom.yaml").read_text())["items"]
    read = [
        {"id": i["id"], "question": i["prompt"].partition(ASKED)[0], "cases": i["checks"][0]["fields"]["cases"]}
        for i in idiom
    ]
    for row in [*read_rows(folder / "mini" / "suite.jsonl"), *read]:
        (tmp_path / "p.cbl").write_text(row["question"] + "\n")
        subprocess.run(["cobc", "-x", "-o", "program", "p.cbl"], cwd=tmp_path, check=True)
        for case in row["cases"]:
            done = subprocess.run(
                [str(tmp_path / "program")], input=case["input"], capture_output=True, text=True, check=True
            )
            assert done.stdout == case["output"], row["id"]


def test_without_a_compiler_the_dry_run_says_how_to_get_one(tmp_path):
    folder = init_recipe(tmp_path / "p", "code-translator")
    told = flywheel(folder, "run", "--dry-run", check=2, env={"PATH": str(tmp_path), "OPENAI_API_KEY": "x"}).stderr
    assert "recipe, programs: cobc" in told and "apt-get install gnucobol" in told
