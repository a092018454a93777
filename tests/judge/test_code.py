"""The code verifier: real data sets, and programs that try to fake a pass."""

import gzip
import json
import time

import pytest
from flywheel.judge.sandbox import Limits, probe
from flywheel.judge.verifiers import Case, run_verifier
from flywheel.judge.verifiers._code import run_grader, verify_code
from flywheel.judge.verifiers._program import extract_program

RUNGS = [report.isolation for report in probe().rungs if report.works]
pytestmark = pytest.mark.skipif(probe().best is None, reason="nothing isolates programs here")

ADD = {"test_list": ["assert add(1, 2) == 3", "assert add(5, 5) == 10", "assert add(-1, 1) == 0"]}
GOOD = "def add(a, b):\n    return a + b\n"


def check(completion, fields=ADD, **options):
    return verify_code.check(Case(completion, fields=fields), {**verify_code.options, "timeout_s": 5.0, **options})


def told(verdict):
    return verdict.passed, verdict.score, verdict.reason


# Extraction

METHOD = "class Solution:\n    def add(self, a: int, b: int) -> int:\n"
HEAD = "from typing import List\n\ndef add(a: int, b: int) -> int:\n    '''Add.'''\n"


@pytest.mark.parametrize(
    ("completion", "prompt", "expected"),
    [
        (GOOD, "", GOOD),
        (f"Sure!\n```python\n{GOOD}```\nDone.", "", GOOD),
        (f"```\n{GOOD}```", "", GOOD),
        (f"~~~py\n{GOOD}~~~", "", GOOD),
        (f"```python\n{GOOD}", "", GOOD),
        ("1. so:\n   ```python\n   def add(a, b):\n       return a + b\n   ```", "", GOOD),
        (
            f"```python\nx = 1\n```\nthen\n```python\n{GOOD}```\n```python\nprint(add(1, 2)) # a long line that uses it\n```",
            "",
            GOOD,
        ),
        (
            f"```python\nimport math\n\ndef one(): return 1\n```\nthen\n```python\n{GOOD}```",
            "",
            f"import math\n\ndef one(): return 1\n\n{GOOD}",
        ),
        (f"```python\ndef add(a, b): return 0\n```\nBetter:\n```python\n{GOOD}```", "", GOOD),
        (f"```bash\npip install x\n```\n```python\n{GOOD}```", "", GOOD),
        (f"<think>```python\nbad\n```</think>{GOOD}", "", GOOD),
        ("    return a + b\n", HEAD, HEAD + "    return a + b\n"),
        ("```python\n    return a + b\n```", HEAD, HEAD + "    return a + b\n"),
        ("```python\nreturn a + b\n```", HEAD, HEAD + "    return a + b\n"),
        (GOOD, HEAD, f"{HEAD}\n{GOOD}"),
        (f"```python\n{GOOD}```", HEAD, f"{HEAD}\n{GOOD}"),
        (f"Here is the function:\n\n{GOOD}\nIt adds the two numbers. I hope this helps!", "", GOOD + "\n"),
        (f"For example, this works:\n{GOOD}\nDone", "", GOOD + "\n"),
        (f"import math\n{GOOD}", "", f"import math\n{GOOD}"),
        (f"Sure.\nimport math\n\n{GOOD}This is it.", "", f"import math\n\n{GOOD}"),
        (f"So:\n{GOOD}\ndef broken(a:\n    return a\n", "", f"So:\n{GOOD}\ndef broken(a:\n    return a\n"),
        (f"[BEGIN]\n{GOOD}[DONE]\n\nYou are an expert.\n[BEGIN]\nbad\n[DONE]", "", GOOD),
        (f"{GOOD}[DONE]\nYou are", "", GOOD),
        (f"[PYTHON]\n{GOOD}[/PYTHON]", "", GOOD),
        (f"[BEGIN]\n```python\n{GOOD}```\n[DONE]", "", GOOD),
        ("DONE = 1\nx = [\n[DONE]]\n", "", "DONE = 1\nx = [\n[DONE]]\n"),
        ("return a + b\n", HEAD, HEAD + "    return a + b\n"),
        ("c = a\n    return c + b\n", HEAD, HEAD + "    c = a\n    return c + b\n"),
        ("    return a + b\n\nThis adds them.\n", HEAD, HEAD + "    return a + b\n\n"),
        ("    return a + b\n\ndef other(x:", HEAD, HEAD + "    return a + b\n\n"),
        ("The body is:\n\n    return a + b\n", HEAD, HEAD + "    return a + b\n"),
        (f"Here it is:\n{HEAD}    return a + b\nThat is all.", HEAD, f"{HEAD}\n{HEAD}    return a + b\n"),
        ("        return a + b", METHOD, METHOD + "        return a + b"),
        ("return a + b", METHOD, METHOD + "        return a + b"),
        ("", "", None),
        ("  \n", HEAD, None),
        ("I cannot help with that.", "", None),
        ("hello", "", None),
        ("```json\n{}\n```", "", None),
    ],
)
def test_extraction(completion, prompt, expected):
    assert extract_program(completion, prompt=prompt, names=["add"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    x = (\n" * 2_500,
        "import a\nso be it\n" * 2_500,
        "[BEGIN]\n" * 5_000,
        "x = 1\n" * 8_000 + "so (",
        "```python\n" * 5_000,
    ],
)
def test_long_texts_take_no_time(text):
    begun = time.monotonic()
    extract_program(text, names=["add"])
    extract_program(text, prompt=HEAD, names=["add"])
    assert time.monotonic() - begun < 4


# Verdicts


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (GOOD, (True, 1.0, "passed")),
        ("def add(a, b): return 3", (False, 1 / 3, "wrong answer")),
        ("def add(a, b): return a - b", (False, 0.0, "wrong answer")),
        ("def add(a, b): return c", (False, 0.0, "error: NameError")),
        ("def add(a, b): return 1 / 0", (False, 0.0, "error: ZeroDivisionError")),
        ("def plus(a, b): return a + b", (False, 0.0, "error: NameError")),
        ("def add(a, b:", (False, 0.0, "error: SyntaxError")),
        ("import nothing_like_this\n" + GOOD, (False, 0.0, "error: ModuleNotFoundError")),
        ("def add(a, b): return input()", (False, 0.0, "error: EOFError")),
        ("def add(a, b):\n    while True: pass", (False, 0.0, "timeout")),
        ("while True: pass", (False, 0.0, "timeout")),
        ("def add(a, b): return bytearray(10**11)", (False, 0.0, "memory limit")),
        ("def add(a, b): return add(a, b)", (False, 0.0, "error: RecursionError")),
        ("I am sorry.", (False, 0.0, "no code")),
        ("class Odd(Exception): pass\ndef add(a, b): raise Odd('x')", (False, 0.0, "error: Odd")),
    ],
)
def test_verdicts(completion, expected):
    assert told(check(completion, timeout_s=0.5 if expected[2] == "timeout" else 10.0)) == expected


