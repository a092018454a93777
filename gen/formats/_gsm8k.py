"""GSM8K: ``question``, and ``answer`` with the solution and, behind ``####``, the number."""

from ...store import MARK, SourceRow, parse_problem
from ._base import Format
from ._record import PROBLEM, BadRow, CannotWrite, Problem, Record, Row, say


class GSM8K(Format):
    """Becomes a problem, and its solution a sample."""

    name = "gsm8k"
    title = "GSM8K: question, answer that ends in #### and the number"
    kinds = frozenset({PROBLEM})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        answer = row.get("answer")
        return float("question" in row and isinstance(answer, str) and MARK in answer)

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        parsed = parse_problem(SourceRow(0, row), "gsm8k")
        if isinstance(parsed, str):
            raise BadRow(parsed)
        question, answer, solution, _ = parsed
        prompt = ({"role": "user", "content": question},)
        return Record(prompt, (say(solution or ""),), problem=Problem(question, answer, solution))

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        problem = record.problem
        if problem is None:
            raise CannotWrite("gsm8k wants a question with a known answer")
        solution = problem.solution
        if solution is None or MARK not in solution:
            solution = f"{solution or ''}\n{MARK} {problem.answer}".lstrip("\n")
        return {"question": problem.question, "answer": solution}
