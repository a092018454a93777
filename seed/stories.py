"""The documents of the small world, and the tasks over them: questions, steps, critiques and revisions.

A story is a passage of a few sentences about somebody's things; several questions can be asked of it. It comes from the
same scenes as the word problems of :mod:`~flywheel.seed.world`, and keeps their guarantee: each question that needs
arithmetic has a core, and a story of a split asks only questions whose core the split owns.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from . import world
from .world import Problem, split_of

TYPES = ("factual", "arithmetic")
DIFFICULTIES = ("easy", "hard")


@dataclass(frozen=True)
class Question:
    """A question over a story.

    Attributes:
        quote: the sentence of the story that proves the answer, or the last one that it needs.
        solution: in GSM8K's format, one step a line; of a question that one sentence answers, that sentence's fact.
        problem: the word problem that it is, story included; None where no arithmetic is asked for.
    """

    question: str
    quote: str
    solution: str
    kind: str
    problem: Problem | None = None

    @property
    def type(self) -> str:
        """``factual`` or ``arithmetic``."""
        return TYPES[self.problem is not None]

    @property
    def final(self) -> str:
        """The number behind ``####``."""
        return self.solution.rsplit("#### ", 1)[1]

    @property
    def answer(self) -> str:
        """The answer in sentences, as a question/answer pair has it."""
        *steps, _ = self.solution.splitlines()
        return " ".join([*steps, f"The answer is {self.final}."])


@dataclass(frozen=True)
class Story:
    """A passage, with everything that the tasks ask of it."""

    text: str
    questions: tuple[Question, ...]

    def find(self, question: str) -> Question | None:
        """Return the question that ``question`` is, in either wording of what is left; None when it is none of the story's."""
        wanted = _same_wording(question)
        return next((q for q in self.questions if _same_wording(q.question) == wanted), None)


def _same_wording(question: str) -> str:
    return question.replace(" in the end?", " now?")


def _facts(s: world._Scene) -> Iterator[Question]:
    """Yield what single sentences say."""
    for sentence in s.text:
        if found := re.fullmatch(r"(?:The (shop) of )?(\w+) has (\d+) (\w+)\.", sentence):
            shop, name, n, thing = found.groups()
            if name == s.name:
                continue
            whose = f"the shop of {name}" if shop else name
            yield _fact(
                f"How many {thing} does {whose} have?", sentence, f"{whose[0].upper()}{whose[1:]} has {n} {thing}.", n
            )
        elif found := re.fullmatch(r"(\w+) is (\d+) years old\.", sentence):
            yield _fact(f"How old is {found[1]}?", sentence, sentence, found[2])
        elif found := re.fullmatch(r"Each \w+ costs (\d+) dollars\.|The \w+ cost (\d+) dollars each\.", sentence):
            n = found[1] or found[2]
            yield _fact(
                f"How many dollars does each {s.item[:-1]} cost?", sentence, f"Each {s.item[:-1]} costs {n} dollars.", n
            )
    first = next(t for t in s.text if t.startswith(s.name) or f"table of {s.name}" in t)
    numbers = re.findall(r"\d+", first)
    if len(numbers) == 1:
        yield _fact(
            f"How many {s.item} does {s.name} have at first?",
            first,
            f"{s.name} has {numbers[0]} {s.item} at first.",
            numbers[0],
        )
    else:
        box = next(c for c in world.CONTAINERS if c in first)
        yield _fact(f"How many {box} does {s.name} have?", first, f"{s.name} has {numbers[0]} {box}.", numbers[0])


def _fact(question: str, quote: str, statement: str, n: str) -> Question:
    return Question(question, quote, f"{statement}\n#### {n}", "fact")


def _try_story(rng: random.Random) -> tuple[Story, list[str]] | None:
    name, other, helper = rng.sample(world.NAMES, 3)
    s = world._Scene(rng, name, other, helper, rng.choice(world.ITEMS))
    if not rng.choice((world._start_plain, world._start_plain, world._start_boxes))(s):
        return None
    if not all(rng.choice(world.MIDDLES)(s) for _ in range(rng.choice((0, 1, 1, 2)))) or len(s.lines) > 2:
        return None
    told = [*s.text]
    endings: list[Callable[[world._Scene], bool]] = [
        e for e, share in ((world._ask_price, 0.6), (rng.choice((world._ask_more, world._ask_fewer, world._ask_together)), 0.9))
        if rng.random() < share
    ]  # fmt: skip
    if rng.random() < 0.2:
        endings = [world._ask_share]
    rng.shuffle(endings)
    scenes = [replace(s, text=[], lines=[*s.lines], core=[*s.core]) for _ in endings]
    if not all(end(scene) for end, scene in zip(endings, scenes, strict=True)):
        return None
    s.text = told + [sentence for scene in scenes for sentence in scene.text]
    if rng.random() < 0.7:
        world._distract(s)
    text, questions = " ".join(s.text), []
    if s.lines:
        world._ask_left(s)
        scenes.append(replace(s, text=[told[-1]]))
    for scene in scenes:
        solution = "\n".join([*scene.lines, f"#### {scene.quantity}"])
        core = "|".join(scene.core)
        problem = Problem(f"{text} {scene.question}", solution, len(scene.lines), core)
        questions.append(Question(scene.question, scene.text[-1], solution, problem.kind, problem))
    questions += _facts(s)
    rng.shuffle(questions)
    return Story(text, tuple(questions)), [q.problem.core for q in questions if q.problem is not None]


def tell(split: str, seed: int) -> Iterator[Story]:
    """Yield stories of ``split`` without end; all arithmetic that can be asked of one has its core in the split."""
    rng = random.Random(f"stories/{split}/{seed}")
    while True:
        made = _try_story(rng)
        if made is not None and made[1] and all(split_of(core) == split for core in made[1]):
            yield made[0]