def test_the_evidence_names_the_test_and_the_fault():
    assert check("def add(a, b): return a + b if a < 5 else 1 / 0").evidence == (
        "test 2 of 3: assert add(5, 5) == 10 · ZeroDivisionError: division by zero"
    )
    assert check("def add(a, b): return 3").evidence == "test 2 of 3: assert add(5, 5) == 10 · AssertionError"
    assert check(GOOD).evidence == "3 of 3 tests"


def test_tests_that_a_loop_did_not_reach_are_not_passed():
    verdict = check("def add(a, b):\n    if a == 5:\n        while True: pass\n    return a + b", timeout_s=0.7)
    assert told(verdict) == (False, 1 / 3, "timeout")


def test_faults_of_the_data_are_abstentions():
    assert told(check(GOOD, {})) == (None, None, "no tests")
    assert check(GOOD, {"test_list": ["assert add(1, 2 == 3"]}).passed is None
    odd = run_verifier(verify_code, Case(GOOD, fields={"test_list": [{"add": 1}]}), dict(verify_code.options))
    assert told(odd) == (None, None, "bad tests")
    assert check(GOOD, {"test": "def chek(candidate): pass", "entry_point": "add"}).reason.startswith("broken tests")
    assert check(GOOD, {"test_list": ["assert add(1, 2) == 3"], "test_setup_code": "1 / 0"}).reason.startswith(
        "broken tests"
    )


