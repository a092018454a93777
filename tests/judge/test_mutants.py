"""Broken versions of programs: one fault each, of several kinds, and none where nothing can be broken."""

from flywheel.judge import make_mutants

GRADE = '''
LIMIT = 3

def grade(n: "0", kind="plain"):
    """Return 'low' or not."""
    if n <= LIMIT and kind:
        return f"low {n:>4}"
    return n * 2
'''


def test_each_kind_of_fault_comes_first_once_and_every_version_differs_from_the_program():
    found = make_mutants(GRADE, most=4)
    assert [m.kind for m in found] == ["nothing", "comparison", "operator", "constant"]
    more = make_mutants(GRADE, most=50)
    assert more[:4] == found and len({m.code for m in more}) == len(more) > 6
    for mutant in more:
        compile(mutant.code, "mutant", "exec")
        assert (
            mutant.code.count("\n") > 3
            and "'0'" in mutant.code
            and ("low {n:>4}" in mutant.code or mutant.kind in ("nothing", "return"))
        ), "texts and notes are left alone"
        assert "Return 'low' or not." in mutant.code
    assert any("n > LIMIT" in m.code for m in more) and any("n + 2" in m.code for m in more)
    assert any("or kind" in m.code for m in more) and any("LIMIT = 4" in m.code for m in more)


def test_every_version_behaves_otherwise():
    def grades(code):
        names = {}
        exec(code, names)
        return [names["grade"](n, *rest) for n, *rest in ((0,), (3,), (4,), (9, ""), (2, ""))]

    right = grades(GRADE)
    seen = [grades(m.code) != right for m in make_mutants(GRADE, most=50)]
    assert sum(seen) >= len(seen) - 1, "at most the default that only its truth counts of"


PRIME = """
def is_prime(n):
    if n < 2:
        return False
    for d in range(2, n):
        if n % d == 0:
            return False
    return True
"""


def test_the_version_that_returns_nothing_does_so_everywhere_and_one_return_that_good_tests_cannot_see_is_another_fault():
    def passes(code, tests):
        names = {}
        exec(code, names)
        return all(eval(test, names) for test in tests)

    good = ["is_prime(7)", "is_prime(2)", "not is_prime(9)", "not is_prime(1)"]
    first, *others = make_mutants(PRIME, most=4)
    assert first.kind == "nothing" and "return False" not in first.code and "return True" not in first.code
    assert passes(PRIME, good) and not any(passes(m.code, good) for m in (first, *others))
    assert passes(first.code, ["not is_prime(9)", "callable(is_prime)"]), (
        "tests that look at nothing else are worth nothing"
    )
    single = [m for m in make_mutants(PRIME, most=50) if m.kind == "return"]
    assert [passes(m.code, good) for m in single] == [True, True, False], "None is as false as False"
    assert [m.kind for m in make_mutants("def f(n):\n    return n")] == ["nothing"], "the same once more is none"


def test_a_function_that_returns_nothing_does_nothing_and_what_is_no_program_has_no_version():
    (mutant,) = make_mutants("def tidy(xs):\n    xs.sort()")
    assert (mutant.kind, mutant.line) == ("nothing", 1) and "sort" not in mutant.code
    assert make_mutants("import os") == make_mutants("Sure, here it is: def") == make_mutants("") == []
    assert (
        "self.n = n"
        in make_mutants(
            "class A:\n    def __init__(self, n):\n        self.n = n\n    def go(self):\n        return self.n"
        )[0].code
    )
