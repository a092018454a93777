"""The small world of the embedded default: generated word problems in GSM8K's format.

Guarantees: a problem is a pure function of ``(split, seed, index)``; splits are disjoint by construction, because
a problem belongs to the split that the hash of its *core* (the story's skeleton and its numbers, without names,
wording and distractors) falls into. Renaming a person can therefore never carry a held-out problem into training.

Not guaranteed: that the prose is pretty. It is short, regular English that a model of two million parameters learns.
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

NAMES = [
    "Anna",
    "Ben",
    "Carla",
    "David",
    "Emma",
    "Felix",
    "Grace",
    "Henry",
    "Ida",
    "Jack",
    "Karim",
    "Lena",
    "Maria",
    "Noah",
    "Olga",
    "Peter",
    "Rosa",
    "Sam",
    "Tara",
    "Umar",
    "Vera",
    "Will",
    "Yusuf",
    "Zoe",
]
ITEMS = [
    "apples",
    "pears",
    "plums",
    "cards",
    "stamps",
    "marbles",
    "pencils",
    "books",
    "shells",
    "coins",
    "stickers",
    "cookies",
    "eggs",
    "roses",
    "beads",
    "buttons",
    "stones",
    "tickets",
    "candles",
    "balloons",
]
CONTAINERS = ["boxes", "bags", "baskets", "trays", "jars"]

SPLITS: dict[str, range] = {
    "gate": range(0, 10),
    "report": range(10, 20),
    "loop": range(20, 60),
    "pretrain": range(60, 100),
}
"""Which hundredths of the hash space of problem cores each split owns."""

ASKED = ("price", "bags", "more", "fewer", "both")
"""Kinds of questions that need a step of their own; any other asks what is left."""

MAX_QUANTITY = 200
MIN_QUANTITY = 2


@dataclass(frozen=True)
class Problem:
    """One word problem: ``question`` and ``answer`` are GSM8K's fields, the rest says where it came from."""

    question: str
    answer: str
    n_steps: int
    core: str

    @property
    def kind(self) -> str:
        """What the question asks: ``price``, ``bags``, ``more``, ``fewer``, ``both`` or ``left``."""
        mark = re.match("[a-z]+", self.core.rsplit("|", 1)[-1])
        return mark[0] if mark and mark[0] in ASKED else "left"

    @property
    def hasty_answer(self) -> str:
        """The solution of an author who stops one step early; a one-step problem has none but the right one."""
        lines = self.answer.splitlines()[:-1]
        if len(lines) < 2:
            return self.answer
        result = lines[-2].rsplit("= ", 1)[1].split(" ", 1)[0]
        return "\n".join([*lines[:-1], f"#### {result}"])

    @property
    def final(self) -> str:
        """The number behind ``####``."""
        return self.answer.rsplit("#### ", 1)[1]


@dataclass
class _Scene:
    rng: random.Random
    name: str
    other: str
    helper: str
    item: str
    quantity: int = 0
    text: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    core: list[str] = field(default_factory=list)
    question: str = ""

    def say(self, *choices: str, **values: object) -> None:
        words = {"a": self.name, "b": self.other, "c": self.helper, "x": self.item, "one": self.item[:-1], **values}
        self.text.append(self.rng.choice(choices).format(**words))

    def step(self, mark: str, subject: str, op: str, left: int, right: int, unit: str) -> bool:
        result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[op]
        if not MIN_QUANTITY <= result <= MAX_QUANTITY or (op == "/" and left % right):
            return False
        self.lines.append(f"{subject} {left} {op} {right} = {result} {unit}.")
        self.core.append(f"{mark}{op}{right}")
        self.quantity = result
        return True


def _start_plain(s: _Scene) -> bool:
    s.quantity = s.rng.randint(4, 30)
    s.core.append(f"has{s.quantity}")
    s.say(
        "{a} has {n} {x}.", "{a} starts the day with {n} {x}.", "There are {n} {x} on the table of {a}.", n=s.quantity
    )
    return True


def _start_boxes(s: _Scene) -> bool:
    count, each, box = s.rng.randint(2, 6), s.rng.randint(2, 9), s.rng.choice(CONTAINERS)
    s.core.append(f"box{count}")
    s.say("{a} has {k} {box} with {n} {x} in each.", "{a} fills {k} {box} with {n} {x} each.", k=count, n=each, box=box)
    return s.step("box", f"{s.name} has", "*", count, each, s.item)


def _gain(s: _Scene) -> bool:
    n = s.rng.randint(2, 30)
    s.say(
        "{a} buys {n} more.",
        "Then {a} finds {n} more {x}.",
        "{c} gives {a} {n} {x}.",
        "{a} gets {n} more {x} from {c}.",
        n=n,
    )
    return s.step("gain", f"{s.name} has", "+", s.quantity, n, s.item)


def _lose(s: _Scene) -> bool:
    n = s.rng.randint(2, 30)
    s.say(
        "{a} gives {n} {x} to {c}.",
        "{a} loses {n} of them.",
        "Then {a} sells {n} {x}.",
        "{c} takes {n} {x} from {a}.",
        n=n,
    )
    return s.step("lose", f"{s.name} has", "-", s.quantity, n, s.item)