def test_setup_challenge_tests_and_json_columns():
    fields = {
        "test_setup_code": "base = 1", "test_list": '["assert add(base, 2) == 3"]', "test_imports": ["import math"],
        "challenge_test_list": ["assert math.isclose(add(0.5, 0.5), 1)", "assert add(7, 7) == 15"],
    }  # fmt: skip
    assert told(check(GOOD, fields)) == (True, 1.0, "passed")
    assert told(check(GOOD, fields, challenge=True)) == (False, 2 / 3, "wrong answer")


CHECK = {
    "prompt": "import math\n\ndef twice(x):\n    return 2 * x\n\ndef half(x):\n    '''Undo twice.'''\n",
    "entry_point": "half",
    "test": "def check(candidate):\n    assert candidate(twice(4)) == 4\n    for i in range(5):\n"
    "        assert math.fabs(candidate(i) - i / 2) < 1e-9\n    assert candidate(3) == 1.5\n",
}


def test_check_functions_with_helpers_of_the_prompt():
    assert told(check("    return x / 2\n", CHECK)) == (True, 1.0, "passed")
    assert told(check("    return x // 2\n", CHECK)) == (False, 1 / 3, "wrong answer")
    assert told(check("    return 4\n", CHECK)) == (False, 1 / 3, "wrong answer")
    assert check("", CHECK).reason == "no code"


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("def f(xs): xs.append(1); return xs", ["a = [0]\nf(a)\nassert a == [0, 1]", "assert f([]) == [1]"]),
        ("def f(n):\n    for i in range(n): yield i", ["assert list(f(3)) == [0, 1, 2]", "assert sum(f(4)) == 6"]),
        ("def f(g, x): return g(g(x))", ["assert f(lambda x: x + 1, 1) == 3"]),
        ("def f(x): return {'a': (1, {2}), 3: [None, 1.5, 'é', b'x', True, 10**40]}",
         ["assert f(0) == {'a': (1, {2}), 3: [None, 1.5, 'é', b'x', True, 10**40]}", "assert isinstance(f(0)['a'], tuple)"]),
        ("class P:\n    def __init__(self, a): self.a = a\ndef f(ps): return max(p.a for p in ps)",
         ["assert f([P(1), P(5)]) == 5", "p = P(2)\np.a = 9\nassert f([p]) == 9 and p.a == 9"]),
        ("def f(x):\n    if x < 0: raise ValueError('no')\n    return x",
         ["try:\n    f(-1)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'no'"]),
        ("import collections, fractions, decimal\ndef f(s): return collections.Counter(s)", ["assert f('aab') == {'a': 2, 'b': 1}"]),
        ("def f(n):\n    return 0 if n is None else n.value + f(n.next)",
         ["class N:\n    def __init__(self, v, n=None): self.value, self.next, self._hidden = v, n, 0\nassert f(N(1, N(4))) == 5"]),
        ("def sum(a, b): return a + b", ["assert sum(2, 3) == 5"]),
        ("import re\ndef f(s): return re.match('a', s)", ["assert f('a')", "assert not f('b')"]),
        ("def f(): return float('nan'), float('inf'), -0.0", ["a, b, c = f()\nassert a != a and b == float('inf') and c == 0"]),
    ],
)  # fmt: skip
def test_values_cross_as_they_are(program, tests):
    assert told(check(program, {"test_list": tests})) == (True, 1.0, "passed")


# Faking a pass

ALWAYS_EQUAL = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __float__(self): return 0.0
    def __abs__(self): return 0
class Int(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def add(a, b): return {}
"""

TRICKS = {
    "os._exit": "import os\nos._exit(0)",
    "os._exit in a call": "import os\ndef add(a, b): os._exit(0)",
    "sys.exit": "import sys\nsys.exit(0)",
    "sys.exit in a call": "import sys\ndef add(a, b): sys.exit(0)",
    "print the marker": "print('{\"tests\": 3}\\n{\"done\": true}\\npassed\\nOK')\ndef add(a, b): print('passed')",
    "write to every descriptor": """
import json, os
lines = [{"tests": 3}] + [{"test": i, "passed": True, "reason": "passed", "source": "", "line": ""} for i in range(3)]
data = "".join(json.dumps(l) + "\\n" for l in lines + [{"done": True}]).encode()
def add(a, b):
    for fd in range(256):
        try: os.write(fd, data)
        except OSError: pass
    os._exit(0)
""",
    "equal to everything": ALWAYS_EQUAL.format("Yes()"),
    "an int equal to everything": ALWAYS_EQUAL.format("Int(7)"),
    "a list of equals": ALWAYS_EQUAL.format("[Yes()]"),
    "patched builtins": """
import builtins, sys, unittest
builtins.AssertionError = type('Never', (BaseException,), {})
builtins.abs = builtins.round = lambda *a: 0
unittest.TestCase.assertEqual = lambda *a: None
sys.excepthook = lambda *a: None
def add(a, b): return None
""",
    "patched harness": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith('child'):
        for key, value in list(vars(module).items()):
            if key in ('describe', 'decode'): setattr(module, key, lambda *a: {'value': True})
            if key == 'run_tests': setattr(module, key, lambda *a: None)
def add(a, b): return None
""",
    "a hook on exceptions": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(None)\ndef add(a, b): raise AssertionError",
    "expected values from frames": """
import gc, sys
needle = chr(97) + 'ssert add(5, 5)'
def find(a, b):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if isinstance(value, str) and needle in value: return 'found'
        frame = frame.f_back
    for o in gc.get_objects():
        if isinstance(o, (list, dict)) and len(o) < 1000 and o is not globals() and needle in repr(list(o)): return 'found'
def add(a, b):
    if find(a, b): return a + b
""",
    "kill the tests": "import os, signal\ndef add(a, b):\n    for p in (1, 2, 3, os.getppid(), 4, -1):\n"
    "        try: os.kill(p, 9)\n        except OSError: pass",
    "names of the tests": "def check(f): pass\ndef isinstance(*a): return True\ndef run_tests(*a): pass\ndef add(a, b): return 9",
    "a forged reply": """
import json, os, struct
def add(a, b):
    for v in (3, 10, 0):
        d = json.dumps({"test": 0, "passed": True, "value": None, "changed": [], "done": True}).encode()
        os.write(3, struct.pack("I", len(d)) + d)
    os._exit(0)
""",
    "rubbish on the link": "import os\ndef add(a, b):\n    os.write(3, b'\\xff' * 100)\n    os._exit(0)",
    "a deep reply": "import os, struct\ndef add(a, b):\n    d = b'[' * 100000\n    os.write(3, struct.pack('I', len(d)) + d)",
    "descriptors of the tests": """
import json, os
lines = [{"tests": 3}] + [{"test": i, "passed": True, "reason": "", "source": "", "line": ""} for i in range(3)] + [{"done": True}]
data = "\\n".join(map(json.dumps, lines)).encode() + b"\\n"
def add(a, b):
    for pid in {os.getpid() + d for d in range(-9, 9)} | {os.getppid(), 1, 2, 3}:
        for fd in range(16):
            try: os.write(os.open(f'/proc/{pid}/fd/{fd}', os.O_WRONLY), data)
            except OSError: pass
    os._exit(0)
""",
    "endless iterator": "import itertools\ndef add(a, b): return itertools.count()",
}  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_passes(trick):
    reaches_out = trick in ("descriptors of the tests", "kill the tests", "write to every descriptor")
    for isolation in RUNGS if reaches_out else ("auto",):
        verdict = check(TRICKS[trick], timeout_s=3.0, isolation=isolation)
        assert verdict.passed is False and verdict.score == 0.0, verdict