def _grow(s: _Scene) -> bool:
    k = s.rng.randint(2, 4)
    s.say("After a week {a} has {k} times as many {x}.", "By summer the {x} of {a} become {k} times as many.", k=k)
    return s.step("grow", f"{s.name} has", "*", s.quantity, k, s.item)


def _halve(s: _Scene) -> bool:
    s.say("{a} gives half of the {x} to {c}.", "Half of the {x} break.", "{a} sells half of the {x}.")
    return s.step("half", f"{s.name} has", "/", s.quantity, 2, s.item)


MIDDLES: tuple[Callable[[_Scene], bool], ...] = (_gain, _lose, _grow, _halve)


def _ask_left(s: _Scene) -> bool:
    s.question = s.rng.choice(("How many {x} does {a} have now?", "How many {x} does {a} have in the end?")).format(
        a=s.name, x=s.item
    )
    return True


def _ask_price(s: _Scene) -> bool:
    p = s.rng.randint(2, 5)
    s.say("Each {one} costs {p} dollars.", "The {x} cost {p} dollars each.", p=p)
    s.question = f"How many dollars are the {s.item} of {s.name} worth?"
    return s.step("price", "They are worth", "*", s.quantity, p, "dollars")


def _ask_share(s: _Scene) -> bool:
    k = s.rng.randint(2, 6)
    s.say("{a} packs all {x} into bags of {k}.", "{a} puts the {x} into bags with {k} in each bag.", k=k)
    s.question = f"How many bags does {s.name} fill?"
    return s.step("bags", f"{s.name} fills", "/", s.quantity, k, "bags")


def _ask_more(s: _Scene) -> bool:
    n = s.rng.randint(2, 30)
    s.say("{b} has {n} {x} more than {a}.", "{b} has {n} more {x} than {a} has now.", n=n)
    s.question = f"How many {s.item} does {s.other} have?"
    return s.step("more", f"{s.other} has", "+", s.quantity, n, s.item)


def _ask_fewer(s: _Scene) -> bool:
    n = s.rng.randint(2, 30)
    s.say("{b} has {n} {x} fewer than {a}.", "{b} has {n} fewer {x} than {a} has now.", n=n)
    s.question = f"How many {s.item} does {s.other} have?"
    return s.step("fewer", f"{s.other} has", "-", s.quantity, n, s.item)


def _ask_together(s: _Scene) -> bool:
    n = s.rng.randint(2, 30)
    s.say("{b} has {n} {x}.", "{b} owns {n} {x}.", n=n)
    s.question = f"How many {s.item} do {s.name} and {s.other} have together?"
    return s.step("both", "Together they have", "+", s.quantity, n, s.item)


ENDS: tuple[Callable[[_Scene], bool], ...] = (_ask_price, _ask_share, _ask_more, _ask_fewer, _ask_together)


def _distract(s: _Scene) -> None:
    third = s.rng.choice([n for n in NAMES if n not in (s.name, s.other, s.helper)])
    thing = s.rng.choice([i for i in ITEMS if i != s.item])
    n = s.rng.randint(2, 60)
    line = s.rng.choice(
        (f"{third} has {n} {thing}.", f"{third} is {n} years old.", f"The shop of {third} has {n} {thing}.")
    )
    s.text.insert(s.rng.randint(0, len(s.text)), line)


def _try_problem(rng: random.Random, n_steps: int) -> Problem | None:
    name, other, helper = rng.sample(NAMES, 3)
    s = _Scene(rng, name, other, helper, rng.choice(ITEMS))
    start = rng.choice((_start_plain, _start_plain, _start_boxes))
    if not start(s):
        return None
    end = rng.choice((_ask_left, *ENDS)) if n_steps > 1 else rng.choice(ENDS if start is _start_plain else (_ask_left,))
    middles = n_steps - len(s.lines) - (end is not _ask_left)
    if middles < 0 or not all(rng.choice(MIDDLES)(s) for _ in range(middles)) or not end(s):
        return None
    if rng.random() < 0.3:
        _distract(s)
    question = " ".join([*s.text, s.question])
    return Problem(question, "\n".join([*s.lines, f"#### {s.quantity}"]), n_steps, "|".join(s.core))


def split_of(core: str) -> str:
    """Name the split that owns a problem core."""
    bucket = int.from_bytes(hashlib.blake2b(core.encode(), digest_size=8).digest(), "big") % 100
    return next(name for name, owned in SPLITS.items() if bucket in owned)


def generate(split: str, seed: int, steps: dict[int, float]) -> Iterator[Problem]:
    """Yield problems of ``split`` without end; ``steps`` weighs the step counts, e.g. ``{2: 0.5, 3: 0.5}``."""
    rng = random.Random(f"{split}/{seed}")
    counts, weights = list(steps), list(steps.values())
    while True:
        n_steps = rng.choices(counts, weights)[0]
        problem = None
        while problem is None or split_of(problem.core) != split:
            problem = _try_problem(rng, n_steps)
        yield problem


def generate_distinct(split: str, seed: int, steps: dict[int, float], n: int) -> list[Problem]:
    """Return ``n`` problems of ``split`` with pairwise different cores."""
    seen: dict[str, Problem] = {}
    for problem in generate(split, seed, steps):
        seen.setdefault(problem.core, problem)
        if len(seen) == n:
            return list(seen.values())
    raise AssertionError("unreachable: generate() does not end")