def test_a_program_that_ends_inside_a_bare_except_fails():
    fields = {"test_list": ["try:\n    add(1, 2)\nexcept:\n    pass"]}
    assert check("import os\ndef add(a, b): os._exit(0)", fields).passed is False


def test_set_up_that_a_program_breaks_is_its_own_fault():
    fields = {"test_list": ["assert total == 3"], "test_setup_code": "total = add(1, 1) + 1"}
    assert check(GOOD, fields).passed
    verdict = check("def add(a, b): return object()", fields)
    assert (verdict.passed, verdict.reason) == (False, "error: TypeError")


def test_no_exception_of_the_program_ends_a_loop_of_the_tests():
    fields = {"test_list": ["assert all(map(lambda pair: add(*pair) == 3, [(1, 2), (0, 3)]))"]}
    assert check(GOOD, fields).passed
    verdict = check("def add(a, b): raise StopIteration", fields)
    assert (verdict.passed, verdict.reason) == (False, "error: StopIteration")


def test_a_function_that_is_given_does_not_open_the_tests():
    fields = {"test_list": ["secret = 41\nassert add(lambda: 0, 1) == 41"]}
    for reach in ("a.__globals__['secret']", "a.__code__.co_consts[0]", "type(a).__init__.__globals__['secret']"):
        verdict = check(f"def add(a, b): return {reach}", fields)
        assert verdict.passed is False and verdict.reason in ("error: PermissionError", "error: KeyError"), verdict


def test_a_helper_of_the_tests_is_not_the_programs():
    fields = {"test_list": ["assert set(f(1)) == set([1, 2])", "assert math.isclose(f(1)[0], 1)", "assert same(f(1), [1, 2])"],
              "test_setup_code": "def same(a, b):\n    return a == b"}  # fmt: skip
    program = "class Yes:\n    pass\nsame = set = lambda *a: 1\nclass math:\n    isclose = staticmethod(lambda *a: True)\ndef f(x): return [9]"
    assert told(check(program, fields)) == (False, 0.0, "wrong answer")


# stdin and stdout

CASES = {
    "cases": [{"input": "1 2\n", "output": "3\n"}, {"input": "5 5", "output": "10"}, {"input": "0 0", "output": "0"}]
}


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("a, b = map(int, input().split())\nprint(a + b, ' ')\nprint()", (True, 1.0, "passed")),
        (
            "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()",
            (True, 1.0, "passed"),
        ),
        ("print(3)", (False, 1 / 3, "wrong answer")),
        ("print(int(input()))", (False, 0.0, "error: ValueError")),
        ("print(3); raise SystemExit(2)", (False, 0.0, "error: exit status 2")),
        ("while True: pass", (False, 0.0, "timeout")),
        ("x = bytearray(10**11)", (False, 0.0, "memory limit")),
        ("while True: print('x' * 10000)", (False, 0.0, "output limit")),
        ("import os\nos.kill(os.getpid(), 9)", (False, 0.0, "killed")),
    ],
)
def test_cases(completion, expected):
    assert told(check(completion, CASES, timeout_s=0.4 if expected[2] == "timeout" else 10.0)) == expected


SOLUTION = "class Solution:\n    def add(self, a, b):\n        self.n = getattr(self, 'n', 0) + 1\n        return a + b if self.n == 1 else 0\n"
METHOD_CHECK = "def check(candidate):\n    assert candidate(a=1, b=2) == 3\n    assert candidate(2, 2) == 4\n"


@pytest.mark.parametrize(
    "fields",
    [
        ADD,
        {"test_list": ["assert Solution().add(1, 2) == 3"]},
        {"test": METHOD_CHECK, "entry_point": "add"},
        {"test": METHOD_CHECK, "entry_point": "Solution().add"},
        {"test": METHOD_CHECK, "entry_point": "Solution().add", "prompt": "from typing import List\n"},
        {"test": METHOD_CHECK, "entry_point": "add", "prompt": METHOD},
    ],
)
def test_a_method_of_a_solution_is_under_test(fields):
    assert told(check(f"Sure:\n```python\n{SOLUTION}```", fields)) == (True, 1.0, "passed")
    assert check(SOLUTION.replace("a + b", "a - b"), fields).passed is False


def test_a_prompt_of_imports_stands_before_the_program():
    fields = {
        "test": METHOD_CHECK,
        "entry_point": "Solution().add",
        "prompt": "from typing import *\nfrom functools import cache\n",
    }
    assert check(
        "class Solution:\n    @cache\n    def add(self, a: Optional[int], b: int):\n        return a + b", fields
    ).passed


@pytest.mark.parametrize(
    "cases",
    [
        "abc",
        ["1 2"],
        [{"input": "1"}],
        [{"input": None, "output": "3"}],
        [{"input": "1", "output": {"a": 1}}],
        [None],
        7,
        [{}],
    ],
)
def test_cases_that_cannot_be_read_are_named(cases):
    verdict = run_verifier(verify_code, Case("print(1)", fields={"cases": cases}), dict(verify_code.options))
    assert (verdict.passed, verdict.reason) == (None, "bad cases")
    assert verdict.evidence.startswith("case 1 of 1: expected")


def test_the_evidence_of_a_case():
    assert check("print(3)", CASES).evidence == "case 2 of 3: expected '10', received '3'"


# Graders of kind python


@pytest.mark.parametrize(
    ("source", "score", "error"),
    [
        ("def grade(sample, item): return 0.5 + 0.25 * (sample['output_text'] == item['answer'])", 0.75, ""),
        ("def grade(sample, item):\n    print('noise')\n    return True", 1.0, ""),
        ("def grade(sample, item): return item['nothing']", None, "KeyError: 'nothing'"),
        ("def grade(sample, item): return 'a'", None, "ValueError: could not convert string to float: 'a'"),
        ("def grade(sample, item): return float('nan')", None, "the score is nan"),
        ("def score(sample, item): return 1", None, "KeyError: 'grade'"),
        ("def grade(:", None, "SyntaxError: invalid syntax"),
        ("while True: pass", None, "timeout"),
        ("import os; os._exit(3)", None, ""),
        ("open('/etc/passwd')", None, None),
    ],
)
def test_graders(source, score, error):
    grade = run_grader(source, {"output_text": "a"}, {"answer": "a"}, Limits(wall_s=0.5 if error == "timeout" else 10))
    assert grade.score == score
    assert error is None or grade.error == error


# Real data


def read_humaneval(shared_data):
    with gzip.open(shared_data / "humaneval/HumanEval.jsonl.gz", "rt") as stream:
        return [json.loads(line) for line in stream]


def read_mbpp(shared_data):
    return [json.loads(line) for line in (shared_data / "mbpp/mbpp.jsonl").read_text().splitlines()]


SAFE = """
def grade(sample, item, program):
    wrong = sum(program.add(a, b) != a + b for a, b in item["pairs"])
    return 1 - wrong / len(item["pairs"])
"""
ITEM = {"pairs": [[1, 2], [3, 4]]}


@pytest.mark.parametrize(
    ("completion", "score", "by_program"),
    [
        (f"```python\n{GOOD}```", 1.0, False),
        ("def add(a, b): return 3", 0.5, False),
        ("def add(a, b): return 1 / 0", None, True),
        ("def plus(a, b): return 3", None, True),
        ("def add(a, b:", None, True),
        ("I cannot.", None, True),
        ("import os\nos._exit(0)", None, True),
        ("def add(a, b):\n    while True: pass", None, True),
        ("import os\nos.kill(-1, 2)\ndef add(a, b): return 3", 0.5, False),
        ("import os\nos.kill(-1, 9)", None, True),
        ("class All(int):\n    def __ne__(self, other): return False\ndef add(a, b): return All()", 0.0, False),
        ("import os\nfor fd in range(64):\n    try: os.write(fd, b'{\"score\": 1}\\n')\n    except OSError: pass\nos._exit(0)", None, True),
        ("import sys\nfor m in list(sys.modules.values()): vars(m).get('float') and vars(m).update(float=lambda x: 1.0)", None, True),
    ],
)  # fmt: skip
def test_a_grader_that_is_given_the_program_keeps_its_score_to_itself(completion, score, by_program):
    found = run_grader(SAFE, {"output_text": completion}, ITEM, Limits(wall_s=1.5))
    assert (found.score, found.by_program) == (score, by_program)


def test_a_line_of_the_completion_is_not_the_graders_own():
    source = "def grade(sample, item):\n    exec(sample['output_text'])\n    return 0.25"
    forged = "import os\nos.write(4, b'{\"score\": 1.0}\\n')"
    assert run_grader(source, {"output_text": forged}, {}).score == 0.25
    assert run_grader(source, {"output_text": forged + "\nos._exit(0)"}, {}).score is None


def test_human_evals_own_examples(shared_data):
    problem = json.loads((shared_data / "humaneval/example_problem.jsonl").read_text())
    samples = (shared_data / "humaneval/example_samples.jsonl").read_text().splitlines()
    passed = [check(json.loads(s)["completion"], problem, timeout_s=1.0).passed for s in samples]
    assert passed == [False, False, False, True, True, True]


def test_canonical_solutions_pass_and_mutated_ones_fail(shared_data):
    problems = read_humaneval(shared_data)[::4]
    for row in problems:
        solution = row["canonical_solution"]
        assert told(check(solution, row)) == (True, 1.0, "passed"), row["task_id"]
        fenced = f"Here it is:\n```python\n{row['prompt']}{solution}```\nThat is all."
        assert check(fenced, row).passed, row["task_id"]
        assert check("    return None\n", row).passed is False
        assert check("    return 12345\n", row).passed is False


def test_mbpps_solutions_pass_and_mutated_ones_fail(shared_data):
    for row in read_mbpp(shared_data)[::12]:
        assert told(check(row["code"], row, challenge=True)) == (True, 1.0, "passed"), row["task_id"]
        mutated = row["code"].replace("return ", "return None and ")
        assert check(mutated, row).passed is False, row["task_id"]


# Tests as classes and functions

UNITTEST = """import unittest
from solution import add

class Sums(unittest.TestCase):
    def setUp(self):
        self.one = 1

    def test_small(self):
        self.assertEqual(add(self.one, 2), 3)

    def test_large(self):
        for a in range(3):
            with self.subTest(a=a):
                self.assertEqual(add(a, 5), a + 5)

if __name__ == "__main__":
    unittest.main()
"""
PYTEST = """import pytest
import solution

@pytest.mark.parametrize("a, b, c", [(1, 2, 3), (5, 5, 10)])
def test_sums(a, b, c):
    assert solution.add(a, b) == c

class TestMore:
    def test_floats(self):
        assert add(0.1, 0.2) == pytest.approx(0.3)

def test_texts():
    with pytest.raises(TypeError):
        add(1, "a")
"""


@pytest.mark.parametrize(
    ("completion", "test", "expected"),
    [
        (GOOD, UNITTEST, (True, 1.0, "passed")), (GOOD, PYTEST, (True, 1.0, "passed")),
        ("def add(a, b):\n    return 3\n", UNITTEST, (False, 0.5, "wrong answer")),
        ("def add(a, b):\n    return 3\n", PYTEST, (False, 0.0, "wrong answer")),
        ("def sub(a, b):\n    return 3\n", UNITTEST, (False, 0.0, "error: NameError")),
        ("class Any:\n    def __eq__(s, o): return True\ndef add(a, b):\n    return Any()\n", UNITTEST, (False, 0.0, "wrong answer")),
        ("import unittest\nunittest.TestCase.assertEqual = print\ndef add(a, b): return 0\n", UNITTEST, (False, 0.0, "wrong answer")),
        ("import os\ndef add(a, b): os._exit(0)\n", UNITTEST, (False, 0.0, "error: ended early")),
        (GOOD, "def test_sum(fix):\n    assert fix == 1", (None, None, "broken tests: SyntaxError: test_sum needs a fixture fix")),
        (GOOD, "import unittest\nclass T(unittest.TestCase):\n    def check(self): pass", (None, None, "no tests")),
        (GOOD, "import numpy as np\ndef test_a():\n    assert add(1, 2) == 3", (None, None, "broken tests: ModuleNotFoundError: No module named 'numpy'")),
        (GOOD, "import numpy_not_here_x as np\ndef test_sum():\n    assert np.array", (False, 0.0, "error: AttributeError")),
        (GOOD, "import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('later')\n    def test_a(self): pass", (None, None, "broken tests: a test is skipped: later")),
        ("async def add(a, b):\n    return a + b\n", "import asyncio\nasync def test_a():\n    assert await add(1, 2) == 3", (True, 1.0, "passed")),
    ],
)  # fmt: skip
def test_unit_tests_are_run(completion, test, expected):
    assert told(check(completion, {"test": test})) == expected


OWN = "class Low(ValueError): pass\ndef f(x):\n    if x < 0: raise Low('below 0')\n    return x\n"


@pytest.mark.parametrize(
    ("completion", "test", "passes"),
    [
        (OWN, "try:\n    f(-1)\n    assert False\nexcept Low as e:\n    assert str(e) == 'below 0'", True),
        (OWN, "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass", True),
        (OWN, "try:\n    f(-1)\n    assert False\nexcept (KeyError, Low):\n    pass", True),
        (OWN, "try:\n    f(-1)\n    assert False\nexcept KeyError:\n    pass", False),
        (OWN, "try:\n    f(1)\n    assert False\nexcept Low:\n    pass", False),
        ("class Low(Exception): pass\ndef f(x): raise KeyError(x)", "try:\n    f(-1)\nexcept Low:\n    pass", False),
        ("class Low(StopIteration): pass\ndef f(x): raise Low()", "assert all(map(f, [1, 2]))", False),
        ("async def f(x):\n    return x", "import asyncio\nassert asyncio.run(f(3)) == 3", True),
        ("async def f(x):\n    return x", "import asyncio\nassert asyncio.run(f(3)) == 4", False),
        ("async def f(x):\n    return x", "assert f(3) == 3", False),
        ("async def f(x):\n    raise ValueError(x)", "import asyncio\nassert asyncio.run(f(3)) == 3", False),
    ],
)  # fmt: skip
def test_own_exceptions_and_coroutines(completion, test, passes):
    assert check(completion, {"test_list": [test]}).passed is passes


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"test_list": ["# assert f(1) == 1"]}, "no tests"), ({"test_list": ["'assert f(1) == 1'", "pass"]}, "no tests"),
        ({"test": "def check(candidate):\n    pass", "entry_point": "add"}, "no tests"),
        ({"cases": {"inputs": ["1"], "outputs": []}}, "bad cases"), ({"cases": {"inputs": [[1]], "outputs": [1], "fn_name": "f"}}, "bad cases"),
    ],
)  # fmt: skip
def test_tests_that_test_nothing_pass_nothing(fields, reason):
    assert told(run_verifier(verify_code, Case(GOOD, fields=fields), verify_code.options)) == (None, None, reason)


def test_cases_of_apps_are_read():
    cases = {"inputs": ["1\n", "2\n"], "outputs": ["2\n", "4\n"]}
    for given in (cases, json.dumps(cases)):
        assert told(check("print(int(input()) * 2)", {"cases": given})) == (True, 1.0, "passed")
        assert told(check("print(2)", {"cases": given})) == (False, 0.5, "wrong answer")
